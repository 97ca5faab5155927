"""What cannot be taken back: deleted and evicted pods, restarts, events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drillkit.clients.kube.resources import EVENTS, PODS, Resource
from drillkit.model.effects import Irreversible


@dataclass(frozen=True)
class DeletePod(Irreversible):
    """A pod is deleted."""

    kind: ClassVar[str] = "kube.delete-pod"

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
    def reason(self) -> str:
        return "a deleted pod does not come back; its controller makes another"

    @property
    def wait_for(self) -> str:
        return "a replacement that is ready"


@dataclass(frozen=True)
class EvictPod(Irreversible):
    """A pod is evicted, with the consent of its PodDisruptionBudget."""

    kind: ClassVar[str] = "kube.evict-pod"

    name: str
    namespace: str
    uid: str
    """Only this very pod."""
    grace_s: int | None = None
    """Seconds to end by itself; None: as the pod says."""

    @property
    def resource(self) -> str:
        return PODS.said(self.name, self.namespace)

    @property
    def reason(self) -> str:
        return "an evicted pod does not come back; its controller makes another elsewhere"

    @property
    def wait_for(self) -> str:
        return "a replacement that is ready"


@dataclass(frozen=True)
class RestartWorkload(Irreversible):
    """A Deployment, StatefulSet or DaemonSet replaces all its pods, as `kubectl rollout restart` asks it to."""

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
        return "replaced pods do not come back, and taking the annotation back would replace them once more"

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
