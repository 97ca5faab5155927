"""A Kubernetes cluster, over raw JSON."""

from __future__ import annotations

from drillkit.clients.kube.errors import NotServed
from drillkit.clients.kube.fields import FieldChange, RestoreFields, changed
from drillkit.clients.kube.irreversible import DeletePod, EvictPod, PostEvent, RestartWorkload
from drillkit.clients.kube.kube import Kube, open_kube
from drillkit.clients.kube.lease import ReleaseLease
from drillkit.clients.kube.nodes import Uncordon, uncordon_of
from drillkit.clients.kube.objects import DeleteFault, DeleteObject
from drillkit.clients.kube.pointer import ABSENT, pointer
from drillkit.clients.kube.resources import Object, Resource
from drillkit.clients.kube.wire import Answer, Transport
from drillkit.clients.undo import Applicable

UNDOS: dict[str, type[Applicable]] = {
    cls.kind: cls for cls in (Uncordon, DeleteFault, DeleteObject, RestoreFields, ReleaseLease)
}

__all__ = [
    "ABSENT",
    "UNDOS",
    "Answer",
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
    "RestartWorkload",
    "RestoreFields",
    "Transport",
    "Uncordon",
    "changed",
    "open_kube",
    "pointer",
    "uncordon_of",
]
