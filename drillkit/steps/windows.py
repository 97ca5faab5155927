"""Between which times something can be restored, and which of them is meant. No kind itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from drillkit.model.errors import StepFailed

BEFORE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class RestorableWindow:
    """The first and the last time that can be restored."""

    earliest: datetime | None
    latest: datetime


def chosen(
    to: Literal["latest", "before"] | datetime, disrupted: datetime | None, window: RestorableWindow
) -> datetime | None:
    """The time to restore to, None for the latest. Raises StepFailed outside of what can
    be restored.
    """
    if to == "latest" or (to == "before" and disrupted is None):
        return None
    if isinstance(to, datetime):
        point = to
    else:
        assert disrupted is not None
        point = min(disrupted - BEFORE, window.latest)
    if point > window.latest or (window.earliest is not None and point < window.earliest):
        since = f"{window.earliest:%Y-%m-%d %H:%M:%S}" if window.earliest else "the first backup"
        raise StepFailed(
            f"{point.isoformat()} cannot be restored: expected a time from {since} to "
            f"{window.latest:%Y-%m-%d %H:%M:%S} UTC"
        )
    return point
