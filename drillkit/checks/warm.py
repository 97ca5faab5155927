"""The first full read of a restored database: `available` is not warm, its blocks come from storage
when first read.
"""

from __future__ import annotations

from drillkit.checks.context import Context, Copy
from drillkit.checks.dialect import dialect
from drillkit.checks.reader import Here, opened
from drillkit.clock import Deadline
from drillkit.model.errors import DrillError
from drillkit.model.evidence import Measure, Note

MOST_TABLES = 2000


def answers(host: Context, copy: Copy) -> bool:
    """Whether the copy takes connections and answers. Raises Denied, UsageError, Absent."""
    with opened(host, copy, "here", "copy", None) as session:
        session.rows("select 1")
    return True


def warm(host: Context, copy: Copy, limit_s: float) -> None:
    """Read every table once, for `limit_s` seconds at most, and mark `warm`. What cannot be read is
    a note, no failure.

    Raises Refused when the run is aborted meanwhile.
    """
    if copy.database is None or not copy.login or limit_s <= 0:
        return
    deadline = host.deadline.sooner(limit_s)
    began = host.clock.mono()
    try:
        rows, tables, left = _read(host, copy, deadline)
    except DrillError as why:
        host.fence.check()
        host.observe(
            Note("drillkit", f"the restored data was not read in full: {why}", "observation")
        )
        return
    host.observe(Measure("first full read", round(host.clock.mono() - began, 3), "s"))
    host.observe(Measure("rows read", float(rows), "rows"))
    if left:
        text = (
            f"{left} of {tables + left} tables were not read within {limit_s:.0f} s: the copy is "
            "not warm"
        )
        host.observe(Note("drillkit", text, "observation"))
    else:
        host.mark("warm")


def _read(host: Context, copy: Copy, deadline: Deadline) -> tuple[int, int, int]:
    """(rows, tables read, tables not reached)."""
    assert copy.database is not None
    words, rows, done = dialect(copy.database.engine), 0, 0
    with Here(host, deadline.left()).open(copy.database, copy.login) as session:
        tables = session.rows(words.tables())[:MOST_TABLES]
        for schema, table in tables:
            host.fence.check()
            if deadline.over:
                break
            for statement in words.full_read(str(schema), str(table)):
                found = session.rows(statement)
            rows += int(found[0][0])
            done += 1
    return rows, done, len(tables) - done
