"""DaemonSets: one pod on every node that takes it, cordoned ones included."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drillkit.sandbox.cluster.controllers.replicaset import count_available
from drillkit.sandbox.cluster.controllers.scheduler import why_not
from drillkit.sandbox.cluster.values import is_finished, is_healthy, safe_hash, scaled, without_none
from drillkit.sandbox.cluster.view import View, pods_of_template
from drillkit.sandbox.kube.objects import (
    DAEMONSETS,
    NODES,
    PODS,
    Gvr,
    Object,
    clone,
    is_ready,
    is_terminating,
    labels_of,
)

REVISION_LABEL = "controller-revision-hash"
TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
COMPONENT = "daemonset-controller"


@dataclass(frozen=True)
class DaemonSets:
    """Its pods tolerate cordons; updates replace at most maxUnavailable at once."""

    name: str = "daemonset"
    gvr: Gvr = DAEMONSETS
    watches: frozenset[Gvr] = frozenset({DAEMONSETS, PODS, NODES})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        pods = view.claim(PODS, obj, obj["spec"]["selector"])
        if is_terminating(obj):
            return None
        by_node: dict[str, list[Object]] = {}
        for pod in pods:
            by_node.setdefault(target_node(pod), []).append(pod)
        wanted = {
            name: self._pod(obj, name)
            for name in sorted(n["metadata"]["name"] for n in view.all(NODES))
        }
        nodes = {node["metadata"]["name"]: node for node in view.all(NODES)}
        wanted = {
            name: pod for name, pod in wanted.items() if why_not(pod, nodes[name], [], []) is None
        }
        for name, pod in wanted.items():
            if not by_node.get(name):
                made = view.create(PODS, pod, obj["metadata"]["namespace"])
                view.event(
                    obj,
                    "SuccessfulCreate",
                    f"Created pod: {made['metadata']['name']}",
                    component=COMPONENT,
                )
        for name, there in by_node.items():
            alive = [pod for pod in there if not is_terminating(pod)]
            surplus = alive[1:] if name in wanted else alive
            for pod in [
                *surplus,
                *(pod for pod in alive[:1] if is_finished(pod) and name in wanted),
            ]:
                view.delete(PODS, pod)
                view.event(
                    obj,
                    "SuccessfulDelete",
                    f"Deleted pod: {pod['metadata']['name']}",
                    component=COMPONENT,
                )
        self._update(view, obj, pods, len(wanted))
        return self._status(view, obj, set(wanted))

    def _pod(self, obj: Object, node: str) -> Object:
        pod = pods_of_template(
            obj, clone(obj["spec"]["template"]), {REVISION_LABEL: template_revision(obj)}
        )
        pod["metadata"]["generateName"] = f"{obj['metadata']['name']}-"
        pod["metadata"]["namespace"] = obj["metadata"]["namespace"]
        spec = pod["spec"]
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
        required = affinity.setdefault(
            "requiredDuringSchedulingIgnoredDuringExecution", {"nodeSelectorTerms": [{}]}
        )
        required["nodeSelectorTerms"] = [{**each, **term} for each in required["nodeSelectorTerms"]]
        extra = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in TOLERATED]
        spec["tolerations"] = [*(spec.get("tolerations") or []), *extra]
        return pod

    def _update(self, view: View, obj: Object, pods: list[Object], wanted: int) -> None:
        strategy = obj["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return
        limit = scaled(
            (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), wanted, round_up=True
        )
        outdated = [
            p
            for p in pods
            if not is_terminating(p) and labels_of(p).get(REVISION_LABEL) != template_revision(obj)
        ]
        unavailable = max(0, wanted - sum(map(is_healthy, pods)))
        for pod in sorted(outdated, key=lambda p: (is_healthy(p), p["metadata"]["name"])):
            if is_healthy(pod):
                if unavailable >= limit:
                    return
                unavailable += 1
            view.delete(PODS, pod)

    def _status(self, view: View, obj: Object, wanted: set[str]) -> datetime | None:
        current = view.get(DAEMONSETS, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if current is None:
            return None
        pods = [pod for pod in view.owned(PODS, current) if not is_terminating(pod)]
        placed = [pod for pod in pods if target_node(pod) in wanted]
        available, due = count_available(
            placed, current["spec"].get("minReadySeconds") or 0, view.now()
        )
        status = without_none(
            {
                "currentNumberScheduled": len(placed),
                "desiredNumberScheduled": len(wanted),
                "numberMisscheduled": len(pods) - len(placed),
                "numberReady": sum(map(is_ready, placed)),
                "updatedNumberScheduled": sum(
                    labels_of(p).get(REVISION_LABEL) == template_revision(current) for p in placed
                )
                or None,
                "numberAvailable": available or None,
                "numberUnavailable": len(wanted) - available or None,
                "observedGeneration": current["metadata"]["generation"],
            }
        )
        view.write_status(DAEMONSETS, current, status)
        return due


def target_node(pod: Object) -> str:
    """The node a DaemonSet's pod is on, or is meant for; empty if it names none."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or []:
        for each in term.get("matchFields") or []:
            return str(each["values"][0])
    return ""


def template_revision(obj: Object) -> str:
    """The label value of pods made from the current template."""
    return safe_hash(obj["spec"]["template"])
