"""What an object becomes that is put in the place of another."""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.kube import defaults, schema, validation
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.resources import Resource

_KEPT = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "generateName",
)
GIVEN = (
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "managedFields",
)
"""What a client may say in metadata; unknown fields are dropped."""


def successor(resource: Resource, old: Object, new: Object, subresource: str) -> Object:
    """What ``new`` becomes in the place of ``old``: valid, with what it may not change kept."""
    kept = {key: old["metadata"][key] for key in _KEPT if key in old["metadata"]}
    free = {key: value for key, value in (new.get("metadata") or {}).items() if key in GIVEN[3:]}
    if subresource == "status":
        status = {"status": new["status"]} if new.get("status") is not None else {}
        result = {**{key: value for key, value in old.items() if key != "status"}, **status}
        managed = {"managedFields": free["managedFields"]} if "managedFields" in free else {}
        result["metadata"] = {**old["metadata"], **managed}
        if resource.custom:
            conform(resource, result)
        return result
    result = {
        "apiVersion": old["apiVersion"],
        "kind": old["kind"],
        "metadata": {**kept, **free},
    }
    for empty in [
        key
        for key in ("labels", "annotations", "finalizers", "ownerReferences")
        if not free.get(key)
    ]:
        result["metadata"].pop(empty, None)
    result.update({key: value for key, value in new.items() if key not in result})
    if resource.has_status:
        result.pop("status", None)
        if "status" in old:
            result["status"] = old["status"]
    if resource.custom:
        conform(resource, result)
    else:
        if "spec" in old and result.get("spec") is None:
            result["spec"] = {}
        _carry(resource, old, result)
        defaults.fill(resource.kind, result)
    if resource.counts_generations and _desired(resource, result) != _desired(resource, old):
        result["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
    validation.check(resource, result, old)
    return result


def conform(resource: Resource, obj: Object) -> None:
    """Give a custom resource what its schema says. Raises 422 where it does not fit."""
    found = schema.conform(obj, resource.schemas.get(resource.versions[0]) or {})
    validation.check_custom(resource, obj, found)


def _carry(resource: Resource, old: Object, new: Object) -> None:
    """Fields the server assigned and a replacement may leave out."""
    assigned: dict[str, tuple[str, ...]] = {
        "Service": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"),
        "Pod": ("nodeName",),
    }
    for field in assigned.get(resource.kind, ()):
        if field in old["spec"] and not new["spec"].get(field):
            new["spec"][field] = old["spec"][field]


def _desired(resource: Resource, obj: Object) -> Any:
    """What a generation counts: the spec, or everything but metadata and status of a
    custom resource.
    """
    if not resource.custom:
        return obj.get("spec")
    apart = ("metadata", "status") if resource.has_status else ("metadata",)
    return {key: value for key, value in obj.items() if key not in apart}
