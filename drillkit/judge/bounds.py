"""What is tolerated while steps run: declared bounds against what probes and metrics saw.

Facts, not inference: a fault is a treatment, not a sample of thirty days, and failures come
in bursts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal, get_args

from drillkit.judge.budget import LEAST_EVENTS
from drillkit.judge.fault_exposure import felt_by_nobody
from drillkit.judge.gates import percent
from drillkit.judge.histogram import percentile_s
from drillkit.judge.outages import Bracket, longest_gap_s
from drillkit.judge.run_history import EvidenceAt, RunRead, StepRun
from drillkit.judge.sample_stats import Observed, Samples, brackets_of, latency_limit_s, sli_of
from drillkit.judge.slos import Spent, spent
from drillkit.judge.statistics import quantile_ranks, trials_needed
from drillkit.judge.tally import THROTTLED, Doubts, SampleTally
from drillkit.judge.wording import causes, latency, lost, number
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Bounds
from drillkit.model.evidence import Mark, Reading
from drillkit.model.records import SloTerms
from drillkit.model.subjects import BoundName, BoundOf
from drillkit.model.units import Share, format_duration
from drillkit.model.verdict import Holds, Judged

IDLE = "no step did anything meanwhile that could have been felt"
CONTROL = "it is a control probe, which the drill should not affect: declare it of another"
ROUNDING_S = 1e-6
"""Times in journals are rounded to this; a bound that is met exactly is met."""


@dataclass(slots=True)
class _Scope:
    """One probe or SLO over one window."""

    run: RunRead
    name: str
    """As the hypothesis names it."""
    step: str
    """Whose hypothesis it is; '' the drill's."""
    bounds: Bounds
    start: float
    end: float
    seen: Observed
    tally: SampleTally
    brackets: list[Bracket]
    doubts: Doubts
    slo: SloTerms | None
    steps: list[StepRun]

    @property
    def watchable_s(self) -> float:
        """How long an outage that began with the window could have been seen to last: to the last
        probe of all, and for as long as a gate after the steps would have waited for its end.
        """
        ends = (tally.last for tally in self.seen.phases.values())
        watched_s = max((end for end in ends if end is not None), default=self.start) - self.start
        drill = self.run.drill
        if drill is None or self.seen.sli not in drill.hypothesis.after.gates:
            return watched_s
        after = drill.hypothesis.after
        within = after.gates[self.seen.sli].within or after.within or drill.settle
        return watched_s + within.total_seconds()

    def judged(
        self,
        bound: BoundName,
        holds: Holds,
        expected: str,
        observed: str,
        note: str = "",
        doubt: str = "",
        spent: float | None = None,
    ) -> Judged:
        doubts = "; ".join(part for part in (doubt, *self.doubts.words) if part)
        return Judged(
            about=BoundOf(self.name, bound, self.step),
            holds=self.doubts.weigh(holds),
            expected=expected,
            observed=observed,
            note=note,
            doubt=doubts,
            records=self.tally.records,
            spent=spent,
        )


def judge_bounds(run: RunRead, samples: Samples) -> list[Judged]:
    """Every declared bound of the drill and of its steps that ran. None when no step
    touched anything.
    """
    touched = [step for step in run.steps.values() if step.touched]
    if run.drill is None or not touched:
        return []
    found: list[Judged] = []
    start, end = run.during[0], min(run.during[1], run.end)
    for name, bounds in run.drill.hypothesis.during.items():
        found += _bounds(run, samples, name, bounds, start, end, touched, None)
    for step in touched:
        hypothesis = step.declared.hypothesis if step.declared else None
        if hypothesis is None or step.started is None:
            continue
        ended = run.end if step.ended is None else step.ended
        for name, bounds in hypothesis.during.items():
            found += _bounds(run, samples, name, bounds, step.started, ended, [step], step)
    return found


