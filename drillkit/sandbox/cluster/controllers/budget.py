"""PodDisruptionBudgets: the status shows what the eviction API would allow now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drillkit.sandbox.cluster.values import set_condition
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.budgets import allowance
from drillkit.sandbox.kube.objects import (
    BUDGETS,
    DEPLOYMENTS,
    PODS,
    REPLICASETS,
    STATEFULSETS,
    Gvr,
    Object,
)


@dataclass(frozen=True)
class Budgets:
    """minAvailable or maxUnavailable, as numbers or percentages, over the pods that the
    selector matches.
    """

    name: str = "disruption"
    gvr: Gvr = BUDGETS
    watches: frozenset[Gvr] = frozenset({BUDGETS, PODS, REPLICASETS, STATEFULSETS, DEPLOYMENTS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        generation = obj["metadata"]["generation"]
        pods = view.all(PODS, obj["metadata"]["namespace"])
        status = allowance(obj, pods, view.store.state.lookup).status(generation)
        old = (obj.get("status") or {}).get("conditions") or []
        told = status["conditions"][0]
        [dated] = set_condition(old, told["type"], told["status"], told["reason"], "", view.now())
        view.write_status(
            BUDGETS,
            obj,
            {**status, "conditions": [{**told, "lastTransitionTime": dated["lastTransitionTime"]}]},
        )
        return None
