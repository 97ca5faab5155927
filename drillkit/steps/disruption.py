"""When the disaster was, for steps that measure how long it takes to come back. No kind itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from drillkit.clock import utc
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Objectives
from drillkit.model.errors import StepFailed
from drillkit.model.units import format_duration
from drillkit.steps.base import Act

DISRUPTED = {"disrupted": "when the disaster was, for `disrupted:` of a later step"}
"""The output that `begin` gives."""


def times_people(objectives: Objectives) -> bool:
    """Whether something is measured from the disruption on: to an alert, or to what people say."""
    times = (objectives.detect, objectives.acknowledge, objectives.mitigate)
    return any(time is not None for time in times)


@dataclass(frozen=True, slots=True)
class Reach:
    """How old a recovery point is, against what the step promises."""

    age: str = ""
    """Such as `1 d 2 h old`."""
    verdict: str = ""
    """Such as `; RPO 1 d: cannot be met`, or '' without an RPO."""
    too_old: bool = False

    @property
    def said(self) -> str:
        """Both."""
        return f"{self.age}{self.verdict}"


def reach(point: datetime, disrupted: datetime | None, act: Act, now: float) -> Reach:
    """How much would be lost with a recovery point, as things are now: nothing newer than it can be
    in what is restored.

    Args:
        disrupted: when the disaster was, where that is declared; one before the point itself stands
            for a moment that nobody knows yet.
        now: seconds since the epoch by the clock that dated the point.
    """
    end = now if disrupted is None or disrupted < point else disrupted.timestamp()
    age = timedelta(seconds=round(max(0.0, end - point.timestamp()), 1))
    said, rpo = f"{format_duration(age)} old", act.objectives.rpo
    if rpo is None:
        return Reach(said)
    too_old = age > rpo
    verdict = "cannot be met" if too_old else "can be met"
    return Reach(said, f"; RPO {format_duration(rpo)}: {verdict}", too_old)


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
