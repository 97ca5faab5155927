"""Samples as series of a chart: a bin for each second, or longer ones of a round length where there
are too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from drillkit.judge.histogram import merge, percentile_s
from drillkit.judge.run_history import RunRead
from drillkit.judge.sample_stats import sli_of
from drillkit.judge.samples import begins, ends
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import Sample
from drillkit.model.records import History, Record
from drillkit.model.subjects import BoundOf
from drillkit.model.verdict import Holds, Outage, SliSummary, Verdict

BINS = 480
"""Bins of a chart at most: more than a screen shows apart."""
ROUND_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
OUTAGES = 200
"""Outages of a chart at most, the longest ones."""
Percentile: TypeAlias = Literal["p95", "p99"]
_SHARES: Mapping[Percentile, float] = {"p95": 0.95, "p99": 0.99}
GAP_S = 1.5
"""Without samples for longer than this, nobody looked."""


@dataclass(slots=True)
class Bin:
    """A stretch of one probe's samples, in seconds since the run began."""

    start_s: float
    end_s: float
    sent: int = 0
    bad: int = 0
    dropped: int = 0
    latency_ms: float | None = None
    """Of the series' percentile."""

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return self.sent / max(self.end_s - self.start_s, 1e-3)


@dataclass(frozen=True, slots=True)
class ProbeSeries:
    """One probe over the run."""

    sli: str
    control: bool
    bins: tuple[Bin, ...]
    gaps: tuple[tuple[float, float], ...]
    """Times in which nobody looked."""
    outages: tuple[Outage, ...]
    """Those that are drawn, the longest ones. Their times are those of the run's axis, not since it
    began.
    """
    bin_s: int
    percentile: Percentile = "p95"
    """Which latency is drawn."""
    bound_ms: float | None = None
    """The tightest bound on it."""
    outage_count: int = 0
    """Of all, drawn or not."""

    @property
    def sent(self) -> int:
        return sum(b.sent for b in self.bins)

    @property
    def bad(self) -> int:
        return sum(b.bad for b in self.bins)

    @property
    def dropped(self) -> int:
        return sum(b.dropped for b in self.bins)


@dataclass(slots=True)
class _Growing:
    """A series while its samples come."""

    control: bool
    percentile: Percentile
    bins: list[Bin] = field(default_factory=list)
    latency: dict[int, int] = field(default_factory=dict)
    """Of the last bin, which is not over yet."""
    gaps: list[tuple[float, float]] = field(default_factory=list)
    until_s: float | None = None
    """Up to when it has been looked at."""


def series_of(
    history: History, run: RunRead, verdict: Verdict, begin: float, length_s: float
) -> tuple[ProbeSeries, ...]:
    """Every probe's series, those that users stand behind first."""
    bin_s = next(
        (s for s in ROUND_S if length_s / s <= BINS), max(ROUND_S[-1], round(length_s / BINS))
    )
    growing: dict[str, _Growing] = {}
    for record in history:
        if isinstance(sample := record.entry, Sample):
            found = growing.get(sample.sli)
            if found is None:
                shown = _percentile_shown(run, verdict, sample.sli)
                found = growing[sample.sli] = _Growing(sample.control, shown)
            _put(found, sample, record, begin, bin_s)
    whole = {s.sli: s for s in verdict.slis if s.phase == "all"}
    return tuple(
        _series(sli, found, whole.get(sli), bin_s, _bound_ms(run, sli, found.percentile))
        for sli, found in sorted(growing.items(), key=lambda item: (item[1].control, item[0]))
    )


def _put(found: _Growing, sample: Sample, record: Record, begin: float, bin_s: int) -> None:
    first, last = begins(sample), ends(sample)
    # A record is written when its second's answers are in: the intended times say which second
    # that was.
    start = (record.mono - 1.0 if first is None else first) - begin
    over = max(start, (record.mono if last is None else last) - begin)
    end = over + (over - start) / max(sample.sent - 1, 1) if sample.sent > 1 else start + 1.0
    if found.until_s is not None and start - found.until_s > GAP_S:
        found.gaps.append((found.until_s, start))
    found.until_s = max(end, found.until_s or end)
    slot = start if bin_s == 1 else (start // bin_s) * bin_s
    if not found.bins or bin_s == 1 or slot > found.bins[-1].start_s:
        _finish(found)
        found.bins.append(Bin(slot, end if bin_s == 1 else slot + bin_s))
    into = found.bins[-1]
    into.sent += sample.sent
    into.bad += sample.sent - sample.good
    into.dropped += sample.dropped
    merge(found.latency, sample.latency_us)


def _finish(found: _Growing) -> None:
    if found.bins:
        latency_s = percentile_s(found.latency, _SHARES[found.percentile])
        found.bins[-1].latency_ms = None if latency_s is None else latency_s * 1000
        found.latency = {}


def _series(
    sli: str, found: _Growing, whole: SliSummary | None, bin_s: int, bound_ms: float | None
) -> ProbeSeries:
    _finish(found)
    if bin_s > 1:
        found.bins[-1].end_s = max(
            found.bins[-1].start_s + 1.0, min(found.bins[-1].end_s, found.until_s or 0.0)
        )
    longest = sorted(whole.outages if whole else (), key=lambda o: -o.most_s)[:OUTAGES]
    return ProbeSeries(
        sli,
        found.control,
        tuple(found.bins),
        tuple(found.gaps),
        tuple(sorted(longest, key=lambda o: o.first_bad)),
        bin_s,
        found.percentile,
        bound_ms,
        whole.outage_count if whole else 0,
    )


def _percentile_shown(run: RunRead, verdict: Verdict, sli: str) -> Percentile:
    """The one whose bound was broken, else the one that has a bound; p95 where there is no telling
    them apart.
    """
    judged = [*verdict.bounds, *(j for step in verdict.steps for j in step.judged)]
    broken = {
        j.about.bound
        for j in judged
        if j.holds is Holds.VIOLATED
        and isinstance(j.about, BoundOf)
        and sli_of(run, j.about.sli) == sli
    }
    for wanted in (broken.__contains__, lambda p: _bound_ms(run, sli, p) is not None):
        for percentile in _SHARES:
            if wanted(percentile):
                return percentile
    return "p95"


def _bound_ms(run: RunRead, sli: str, percentile: Percentile) -> float | None:
    """The tightest declared bound on a percentile of a probe."""
    hypotheses = [run.drill.hypothesis] if run.drill else []
    hypotheses += [
        s.declared.hypothesis for s in run.steps.values() if s.declared and s.declared.hypothesis
    ]
    declared = [
        bounds.p95 if percentile == "p95" else bounds.p99
        for hypothesis in hypotheses
        for name, bounds in hypothesis.during.items()
        if sli_of(run, name) == sli
    ]
    limits = [limit.total_seconds() * 1000 for limit in declared if limit is not None]
    return min(limits, default=None)
