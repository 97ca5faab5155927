"""Whether a timer's start is one to make: the same rule on every machine, and no start twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from drillkit.lazy_dataclass import dataclass
from drillkit.model.units import Cadence
from drillkit.schedule.times import Times, period_start


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Why nothing is started now."""

    why: str


def skipped(times: Times, now: datetime, begun: Iterable[datetime]) -> PassedOver | None:
    """Why a timer's start at `now` (aware) is passed over; None: it is to be made.

    `begun` are the starts of earlier runs of the same drill on the same target that were not
    refused: whatever came of them, nothing is tried again. A start counts for the moment of its
    own day only, so that a machine that was off does not catch up at some other hour.
    """
    local = now.astimezone(times.zone)
    fired = times.latest(now)
    if fired is None or fired.date() != local.date():
        following = times.after(now, 1)
        when = f"{following[0]:%Y-%m-%d %H:%M %Z}" if following else "never"
        return PassedOver(f"it is not due now; its next start is {when}")
    since = fired
    if times.cadence.text in Cadence.WORDS:
        since = period_start(times.cadence, local)
    earlier = max((at for at in begun if at >= since), default=None)
    if earlier is not None:
        at = earlier.astimezone(times.zone)
        return PassedOver(f"its run of this period began {at:%Y-%m-%d %H:%M %Z}")
    return None
