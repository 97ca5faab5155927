"""The three kinds of patch: RFC 7386 merge, RFC 6902 operations, Kubernetes' strategic merge."""

from __future__ import annotations

from typing import Any

from jsonpatch import JsonPatch, JsonPatchException
from jsonpointer import JsonPointerException

from drillkit.sandbox.kube.errors import ApiError, bad_request
from drillkit.sandbox.kube.objects import Object, clone

_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port"),
    "conditions": ("type",),
    "addresses": ("type",),
    "ownerReferences": ("uid",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
}
_MERGED_PRIMITIVES = ("finalizers", "podCIDRs")


def merge_key(field: str, items: list[Any]) -> str:
    """The key by which Kubernetes' types merge that list, or an empty string if it is replaced as
    a whole.
    """
    for key in _MERGE_KEYS.get(field, ()):
        if all(isinstance(item, dict) and (key in item or "$patch" in item) for item in items):
            return key
    return ""


def merge(target: Any, patch: Any) -> Any:
    """``target`` changed by an RFC 7386 merge patch; neither argument is altered."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def operate(target: Object, operations: Any) -> Object:
    """``target`` changed by RFC 6902 operations, all or none. Raises 400 or 422."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        changed: Object = JsonPatch(operations).apply(target)
    except (JsonPatchException, JsonPointerException) as error:
        why = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", why) from error
    return changed


def strategic(target: Any, patch: Any) -> Any:
    """``target`` changed by a strategic merge patch (merge keys, ``$patch``, ``$retainKeys``,
    ``$setElementOrder``, ``$deleteFromPrimitiveList``); neither argument is altered."""
    if not isinstance(patch, dict):
        return clone(patch)
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for field, gone in _directed(patch, "$deleteFromPrimitiveList/"):
        result[field] = [item for item in result.get(field) or [] if item not in gone]
    for key, value in patch.items():
        if not key.startswith("$"):
            _strategic_field(result, key, value)
    for field, order in _directed(patch, "$setElementOrder/"):
        if isinstance(result.get(field), list):
            result[field] = _ordered(field, result[field], order)
    return result


def _directed(patch: dict[str, Any], directive: str) -> list[tuple[str, Any]]:
    """(field, value) of every such directive of a patch."""
    return [
        (key.removeprefix(directive), value)
        for key, value in patch.items()
        if key.startswith(directive)
    ]


def _strategic_field(result: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        result.pop(key, None)
    elif isinstance(value, list):
        result[key] = _strategic_list(key, result.get(key) or [], value)
    else:
        result[key] = strategic(result.get(key), value)


def _strategic_list(field: str, target: list[Any], patch: list[Any]) -> list[Any]:
    if any(
        isinstance(item, dict) and item.get("$patch") == "replace" and len(item) == 1
        for item in patch
    ):
        return [clone(item) for item in patch if item != {"$patch": "replace"}]
    if field in _MERGED_PRIMITIVES:
        return list(dict.fromkeys([*target, *patch]))
    key = merge_key(field, [*target, *patch])
    if not key:
        return [clone(item) for item in patch]
    result = list(target)
    for item in patch:
        at = next((i for i, old in enumerate(result) if old.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != item.get(key)]
        elif at is None:
            result.append(strategic({}, item))
        else:
            result[at] = strategic(result[at], item)
    return result


def _ordered(field: str, items: list[Any], order: list[Any]) -> list[Any]:
    """Items in the order asked for; those it doesn't name keep their place after the others."""
    key = merge_key(field, items) if items and isinstance(items[0], dict) else ""
    wanted = [entry.get(key) if isinstance(entry, dict) else entry for entry in order]

    def rank(item: Any) -> int:
        identity = item.get(key) if isinstance(item, dict) else item
        return wanted.index(identity) if identity in wanted else len(wanted)

    return sorted(items, key=rank)
