"""What keeps a drill from starting: its window, freezes, error budgets, alerts. A run writes each
decision down and stops at the first that says no; a plan shows them all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from drillkit.judge.abort_guards import guard_text
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill, Guard, StartWindow
from drillkit.model.verdict import Holds
from drillkit.steps.base import kind_named

if TYPE_CHECKING:
    from drillkit.spec.freezes import Freeze


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Decision:
    """What one guard says now."""

    guard: str
    holds: Holds
    """Only `met` lets the drill begin."""
    why: str


def decisions(
    drill: Drill,
    now: datetime,
    freezes: Mapping[str, Freeze],
    by_metrics: Callable[[Guard], tuple[Holds, str]],
) -> Iterator[Decision]:
    """The window's and each guard's of `guards.start`, one after the other.

    `now` is aware; `freezes` are those of the guards, by their text; `by_metrics` decides what is
    read from a metrics server.
    """
    if (window := drill.window) is not None:
        why = outside(window, now)
        text = f"window {window.hours} {window.timezone}"
        yield Decision(text, Holds.VIOLATED if why else Holds.MET, why)
    for guard in drill.guards.start:
        if guard.freeze is not None:
            yield Decision(guard_text(guard), *_freeze(drill, freezes.get(guard.freeze), now))
        else:
            yield Decision(guard_text(guard), *by_metrics(guard))


def _freeze(drill: Drill, freeze: Freeze | None, now: datetime) -> tuple[Holds, str]:
    if freeze is None:
        return Holds.UNKNOWN, "its calendar was not read"
    harmless = all(kind_named(step.uses).disturbs == "none" for step in drill.every_step)
    try:
        why = freeze.active(now, _zone(drill.window))
    except ValueError as error:
        return Holds.UNKNOWN, str(error)
    if freeze.unread:
        return (
            (Holds.MET, f"{freeze.unread}, but no step of the drill disturbs users")
            if harmless
            else (Holds.UNKNOWN, f"its calendar cannot be read: {freeze.unread}")
        )
    if not why:
        ignored = freeze.ignored
        said = f"{ignored} cancelled or free events do not count" if ignored else ""
        return Holds.MET, "; ".join(filter(None, (said, freeze.stale)))
    if harmless:
        return Holds.MET, f"{why}, but no step of the drill disturbs users"
    return Holds.VIOLATED, "; ".join(filter(None, (why, freeze.stale)))


def _zone(window: StartWindow | None) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(window.timezone if window is not None else "UTC")


def frozen(drill: Drill, freezes: Mapping[str, Freeze], now: datetime) -> str:
    """Why nobody may be disturbed at `now` (aware), by the freezes as they were read when the run
    began; or ''.
    """
    for freeze in freezes.values():
        # One that cannot be followed kept the run from starting.
        with contextlib.suppress(ValueError):
            if why := freeze.active(now, _zone(drill.window)):
                return f"a freeze has begun: {why}"
    return ""


def outside(window: StartWindow, now: datetime) -> str:
    """Why a drill may not begin at `now` (aware), or ''. A window may cross midnight; its day is
    that of its start.
    """
    local = now.astimezone(_zone(window))
    first, last = (_clock_time(part) for part in window.hours.split("-"))
    at = local.time().replace(tzinfo=None)
    crosses = last <= first
    inside = at >= first or at < last if crosses else first <= at < last
    day = local.date() - timedelta(days=1) if crosses and at < last else local.date()
    if not inside:
        return f"it is {local:%H:%M} in {window.timezone}; expected {window.hours}"
    if window.days and _DAYS[day.weekday()] not in window.days:
        return f"the window of {_DAYS[day.weekday()]} is not among {', '.join(window.days)}"
    return ""


def _clock_time(text: str) -> time:
    """`24:00` is the midnight at a day's end."""
    return time() if text == "24:00" else time.fromisoformat(text)
