"""What a target's caps say of one effect, asked right before the effect, whoever plans it.

Every effect of a run passes the journal's one door (`Journal.plan_entry`): of steps, faults,
commands, plug-ins and the processes that the runner starts. That is where this stands. What is
counted of an effect it says itself (`Undo.counts`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from drillkit.model.effects import Counted
from drillkit.model.errors import Refused
from drillkit.model.target import Target


def effect_limits(
    target: Target, longest: timedelta = timedelta(0)
) -> Callable[[str, Counted], None]:
    """A check for the effects of one run, of which it is given the resource and what counts:
    raises Refused for one that the target's caps forbid.

    `longest`: how long what it makes may live, its clean-up included.
    """
    caps = target.caps
    lost: set[str] = set()
    made: dict[str, int] = {}

    def check(resource: str, counts: Counted) -> None:
        if counts.namespace:
            _refuse(resource, target, caps.forbid(counts.namespace))
        if (copy := counts.copy) is not None:
            _refuse(resource, target, caps.forbid_copy(copy.instance_class, copy.storage_gib))
            made[resource] = copy.count
            _refuse(resource, target, caps.forbid_hours(sum(made.values()), longest))
        if counts.pod and caps.pods_of_run is not None:
            lost.add(counts.pod)
            if len(lost) > caps.pods_of_run:
                why = f"a run may delete or evict {caps.pods_of_run} pods (`caps.pods_of_run`)"
                _refuse(resource, target, why)

    return check


def _refuse(resource: str, target: Target, why: str) -> None:
    if why:
        raise Refused(f"{resource}: target `{target.name}`: {why}; nothing was done")
