"""Guards: what keeps a drill from starting, and what stops it. Each decision is written down."""

from __future__ import annotations

import contextlib
import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from drillkit.clock import Clock, utc
from drillkit.journal.file import Journal
from drillkit.judge.bounds import Fired, LiveBounds, guard_text
from drillkit.model.drill import Drill, Window
from drillkit.model.errors import JournalLost, Refused
from drillkit.model.evidence import Sample
from drillkit.model.records import Record
from drillkit.runner.stopping import Stopper

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class AbortGuards:
    """Watches the samples as they come and aborts the run when a guard of `guards.abort` fires."""

    def __init__(self, drill: Drill, journal: Journal, stopper: Stopper, clock: Clock) -> None:
        self._bounds = LiveBounds(drill)
        self._journal, self._stopper, self._clock = journal, stopper, clock

    def begin(self) -> None:
        """The steps begin: guards count from here on."""
        self._bounds.begin(self._clock.mono())

    def feed(self, sample: Sample, record: Record) -> None:
        """One second of one probe."""
        self._act_on(self._bounds.add(sample, record.mono))

    def tick(self) -> None:
        """Nothing came: that is what `blind` is about."""
        self._act_on(self._bounds.tick(self._clock.mono()))

    def _act_on(self, fired: list[Fired]) -> None:
        for guard in fired:
            data = {"place": "abort", "guard": guard.guard, "holds": str(guard.holds), "why": guard.why}
            with contextlib.suppress(JournalLost):
                self._journal.append("guard.decided", data, step="")
            self._stopper.abort(guard.by, f"{guard.guard}: {guard.why}")


def check_start(drill: Drill, journal: Journal, clock: Clock) -> None:
    """Decide the window and the guards of `guards.start` that need no metrics. Raises Refused for the first that
    says no, and for one that nobody can decide."""
    now = utc(clock.now())
    if drill.window is not None:
        _decide(journal, f"window {drill.window.hours} {drill.window.timezone}", outside(drill.window, now))
    for guard in drill.guards.start:
        if guard.subject == "freeze":
            assert guard.freeze is not None
            _decide(journal, guard_text(guard), frozen(guard.freeze, now.date()))
        else:
            _decide(journal, guard_text(guard), "nothing on this target can decide it: it has no `prometheus:`")


def _decide(journal: Journal, guard: str, why: str) -> None:
    holds = "violated" if why else "met"
    journal.append("guard.decided", {"place": "start", "guard": guard, "holds": holds, "why": why})
    if why:
        raise Refused(f"{guard}: {why}")


def outside(window: Window, now: datetime) -> str:
    """Why a drill may not begin at `now` (aware), or ''. A window may cross midnight; its day is that of its start."""
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
    """Why `today` is frozen by `YYYY-MM-DD..YYYY-MM-DD` (both inclusive), or ''. Raises Refused when unreadable."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", freeze)
    if not found:
        raise Refused(f"freeze `{freeze}` cannot be read: expected YYYY-MM-DD..YYYY-MM-DD")
    first, last = date.fromisoformat(found[1]), date.fromisoformat(found[2])
    return f"frozen from {first} to {last}" if first <= today <= last else ""
