"""What cannot be taken back: deleted and evicted pods, restarts, events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from drillkit.clients.effect import make
from drillkit.clients.kube.client import MERGE_PATCH, KubeClient
from drillkit.clients.kube.effect import KubeAttempts
from drillkit.clients.kube.ownership import RUN, labels
from drillkit.clients.kube.resources import EVENTS, NAMESPACES, PODS, Object, Resource
from drillkit.clock import utc
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Counted, Irreversible
from drillkit.model.errors import Absent, Conflict
from drillkit.secrets import excerpt

RESTARTED = "kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True)
class _PodGone(Irreversible):
    """A pod goes, and its controller makes another."""

    name: str
    namespace: str
    uid: str
    """Only this very pod."""
    grace_s: int | None = None
    """Seconds to end by itself; None: as the pod says; 0: killed."""

    @property
    def resource(self) -> str:
        return PODS.said(self.name, self.namespace)

    @property
    def wait_for(self) -> str:
        return "a replacement that is ready"

    @property
    def counts(self) -> Counted:
        return Counted(self.namespace, pod=f"{self.namespace}/{self.name}/{self.uid}")


@dataclass(frozen=True)
class DeletePod(_PodGone):
    """A pod is deleted."""

    kind: ClassVar[str] = "kube.delete-pod"

    @property
    def reason(self) -> str:
        return "a deleted pod does not come back; its controller makes another"


@dataclass(frozen=True)
class EvictPod(_PodGone):
    """A pod is evicted, with the consent of its PodDisruptionBudget."""

    kind: ClassVar[str] = "kube.evict-pod"

    @property
    def reason(self) -> str:
        return "an evicted pod does not come back; its controller makes another elsewhere"


@dataclass(frozen=True)
class RestartWorkload(Irreversible):
    """A Deployment, StatefulSet or DaemonSet replaces all its pods, as `kubectl rollout restart`
    asks it to.
    """

    kind: ClassVar[str] = "kube.restart"

    of: Resource
    name: str
    namespace: str
    run: str

    @property
    def resource(self) -> str:
        return self.of.said(self.name, self.namespace)

    @property
    def reason(self) -> str:
        return (
            "replaced pods do not come back, and taking the annotation back would replace them "
            "once more"
        )

    @property
    def wait_for(self) -> str:
        return "the rollout to complete"


@dataclass(frozen=True)
class PostEvent(Irreversible):
    """An Event is posted that tells what the run does."""

    kind: ClassVar[str] = "kube.event"

    name: str
    namespace: str
    run: str

    @property
    def resource(self) -> str:
        return EVENTS.said(self.name, self.namespace)

    @property
    def reason(self) -> str:
        return "an Event is a notice, not a setting"

    @property
    def wait_for(self) -> str:
        return "the cluster to drop it, as it drops all Events (after an hour, by default)"

    @property
    def counts(self) -> Counted:
        return Counted()


def delete_pod(kube: KubeClient, plan: Planned[DeletePod]) -> bool:
    """See `Kube.delete_pod`."""
    pod = plan.undo
    path = PODS.path(pod.name, pod.namespace)
    options = {"apiVersion": "v1", "kind": "DeleteOptions", **_only_this(pod.uid, pod.grace_s)}
    return _go(
        kube,
        plan,
        lambda attempts: attempts._send("DELETE", path, f"delete {pod.resource}", body=options),
    )


def evict_pod(kube: KubeClient, plan: Planned[EvictPod]) -> bool:
    """See `Kube.evict_pod`."""
    pod = plan.undo
    path = PODS.path(pod.name, pod.namespace, "eviction")
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": _only_this(pod.uid, pod.grace_s),
    }
    return _go(
        kube,
        plan,
        lambda attempts: attempts._send("POST", path, f"evict {pod.resource}", body=body),
    )


def _only_this(uid: str, grace_s: int | None) -> dict[str, Any]:
    grace = {} if grace_s is None else {"gracePeriodSeconds": grace_s}
    return {"preconditions": {"uid": uid}, **grace}


def _go(
    kube: KubeClient,
    plan: Planned[DeletePod] | Planned[EvictPod],
    ask: Callable[[KubeAttempts], object],
) -> bool:
    def once(attempts: KubeAttempts) -> bool:
        try:
            ask(attempts)
        except Absent:
            return attempts.doubtful  # if there was a doubt before, that attempt did it
        except (
            Conflict
        ):  # another pod has the name by now (a StatefulSet's), or this one is just changing
            there = kube.find(PODS, plan.undo.name, plan.undo.namespace)
            if there is not None and there["metadata"]["uid"] == plan.undo.uid:
                raise
            return attempts.doubtful
        return True

    return make(KubeAttempts(kube, plan), once, lambda gone: {"uid": plan.undo.uid} if gone else {})


def restart(kube: KubeClient, plan: Planned[RestartWorkload]) -> None:
    """See `Kube.restart`."""
    undo = plan.undo
    stamp = utc(kube.clock.now()).isoformat(timespec="seconds")
    body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: stamp}}}}}
    path = undo.of.path(undo.name, undo.namespace)

    def once(attempts: KubeAttempts) -> Object:
        made: Object = attempts._send(
            "PATCH", path, f"restart {undo.resource}", body=body, content_type=MERGE_PATCH
        ).json()
        return made

    make(KubeAttempts(kube, plan), once, lambda made: {"uid": made["metadata"]["uid"]})


def create_event(
    kube: KubeClient,
    plan: Planned[PostEvent],
    *,
    reason: str,
    message: str,
    about: Object | None,
    warning: bool,
) -> None:
    """See `Kube.create_event`."""
    undo = plan.undo
    stamp = utc(kube.clock.now()).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": undo.name,
            "namespace": undo.namespace,
            "labels": labels(undo.run, undo.name),
        },
        "involvedObject": _reference(about, undo.namespace),
        "reason": reason,
        "message": excerpt(message, 1024),
        "type": "Warning" if warning else "Normal",
        "source": {"component": "drillkit"},
        "reportingComponent": "drillkit.dev/drillkit",
        "reportingInstance": undo.run,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }

    def once(attempts: KubeAttempts) -> None:
        try:
            attempts._send(
                "POST", EVENTS.path(namespace=undo.namespace), f"post {undo.resource}", body=body
            )
        except Conflict:
            there = kube.find(EVENTS, undo.name, undo.namespace)
            if there is None or (there["metadata"].get("labels") or {}).get(RUN) != undo.run:
                raise

    make(KubeAttempts(kube, plan), once)


def _reference(about: Object | None, namespace: str) -> Mapping[str, str]:
    if about is None:
        return {
            "apiVersion": "v1",
            "kind": NAMESPACES.kind,
            "name": namespace,
            "namespace": namespace,
        }
    meta = about["metadata"]
    # The API wants an Event in the namespace that its reference names, even where the thing itself
    # has none.
    return {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "namespace": meta.get("namespace") or namespace,
    }
