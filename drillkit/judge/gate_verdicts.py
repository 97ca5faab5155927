"""Gates and guards as the journal tells them, decided again where the samples or readings behind
them are there.
"""

from __future__ import annotations

from dataclasses import dataclass

from drillkit.judge.bounds import readings
from drillkit.judge.gates import GateAnswer, decide_ratio
from drillkit.judge.run_history import RunRead
from drillkit.judge.sample_stats import BLIND, Samples, declared_gate, sli_of
from drillkit.model.records import Record
from drillkit.model.verdict import Holds, Judged

_START = {
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
    decided = [_gate(run, samples, record) for record in _final(run.gates)]
    if not any(step.touched for step in run.steps.values()) or run.drill is None:
        return decided
    hypothesis = run.drill.hypothesis
    there = {(r.data.get("place"), r.data.get("sli")) for r in run.gates if not r.step}
    for place, gates in (("before", hypothesis.before), ("after", hypothesis.after)):
        for sli in dict.fromkeys([*gates.slo, *gates.gates]):
            if (place, sli) not in there:
                why = "the run ended before it was decided"
                judged = Judged(
                    about=f"{place}/{sli}", holds=Holds.UNKNOWN, expected="a decision", observed=why
                )
                decided.append(Gated(judged, Holds.UNKNOWN, proves=False))
    return decided


def judge_guards(run: RunRead) -> list[Gated]:
    """Every guard that was decided."""
    found = []
    for record in run.guards:
        data = record.data
        holds, place = Holds(data["holds"]), data["place"]
        judged = Judged(
            about=f"guard/{place}/{data['guard']}",
            holds=holds,
            expected=_START.get(data["guard"], data["guard"]),
            observed=data.get("why", "") or str(holds),
            records=(record.n,),
        )
        weight = holds if holds is Holds.MET or place == "abort" else Holds.UNKNOWN
        found.append(Gated(judged, weight, proves=False))
    return found


def _final(records: list[Record]) -> list[Record]:
    """Of gates before and after the last decision; of those between steps every one."""
    last = {
        (r.data.get("place"), r.step, r.data.get("sli")): r.n
        for r in records
        if r.data.get("place") != "between"
    }
    return [r for r in records if r.data.get("place") == "between" or r.n in last.values()]


def _gate(run: RunRead, samples: Samples, record: Record) -> Gated:
    data = record.data
    place, sli, recorded = data["place"], data["sli"], Holds(data["holds"])
    answer = _again(run, samples, record)
    holds, note = recorded, data.get("test", "")
    expected, observed = data.get("expected", ""), data.get("why", "")
    if answer is not None:
        holds, note = Holds.worst([recorded, answer.holds]), answer.test
        expected, observed = answer.expected, answer.why
        if answer.holds is not recorded:
            live = f"decided during the run: {recorded}, {data.get('why', '')}"
            note = f"{note}; {live}" if note else live
    if not observed:
        observed = f"{data.get('bad', 0):,} bad of {data.get('total', 0):,}"
    if samples.blind(sli_of(run, sli)):
        holds, observed = Holds.UNKNOWN, f"{observed}; {BLIND}"
    where = f"step/{record.step}/{place}/{sli}" if record.step else f"{place}/{sli}"
    records = answer.records if answer is not None and answer.records else ()
    judged = Judged(
        about=where,
        holds=holds,
        expected=expected,
        observed=observed,
        note=note,
        records=(*records, record.n),
    )
    before = place == "before"
    weight = Holds.UNKNOWN if before and holds is not Holds.MET else holds
    return Gated(judged, weight, proves=not before and holds is not Holds.UNKNOWN)


def _again(run: RunRead, samples: Samples, record: Record) -> GateAnswer | None:
    """The gate's answer by the evidence before it; None: there is none of a kind the judge
    could use.
    """
    if record.n in samples.answers:
        return samples.answers[record.n]
    slo = run.slos.get(record.data["sli"])
    gate = declared_gate(run, record)
    if slo is None or slo.kind != "prometheus" or gate is None:
        return None
    place = "after" if record.data["place"] == "after" else "before"
    taken = [
        (seen, reading) for seen, reading in readings(run, slo.sli, place) if seen.n < record.n
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
