"""The moments at which a drill starts by itself: its cadence within its window, as a cron
expression.

A word such as `monthly` is one run in each calendar period. Its expression names more moments than
that: each hour of the window, and each day on which the window could first open. A start that was
refused is so tried again, and `due` passes over the moments that are left once a run has begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import StartWindow
from drillkit.model.units import Cadence

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""As cron counts them, from 0."""
_AT = (3, 0)
"""Where a drill has no window: 03:00."""
_DAYS_AND_MONTHS = {
    "daily": ("*", "*"),
    "weekly": ("*", "*"),
    "monthly": ("1", "*"),
    "quarterly": ("1", "1,4,7,10"),
    "yearly": ("1", "1"),
}
_FIRST_WEEK = "1-7"
_LOOK_AHEAD = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Times:
    """When one drill starts."""

    cadence: Cadence
    expression: str
    """Five fields of cron, by the clocks of `zone`."""
    zone: ZoneInfo
    days: frozenset[int] = frozenset(range(7))
    """Of those moments, the ones on these weekdays count (0 is Monday): of the first week of a
    month the days that the window allows, which cron cannot say.
    """

    def after(self, moment: datetime, count: int) -> list[datetime]:
        """The next `count` moments after `moment` (aware), in the zone."""
        return list(islice(self._fires(moment), count))

    def latest(self, moment: datetime) -> datetime | None:
        """The last moment up to and with `moment` (aware); None: there was none."""
        from cronsim import CronSim

        after = moment.astimezone(self.zone) + timedelta(seconds=1)
        fired = CronSim(self.expression, after, reverse=True)
        return next((at for at in fired if at.weekday() in self.days), None)

    def in_gap(self, moment: datetime) -> datetime | None:
        """The first time of day within a year that the expression names and the clocks skip, as
        Debian's cron would start then; None: they skip none.
        """
        from cronsim import CronSim

        naive = moment.astimezone(self.zone).replace(tzinfo=None)
        for local in CronSim(self.expression, naive):
            if local > naive + _LOOK_AHEAD:
                return None
            there = local.replace(tzinfo=self.zone)
            if _as_utc_and_back(there).replace(tzinfo=None) != local:
                return _as_utc_and_back(there)
        return None

    def _fires(self, moment: datetime) -> Iterator[datetime]:
        from cronsim import CronSim

        fires = CronSim(self.expression, moment.astimezone(self.zone))
        yield from (at for at in fires if at.weekday() in self.days)


def times_of(cadence: Cadence, window: StartWindow | None) -> Times:
    """When a drill with this cadence starts within this window."""
    zone = ZoneInfo(window.timezone if window is not None else "UTC")
    if cadence.text not in Cadence.WORDS:
        return Times(cadence, cadence.text, zone)
    hours, minute = _hours(window)
    allowed = window.days if window is not None else ()
    day, month = _DAYS_AND_MONTHS[cadence.text]
    weekday, days = "*", frozenset(range(7))
    if cadence.text in ("daily", "weekly"):
        weekday = _weekdays(allowed) or ("*" if cadence.text == "daily" else "1")
    elif allowed:
        # Which day of the first week that is, cron cannot say: both fields together mean `or`.
        day, days = _FIRST_WEEK, frozenset((WEEKDAYS.index(name) - 1) % 7 for name in allowed)
    expression = f"{minute} {','.join(map(str, hours))} {day} {month} {weekday}"
    return Times(cadence, expression, zone, days)


def period_start(cadence: Cadence, local: datetime) -> datetime:
    """Where the calendar period of a word's cadence began that `local` lies in."""
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    match cadence.text:
        case "daily":
            return midnight
        case "weekly":
            return midnight - timedelta(days=midnight.weekday())
        case "monthly":
            return midnight.replace(day=1)
        case "quarterly":
            return midnight.replace(day=1, month=midnight.month - (midnight.month - 1) % 3)
        case "yearly":
            return midnight.replace(day=1, month=1)
    raise ValueError(f"{cadence} is a cron expression: it has no calendar period")


def _hours(window: StartWindow | None) -> tuple[Sequence[int], int]:
    """Hours and the minute of each start. Of a window that crosses midnight only the first day's:
    its day is that of its start.
    """
    if window is None:
        return (_AT[0],), _AT[1]
    (hour, minute), (last_hour, last_minute) = (
        map(int, text.split(":")) for text in window.hours.split("-")
    )
    if (last_hour, last_minute) <= (hour, minute):
        last_hour, last_minute = 24, 0
    last = last_hour if minute < last_minute else last_hour - 1
    return range(hour, max(last, hour) + 1), minute


def _weekdays(days: Sequence[str]) -> str:
    return ",".join(str(WEEKDAYS.index(day)) for day in sorted(days, key=WEEKDAYS.index))


def _as_utc_and_back(local: datetime) -> datetime:
    return local.astimezone(UTC).astimezone(local.tzinfo)
