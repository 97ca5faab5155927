"""Each kind of check: how it is called, what it expects by default, and how it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any

from drillkit.checks import canary
from drillkit.checks.context import Context, Copy
from drillkit.checks.dialect import Dialect, dialect, moment
from drillkit.checks.expectation import Expectation, as_number, scalar
from drillkit.checks.reader import one_row, opened
from drillkit.checks.touch import empty_passes
from drillkit.clients import command
from drillkit.clients.http_get import fetch
from drillkit.clock import by_their_clock, utc
from drillkit.entry_points import Registry
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import from_data
from drillkit.model.drill import StepCheck
from drillkit.model.errors import Absent, DrillError, UsageError
from drillkit.model.evidence import Comparison, Evidence, RecoveryPoint, Scalar
from drillkit.model.units import format_duration
from drillkit.secrets import excerpt

NOT_RUN = (126, 127)
"""Exit codes of a shell that cannot run a command (POSIX 2.8.2)."""
CLOCK_SLACK_S = 60.0
"""So much younger than the disruption restored data may be: the original was written to
meanwhile.
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What a check found."""

    found: Scalar
    more: tuple[Evidence, ...] = ()
    """Other evidence that came with it."""
    why: str = ""
    instead: Expectation | None = None
    """What it is compared with, where what was declared does not apply."""


@dataclass(frozen=True, slots=True)
class CheckKind:
    """One kind of check."""

    default: Expectation
    """What it is compared with when the drill says nothing."""
    look: Callable[[Context, Copy, StepCheck], Look]
    """Reads once. Raises DrillError when it cannot: then the check is tried again in its time, and
    its last word is that nobody could look.
    """
    said: Callable[[StepCheck], str]
    """Its name in the report, where the drill gives none."""
    reads_database: bool = True
    """It reads data that do not change by themselves: what was read stands."""
    Arguments: type | None = None
    """A frozen dataclass: its fields are the keys of `with`. Only of checks of other packages."""

    def arguments(self, check: StepCheck) -> Any:
        """What stands in the check's `with`, as `Arguments`."""
        return from_data(self.Arguments, dict(check.with_)) if self.Arguments else None


def key_of(check: StepCheck) -> str:
    """`sql`, `http`, ...: what a check is about. Raises UsageError for one without a subject."""
    if not check.subjects:
        raise UsageError(f"expected one of {', '.join(check.SUBJECTS)} in a check, found none")
    return check.subjects[0]


def kind_of(check: StepCheck) -> CheckKind:
    """The kind of a check. Raises UsageError for one without a subject, or that is not
    installed.
    """
    return plugged_in(str(check.uses)) if key_of(check) == "uses" else KINDS[key_of(check)]


def plugged_in(name: str) -> CheckKind:
    """A check that another package brings. Raises UsageError when none of that name is there."""
    try:
        return PLUGGED_IN.load(name)
    except KeyError:
        known = ", ".join(f"`{key}`" for key in PLUGGED_IN.names()) or "none"
        raise UsageError(
            f"expected an installed check `{name}` (an entry point of group "
            f"`{PLUGGED_IN.group}`); installed: {known}"
        ) from None


def _misfit(name: str, found: object) -> str:
    if not isinstance(found, CheckKind):
        return f"expected a CheckKind, found {type(found).__name__}"
    if found.Arguments is not None and not is_dataclass(found.Arguments):
        return "its `Arguments` are no dataclass"
    return ""


PLUGGED_IN: Registry[CheckKind] = Registry("drillkit.checks", "check", _misfit)
"""Checks of other packages."""


def _words(copy: Copy) -> Dialect:
    if copy.database is None:
        raise UsageError(
            f"{copy.name} is no database: `sql`, `rows`, `newest`, `checksum` and `canary` do "
            "not apply"
        )
    return dialect(copy.database.engine)


def _sql(host: Context, copy: Copy, check: StepCheck) -> Look:
    _words(copy)
    row = restored_row(host, copy, check, str(check.sql))
    if row is None:
        why = _only_the_copy_lacks(host, copy, check, str(check.sql), "answers with no row")
        return Look("nothing", why=why, instead=Expectation("==", "a row"))
    return Look(as_number(scalar(row[0])))


def _rows(host: Context, copy: Copy, check: StepCheck) -> Look:
    words = _words(copy)
    query = words.count(_table(check))
    row = restored_row(host, copy, check, query)
    if row is None:
        return Look(0, why="the original has such a table, the copy has none")
    if int(row[0]) or (check.expect is not None and empty_passes(check.expect)):
        return Look(int(row[0]))
    return Look(0, why=_only_the_copy_lacks(host, copy, check, query, f"{check.table} is empty"))


