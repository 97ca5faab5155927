"""ReplicaSets: as many active pods as asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drillkit.sandbox.cluster.values import available_at, is_active, phase
from drillkit.sandbox.cluster.view import View, pods_of_template
from drillkit.sandbox.kube.objects import (
    PODS,
    REPLICASETS,
    Gvr,
    Object,
    is_ready,
    is_terminating,
    labels_of,
)


@dataclass(frozen=True)
class ReplicaSets:
    """Creates what is missing, deletes what is too much, the least useful pods first."""

    name: str = "replicaset"
    gvr: Gvr = REPLICASETS
    watches: frozenset[Gvr] = frozenset({REPLICASETS, PODS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        active = [pod for pod in view.claim(PODS, obj, obj["spec"]["selector"]) if is_active(pod)]
        wanted = obj["spec"].get("replicas", 1)
        if not is_terminating(obj):
            for _ in range(wanted - len(active)):
                active.append(self._create(view, obj))
            for pod in sorted(active, key=usefulness)[: max(0, len(active) - wanted)]:
                active.remove(pod)
                view.delete(PODS, pod)
                view.event(
                    obj,
                    "SuccessfulDelete",
                    f"Deleted pod: {pod['metadata']['name']}",
                    component="replicaset-controller",
                )
        return self._status(view, obj, active)

    def _create(self, view: View, owner: Object) -> Object:
        pod = pods_of_template(owner, owner["spec"]["template"])
        pod["metadata"]["generateName"] = f"{owner['metadata']['name']}-"
        made = view.create(PODS, pod, owner["metadata"]["namespace"])
        view.event(
            owner,
            "SuccessfulCreate",
            f"Created pod: {made['metadata']['name']}",
            component="replicaset-controller",
        )
        return made

    def _status(self, view: View, obj: Object, active: list[Object]) -> datetime | None:
        template = (obj["spec"]["template"].get("metadata") or {}).get("labels") or {}
        available, due = count_available(
            active, obj["spec"].get("minReadySeconds") or 0, view.now()
        )
        ready = sum(map(is_ready, active))
        status: Object = {
            "replicas": len(active),
            "fullyLabeledReplicas": sum(
                template.items() <= labels_of(pod).items() for pod in active
            ),
            "observedGeneration": obj["metadata"]["generation"],
        }
        if ready:
            status["readyReplicas"] = ready
        if available:
            status["availableReplicas"] = available
        current = view.get(REPLICASETS, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if current is not None:
            view.write_status(REPLICASETS, current, status)
        return due


def usefulness(pod: Object) -> tuple[bool, int, bool, str]:
    """Sorts pods so that the ones to delete first come first: unbound, pending, not ready, youngest
    by name last.
    """
    order = {"Pending": 0, "Unknown": 1, "Running": 2}
    return (
        bool(pod["spec"].get("nodeName")),
        order.get(phase(pod), 0),
        is_ready(pod),
        pod["metadata"]["name"],
    )


def count_available(
    pods: list[Object], min_ready_s: int, now: datetime
) -> tuple[int, datetime | None]:
    """How many pods have been ready long enough, and when the next one will have been."""
    moments = [at for pod in pods if (at := available_at(pod, min_ready_s)) is not None]
    return sum(at <= now for at in moments), min((at for at in moments if at > now), default=None)
