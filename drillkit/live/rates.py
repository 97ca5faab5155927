"""How users fare right now, from the last seconds of samples."""

from __future__ import annotations

from collections import deque

from drillkit.judge.histogram import merge, percentile_s
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import Sample
from drillkit.model.records import Record

WINDOW_S = 5
"""Seconds of samples behind the live success rate and p95."""


class Rates:
    """Success rate and p95 of the last seconds, per probe."""

    def __init__(self) -> None:
        self._last: dict[str, deque[Sample]] = {}
        self._total: dict[str, list[int]] = {}

    def take(self, record: Record) -> bool:
        """Whether the record was a sample."""
        sample = record.entry
        if not isinstance(sample, Sample):
            return False
        self._last.setdefault(sample.sli, deque(maxlen=WINDOW_S)).append(sample)
        total = self._total.setdefault(sample.sli, [0, 0])
        total[0] += sample.sent
        total[1] += sample.sent - sample.good
        return True

    def rows(self) -> list[ProbeRate]:
        """Every probe now, controls last."""
        found = []
        for sli, samples in list(self._last.items()):
            latencies: dict[int, int] = {}
            for sample in samples:
                merge(latencies, sample.latency_us)
            sent, good = sum(s.sent for s in samples), sum(s.good for s in samples)
            control, (all_sent, all_bad) = samples[-1].control, self._total[sli]
            found.append(
                ProbeRate(
                    sli,
                    good / sent if sent else None,
                    percentile_s(latencies, 0.95),
                    all_bad,
                    all_sent,
                    control,
                )
            )
        return sorted(found, key=lambda rate: rate.control)


@dataclass(frozen=True, slots=True)
class ProbeRate:
    """One probe over the last seconds, and its counts since the run began."""

    sli: str
    good_share: float | None
    p95_s: float | None
    bad: int
    sent: int
    control: bool = False

    @property
    def name(self) -> str:
        return f"{self.sli} (control)" if self.control else self.sli

    @property
    def good(self) -> str:
        """`99.50 % good`; never 100 % where one was bad."""
        if self.good_share is None:
            return "no data"
        percent = self.good_share * 100
        return f"{min(percent, 99.99) if percent < 100 else percent:.2f} % good"

    @property
    def p95(self) -> str:
        return "p95 -" if self.p95_s is None else f"p95 {self.p95_s * 1000:.1f} ms"

    @property
    def count(self) -> str:
        return f"{self.bad:,} bad of {self.sent:,} so far"
