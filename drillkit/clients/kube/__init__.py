"""A Kubernetes cluster, over raw JSON."""

from __future__ import annotations

from drillkit.clients.kube.fields import ABSENT, FieldChange, RestoreFields, changed
from drillkit.clients.kube.irreversible import DeletePod, EvictPod, PostEvent, RestartWorkload
from drillkit.clients.kube.kube import Kube
from drillkit.clients.kube.lease import ReleaseLease
from drillkit.clients.kube.nodes import Uncordon
from drillkit.clients.kube.objects import DeleteFault, DeleteObject
from drillkit.clients.kube.resources import Object, Resource
from drillkit.clients.undo import Applicable

UNDOS: dict[str, type[Applicable]] = {
    cls.kind: cls for cls in (Uncordon, DeleteFault, DeleteObject, RestoreFields, ReleaseLease)
}

__all__ = [
    "ABSENT", "UNDOS", "DeleteFault", "DeleteObject", "DeletePod", "EvictPod", "FieldChange", "Kube", "Object",
    "PostEvent", "ReleaseLease", "Resource", "RestartWorkload", "RestoreFields", "Uncordon", "changed",
]  # fmt: skip
