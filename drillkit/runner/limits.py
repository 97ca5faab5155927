"""What a target's caps say of one effect, asked right before the effect, whoever plans it.

Every effect of a run passes the journal's one door (`Journal.plan_entry`): of steps, faults,
commands, plug-ins and the processes that the runner starts. That is where this stands.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from drillkit.model.errors import Refused
from drillkit.model.records import PlannedEffect, UndoPlanned
from drillkit.model.target import Target

_POD_LOST = frozenset({"kube.delete-pod", "kube.evict-pod"})
_PAID_BY_THE_HOUR = frozenset({"rds.delete-instance", "elasticache.delete-replication-group"})
_OF_OUR_OWN = ("velero.", "kube.release-lease", "kube.event", "kube.delete-object")
"""Effects that make something of the run's own beside what is there: a lock, a notice, a copy."""


def effect_limits(
    target: Target, longest: timedelta = timedelta(0)
) -> Callable[[PlannedEffect], None]:
    """A check for the effects of one run: raises Refused for one that the target's caps forbid.

    `longest`: how long what it makes may live, its clean-up included.
    """
    caps = target.caps
    lost: set[str] = set()
    made: set[str] = set()

    def check(effect: PlannedEffect) -> None:
        kind = effect.undo if isinstance(effect, UndoPlanned) else effect.effect
        namespace = effect.args.get("namespace")
        if isinstance(namespace, str) and namespace and not kind.startswith(_OF_OUR_OWN):
            _refuse(effect, target, caps.forbid(namespace))
        if kind in _PAID_BY_THE_HOUR:
            size = str(effect.args.get("instance_class") or "")
            storage = int(str(effect.args.get("storage_gib") or 0))
            _refuse(effect, target, caps.forbid_copy(size, storage))
            made.add(effect.resource)
            _refuse(effect, target, caps.forbid_hours(len(made), longest))
        if kind in _POD_LOST and caps.pods_of_run is not None:
            lost.add(f"{namespace}/{effect.args.get('name')}/{effect.args.get('uid')}")
            if len(lost) > caps.pods_of_run:
                why = f"a run may delete or evict {caps.pods_of_run} pods (`caps.pods_of_run`)"
                _refuse(effect, target, why)

    return check


def _refuse(effect: PlannedEffect, target: Target, why: str) -> None:
    if why:
        raise Refused(f"{effect.resource}: target `{target.name}`: {why}; nothing was done")
