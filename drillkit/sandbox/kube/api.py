"""From a request to its answer: the HTTP API over a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from drillkit.sandbox.kube import metrics, podops, reviews, scale
from drillkit.sandbox.kube.access import Access, Caller, PathAccess, refused
from drillkit.sandbox.kube.apply import track
from drillkit.sandbox.kube.call import TRUE, Call, place_of, understand
from drillkit.sandbox.kube.causes import required
from drillkit.sandbox.kube.convert import absorb, present
from drillkit.sandbox.kube.deleting import DeleteOptions, options_of
from drillkit.sandbox.kube.discovery import discover
from drillkit.sandbox.kube.errors import ApiError, PageNotFound, bad_request, invalid
from drillkit.sandbox.kube.fields import check_fields
from drillkit.sandbox.kube.objects import JOBS, PODS, Object, clone, is_terminating, rfc3339
from drillkit.sandbox.kube.patching import changed_by_patch
from drillkit.sandbox.kube.reading import listing, one, watching
from drillkit.sandbox.kube.resources import Resource
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.validation import check_patched, check_shape
from drillkit.sandbox.kube.wire import Request, Response

_CONDITIONAL = ("leases", "poddisruptionbudgets", "customresourcedefinitions")
"""Replaced only with a resourceVersion, like every custom resource."""

_ANSWERED_WITH_OBJECT = (
    "pods",
    "services",
    "persistentvolumeclaims",
    "persistentvolumes",
    "serviceaccounts",
)
"""A deletion answers the object; of the others it answers a Status."""


def answer(store: Store, request: Request) -> Response:
    """Answers a request; refusals are answers, too. The body is the caller's own."""
    try:
        found = _answer(store, request)
    except ApiError as error:
        found = refusal(error)
    return replace(found, body=clone(found.body))


def refusal(error: ApiError) -> Response:
    """The answer that says why not."""
    if isinstance(error, PageNotFound):
        return Response(404, error.TEXT, {"Content-Type": "text/plain; charset=utf-8"})
    after = error.details.get("retryAfterSeconds")
    return Response(error.code, error.status(), {"Retry-After": str(after)} if after else {})


def _answer(store: Store, request: Request) -> Response:
    parts = [part for part in request.path.split("/") if part]
    pairs = list(request.query.items() if isinstance(request.query, Mapping) else request.query)
    query: dict[str, str] = {}
    for key, value in pairs:
        query.setdefault(key, value)
    place = place_of(parts)
    if place is None:
        authorise(store, request.caller, PathAccess(request.method.lower(), request.path))
        found = discover(store.registry, request, parts) if request.method == "GET" else None
        if found is None:
            raise PageNotFound()
        return found
    watch = query.get("watch", "").lower() in TRUE
    authorise(store, request.caller, place.access(request.method, watch=watch))
    call = understand(store.registry, request, place, query)
    if "create" not in call.resource.verbs and request.method != "GET":
        raise _not_allowed()
    if call.resource.group == "metrics.k8s.io":
        return metrics.usage(store, call)
    if call.resource.verbs == ("create",):
        if request.method != "POST":
            raise _not_allowed()
        return reviews.review(store, call)
    return _subresource(store, call, pairs) if call.subresource else _object(store, call)


def authorise(store: Store, caller: Caller, access: Access | PathAccess) -> None:
    """Raises 403 unless the roles and the store's policy allow it."""
    decision = reviews.decision(store, caller, access)
    store.audit(caller, access, decision.allowed)
    if not decision.allowed:
        raise refused(caller, access, decision)


def _not_allowed() -> ApiError:
    return ApiError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
    )


def _object(store: Store, call: Call) -> Response:
    match call.request.method, bool(call.name):
        case "GET", True if call.flag("watch"):
            return watching(store, call)
        case "GET", True:
            return one(store, call)
        case "GET", False:
            return watching(store, call) if call.flag("watch") else listing(store, call)
        case "POST", False if call.namespace or not call.resource.namespaced:
            return _create(store, call)
        case "PUT", True:
            return _replace(store, call)
        case "PATCH", True:
            return _patch(store, call)
        case "DELETE", True:
            return _delete(store, call)
    raise _not_allowed()


def _subresource(store: Store, call: Call, pairs: list[tuple[str, str]]) -> Response:
    match call.subresource, call.request.method:
        case "status", "GET":
            return one(store, call)
        case "status", "PUT":
            return _replace(store, call)
        case "status", "PATCH":
            return _patch(store, call)
        case "scale", "GET" | "PUT" | "PATCH":
            return scale.scale(store, call)
        case "eviction", "POST":
            return podops.evict(store, call)
        case "log", "GET":
            return podops.log(store, call)
        case "exec", "GET" | "POST":
            return podops.execute(store, call, pairs)
        case "token", "POST":
            return reviews.token(store, call)
    raise _not_allowed()


def _shown(call: Call, obj: Object) -> Object:
    return present(call.resource, call.version, obj)


def _claimed(store: Store, call: Call, old: Object | None, new: Object) -> Object:
    """``new`` with the fields that the caller changed put down as its own."""
    marked = {**new, "metadata": {**new["metadata"]}}
    if old is not None and "managedFields" in old["metadata"]:
        marked["metadata"].setdefault("managedFields", old["metadata"]["managedFields"])
    custom = call.resource.custom
    track(
        old, marked, call.manager, rfc3339(store.now()), subresource=call.subresource, custom=custom
    )
    return marked


