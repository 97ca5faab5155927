"""Objects in the version a client asked for; storage knows only one."""

from __future__ import annotations

from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.resources import Resource

_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
"""Names of the core Event's fields in events.k8s.io."""


def present(resource: Resource, version: str, obj: Object) -> Object:
    """A stored object as ``resource`` shows it in ``version``; shares what it can with
    the original.
    """
    api_version = resource.api_version(version)
    if resource.storage is not None:
        obj = {_EVENT_FIELDS.get(key, key): value for key, value in obj.items()}
    elif obj["apiVersion"] == api_version:
        return obj
    return {**obj, "apiVersion": api_version}


def absorb(resource: Resource, obj: Object) -> Object:
    """A client's object (of any served version) as it is stored."""
    return {**obj, "apiVersion": resource.api_version(), "kind": resource.kind}
