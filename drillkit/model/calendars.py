"""When a calendar window began. Pure."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

from drillkit.model.slo import Calendar

_MONTHS = {"M": 1, "Q": 3, "Y": 12}


def began(window: Calendar, at: datetime) -> datetime:
    """When the window that `at` (with its zone) lies in began; the first begin when it has not
    begun yet.
    """
    local = at.astimezone(window.start.tzinfo)
    if local < window.start:
        return window.start
    if window.unit in _MONTHS:
        step = _MONTHS[window.unit] * window.count
        passed = (local.year - window.start.year) * 12 + local.month - window.start.month
        number = passed // step
        found = _months_later(window.start, number * step)
        return found if found <= local else _months_later(window.start, (number - 1) * step)
    days = window.count * (7 if window.unit == "w" else 1)
    # Days are counted on the calendar: one of them may have 23 or 25 hours.
    whole = (local.replace(tzinfo=None) - window.start.replace(tzinfo=None)) // timedelta(days=days)
    return (window.start.replace(tzinfo=None) + whole * timedelta(days=days)).replace(
        tzinfo=window.start.tzinfo
    )


def _months_later(start: datetime, months: int) -> datetime:
    index = start.year * 12 + start.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return start.replace(
        year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1])
    )


def window_start(length: timedelta, window: Calendar | None, at: float) -> float:
    """When the window that ends (or goes on) at `at` began; seconds since the epoch."""
    if window is None:
        return at - length.total_seconds()
    return began(window, datetime.fromtimestamp(at, UTC)).timestamp()