def _only_the_copy_lacks(host: Context, copy: Copy, check: StepCheck, query: str, what: str) -> str:
    """What the original says where the copy has nothing; '' where it cannot be asked.

    Raises UsageError when it has nothing either: nothing could be lost, so that nothing is shown.
    """
    if copy.original is None:
        return ""
    try:
        with opened(host, copy, check.from_, "original", check.database) as session:
            row = one_row(session, query)
    except DrillError as error:
        return f"the original was not asked: {error}"
    if row is None or row[0] in (None, "", 0):
        raise UsageError(f"{what}, in the original, too: nothing could be lost, nothing is shown")
    return f"the original answers {scalar(row[0])}"


def restored_row(host: Context, copy: Copy, check: StepCheck, query: str) -> list[Any] | None:
    """The first row of a query of the copy; None, too, where only the original has such a table.

    Raises Absent when neither has it (the check is wrong, not the backup) or nobody can
    say, CallError.
    """
    try:
        with opened(host, copy, check.from_, "copy", check.database) as session:
            return one_row(session, query)
    except Absent as missing:
        if copy.original is None:
            raise
        try:
            with opened(host, copy, check.from_, "original", check.database) as session:
                session.rows(query)
        except DrillError:
            raise missing from None
        return None


def _newest(host: Context, copy: Copy, check: StepCheck) -> Look:
    """Age of the newest row at the disruption. What the original held just before it, where that
    can be asked.
    """
    words, table, column = _words(copy), _table(check), str(check.newest)
    same_clock = False
    row = restored_row(host, copy, check, words.newest(table, column))
    if row is None or row[0] in (None, ""):
        why = _only_the_copy_lacks(
            host, copy, check, words.newest(table, column), f"{table} is empty"
        )
        return Look("no row", why=f"{table} is empty; {why}", instead=Expectation("==", "a row"))
    at, lost = moment(row[0]), _by_its_clock(host, copy.disrupted)
    why = (
        f"newest row of {table}.{column} is of {at:%Y-%m-%d %H:%M:%S} UTC, against the "
        "disruption itself"
    )
    if copy.original is not None:
        try:
            with opened(host, copy, check.from_, "original", check.database) as session:
                before = one_row(session, words.newest(table, column, lost))
            if before is not None and before[0] not in (None, ""):
                lost, same_clock = moment(before[0]), True
                why = (
                    f"newest row of {table}.{column} is of {at:%H:%M:%S} UTC, the original's of "
                    f"{lost:%H:%M:%S} UTC"
                )
        except DrillError as error:
            why += f" (the original was not asked: {error})"
    age_s = (lost - at).total_seconds()
    if age_s < -CLOCK_SLACK_S:
        raise UsageError(
            f"{why}: that is {format_duration(-age_s)} before it, so the clocks are apart and "
            "nobody knows how old it is; set them by NTP, or keep the original within reach"
        )
    point = RecoveryPoint(at, "newest-row", lost if same_clock else copy.disrupted, same_clock)
    return Look(round(max(0.0, age_s), 3), (point,), why)


def _by_its_clock(host: Context, at: datetime) -> datetime:
    """A date of ours as a database of the target's account has it: its clock is taken to be that of
    the account, as far as that was compared.
    """
    if host.target.aws is None:
        return at
    return utc(by_their_clock(at.timestamp(), host.clients.aws.clock_offset_s))


def _checksum(host: Context, copy: Copy, check: StepCheck) -> Look:
    """How many parts of a key range differ between original and copy."""
    words, table, key = _words(copy), _table(check), str(check.checksum)
    low_high = _declared_range(check)
    if low_high is None:
        keys = words.key_range(table, key)
        row = restored_row(host, copy, check, keys)
        if row is None or row[0] in (None, ""):
            why = _only_the_copy_lacks(host, copy, check, keys, f"{table} is empty")
            return Look("no row in the copy", why=why, instead=Expectation("==", "rows to compare"))
        low_high = int(row[0]), int(row[1])
    with opened(host, copy, check.from_, "copy", check.database) as session:
        there = _sums(session, words, table, key, low_high)
    with opened(host, copy, check.from_, "original", check.database) as session:
        here = _sums(session, words, table, key, low_high)
    parts = sorted({*here, *there})
    differs = tuple(
        (f"part {p}", here.get(p), there.get(p)) for p in parts if here.get(p) != there.get(p)
    )
    subject = f"{table} by {key} {low_high[0]}..{low_high[1]}"
    return Look(len(differs), (Comparison("checksums", subject, len(parts), differs),))


