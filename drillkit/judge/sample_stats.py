"""One pass over a history's samples: sums per SLI and phase, outages, and the answers of the gates
on the way.

Keeps sums and outages, no samples, so that a day costs no more memory than an hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Literal

from drillkit.judge.gates import GateAnswer, GateWindow, slo_gate, window_of
from drillkit.judge.histogram import percentile_s
from drillkit.judge.outages import (
    Bracket,
    OutageTracker,
    as_outage,
    coincide,
    longest_gap_s,
    touching,
)
from drillkit.judge.run_history import At, RunRead, StepRun
from drillkit.judge.samples import begins, ends
from drillkit.judge.tally import Doubts, SampleTally
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Bounds, Gate, Hypothesis
from drillkit.model.evidence import Sample
from drillkit.model.records import GateDecided, History, Record
from drillkit.model.verdict import SliSummary

Phase = Literal["before", "during", "after"]
PHASES: tuple[Phase, ...] = ("before", "during", "after")
CONTROL_SLACK_S = 1.0
"""Two probes that fail within this of each other failed together."""


BLIND = (
    "not one good answer before, during or after: the probe is blind, look at its URL and at what "
    "it expects"
)


@dataclass(slots=True)
class Observed:
    """One SLI over the run."""

    sli: str
    control: bool
    spacing_s: float
    """Declared seconds between probes; 0: nobody declared them."""
    phases: dict[Phase, SampleTally] = field(init=False)
    steps: dict[str, SampleTally] = field(default_factory=dict)
    tracker: OutageTracker = field(default_factory=OutageTracker)
    began: dict[Phase, int] = field(default_factory=dict)
    """How many outages began in each phase, kept or not."""

    def __post_init__(self) -> None:
        self.phases = {phase: SampleTally(self.spacing_s) for phase in PHASES}


@dataclass(slots=True)
class Samples:
    """What all samples say."""

    slis: dict[str, Observed]
    answers: dict[int, GateAnswer]
    """By the number of the gate's record."""
    control: tuple[Bracket, ...]
    """Outages of the control probes, in order of time."""

    def blind(self, sli: str) -> bool:
        """Whether a probe never had a good answer, before, during or after: it is then the probe
        that is shown to be wrong, not the service to be weak.
        """
        seen = self.slis.get(sli)
        if seen is None:
            return False
        tallies = seen.phases.values()
        return any(tally.sent for tally in tallies) and not any(tally.good for tally in tallies)

    def is_control(self, sli: str) -> bool:
        """Whether it is a probe of something that the drill should not affect."""
        return sli in self.slis and self.slis[sli].control

    def doubts(
        self, sli: str, tally: SampleTally, brackets: list[Bracket], slow_s: float | None
    ) -> Doubts:
        """What spoils a window of an SLI: the prober's own faults, and a control probe that failed
        together with it.
        """
        found = tally.doubts(slow_s)
        if self.blind(sli):
            found.grave.append(BLIND)
        if not self.slis[sli].control and coincide(brackets, self.control, CONTROL_SLACK_S):
            found.grave.append(
                "the control probe failed at the same time: the fault may not be the service's"
            )
        return found


def observe_samples(history: History, run: RunRead) -> Samples:
    """Go through the samples and gates of a history."""
    slis: dict[str, Observed] = {}
    answers: dict[int, GateAnswer] = {}
    windows = _windows(run)
    spans = _step_spans(run)
    for record in history:
        if isinstance(record.entry, Sample):
            _count(slis, record.entry, record, run, spans)
            for window in windows.values():
                window.add(record.entry, record.n)
        elif record.n in windows:
            answers[record.n] = windows.pop(record.n).answer(record.mono)
    control = [b for seen in slis.values() if seen.control for b in seen.tracker.brackets]
    return Samples(slis, answers, tuple(sorted(control, key=lambda b: b.first_bad)))


def declared_gate(run: RunRead, decided: At[GateDecided]) -> Gate | None:
    """The gate of the drill (or of the record's step) that a `gate.decided` answers, with an SLO's
    own count.
    """
    hypothesis = hypothesis_of(run, decided.step)
    if hypothesis is None:
        return None
    sli, place = decided.what.sli, decided.what.place
    gates = hypothesis.after if place == "after" else hypothesis.before
    gate = gates.gates.get(sli)
    if gate is None and sli not in gates.slo:
        return None
    slo = run.slos.get(sli)
    if slo is not None and slo.kind == "probe" and (gate is None or gate.bad is None):
        return slo_gate(slo.target, gate)
    return gate or Gate()


def hypothesis_of(run: RunRead, step: str) -> Hypothesis | None:
    """The drill's hypothesis, or a step's own."""
    if not step:
        return run.drill.hypothesis if run.drill else None
    declared = run.steps[step].declared if step in run.steps else None
    return declared.hypothesis if declared else None


def sli_of(run: RunRead, name: str) -> str:
    """The name that samples carry, of a probe or SLO."""
    return run.slos[name].sli if name in run.slos else name


def latency_limit_s(run: RunRead, name: str, bounds: Iterable[Bounds] = ()) -> float | None:
    """The tightest latency that matters for a probe or SLO: its own `slow`, its SLO's, its
    bounds' percentiles.
    """
    sli = sli_of(run, name)
    limits = [slo.slow_s for slo in run.slos.values() if slo.sli == sli and slo.slow_s]
    probe = run.drill.probes.get(sli) if run.drill else None
    if probe is not None and probe.slow is not None:
        limits.append(probe.slow.total_seconds())
    for bound in bounds:
        limits += [limit.total_seconds() for limit in (bound.p95, bound.p99) if limit is not None]
    return min(limits, default=None)


