"""What the judge knows of an SLO: its terms, as record 1 carries them, and how much of its budget a
drill used.

Probe failures are nobody's requests, so a prober's SLO is charged by time, an estimate; a metrics
server's by events, where the number of events in its window is known.
"""

from __future__ import annotations

import math

from drillkit.judge.budget import (
    LEAST_EVENTS,
    burn_rate,
    consumed_by_events,
    consumed_by_time,
)
from drillkit.lazy_dataclass import dataclass
from drillkit.model.records import SloTerms


@dataclass(frozen=True, slots=True)
class Spent:
    """Budget that a stretch of time consumed, as a share of the whole."""

    burn: float
    by_events: float | None
    by_time: float

    @property
    def decides(self) -> float:
        """By events where they are known; else by time."""
        return self.by_time if self.by_events is None else self.by_events

    def words(self) -> str:
        """Both, the estimate marked as one."""
        by_time = f"{_percent(self.by_time)} by time (an estimate)"
        burn = f"burn {self.burn:.3g}"
        return (
            f"{_percent(self.by_events)} by events, {by_time}, {burn}"
            if self.by_events is not None
            else (f"{by_time}, {burn}")
        )


def spent(slo: SloTerms, bad: float, total: float, length_s: float) -> Spent | None:
    """Budget consumed by `bad` of `total` over `length_s` seconds; None where less than one event
    was counted.
    """
    if not (math.isfinite(bad) and math.isfinite(total)) or not 0 <= bad <= total:
        return None
    if total < LEAST_EVENTS:
        return None
    events = None
    if slo.kind == "prometheus" and slo.n_window:
        events = consumed_by_events(bad, slo.target, slo.n_window)
    return Spent(
        burn_rate(bad, total, slo.target),
        events,
        consumed_by_time(bad, total, slo.target, length_s, slo.window_s),
    )


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
