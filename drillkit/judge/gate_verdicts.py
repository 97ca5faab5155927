"""Gates and guards as the journal tells them, decided again where the samples or readings behind
them are there.
"""

from __future__ import annotations

from drillkit.judge.bounds import readings
from drillkit.judge.gates import GateAnswer, decide_ratio
from drillkit.judge.run_history import At, RunRead
from drillkit.judge.sample_stats import BLIND, Samples, declared_gate, sli_of
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import GateSet
from drillkit.model.records import GateDecided
from drillkit.model.subjects import GateOf, GatePlace, GuardOf
from drillkit.model.verdict import Holds, Judged

_START = {
    "plan": "a plan without problems",
    "lock": "a target that no other run holds",
    "start": "nothing that keeps the drill from starting",
    "target": "a target that answers, and is the one that is meant",
    "drill": "a drill that fits its target",
}
"""What the runner looks at beside the guards that a drill declares."""


@dataclass(frozen=True, slots=True)
class Gated:
    """A gate or guard and what it means for the verdict."""

    judged: Judged
    weight: Holds
    """Missed before, or a guard: nothing can be concluded, so unknown; missed after: as it is."""
    proves: bool
    """A gate after or between shows that the service is (again) as it should be."""


def judge_gates(run: RunRead, samples: Samples) -> list[Gated]:
    """Every gate that was decided, and every declared one that was not although steps ran."""
    decided = [_gate(run, samples, seen) for seen in _final(run.gates)]
    if not any(step.touched for step in run.steps.values()) or run.drill is None:
        return decided
    hypothesis = run.drill.hypothesis
    there = {(seen.what.place, seen.what.sli) for seen in run.gates if not seen.step}
    declared: tuple[tuple[GatePlace, GateSet], ...] = (
        ("before", hypothesis.before),
        ("after", hypothesis.after),
    )
    for place, gates in declared:
        for sli in dict.fromkeys([*gates.slo, *gates.gates]):
            if (place, sli) not in there:
                why = "the run ended before it was decided"
                judged = Judged(
                    about=GateOf(place, sli),
                    holds=Holds.UNKNOWN,
                    expected="a decision",
                    observed=why,
                )
                decided.append(Gated(judged, Holds.UNKNOWN, proves=False))
    return decided


def judge_guards(run: RunRead) -> list[Gated]:
    """Every guard that was decided."""
    found = []
    for seen in run.guards:
        guard, holds, place = seen.what.guard, seen.what.holds, seen.what.place
        judged = Judged(
            about=GuardOf(place, guard),
            holds=holds,
            expected=_START.get(guard, guard),
            observed=seen.what.why or str(holds),
            records=(seen.n,),
        )
        weight = holds if holds is Holds.MET or place == "abort" else Holds.UNKNOWN
        found.append(Gated(judged, weight, proves=False))
    return found


def _final(gates: list[At[GateDecided]]) -> list[At[GateDecided]]:
    """Of gates before and after the last decision; of those between steps every one."""
    last = {
        (seen.what.place, seen.step, seen.what.sli): seen.n
        for seen in gates
        if seen.what.place != "between"
    }
    return [s for s in gates if s.what.place == "between" or s.n in last.values()]


def _gate(run: RunRead, samples: Samples, seen: At[GateDecided]) -> Gated:
    gate = seen.what
    place, sli, recorded = gate.place, gate.sli, gate.holds
    answer = _again(run, samples, seen)
    holds, note = recorded, gate.test
    expected, observed = gate.expected, gate.why
    if answer is not None:
        holds, note = Holds.worst([recorded, answer.holds]), answer.test
        expected, observed = answer.expected, answer.why
        if answer.holds is not recorded:
            live = f"decided during the run: {recorded}, {gate.why}"
            note = f"{note}; {live}" if note else live
    if not observed:
        observed = f"{gate.bad:,} bad of {gate.total:,}"
    if samples.blind(sli_of(run, sli)):
        holds, observed = Holds.UNKNOWN, f"{observed}; {BLIND}"
    bad, total = (answer.bad, answer.total) if answer is not None else (gate.bad, gate.total)
    if total and bad == total and (asked := _asked(run, sli)):
        observed = f"{observed}; it asks {asked}"
    records = answer.records if answer is not None and answer.records else ()
    judged = Judged(
        about=GateOf(place, sli, seen.step),
        holds=holds,
        expected=expected,
        observed=observed,
        note=note,
        records=(*records, seen.n),
    )
    before = place == "before"
    weight = Holds.UNKNOWN if before and holds is not Holds.MET else holds
    proves = not before and holds is not Holds.UNKNOWN and not samples.is_control(sli_of(run, sli))
    return Gated(judged, weight, proves=proves)


def _asked(run: RunRead, sli: str) -> str:
    """Where a probe that got not one good answer looks, or ''."""
    probe = run.drill.probes.get(sli_of(run, sli)) if run.drill is not None else None
    if probe is None:
        return ""
    return probe.http or probe.tcp or ""


def _again(run: RunRead, samples: Samples, decided: At[GateDecided]) -> GateAnswer | None:
    """The gate's answer by the evidence before it; None: there is none of a kind the judge
    could use.
    """
    if decided.n in samples.answers:
        return samples.answers[decided.n]
    slo = run.slos.get(decided.what.sli)
    gate = declared_gate(run, decided)
    if slo is None or slo.kind != "prometheus" or gate is None:
        return None
    place = "after" if decided.what.place == "after" else "before"
    taken = [
        (seen, reading) for seen, reading in readings(run, slo.sli, place) if seen.n < decided.n
    ]
    if not taken:
        return None
    seen, reading = taken[-1]
    target = 1 - gate.bad.bad / gate.bad.total if gate.bad else slo.target
    confidence = gate.confidence.of_one if gate.confidence else None
    found = decide_ratio(
        reading.good, reading.total, target, confidence=confidence, why=reading.why
    )
    return GateAnswer(
        found.holds, found.bad, found.total, found.expected, found.why, found.test, (seen.n,)
    )