def _sums(
    session: Any, words: Dialect, table: str, key: str, low_high: tuple[int, int]
) -> dict[int, str]:
    for statement in words.settled():
        session.rows(statement)
    columns = [] if words.postgres else [str(row[0]) for row in session.rows(words.columns(table))]
    rows = session.rows(words.checksums(table, key, *low_high, columns))
    return {int(part): f"{count} rows, {content}" for part, count, content in rows}


def _declared_range(check: StepCheck) -> tuple[int, int] | None:
    if check.keys is None:
        return None
    low, dots, high = check.keys.partition("..")
    try:
        if dots and int(low) <= int(high):
            return int(low), int(high)
    except ValueError:
        pass
    raise UsageError(f"expected `keys: 1..5000`, found `{check.keys}`")


def _canary(host: Context, copy: Copy, check: StepCheck) -> Look:
    _words(copy)
    state, beat = canary.examine(host, copy, check)
    if beat is None or state != canary.AUTHENTIC:
        return Look(state)
    return Look(
        state, (RecoveryPoint(beat.at, "canary", copy.disrupted),), f"of {beat.at:%H:%M:%S} UTC"
    )


def _http(host: Context, copy: Copy, check: StepCheck) -> Look:
    if isinstance(check.http, str):
        url = check.http
    elif copy.urls is None or check.http is None:
        raise UsageError(f"{copy.name} has no services: give `http` a URL")
    else:
        url = copy.urls(check.http)
    answer = fetch(url, min(10.0, max(1.0, host.deadline.left())))
    if check.expect is None or not 200 <= answer.status < 300:
        return Look(str(answer.status), why=url)
    return Look(as_number(excerpt(answer.text.strip(), 2000)), why=url)


def _service(check: StepCheck) -> str:
    """`web/health` of `{service: web, path: /health}`, or the URL."""
    if isinstance(check.http, Mapping):
        return f"{check.http.get('service', '')}{check.http.get('path', '')}"
    return str(check.http)


def _command(host: Context, copy: Copy, check: StepCheck) -> Look:
    assert check.command is not None
    there = copy.database
    env = {"DRILLKIT_RESTORED": copy.name}
    if there is not None:
        env |= {
            "DRILLKIT_HOST": there.host,
            "DRILLKIT_PORT": str(there.port),
            "DRILLKIT_DATABASE": there.name,
        }
    program = command.Program(check.command, env=env)
    deadline = host.deadline.sooner(check.within.total_seconds())
    ended = command.run(program, host.clients, deadline, host.clock)
    if why := _ended_early(ended):
        raise UsageError(f"`{check.command[0]}` {why}, so it found nothing")
    if check.expect is None:
        return Look(ended.code, why="" if ended.code == 0 else ended.last_line)
    if ended.code != 0:
        raise UsageError(f"`{check.command[0]}` ended with {ended.code}: {ended.last_line}")
    return Look(as_number(excerpt(ended.output.strip(), 2000)))


def _ended_early(ended: command.ProgramExit) -> str:
    """Why a program's exit code says nothing of what it was to look at, or ''."""
    if ended.cut:
        return "did not end in its time"
    if ended.code < 0:
        return f"was killed by signal {-ended.code}"
    if ended.code in NOT_RUN:
        return f"ended with {ended.code} ({ended.last_line}): something of it could not be run"
    return ""


def _table(check: StepCheck) -> str:
    if not check.table:
        raise UsageError("expected `table:` beside `rows`, `newest` and `checksum`")
    return check.table


KINDS: Mapping[str, CheckKind] = {
    "sql": CheckKind(
        Expectation(">", 0), _sql, lambda c: f"sql {' '.join(str(c.sql).split())[:80]}"
    ),
    "rows": CheckKind(Expectation(">", 0), _rows, lambda c: f"rows of {c.table}"),
    "newest": CheckKind(Expectation(">=", 0), _newest, lambda c: f"newest {c.table}.{c.newest}"),
    "checksum": CheckKind(
        Expectation("==", 0), _checksum, lambda c: f"checksum of {c.table} by {c.checksum}"
    ),
    "canary": CheckKind(
        Expectation("==", canary.AUTHENTIC), _canary, lambda c: f"canary {c.canary}"
    ),
    "http": CheckKind(
        Expectation("matches", r"^2\d\d$"), _http, lambda c: f"http {_service(c)}", False
    ),
    "command": CheckKind(
        Expectation("==", 0), _command, lambda c: f"command {' '.join(c.command or ())[:80]}", False
    ),
}