def _bounds(
    run: RunRead,
    samples: Samples,
    name: str,
    bounds: Bounds,
    start: float,
    end: float,
    steps: list[StepRun],
    only: StepRun | None,
) -> Iterator[Judged]:
    slo, step = run.slos.get(name), only.name if only else ""
    if slo is not None and slo.kind == "prometheus":
        yield from _from_metrics(run, samples, step, slo, bounds, start, end)
        return
    seen = samples.slis.get(sli_of(run, name))
    tally = None
    if seen is not None:
        tally = seen.phases["during"] if only is None else seen.steps.get(only.name)
    if seen is None or tally is None or not tally.sent:
        for bound in _declared(bounds):
            why = "no probe gave any while steps ran"
            about = BoundOf(name, bound, step)
            yield Judged(about=about, holds=Holds.UNKNOWN, expected="data", observed=why)
        return
    brackets = brackets_of(seen, start, end)
    doubts = samples.doubts(seen.sli, tally, brackets, latency_limit_s(run, name, (bounds,)))
    if seen.control:
        doubts.mild.append(CONTROL)
    if why := _undisturbed(run, samples, start, end):
        doubts.mild.append(why)
    if (hole_s := tally.holes(start, end)) > 0:
        doubts.mild.append(f"no probes for {format_duration(round(hole_s, 1))}")
    scope = _Scope(run, name, step, bounds, start, end, seen, tally, brackets, doubts, slo, steps)
    yield from _from_probes(scope)


def _acted(run: RunRead, start: float, end: float) -> list[StepRun]:
    """The steps that ran within a window and are known to have done something."""
    return [
        step
        for step in run.steps.values()
        if step.started is not None
        and step.started <= max(start, end)
        and (step.ended is None or step.ended >= start)
        and step.acted
    ]


def _undisturbed(run: RunRead, samples: Samples, start: float, end: float) -> str:
    """Why no request is known to have met what was done in a window, or ''."""
    acted = _acted(run, start, end)
    return felt_by_nobody(run, samples, acted) if acted else IDLE


def _declared(bounds: Bounds) -> list[BoundName]:
    return [name for name in get_args(BoundName) if getattr(bounds, name) is not None]


def _from_probes(scope: _Scope) -> Iterator[Judged]:
    bounds = scope.bounds
    if bounds.bad is not None:
        yield _bad(scope, bounds.bad)
    if bounds.longest_gap is not None:
        yield _longest_gap(scope, bounds.longest_gap)
    if bounds.budget is not None:
        yield _budget(scope, bounds.budget)
    if bounds.recovery is not None:
        yield _recovery(scope, bounds.recovery)
    if bounds.p95 is not None:
        yield _percentile(scope, "p95", 95, bounds.p95)
    if bounds.p99 is not None:
        yield _percentile(scope, "p99", 99, bounds.p99)


def _bad(scope: _Scope, most: int) -> Judged:
    failed = scope.tally.failed
    certain = failed - scope.tally.bad.get(THROTTLED, 0)
    holds = Holds.at_most(most, certain, failed)
    words, doubt = lost(scope.tally.bad, scope.tally.sent), ""
    if holds is Holds.MET and scope.tally.sent <= most:
        holds, doubt = Holds.UNKNOWN, _out_of_reach(f"{scope.tally.sent:,} requests")
    return scope.judged("bad", holds, f"at most {most:,}", words, causes(scope.tally.bad), doubt)


def _out_of_reach(by: str) -> str:
    """Why a bound that holds proves nothing: nothing that could have happened breaks it."""
    return f"{by} could not have exceeded the bound: lower it, or watch for longer"


def _longest_gap(scope: _Scope, limit: timedelta) -> Judged:
    limit_s = limit.total_seconds()
    longest = max(scope.brackets, key=lambda b: b.most_s, default=None)
    gap_s = longest_gap_s(scope.brackets)
    holds, doubts = Holds.MET, []
    between = ""
    if longest is not None:
        between = (
            f"between {format_duration(longest.least_s)} and {format_duration(longest.most_s)}"
        )
    if any(not b.whole for b in scope.brackets):
        holds = Holds.UNKNOWN
        doubts.append("an outage was not seen from its begin to its end")
    if scope.tally.spacing > limit_s:
        holds = Holds.UNKNOWN
        doubts.append(
            f"probes {format_duration(scope.tally.spacing)} apart cannot see such a gap: raise "
            "the rate"
        )
    watched_s = scope.watchable_s
    if holds is Holds.MET and watched_s <= limit_s:
        holds = Holds.UNKNOWN
        doubts.append(_out_of_reach(f"{format_duration(round(watched_s, 1))} of probing"))
    if gap_s > limit_s + ROUNDING_S:
        holds = Holds.UNKNOWN if scope.tally.bad.get(THROTTLED) else Holds.VIOLATED
    expected = f"at most {format_duration(limit)}"
    words = f"longest gap {format_duration(gap_s)}"
    return scope.judged("longest_gap", holds, expected, words, between, "; ".join(doubts))


