"""Samples as series of a chart: a bin for each second, or longer ones of a round length where there
are too many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from drillkit.judge.histogram import merge, percentile_s
from drillkit.judge.run_history import RunRead
from drillkit.judge.samples import begins, ends
from drillkit.model.evidence import Sample
from drillkit.model.records import History, Record
from drillkit.model.verdict import Outage, Verdict

BINS = 480
"""Bins of a chart at most: more than a screen shows apart."""
ROUND_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
OUTAGES = 200
"""Outages of a chart at most, the longest ones."""
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
    p95_ms: float | None = None

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return self.sent / max(self.end_s - self.start_s, 1e-3)


@dataclass(frozen=True, slots=True)
class Series:
    """One probe over the run."""

    sli: str
    control: bool
    bins: tuple[Bin, ...]
    gaps: tuple[tuple[float, float], ...]
    """Times in which nobody looked."""
    outages: tuple[Outage, ...]
    """Their times are those of the run's axis, not since it began."""
    bin_s: int
    bound_p95_ms: float | None = None

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
    bins: list[Bin] = field(default_factory=list)
    latency: dict[int, int] = field(default_factory=dict)
    """Of the last bin, which is not over yet."""
    gaps: list[tuple[float, float]] = field(default_factory=list)
    until_s: float | None = None
    """Up to when it has been looked at."""


def series_of(
    history: History, run: RunRead, verdict: Verdict, begin: float, length_s: float
) -> tuple[Series, ...]:
    """Every probe's series, those that users stand behind first."""
    bin_s = next(
        (s for s in ROUND_S if length_s / s <= BINS), max(ROUND_S[-1], round(length_s / BINS))
    )
    growing: dict[str, _Growing] = {}
    for record in history:
        if isinstance(sample := record.entry, Sample):
            found = growing.setdefault(sample.sli, _Growing(sample.control))
            _put(found, sample, record, begin, bin_s)
    outages = {s.sli: s.outages for s in verdict.slis if s.phase == "all"}
    return tuple(
        _series(sli, found, outages.get(sli, ()), bin_s, _bound_p95_ms(run, sli))
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
        p95 = percentile_s(found.latency, 0.95)
        found.bins[-1].p95_ms = None if p95 is None else p95 * 1000
        found.latency = {}


def _series(
    sli: str, found: _Growing, outages: Iterable[Outage], bin_s: int, bound: float | None
) -> Series:
    _finish(found)
    if bin_s > 1:
        found.bins[-1].end_s = max(
            found.bins[-1].start_s + 1.0, min(found.bins[-1].end_s, found.until_s or 0.0)
        )
    longest = sorted(outages, key=lambda o: -o.most_s)[:OUTAGES]
    shown = tuple(sorted(longest, key=lambda o: o.first_bad))
    return Series(sli, found.control, tuple(found.bins), tuple(found.gaps), shown, bin_s, bound)


def _bound_p95_ms(run: RunRead, sli: str) -> float | None:
    """The tightest declared bound on a probe's 95th percentile."""
    hypotheses = [run.drill.hypothesis] if run.drill else []
    hypotheses += [
        s.declared.hypothesis for s in run.steps.values() if s.declared and s.declared.hypothesis
    ]
    limits = [
        bounds.p95.total_seconds() * 1000
        for hypothesis in hypotheses
        for name, bounds in hypothesis.during.items()
        if bounds.p95 is not None and (run.slos[name].sli if name in run.slos else name) == sli
    ]
    return min(limits, default=None)
