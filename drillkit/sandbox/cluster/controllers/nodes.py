"""Cordons become taints; pods that do not tolerate a NoExecute taint leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from drillkit.sandbox.cluster.controllers.scheduler import UNSCHEDULABLE_TAINT, tolerates
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import (
    NODES,
    PODS,
    Gvr,
    Object,
    is_terminating,
    parse_time,
    rfc3339,
)


@dataclass(frozen=True)
class NodeTaints:
    """The node lifecycle controller's part that drills touch."""

    name: str = "node-taints"
    gvr: Gvr = NODES
    watches: frozenset[Gvr] = frozenset({NODES, PODS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        taints = obj["spec"].get("taints") or []
        cordoned = any(taint["key"] == UNSCHEDULABLE_TAINT for taint in taints)
        if bool(obj["spec"].get("unschedulable")) != cordoned:
            kept = [taint for taint in taints if taint["key"] != UNSCHEDULABLE_TAINT]
            if not cordoned:
                kept.append(
                    {
                        "key": UNSCHEDULABLE_TAINT,
                        "effect": "NoSchedule",
                        "timeAdded": rfc3339(view.now()),
                    }
                )
            view.patch(NODES, obj, {"spec": {"taints": kept or None}})
            reason = "NodeNotSchedulable" if not cordoned else "NodeSchedulable"
            view.event(
                obj,
                reason,
                f"Node {obj['metadata']['name']} status is now: {reason}",
                component="kubelet",
            )
        return self._evict(view, obj, [taint for taint in taints if taint["effect"] == "NoExecute"])

    def _evict(self, view: View, node: Object, taints: list[Object]) -> datetime | None:
        due: list[datetime] = []
        for pod in view.all(PODS) if taints else []:
            if pod["spec"].get("nodeName") != node["metadata"]["name"] or is_terminating(pod):
                continue
            for taint in taints:
                leaves = leaves_at(pod, taint, view.now())
                if leaves is not None and leaves <= view.now():
                    view.event(
                        pod,
                        "TaintManagerEviction",
                        "Marking for deletion Pod",
                        component="taint-eviction-controller",
                    )
                    view.delete(PODS, pod)
                    break
                due += [leaves] if leaves is not None else []
        return min(due, default=None)


def leaves_at(pod: Object, taint: Object, now: datetime) -> datetime | None:
    """When a pod has to leave a node with that NoExecute taint; None if it may stay."""
    tolerations = [t for t in pod["spec"].get("tolerations") or [] if tolerates([t], taint)]
    if not tolerations:
        return now
    limits = [t["tolerationSeconds"] for t in tolerations if t.get("tolerationSeconds") is not None]
    if len(limits) < len(tolerations):
        return None
    since = parse_time(taint["timeAdded"]) if taint.get("timeAdded") else now
    return since + timedelta(seconds=min(limits))
