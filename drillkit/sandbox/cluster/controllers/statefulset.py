"""StatefulSets: pods with stable names and claims, made and replaced in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drillkit.sandbox.cluster.controllers.replicaset import count_available
from drillkit.sandbox.cluster.values import is_finished, is_healthy, safe_hash, without_none
from drillkit.sandbox.cluster.view import View, pods_of_template
from drillkit.sandbox.kube.objects import (
    PODS,
    STATEFULSETS,
    Gvr,
    Object,
    clone,
    is_ready,
    is_terminating,
    labels_of,
)

CLAIMS: Gvr = ("", "persistentvolumeclaims")
REVISION_LABEL = "controller-revision-hash"
COMPONENT = "statefulset-controller"


@dataclass(frozen=True)
class StatefulSets:
    """Ordinals rise one by one, each waiting for the one before to be ready, unless the policy
    is Parallel.
    """

    name: str = "statefulset"
    gvr: Gvr = STATEFULSETS
    watches: frozenset[Gvr] = frozenset({STATEFULSETS, PODS, CLAIMS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        pods = {
            ordinal(pod): pod
            for pod in view.claim(PODS, obj, obj["spec"]["selector"])
            if ordinal(pod) >= 0
        }
        if not is_terminating(obj):
            self._step(view, obj, pods)
        return self._status(view, obj)

    def _step(self, view: View, obj: Object, pods: dict[int, Object]) -> None:
        wanted = obj["spec"].get("replicas", 1)
        parallel = obj["spec"].get("podManagementPolicy") == "Parallel"
        for number in range(wanted):
            pod = pods.get(number)
            if pod is not None and is_finished(pod) and not is_terminating(pod):
                view.delete(PODS, pod)
            elif pod is None:
                self._create(view, obj, number)
            if (pod is None or not is_healthy(pod)) and not parallel:
                return
        surplus = sorted((number for number in pods if number >= wanted), reverse=True)
        for number in surplus:
            if not is_terminating(pods[number]):
                view.delete(PODS, pods[number])
                self._tell(
                    view,
                    obj,
                    "SuccessfulDelete",
                    f"delete Pod {pods[number]['metadata']['name']} in",
                )
            if not parallel:
                return
        if not surplus:
            self._update(view, obj, pods, wanted)

    def _update(self, view: View, obj: Object, pods: dict[int, Object], wanted: int) -> None:
        """Replace one outdated pod, the highest ordinal first, once all others are ready."""
        strategy = obj["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete" or not all(
            is_healthy(pods[n]) for n in range(wanted) if n in pods
        ):
            return
        partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
        for number in range(wanted - 1, partition - 1, -1):
            pod = pods.get(number)
            if pod is not None and labels_of(pod).get(REVISION_LABEL) != update_revision(obj):
                view.delete(PODS, pod)
                self._tell(
                    view, obj, "SuccessfulDelete", f"delete Pod {pod['metadata']['name']} in"
                )
                return

    def _create(self, view: View, obj: Object, number: int) -> None:
        name, namespace = f"{obj['metadata']['name']}-{number}", obj["metadata"]["namespace"]
        labels = {
            REVISION_LABEL: update_revision(obj),
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(number),
        }
        pod = pods_of_template(obj, clone(obj["spec"]["template"]), labels)
        pod["metadata"]["name"] = name
        pod["spec"]["hostname"] = name
        volumes = pod["spec"].setdefault("volumes", [])
        for template in obj["spec"].get("volumeClaimTemplates") or []:
            claim = f"{template['metadata']['name']}-{name}"
            if view.get(CLAIMS, namespace, claim) is None:
                matching = (obj["spec"]["selector"].get("matchLabels") or {}) | (
                    template["metadata"].get("labels") or {}
                )
                body = {"metadata": {"name": claim, "labels": matching}, "spec": template["spec"]}
                view.create(CLAIMS, body, namespace)
                self._tell(view, obj, "SuccessfulCreate", f"create Claim {claim} Pod {name} in")
            volumes.append(
                {
                    "name": template["metadata"]["name"],
                    "persistentVolumeClaim": {"claimName": claim},
                }
            )
        view.create(PODS, pod, namespace)
        self._tell(view, obj, "SuccessfulCreate", f"create Pod {name} in")

    def _tell(self, view: View, obj: Object, reason: str, what: str) -> None:
        view.event(
            obj,
            reason,
            f"{what} StatefulSet {obj['metadata']['name']} successful",
            component=COMPONENT,
        )

    def _status(self, view: View, obj: Object) -> datetime | None:
        current = view.get(STATEFULSETS, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if current is None:
            return None
        pods = [pod for pod in view.owned(PODS, current) if not is_terminating(pod)]
        latest = update_revision(current)
        updated = sum(labels_of(pod).get(REVISION_LABEL) == latest for pod in pods)
        old = current.get("status") or {}
        wanted = current["spec"].get("replicas", 1)
        done = updated == len(pods) == wanted
        revision = latest if done else old.get("currentRevision") or latest
        available, due = count_available(
            pods, current["spec"].get("minReadySeconds") or 0, view.now()
        )
        status = without_none(
            {
                "observedGeneration": current["metadata"]["generation"],
                "replicas": len(pods),
                "readyReplicas": sum(map(is_ready, pods)) or None,
                "availableReplicas": available,
                "currentReplicas": sum(
                    labels_of(pod).get(REVISION_LABEL) == revision for pod in pods
                )
                or None,
                "updatedReplicas": updated or None,
                "currentRevision": revision,
                "updateRevision": latest,
                "collisionCount": 0,
            }
        )
        view.write_status(STATEFULSETS, current, status)
        return due


def ordinal(pod: Object) -> int:
    """The number at the end of a pod's name; -1 if there is none."""
    digits = pod["metadata"]["name"].rpartition("-")[2]
    return int(digits) if digits.isdigit() else -1


def update_revision(obj: Object) -> str:
    """The name of the revision that new pods get."""
    return f"{obj['metadata']['name']}-{safe_hash(obj['spec']['template'])}"