@dataclass(slots=True)
class _SliWindow:
    """A gate's window, fed with its own SLI and the controls, up to the last record that its answer
    rests on.
    """

    sli: str
    window: GateWindow
    until: float

    def add(self, sample: Sample, n: int) -> None:
        if n <= self.until and (sample.control or sample.sli == self.sli):
            self.window.add(sample, n)

    def answer(self, at: float) -> GateAnswer:
        return self.window.answer(at)


def _windows(run: RunRead) -> dict[int, _SliWindow]:
    found: dict[int, _SliWindow] = {}
    for seen in run.gates:
        gate = declared_gate(run, seen)
        if gate is not None and window_of(gate):
            name = seen.what.sli
            sli, slow_s = sli_of(run, name), latency_limit_s(run, name)
            until = max(seen.what.records, default=math.inf)
            found[seen.n] = _SliWindow(sli, GateWindow(gate, slow_s=slow_s, sli=sli), until)
    return found


def _step_spans(run: RunRead) -> list[tuple[StepRun, float, float]]:
    return [
        (step, step.started, step.ended if step.ended is not None else math.inf)
        for step in run.steps.values()
        if step.started is not None and step.touched
    ]


def _count(
    slis: dict[str, Observed],
    sample: Sample,
    record: Record,
    run: RunRead,
    spans: list[tuple[StepRun, float, float]],
) -> None:
    seen = slis.get(sample.sli)
    if seen is None:
        probe = run.drill.probes.get(sample.sli) if run.drill else None
        seen = slis[sample.sli] = Observed(
            sample.sli, sample.control, 1 / probe.rate.per_s if probe else 0.0
        )
    start, end = begins(sample), ends(sample)
    first, last = (record.mono - 1, record.mono) if start is None or end is None else (start, end)
    goes_on = seen.tracker.open is not None and sample.flips and not sample.flips[0][1]
    lasting = seen.tracker.open.first_bad if seen.tracker.open and goes_on else math.inf
    begin, over = run.during
    # An outage that began while steps ran belongs to them to its end, so that its last requests are
    # not forgiven.
    phase: Phase = "during" if first < over or lasting <= over else "after"
    if last < begin:
        phase = "before"
    seen.phases[phase].add(sample, record.n)
    for step, began, ended in spans:
        if last >= began and (first < ended or began <= lasting <= ended):
            seen.steps.setdefault(step.name, SampleTally(seen.spacing_s)).add(sample, record.n)
    known = seen.tracker.count
    seen.tracker.add(sample)
    seen.began[phase] = seen.began.get(phase, 0) + seen.tracker.count - known


def brackets_of(seen: Observed, start: float, end: float) -> list[Bracket]:
    """The outages of an SLI that touch a window."""
    return touching(seen.tracker.brackets, start, end)


def summaries(samples: Samples, run: RunRead) -> tuple[SliSummary, ...]:
    """Every SLI over every phase that has samples, and over all."""
    found = []
    begin, over = run.during
    spans: Mapping[Phase, tuple[float, float]] = {
        "before": (-math.inf, begin),
        "during": (begin, over),
        "after": (over, math.inf),
    }
    for sli in sorted(samples.slis):
        seen, everything = samples.slis[sli], SampleTally()
        for phase in PHASES:
            tally = seen.phases[phase]
            everything.add_all(tally)
            if tally.seconds:
                brackets = [b for b in seen.tracker.brackets if _phase_of(b, spans) == phase]
                found.append(_summary(seen, phase, tally, brackets, run))
        found.append(_summary(seen, "all", everything, seen.tracker.brackets, run))
    return tuple(found)


def _phase_of(bracket: Bracket, spans: Mapping[Phase, tuple[float, float]]) -> Phase:
    """The phase that an outage belongs to: what touches the steps is theirs, as
    in `brackets_of`.
    """
    begin, over = spans["during"]
    if bracket.last_bad < begin:
        return "before"
    return "during" if bracket.first_bad <= over else "after"


def _summary(
    seen: Observed,
    phase: Literal["before", "during", "after", "all"],
    tally: SampleTally,
    brackets: list[Bracket],
    run: RunRead,
) -> SliSummary:
    count = seen.tracker.count if phase == "all" else seen.began.get(phase, 0)
    return SliSummary(
        sli=seen.sli,
        phase=phase,
        sent=tally.sent,
        good=tally.good,
        bad=dict(sorted(tally.bad.items())),
        p50_s=percentile_s(tally.latency, 0.5),
        p95_s=percentile_s(tally.latency, 0.95),
        p99_s=percentile_s(tally.latency, 0.99),
        max_s=max(tally.latency) / 1e6 if tally.latency else None,
        outages=tuple(as_outage(b, seen.sli, _step_at(run, b.first_bad)) for b in brackets),
        longest_gap_s=longest_gap_s(brackets),
        dropped=tally.dropped,
        lateness_p99_s=tally.lateness_p99_s(),
        control=seen.control,
        more_outages=max(0, count - len(brackets)),
    )


def _step_at(run: RunRead, at: float) -> str:
    for step, began, ended in _step_spans(run):
        if began <= at <= ended:
            return step.name
    return ""
