"""Which patch a request carries and what it makes of an object."""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.kube import patches
from drillkit.sandbox.kube.apply import applied
from drillkit.sandbox.kube.call import Call
from drillkit.sandbox.kube.causes import cause, forbidden_field, required
from drillkit.sandbox.kube.convert import absorb, present
from drillkit.sandbox.kube.errors import ApiError, bad_request, invalid, not_found
from drillkit.sandbox.kube.fields import check_declared
from drillkit.sandbox.kube.objects import Object, rfc3339
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.validation import check_shape

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
LONGEST_MANAGER = 128


def changed_by_patch(store: Store, call: Call, old: Object | None) -> tuple[Object, bool]:
    """The object in the caller's version after its patch, and whether it was a server-side apply.

    Raises 404 where there is nothing to patch (an apply creates it), 409, 415 or 422.
    """
    kind = _kind(call)
    if kind == APPLY:
        return _apply(store, call, old), True
    if old is None:
        raise not_found((call.resource.group, call.resource.plural), call.name)
    return patched(call, present(call.resource, call.version, old)), False


def patched(call: Call, target: Object) -> Object:
    """``target`` changed by the patch in the request's body (any kind but an apply)."""
    kind, body = _kind(call), call.body()
    if kind == JSON:
        return patches.operate(target, body)
    if not isinstance(body, dict):
        raise bad_request("a patch must be an object")
    try:
        result: Any = (
            patches.merge(target, body) if kind == MERGE else patches.strategic(target, body)
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise bad_request(f"the patch does not fit the object's types: {error!r}") from error
    return dict(result)


def _check_options(call: Call, kind: str) -> None:
    """Raises 422 for options that the kind of patch does not have."""
    causes = []
    if len(call.query.get("fieldManager", "").encode()) > LONGEST_MANAGER:
        why = f"Too long: may not be more than {LONGEST_MANAGER} bytes"
        causes.append(cause("fieldManager", why, "FieldValueTooLong"))
    if kind == APPLY and not call.query.get("fieldManager"):
        causes.append(required("fieldManager", "is required for apply patch"))
    if kind != APPLY and "force" in call.query:
        causes.append(forbidden_field("force", "may not be specified for non-apply patch"))
    if causes:
        raise invalid("PatchOptions", "meta.k8s.io", "", causes)


def _kind(call: Call) -> str:
    kind = call.header("Content-Type").partition(";")[0].strip()
    kinds = [JSON, MERGE, APPLY] if call.resource.custom else [JSON, MERGE, STRATEGIC, APPLY]
    if kind not in kinds:
        why = (
            "the body of the request was in an unknown format - accepted media types "
            f"include: {', '.join(kinds)}"
        )
        raise ApiError(415, "UnsupportedMediaType", why)
    _check_options(call, kind)
    return kind


def _apply(store: Store, call: Call, old: Object | None) -> Object:
    config = call.body()
    check_shape(call.resource, call.version, config)
    if not config.get("apiVersion") or not config.get("kind"):
        raise bad_request("an applied configuration must have apiVersion and kind")
    manager = call.query["fieldManager"]
    meta = {**(config.get("metadata") or {})}
    if meta.pop("managedFields", None):
        raise bad_request("metadata.managedFields must be nil")
    if meta.setdefault("name", call.name) != call.name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the "
            f"URL ({call.name})"
        )
    if call.namespace:
        meta.setdefault("namespace", call.namespace)
    check_declared(call, config)
    internal = absorb(call.resource, {**config, "metadata": meta})
    custom, force = call.resource.custom, call.flag("force")
    if call.resource.has_status and not call.subresource:
        internal.pop("status", None)
    try:
        result = applied(old, internal, manager, rfc3339(store.now()), force=force, custom=custom)
    except (TypeError, KeyError, AttributeError) as error:
        raise bad_request(
            f"the configuration does not fit the object's types: {error!r}"
        ) from error
    return present(call.resource, call.version, result)
