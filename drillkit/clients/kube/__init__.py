"""A Kubernetes cluster, over raw JSON."""

from __future__ import annotations

from drillkit.clients.kube.errors import NotServed
from drillkit.clients.kube.field_patch import FieldChange, RestoreFields, changed
from drillkit.clients.kube.irreversible import DeletePod, EvictPod, PostEvent, RestartWorkload
from drillkit.clients.kube.json_pointer import ABSENT, pointer
from drillkit.clients.kube.kube import Kube, open_kube
from drillkit.clients.kube.lease import ReleaseLease
from drillkit.clients.kube.nodes import Uncordon, uncordon_of
from drillkit.clients.kube.objects import DeleteFault, DeleteObject
from drillkit.clients.kube.resources import Object, Resource
from drillkit.clients.kube.wire import Response, Transport
from drillkit.clients.undo import UndoAction

UNDOS: dict[str, type[UndoAction]] = {
    cls.kind: cls for cls in (Uncordon, DeleteFault, DeleteObject, RestoreFields, ReleaseLease)
}

__all__ = [
    "ABSENT",
    "UNDOS",
    "DeleteFault",
    "DeleteObject",
    "DeletePod",
    "EvictPod",
    "FieldChange",
    "Kube",
    "NotServed",
    "Object",
    "PostEvent",
    "ReleaseLease",
    "Resource",
    "Response",
    "RestartWorkload",
    "RestoreFields",
    "Transport",
    "Uncordon",
    "changed",
    "open_kube",
    "pointer",
    "uncordon_of",
]
