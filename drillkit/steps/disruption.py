"""When the disaster was, for steps that measure how long it takes to come back. No kind itself."""

from __future__ import annotations

from datetime import datetime

from drillkit.clock import utc
from drillkit.model.drill import Objectives
from drillkit.model.errors import StepFailed
from drillkit.steps.base import Act

DISRUPTED = {"disrupted": "when the disaster was, for `disrupted:` of a later step"}
"""The output that `begin` gives."""


def times_people(objectives: Objectives) -> bool:
    """Whether something is measured from the disruption on: to an alert, or to what people say."""
    times = (objectives.detect, objectives.acknowledge, objectives.mitigate)
    return any(time is not None for time in times)


def begin(act: Act, disrupted: datetime | None) -> datetime:
    """Mark the disruption, now or at its declared time; that time.

    Raises StepFailed for one that lies in the future.
    """
    now = act.clock.now()
    act.outputs["disrupted"] = (disrupted or utc(now)).isoformat()
    if disrupted is None:
        act.mark("disrupted", simulated=True)
        return utc(now)
    if disrupted.timestamp() > now:
        raise StepFailed(f"expected `disrupted` in the past, found {disrupted.isoformat()}")
    # One that an earlier step of the run declared is as simulated as that step's.
    simulated = disrupted >= act.run.started
    act.mark("disrupted", at=act.clock.mono() - (now - disrupted.timestamp()), simulated=simulated)
    return disrupted
