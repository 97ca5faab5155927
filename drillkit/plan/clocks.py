"""Clocks that are too far apart for what is measured between them. Pure."""

from __future__ import annotations

from drillkit.model.units import format_duration

APART_S = 2.0
"""Clocks that are further apart make RPOs uncertain by as much."""


def clock_apart(whose: str, offset_s: float) -> str:
    """That a clock is further from this machine's than matters, or ''."""
    if abs(offset_s) <= APART_S:
        return ""
    side = "ahead of" if offset_s > 0 else "behind"
    return f"{whose} clock is {format_duration(round(abs(offset_s), 1))} {side} this machine's"
