"""The five fields of a cron schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES: tuple[dict[str, int], ...] = (
    {},
    {},
    {},
    {
        name: i
        for i, name in enumerate(
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
        )
    },
    {name: i for i, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])},
)
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
SEARCH_LIMIT = timedelta(days=366 * 4 + 1)


@dataclass(frozen=True)
class Schedule:
    """Minutes, hours, days, months and weekdays (0 is Sunday) on which to fire."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    """Whether day of month and day of week must both hold, because one of them is `*`; otherwise
    one suffices.
    """

    def fires(self, moment: datetime) -> bool:
        """Whether it fires in the minute of `moment`."""
        return moment.minute in self.minutes and moment.hour in self.hours and self._on(moment)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing later than `moment`, in its time zone; None if there is none within
        four years.
        """
        candidate = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        end = moment + SEARCH_LIMIT
        while candidate <= end:
            if not self._on(candidate):
                candidate = candidate.replace(hour=0, minute=0) + timedelta(days=1)
            elif candidate.hour not in self.hours:
                candidate = candidate.replace(minute=0) + timedelta(hours=1)
            elif candidate.minute not in self.minutes:
                candidate += timedelta(minutes=1)
            else:
                return candidate
        return None

    def _on(self, moment: datetime) -> bool:
        if moment.month not in self.months:
            return False
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        return day and weekday if self.any_day else day or weekday


def parse(text: str) -> Schedule:
    """Read a schedule such as `*/5 2-4 * * mon`. Raises ValueError naming the field that
    is wrong.
    """
    fields = _MACROS.get(text.strip(), text).split()
    if len(fields) != 5:
        raise ValueError(
            f"expected five fields (minute hour day month weekday), found {len(fields)} in {text!r}"
        )
    sets = [_field(field, *_RANGES[i], _NAMES[i]) for i, field in enumerate(fields)]
    weekdays = frozenset(day % 7 for day in sets[4])
    return Schedule(
        sets[0],
        sets[1],
        sets[2],
        sets[3],
        weekdays,
        any_day=fields[2][0] in "*?" or fields[4][0] in "*?",
    )


def _field(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        try:
            start = low if first in "*?" else names.get(first) if first in names else int(first)
            end = high if first in "*?" or (step and not dash) else start
            if dash:
                end = names[last] if last in names else int(last)
            every = int(step) if step else 1
        except ValueError:
            raise ValueError(
                f"expected numbers, ranges, lists or */n between {low} and {high}, found {text!r}"
            ) from None
        assert start is not None
        assert end is not None
        if every < 1 or not low <= start <= end <= high:
            raise ValueError(f"expected values between {low} and {high}, found {text!r}")
        values.update(range(start, end + 1, every))
    return frozenset(values)
