"""The heartbeat in a restored database: its newest beat says how far the data reaches, if the beat
is authentic.
"""

from __future__ import annotations

from drillkit import secrets
from drillkit.checks.context import Context, Copy
from drillkit.checks.dialect import dialect, micros, moment
from drillkit.checks.reader import Which, one_row, opened
from drillkit.clients.canary.beat import Beat, table_of
from drillkit.model.drill import StepCheck
from drillkit.model.errors import Absent, DrillError, UsageError

AUTHENTIC = "authentic"


def examine(host: Context, copy: Copy, check: StepCheck) -> tuple[str, Beat | None]:
    """(`authentic` or what is wrong, the newest beat) of a restored copy.

    It must be signed with the target's key, and be byte for byte what the original holds of that
    time, as far as that can be asked. Raises CallError, UsageError when nobody can say.
    """
    try:
        found = _beat(host, copy, check, "copy")
    except Absent:
        if copy.original is None or _beat(host, copy, check, "original") is None:
            raise
        found = None  # the original has a heartbeat: the copy should have one, too
    if found is None:
        return "no heartbeat", None
    key = _key(host)
    if key and not found.signed_with(key):
        return "not signed with the target's key", found
    try:
        there, why = (
            _beat(host, copy, check, "original", micros(found.at)),
            "it keeps none of that time",
        )
    except DrillError as error:
        there, why = None, str(error)
    if there is None:
        if not key:
            raise UsageError(
                "neither a key (`canary_key` of the target) nor the original tells what the beat "
                f"should be: {why}"
            )
        return AUTHENTIC, found
    return (AUTHENTIC if there == found else "differs from the original's"), found


def _key(host: Context) -> bytes:
    if not host.target.canary_key:
        return b""
    return (
        secrets.resolve(host.target.canary_key, "canary_key", lambda: host.clients.aws)
        .strip()
        .encode()
    )


def _beat(
    host: Context, copy: Copy, check: StepCheck, which: Which, at: int | None = None
) -> Beat | None:
    """The newest beat, or that of a time in microseconds. Raises CallError, UsageError."""
    assert check.canary is not None
    there = copy.database if which == "copy" else copy.original
    words = dialect(there.engine if there is not None else "")
    with opened(host, copy, check.from_, which, check.database) as session:
        row = one_row(session, words.heartbeat(table_of(check.canary), at))
    return None if row is None else Beat(moment(row[0]), str(row[1]), str(row[2]))
