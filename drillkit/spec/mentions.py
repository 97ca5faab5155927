"""Which service levels and alerts a drill mentions. Most mention none, and then nothing about them
is imported.
"""

from __future__ import annotations

from drillkit.model.drill import Detect, Drill, GateSet, Hypothesis, Objectives, Step
from drillkit.spec.arguments import steps_in


def slo_names_of(drill: Drill) -> tuple[str, ...]:
    """Names that hypotheses and guards use and that are no probes."""
    names: dict[str, None] = {}
    for hypothesis in _hypotheses(drill):
        for gates in (hypothesis.before, hypothesis.after):
            names.update(dict.fromkeys(_gated(gates)))
        names.update(dict.fromkeys(hypothesis.during))
    for guard in (*drill.guards.start, *drill.guards.abort):
        names.update(dict.fromkeys(name for name in (guard.budget, guard.slo) if name))
    return tuple(name for name in names if name not in drill.probes)


def mentions_slos(drill: Drill) -> bool:
    """Whether a drill refers to objectives, or holds some itself."""
    return bool(drill.slos or slo_names_of(drill))


def mentions_alerts(drill: Drill) -> bool:
    """Whether a drill, whose references may still be open, is about alerts of a metrics server."""
    guards = (*drill.guards.start, *drill.guards.abort)
    return bool(expected_alerts(drill)) or any(guard.alerts is not None for guard in guards)


def expected_alerts(drill: Drill) -> frozenset[str]:
    """Names of alerts that a drill, whose references may still be open, wants to fire."""
    steps = (item for _, item in steps_in(drill) if isinstance(item, Step))
    detected = (
        step.objectives.detect.alert
        for step in steps
        if isinstance(step.objectives, Objectives) and isinstance(step.objectives.detect, Detect)
    )
    return frozenset((*drill.guards.expected_alerts, *(name for name in detected if name)))


def _hypotheses(drill: Drill) -> list[Hypothesis]:
    own = [item.hypothesis for _, item in steps_in(drill) if isinstance(item, Step)]
    return [drill.hypothesis, *(each for each in own if each is not None)]


def _gated(gates: GateSet) -> tuple[str, ...]:
    return (*gates.slo, *gates.gates)