def _budget(scope: _Scope, share: Share) -> Judged:
    expected = f"at most {percent(share.of_one)} of the error budget"
    if scope.slo is None:
        return scope.judged(
            "budget", Holds.UNKNOWN, expected, "this is no SLO, so it has no budget"
        )
    tally, slo = scope.tally, scope.slo
    least, most = (
        (tally.failed, tally.failed) if slo.slow_s is None else tally.worse_than(slo.slow_s)
    )
    certainly = max(0, least - tally.bad.get(THROTTLED, 0))
    low, high = (spent(slo, bad, tally.sent, scope.end - scope.start) for bad in (certainly, most))
    if low is None or high is None:
        return scope.judged("budget", Holds.UNKNOWN, expected, "no data")
    holds = Holds.MET if high.decides <= share.of_one else Holds.UNKNOWN
    if low.decides > share.of_one:
        holds = Holds.VIOLATED
    worst, doubt = spent(slo, tally.sent, tally.sent, scope.end - scope.start), ""
    if holds is Holds.MET and worst is not None and worst.decides <= share.of_one:
        holds, doubt = Holds.UNKNOWN, _out_of_reach("even a full outage of this drill")
    words = f"{high.words()} of the error budget"
    return scope.judged("budget", holds, expected, words, doubt=doubt, spent=high.decides)


def _percentile(
    scope: _Scope, name: Literal["p95", "p99"], percentage: int, limit: timedelta
) -> Judged:
    tally, limit_s = scope.tally, limit.total_seconds()
    least, most = tally.worse_than(limit_s)
    allowed = (100 - percentage) * tally.sent / 100
    holds = Holds.at_most(allowed, least, most)
    found = _value_at_s(tally, math.ceil(percentage * tally.sent / 100))
    observed = (
        f"{name} {latency(found)}"
        if found is not None
        else f"{name}: more than {100 - percentage} % of the requests failed"
    )
    notes = [f"{most:,} of {tally.sent:,} slower or failed"]
    doubt, needed = "", trials_needed((100 - percentage) / 100)
    if tally.sent < needed:
        doubt = f"{tally.sent:,} requests say nothing of a {name}: at least {needed:,} are needed"
    if ranks := quantile_ranks(tally.sent, percentage / 100):
        low, high = (_value_at_s(tally, rank) for rank in ranks)
        words = [latency(value) if value is not None else "no answer" for value in (low, high)]
        notes.append(f"95 % interval {words[0]} to {words[1]}")
    if holds is Holds.UNKNOWN:
        notes.append("the limit lies inside a latency bucket")
    holds = Holds.UNKNOWN if doubt else holds
    expected = f"at most {latency(limit_s)}"
    return scope.judged(name, holds, expected, observed, "; ".join(notes), doubt)


def _value_at_s(tally: SampleTally, rank: int) -> float | None:
    """Latency of that rank, failed probes last; None: it is a failed one."""
    answered = sum(tally.latency.values())
    return percentile_s(tally.latency, rank / answered) if 0 < rank <= answered else None


def _recovery(scope: _Scope, limit: timedelta) -> Judged:
    """From the end of each step's fault to the first good request of the rest; the slowest
    step decides.
    """
    expected = f"at most {format_duration(limit)}"
    faults = [(step, end) for step in scope.steps if (end := fault_end(step)) is not None]
    if not faults:
        return scope.judged(
            "recovery", Holds.UNKNOWN, expected, "no step says when its fault ended"
        )
    worst_s, going_on = 0.0, False
    for step, fault_over in faults:
        began = fault_over if step.started is None else step.started
        ended = max(fault_over, scope.run.end if step.ended is None else step.ended)
        for bracket in brackets_of(scope.seen, began, ended):
            until = scope.run.end if bracket.next_ok is None else bracket.next_ok
            worst_s = max(worst_s, until - fault_over)
            going_on = going_on or bracket.next_ok is None
    holds, doubt = Holds.UNKNOWN if going_on else Holds.MET, ""
    if worst_s > limit.total_seconds() + ROUNDING_S:
        holds = Holds.VIOLATED
    drill = scope.run.drill
    if holds is Holds.MET and not worst_s and drill is not None and limit >= drill.limit:
        longest = format_duration(drill.limit)
        holds, doubt = Holds.UNKNOWN, _out_of_reach(f"a drill that lasts at most {longest}")
    observed = (
        f"not served again after {format_duration(worst_s)}"
        if going_on
        else (f"served again {format_duration(worst_s)} after the fault")
    )
    return scope.judged("recovery", holds, expected, observed, doubt=doubt)


