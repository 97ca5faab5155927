"""Counts of one SLI over one window, and what keeps them from being believed. Memory does not grow
with the window.
"""

from __future__ import annotations

import math
from dataclasses import field

from drillkit.judge.histogram import bucket_us, merge, slower_than
from drillkit.judge.outages import spacing_s
from drillkit.judge.samples import begins, ends
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import Sample
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds

LATENESS_SHARE = 0.10
"""A probe may be late by a tenth of the latency threshold."""
LATENESS_S = 0.050
"""Where no threshold is declared."""
LATE_SECONDS = 0.05
"""More late seconds than this share (and at least two) spoil a window; a single hiccup does not."""
STALL_S = 1.0
"""A second whose probes were this late was not observed at all."""
THROTTLED = "throttled"


@dataclass(slots=True)
class Doubts:
    """Why a window is not believed."""

    mild: list[str] = field(default_factory=list)
    """It cannot be called good, but what was seen to be bad was bad."""
    grave: list[str] = field(default_factory=list)
    """Neither: the prober may have made the failures itself."""

    def weigh(self, holds: Holds) -> Holds:
        """What is left of a judgement."""
        if self.grave or (self.mild and holds is Holds.MET):
            return Holds.UNKNOWN
        return holds

    @property
    def words(self) -> list[str]:
        return [*self.grave, *self.mild]


class SampleTally:
    """Sums of samples."""

    __slots__ = (
        "_lateness",
        "bad",
        "dropped",
        "first",
        "first_n",
        "good",
        "hole_s",
        "last",
        "last_n",
        "latency",
        "seconds",
        "sent",
        "spacing",
    )

    def __init__(self, spacing_s: float = 0.0) -> None:
        """`spacing_s`: declared seconds between probes; 0: learn it from the samples."""
        self.sent = self.good = self.dropped = self.seconds = 0
        self.bad: dict[str, int] = {}
        self.latency: dict[int, int] = {}
        self.first: float | None = None
        """Intended time of the first probe."""
        self.last: float | None = None
        self.first_n = self.last_n = 0
        """Numbers of the first and last record."""
        self.hole_s = 0.0
        """Seconds between probes in which some are missing."""
        self.spacing = spacing_s
        """Seconds between probes: as declared, or the longest that was usual in some second."""
        self._lateness: dict[int, tuple[int, int]] = {}
        """Bucket of a second's 99th percentile to (seconds, probes)."""

    def add(self, sample: Sample, n: int = 0) -> None:
        """Take in one second; `n`: number of its record."""
        self.sent += sample.sent
        self.good += sample.good
        self.dropped += sample.dropped
        self.seconds += 1
        for cause, count in sample.bad.items():
            self.bad[cause] = self.bad.get(cause, 0) + count
        merge(self.latency, sample.latency_us)
        late = bucket_us(sample.lateness_p99_us)
        seconds, probes = self._lateness.get(late, (0, 0))
        self._lateness[late] = (seconds + 1, probes + sample.sent)
        self.first_n, self.last_n = self.first_n or n, n
        self._follow(sample)

    def _follow(self, sample: Sample) -> None:
        start, end = begins(sample), ends(sample)
        if start is None or end is None:
            return
        self.spacing = max(self.spacing, spacing_s(sample) or 0.0)
        if not self.spacing and self.last is not None:
            self.spacing = (
                start - self.last
            )  # one probe a second or fewer, and nobody said how many
        if (
            self.last is not None
            and start - self.last > 2 * self.spacing + 0.5
            and not sample.dropped
        ):
            self.hole_s += start - self.last
        self.first = start if self.first is None else self.first
        self.last = end

    def add_all(self, other: SampleTally) -> None:
        """Take in the sums of a later window."""
        self.sent += other.sent
        self.good += other.good
        self.dropped += other.dropped
        self.seconds += other.seconds
        self.hole_s += other.hole_s
        self.spacing = max(self.spacing, other.spacing)
        for cause, count in other.bad.items():
            self.bad[cause] = self.bad.get(cause, 0) + count
        merge(self.latency, other.latency)
        for late, (seconds, probes) in other._lateness.items():
            before = self._lateness.get(late, (0, 0))
            self._lateness[late] = (before[0] + seconds, before[1] + probes)
        self.first = other.first if self.first is None else self.first
        self.last = self.last if other.last is None else other.last
        self.first_n, self.last_n = self.first_n or other.first_n, other.last_n or self.last_n

    @property
    def failed(self) -> int:
        """All bad ones, slow ones too."""
        return self.sent - self.good

    @property
    def records(self) -> tuple[int, ...]:
        """First and last record."""
        return (self.first_n, self.last_n) if self.last_n else ()

    def worse_than(self, threshold_s: float) -> tuple[int, int]:
        """(at least, at most) how many failed or took longer than `threshold_s`."""
        unanswered = self.failed - self.bad.get("slow", 0)
        slower = slower_than(self.latency, threshold_s)
        return unanswered + slower.least, unanswered + slower.most

    def lateness_p99_s(self) -> float:
        """99th percentile of sending too late, as if in each second all probes were as late as its
        99th percentile.
        """
        rank, passed = math.ceil(0.99 * self.sent), 0
        for late in sorted(self._lateness):
            passed += self._lateness[late][1]
            if passed >= rank:
                return late / 1e6
        return 0.0

    def lateness_doubt(self, threshold_s: float | None) -> str:
        """Why the probes' own lateness spoils the window, or ''. `threshold_s`: tightest latency
        that matters.
        """
        limit_s = LATENESS_S if threshold_s is None else LATENESS_SHARE * threshold_s
        worst = max(self._lateness, default=0) / 1e6
        if worst >= STALL_S:
            return f"the prober itself stood still for {format_duration(worst)}"
        late = sum(
            seconds for bucket, (seconds, _) in self._lateness.items() if bucket > limit_s * 1e6
        )
        if late >= 2 and late > LATE_SECONDS * self.seconds:
            return (
                f"probes were sent more than {format_duration(limit_s)} late in {late} of "
                f"{self.seconds} seconds (worst {format_duration(worst)}): give the prober a "
                "quieter machine or a lower rate"
            )
        return ""

    def holes(self, start: float, end: float) -> float:
        """Seconds between `start` and `end` (finite) that no probe covers; short edges are
        no holes.
        """
        edge = 1.5 + 2 * self.spacing
        if self.first is None or self.last is None:
            return max(0.0, end - start)
        missing = self.hole_s
        missing += max(0.0, self.first - start) if self.first - start > edge else 0.0
        missing += max(0.0, end - self.last) if end - self.last > edge else 0.0
        return missing

    def doubts(self, threshold_s: float | None) -> Doubts:
        """What spoils the window. `threshold_s`: the tightest latency that matters, in seconds."""
        found = Doubts()
        if self.dropped:
            found.mild.append(
                f"{self.dropped:,} probes were not sent, or lost, by the prober itself"
            )
        if throttled := self.bad.get(THROTTLED, 0):
            found.mild.append(
                f"{throttled:,} probes were throttled (403, 429): that measures the limiter"
            )
        if late := self.lateness_doubt(threshold_s):
            found.grave.append(late)
        return found
