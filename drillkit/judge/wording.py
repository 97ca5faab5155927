"""Names and counts in words, for whoever reads a verdict: the headline, the reports,
the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from drillkit.judge.advice import RUNNERS_GUARDS
from drillkit.model.subjects import (
    ActivityOf,
    BoundName,
    BoundOf,
    CheckOf,
    ComparisonOf,
    FaultInEffect,
    GateOf,
    GatePlace,
    GuardOf,
    ObjectiveName,
    ObjectiveOf,
    OfStep,
    StepEnd,
    StepLack,
    Subject,
    UndoOf,
    WholeRun,
    step_of,
)
from drillkit.model.units import format_duration

_BOUNDS: Mapping[BoundName, str] = {
    "bad": "failed requests",
    "longest_gap": "longest gap",
    "budget": "error budget",
    "recovery": "recovery",
    "p95": "p95",
    "p99": "p99",
}
_OBJECTIVES: Mapping[ObjectiveName, str] = {
    "rto": "RTO",
    "rpo": "RPO",
    "detect": "time to detect",
    "acknowledge": "time to acknowledge",
    "mitigate": "time to mitigate",
    "recovery": "recovery",
}
_PLACES = {
    "before": "before the experiment",
    "method": "",
    "during": "during the experiment",
    "after": "after the experiment",
    "rollback": "rollback",
}
_GATES: Mapping[GatePlace, str] = {
    "before": "before the steps",
    "between": "between steps",
    "after": "after the steps",
}
_WHOLE = {
    "abort": "abort",
    "end": "end of the run",
    "opening": "record 1",
    "journal": "journal",
    "declared": "what is declared",
    "steps": "what the steps did",
    "action-item": "action item",
}
_CAUSES = {
    "refused": "refused",
    "timeout": "timed out",
    "reset": "reset",
    "5xx": "answered 5xx",
    "4xx": "answered 4xx",
    "slow": "too slow",
    "dns": "name not resolved",
    "tls": "TLS failed",
    "body": "wrong body",
    "throttled": "throttled",
    "unreachable": "unreachable",
    "status": "unexpected status",
}


def title(about: Subject, *, step: str = "") -> str:
    """What a Judged or Finding is about, for people: `web during the steps: p95`.

    `step`: its name is left out, where everything around is of that step.
    """
    words = bare_title(about)
    whose = step_of(about) or ("run" if isinstance(about, OfStep) else "")
    if not whose or (step and whose == step) or isinstance(about, StepEnd):
        return words
    return f"{whose}: {words}"


def bare_title(about: Subject) -> str:
    """The same without the name of its step."""
    match about:
        case GateOf(place=place, sli=sli):
            return (
                f"{sli} {_GATES[place].replace('steps', 'step') if about.step else _GATES[place]}"
            )
        case BoundOf(bound=bound, sli=sli):
            return f"{sli} during the {'step' if about.step else 'steps'}: {_BOUNDS[bound]}"
        case GuardOf(guard=guard):
            return guard if guard in RUNNERS_GUARDS else f"guard {guard}"
        case UndoOf(resource=resource):
            return f"undo of {resource}"
        case WholeRun(part=part):
            return _WHOLE[part]
        case _:
            return _of_step(about)


_LACKS = {
    "checks": "declared checks",
    "restored-data": "restored data read",
    "felt": "felt by requests",
}


def _of_step(about: OfStep) -> str:
    match about:
        case ObjectiveOf(objective=objective):
            return _OBJECTIVES[objective]
        case ActivityOf(place=place, name=name):
            return f"{name}, {_PLACES[place]}" if _PLACES[place] else name
        case CheckOf(name=name):
            return name
        case FaultInEffect(name=name):
            return f"in effect: {name}"
        case ComparisonOf(of=of, subject=subject):
            return f"{of} of {subject}"
        case StepLack(what=what):
            return _LACKS[what]
        case StepEnd(step=step):
            return step
        case other:
            assert_never(other)


def latency(seconds: float) -> str:
    """`104 ms`; from one second on, seconds."""
    return format_duration(seconds) if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def number(value: float) -> str:
    """`219,900`, `0.25`: at most six digits behind a small one's point, all of a large one's
    before it.
    """
    return f"{value:,.0f}" if abs(value) >= 100_000 else f"{value:,.6g}"


def lost(bad: Mapping[str, int], sent: int) -> str:
    """`7 of 2,400 requests lost`; slow and throttled ones were answered, so they are called what
    they are.
    """
    failed = sum(bad.values())
    parts = {"slow": bad.get("slow", 0), "throttled": bad.get("throttled", 0)}
    gone = failed - sum(parts.values())
    named = [f"{count:,} {word}" for word, count in {"lost": gone, **parts}.items() if count]
    if not named:
        return f"0 of {sent:,} requests lost"
    if len(named) == 1:
        word = named[0].partition(" ")[2]
        return f"{failed:,} of {sent:,} requests {'too slow' if word == 'slow' else word}"
    return f"{failed:,} of {sent:,} requests bad: {', '.join(named)}"


def causes(bad: Mapping[str, int]) -> str:
    """`70 answered 5xx, 3 refused`, the most frequent first."""
    ordered = sorted(bad.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {_CAUSES.get(cause, cause)}" for cause, count in ordered if count)