def fault_end(step: StepRun) -> float | None:
    """When a step's fault was over: its last relief or irreversible effect; without any, its
    `disrupted` mark.
    """
    if step.fault_ends:
        return max(step.fault_ends)
    marks = [
        s.what.at
        for s in step.evidence
        if isinstance(s.what, Mark) and s.what.moment == "disrupted"
    ]
    return max(marks, default=None)


def readings(run: RunRead, sli: str, place: str) -> list[tuple[EvidenceAt, Reading]]:
    """Readings of one SLI for one place, in the order of the journal."""
    everything = [*run.evidence, *(seen for step in run.steps.values() for seen in step.evidence)]
    found = [
        (seen, seen.what)
        for seen in everything
        if isinstance(seen.what, Reading) and seen.what.sli == sli and seen.what.place == place
    ]
    return sorted(found, key=lambda pair: pair[0].n)


def _from_metrics(
    run: RunRead,
    samples: Samples,
    step: str,
    slo: SloTerms,
    bounds: Bounds,
    start: float,
    end: float,
) -> Iterator[Judged]:
    """The last reading of place `during` covers everything since the first step, so it
    alone decides.
    """
    taken = readings(run, slo.sli, "during")
    doubt = _undisturbed(run, samples, start, end)
    for bound in _declared(bounds):
        expected, holds, observed, note = "data", Holds.UNKNOWN, "no reading while steps ran", ""
        used: Spent | None = None
        if taken:
            seen, reading = taken[-1]
            used = _used(slo, reading) if bound == "budget" else None
            expected, holds, observed = _metric(slo, bounds, bound, reading)
            if reading.window_s + 1 < end - start and holds is Holds.MET:
                holds, note = (
                    Holds.UNKNOWN,
                    f"the reading covers only {format_duration(reading.window_s)}",
                )
            if holds is Holds.MET and doubt:
                holds, note = Holds.UNKNOWN, doubt
        yield Judged(
            about=BoundOf(slo.name, bound, step),
            holds=holds,
            expected=expected,
            observed=observed,
            note=note,
            records=(seen.n,) if taken else (),
            spent=used.decides if used is not None else None,
        )


def _metric(slo: SloTerms, bounds: Bounds, bound: str, reading: Reading) -> tuple[str, Holds, str]:
    if bound not in ("bad", "budget"):
        return (
            "a probe",
            Holds.UNKNOWN,
            f"`{bound}` cannot be measured from metrics: declare it of a probe",
        )
    good, total = reading.good, reading.total
    used = _used(slo, reading)
    if used is None or good is None or total is None:
        return "data", Holds.UNKNOWN, reading.why or _no_count(good, total)
    if bounds.bad is not None and bound == "bad":
        bad = total - good
        holds = Holds.MET if bad <= bounds.bad else Holds.VIOLATED
        words = f"{number(bad)} of {number(total)} requests bad"
        if holds is Holds.MET and total <= bounds.bad:
            holds, words = Holds.UNKNOWN, f"{words}, but {_out_of_reach('they')}"
        return f"at most {bounds.bad:,}", holds, words
    assert bounds.budget is not None
    holds = Holds.MET if used.decides <= bounds.budget.of_one else Holds.VIOLATED
    expected = f"at most {percent(bounds.budget.of_one)} of the error budget"
    words, worst = f"{used.words()} of the error budget", spent(slo, total, total, reading.window_s)
    if holds is Holds.MET and worst is not None and worst.decides <= bounds.budget.of_one:
        holds = Holds.UNKNOWN
        words = f"{words}, but {_out_of_reach('even a full outage of this drill')}"
    return expected, holds, words


def _used(slo: SloTerms, reading: Reading) -> Spent | None:
    """What a reading says of the budget; None: nothing."""
    good, total = reading.good, reading.total
    if good is None or total is None:
        return None
    return spent(slo, total - good, total, reading.window_s)


def _no_count(good: float | None, total: float | None) -> str:
    if total is not None and 0 <= total < LEAST_EVENTS:
        return f"less than one event was counted ({total:.2g})"
    return f"{good} good of {total} cannot be"
