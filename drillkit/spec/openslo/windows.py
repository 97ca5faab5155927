"""OpenSLO's durations and calendars. `1m` is a minute, `1M` a month."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Literal, cast

from drillkit.model.slo import Calendar

Unit = Literal["s", "m", "h", "d", "w", "M", "Q", "Y"]
_LENGTHS: dict[str, timedelta] = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "M": timedelta(days=30),
    "Q": timedelta(days=90),
    "Y": timedelta(days=365),
}
SHORTEST = timedelta(hours=1)


def duration(text: str) -> tuple[int, Unit, timedelta]:
    """`30d` as number, unit and nominal length (a month has 30 days). Raises ValueError."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([smhdwMQY])", text)
    if not found:
        raise ValueError(f"expected a duration such as 28d, 1M or 5m, found {text[:40]!r}")
    count, unit = int(found[1]), found[2]
    return count, cast(Unit, unit), count * _LENGTHS[unit]


def calendar_of(text: str, start: str, zone: str) -> Calendar:
    """A window that begins anew at fixed dates. Raises ValueError."""
    from zoneinfo import ZoneInfo

    count, unit, _ = duration(text)
    if unit not in ("d", "w", "M", "Q", "Y"):
        raise ValueError(
            f"a calendar window has whole days, weeks, months, quarters or years, found {text!r}"
        )
    try:
        tz = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"expected an IANA time zone such as Europe/Berlin, found {zone[:40]!r}"
        ) from None
    try:
        begin = datetime.fromisoformat(start)
    except ValueError:
        raise ValueError(
            f"expected a date such as 2026-01-01 00:00:00, found {start[:40]!r}"
        ) from None
    return Calendar(begin.replace(tzinfo=tz) if begin.tzinfo is None else begin, count, unit)