def _create(store: Store, call: Call) -> Response:
    body = call.body()
    check_shape(call.resource, call.version, body)
    told = check_fields(call, body)
    obj = absorb(call.resource, {**body, "metadata": body.get("metadata") or {}})
    obj = _claimed(store, call, None, obj)
    made = store.create(call.resource.gvr, obj, call.namespace, dry_run=call.dry_run)
    return Response(201, _shown(call, made), told)


def _replace(store: Store, call: Call) -> Response:
    body = call.body()
    check_shape(call.resource, call.version, body)
    meta = body.get("metadata") or {}
    _check_address(call, meta)
    gvr = call.resource.gvr
    old = store.need(gvr, call.namespace, call.name)
    if (call.resource.custom or call.resource.plural in _CONDITIONAL) and not meta.get(
        "resourceVersion"
    ):
        cause = {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: 0x0: must be specified for an update",
            "field": "metadata.resourceVersion",
        }
        raise invalid(call.resource.kind, call.resource.group, call.name, [cause])
    told = check_fields(call, body)
    made = _write(store, call, old, absorb(call.resource, {**body, "metadata": meta}))
    return Response(200, _shown(call, made), told)


def _check_address(call: Call, meta: Object) -> None:
    name, namespace = meta.get("name"), meta.get("namespace")
    if not name:
        raise invalid(
            call.resource.kind,
            call.resource.group,
            "",
            [required("metadata.name", "name is required")],
        )
    if name != call.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({call.name})"
        )
    if namespace and call.namespace and namespace != call.namespace:
        what = f"the namespace of the object ({namespace})"
        raise bad_request(f"{what} does not match the namespace on the request ({call.namespace})")


def _write(store: Store, call: Call, old: Object, new: Object) -> Object:
    """Stores ``new`` in the place of ``old``, the caller owning what it changed."""
    meta = {**new["metadata"]}
    if call.namespace:
        meta["namespace"] = call.namespace
    if call.subresource == "status":
        kept = {
            **meta,
            **{key: old["metadata"].get(key) for key in ("labels", "annotations", "managedFields")},
        }
        kept = {key: value for key, value in kept.items() if value is not None}
        new = {
            **{key: value for key, value in old.items() if key != "status"},
            "status": new.get("status") or {},
        }
        meta = kept
    elif call.resource.has_status:
        new = {**new, "status": old["status"]} if "status" in old else _without_status(new)
    new = _claimed(store, call, old, {**new, "metadata": meta})
    return store.update(call.resource.gvr, new, subresource=call.subresource, dry_run=call.dry_run)


def _without_status(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key != "status"}


def _patch(store: Store, call: Call) -> Response:
    resource = call.resource
    old = store.get(resource.gvr, call.namespace, call.name)
    changed, applied = changed_by_patch(store, call, old)
    if not applied:
        check_patched(resource, changed)
    told = check_fields(call, changed, old and present(resource, call.version, old))
    if old is None:
        made = store.create(
            resource.gvr, absorb(resource, changed), call.namespace, dry_run=call.dry_run
        )
        return Response(201, _shown(call, made), told)
    check_shape(resource, call.version, changed)
    _check_address(call, changed.get("metadata") or {})
    internal = absorb(resource, changed)
    if applied:
        made = store.update(
            resource.gvr, internal, subresource=call.subresource, dry_run=call.dry_run
        )
    else:
        made = _write(store, call, old, internal)
    return Response(200, _shown(call, made), told)


def _options(call: Call) -> DeleteOptions:
    return options_of(call.body(), call.query)


def _delete(store: Store, call: Call) -> Response:
    options = _options(call)
    gvr = call.resource.gvr
    before = store.need(gvr, call.namespace, call.name)
    was_terminating = is_terminating(before)
    left = store.delete(
        gvr,
        call.namespace,
        call.name,
        grace_s=options.grace_s,
        propagation=options.propagation or _default_propagation(call.resource),
        uid=options.uid,
        resource_version=options.resource_version,
        dry_run=options.dry_run,
    )
    if left is None and call.resource.plural == "namespaces":
        left = _as_terminating(before, rfc3339(store.now()))
    if left is not None and (
        gvr == PODS or was_terminating or options.dry_run or is_terminating(left)
    ):
        return Response(200, _shown(call, left))
    if call.resource.plural in _ANSWERED_WITH_OBJECT:
        return Response(200, _shown(call, before))
    meta = before["metadata"]
    group = {"group": call.resource.group} if call.resource.group else {}
    details = {"name": meta["name"], **group, "kind": call.resource.plural, "uid": meta["uid"]}
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return Response(200, {**head, "details": details})


def _as_terminating(namespace: Object, when: str) -> Object:
    """An empty namespace goes at once; its deletion is answered as that of any other."""
    meta = {**namespace["metadata"]}
    meta.setdefault("deletionTimestamp", when)
    return {
        **namespace,
        "metadata": meta,
        "status": {**(namespace.get("status") or {}), "phase": "Terminating"},
    }


def _default_propagation(resource: Resource) -> str:
    """As in Kubernetes, jobs alone orphan their pods unless told otherwise."""
    return "Orphan" if resource.gvr == JOBS else "Background"
