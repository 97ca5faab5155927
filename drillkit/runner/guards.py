"""Guards: what keeps a drill from starting, and what stops it. Each decision is written down."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from drillkit.clock import Clock, utc
from drillkit.journal.file import Journal
from drillkit.judge.abort_guards import Fired, LiveBounds, guard_text
from drillkit.model.drill import Drill, Guard, StartWindow
from drillkit.model.errors import JournalLost, Refused
from drillkit.model.evidence import Reading, Sample
from drillkit.model.records import GuardDecided, Record, SloTerms
from drillkit.model.verdict import Holds
from drillkit.runner.abort import Stopper

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class AbortGuards:
    """Watches the samples as they come and aborts the run when a guard of `guards.abort` fires."""

    def __init__(self, drill: Drill, journal: Journal, stopper: Stopper, clock: Clock) -> None:
        self._drill, self._bounds = drill, LiveBounds(drill)
        self._journal, self._stopper, self._clock = journal, stopper, clock

    def know(self, slos: Mapping[str, SloTerms]) -> None:
        """The terms of the SLOs that guards are about; before `begin`."""
        self._bounds = LiveBounds(self._drill, slos)

    def begin(self) -> None:
        """The steps begin: guards count from here on."""
        self._bounds.begin(self._clock.mono())

    def feed(self, sample: Sample, record: Record) -> None:
        """One second of one probe."""
        self._act_on(self._bounds.add(sample, record.mono))

    def read(self, record: Record) -> None:
        """Any record: a metrics server's answer counts as well as a probe's."""
        if isinstance(record.entry, Reading):
            self._act_on(self._bounds.add_reading(record.entry, record.mono))

    def tick(self) -> None:
        """Nothing came: that is what `blind` is about."""
        self._act_on(self._bounds.tick(self._clock.mono()))

    def _act_on(self, fired: list[Fired]) -> None:
        for guard in fired:
            decided = GuardDecided("abort", guard.guard, guard.holds, guard.why)
            with contextlib.suppress(JournalLost):
                self._journal.append(decided, step="")
            self._stopper.abort(guard.by, f"{guard.guard}: {guard.why}")


def check_start(
    drill: Drill, journal: Journal, clock: Clock, by_metrics: Callable[[Guard], tuple[Holds, str]]
) -> None:
    """Decide the window and the guards of `guards.start`. Raises Refused for the first that says
    no, and for one that nobody can decide. `by_metrics` decides what is read from a metrics server.
    """
    now = utc(clock.now())
    if drill.window is not None:
        why = outside(drill.window, now)
        _decide(journal, f"window {drill.window.hours} {drill.window.timezone}", _no(why), why)
    for guard in drill.guards.start:
        if guard.freeze is not None:
            why = frozen(guard.freeze, now.date())
            _decide(journal, guard_text(guard), _no(why), why)
        else:
            _decide(journal, guard_text(guard), *by_metrics(guard))


def _no(why: str) -> Holds:
    return Holds.VIOLATED if why else Holds.MET


def _decide(journal: Journal, guard: str, holds: Holds, why: str) -> None:
    journal.append(GuardDecided("start", guard, holds, why))
    if holds is not Holds.MET:
        raise Refused(f"{guard}: {why}")


def outside(window: StartWindow, now: datetime) -> str:
    """Why a drill may not begin at `now` (aware), or ''. A window may cross midnight; its day is
    that of its start.
    """
    local = now.astimezone(ZoneInfo(window.timezone))
    first, last = (time.fromisoformat(part) for part in window.hours.split("-"))
    at = local.time().replace(tzinfo=None)
    crosses = last <= first
    inside = at >= first or at < last if crosses else first <= at < last
    day = local.date() - timedelta(days=1) if crosses and at < last else local.date()
    if not inside:
        return f"it is {local:%H:%M} in {window.timezone}; expected {window.hours}"
    if window.days and _DAYS[day.weekday()] not in window.days:
        return f"the window of {_DAYS[day.weekday()]} is not among {', '.join(window.days)}"
    return ""


def frozen(freeze: str, today: date) -> str:
    """Why `today` is frozen by `YYYY-MM-DD..YYYY-MM-DD` (both inclusive), or ''. Raises Refused
    when unreadable.
    """
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", freeze)
    if not found:
        raise Refused(f"freeze `{freeze}` cannot be read: expected YYYY-MM-DD..YYYY-MM-DD")
    first, last = date.fromisoformat(found[1]), date.fromisoformat(found[2])
    return f"frozen from {first} to {last}" if first <= today <= last else ""
