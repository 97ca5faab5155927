"""Records of what an objective counts: its terms, readings of it, and counts that decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from drillkit.judge.gates import GateAnswer, decide_ratio
from drillkit.model.drill import Gate
from drillkit.model.evidence import Reading
from drillkit.model.records import SloTerms
from drillkit.model.slo import Probed, Slo
from drillkit.model.verdict import Holds
from drillkit.slo.count import Count

Place = Literal["guard", "before", "during", "after", "watch"]


def terms_of(name: str, slo: Slo) -> SloTerms:
    """What record 1 keeps of an objective."""
    window_s = slo.window.total_seconds()
    if not isinstance(slo.sli, Probed):
        return SloTerms(name=name, target=slo.target, window_s=window_s, kind="prometheus")
    return SloTerms(
        name=name,
        target=slo.target,
        window_s=window_s,
        kind="probe",
        probe=slo.sli.probe,
        slow_s=slo.sli.slow.total_seconds() if slo.sli.slow else None,
    )


def reading_of(name: str, count: Count, window_s: float, place: Place) -> Reading:
    """What is written down of a count over so many seconds."""
    why = count.why or "; ".join(count.notes)
    return Reading(
        name, "; ".join(count.queries), round(window_s, 3), count.good, count.total, why, place
    )


def exact(count: Count) -> Count:
    """A count whose limit lies inside a bucket is no count."""
    if count.exact:
        return count
    edges = count.edges or ("", "")
    why = (
        f"the limit lies between the buckets {edges[0]} and {edges[1]}; use one of them as "
        "the limit"
    )
    return replace(count, good=None, good_most=None, why=why)


def gate_answer(slo: Slo, gate: Gate, count: Count | None = None) -> GateAnswer:
    """What a count means for a gate, as the judge will find again."""
    target = 1 - gate.bad.bad / gate.bad.total if gate.bad else slo.target
    confidence = gate.confidence.of_one if gate.confidence else None
    if count is None:
        return decide_ratio(None, None, target, confidence=confidence)
    return decide_ratio(count.good, count.total, target, confidence=confidence, why=count.why)


def decidable(count: Count, slo: Slo, gate: Gate) -> Count:
    """Of a range the end that decides all the same; where the ends disagree, no count."""
    if count.exact:
        return count
    most = replace(count, good=count.good_most, good_most=None)
    least = replace(count, good_most=None)
    holds = gate_answer(slo, gate, least).holds
    if holds is not gate_answer(slo, gate, most).holds:
        return exact(count)
    return least if holds is Holds.MET else most
