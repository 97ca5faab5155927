"""Get, list and watch."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta

from drillkit.sandbox.kube.call import Call
from drillkit.sandbox.kube.convert import present
from drillkit.sandbox.kube.errors import ApiError, bad_request
from drillkit.sandbox.kube.objects import Object, key_of, labels_of
from drillkit.sandbox.kube.selectors import fields_match, labels_match
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.table import partial, table
from drillkit.sandbox.kube.watch import Key, Watch
from drillkit.sandbox.kube.wire import Response

_DEFAULT_WATCH_S = 1800


def one(store: Store, call: Call) -> Response:
    """``GET`` of one object."""
    obj = store.need(call.resource.gvr, call.namespace, call.name)
    return Response(200, _form(store, call)(present(call.resource, call.version, obj)))


def _form(store: Store, call: Call) -> Callable[[Object], Object]:
    """How the client wants an object shown: as it is, as a Table, or its metadata alone."""
    accept = call.header("Accept")
    if "as=Table" in accept:
        return lambda obj: _table(
            store, call, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}
        )
    if "as=PartialObjectMetadata" in accept:
        return partial
    return lambda obj: obj


def _table(store: Store, call: Call, items: list[Object], meta: Object) -> Object:
    include = call.query.get("includeObject", "Metadata")
    return table(call.resource, call.version, items, store.now(), meta=meta, include=include)


def _matcher(call: Call) -> Callable[[Object], bool]:
    """Whether a stored object is one of those the request selects."""
    by_labels = labels_match(call.query.get("labelSelector", ""))
    selector = call.query.get("fieldSelector", "")
    by_fields = fields_match(call.resource, selector)
    aliased = bool(selector) and call.resource.storage is not None

    def matches(obj: Object) -> bool:
        namespace, name = key_of(obj)
        if (call.namespace and namespace != call.namespace) or (call.name and name != call.name):
            return False
        return by_labels(labels_of(obj)) and by_fields(
            present(call.resource, call.version, obj) if aliased else obj
        )

    return matches


def listing(store: Store, call: Call) -> Response:
    """``GET`` of a collection: selected, in order, page by page from one and the same version."""
    matches = _matcher(call)
    version, start = _position(store, call)
    objects = store.table(call.resource.gvr)
    if version != store.log.last:
        objects = store.log.rewind(call.resource.gvr, objects, version)
    keys = [key for key in sorted(objects) if start is None or key >= start]
    found = [(key, objects[key]) for key in keys if matches(objects[key])]
    meta: Object = {"resourceVersion": str(version)}
    limit = call.number("limit") or 0
    if limit > 0 and len(found) > limit:
        meta["continue"] = _token(version, found[limit][0])
        if not call.query.get("labelSelector") and not call.query.get("fieldSelector"):
            meta["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    items = [present(call.resource, call.version, obj) for _, obj in found]
    return Response(200, _collection(store, call, items, meta))


def _collection(store: Store, call: Call, items: list[Object], meta: Object) -> Object:
    accept = call.header("Accept")
    if "as=Table" in accept:
        return _table(store, call, items, meta)
    if "as=PartialObjectMetadataList" in accept:
        head = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
        }
        return {**head, "items": [partial(obj) for obj in items]}
    kind = call.resource.list_kind or f"{call.resource.kind}List"
    head = {"kind": kind, "apiVersion": call.resource.api_version(call.version), "metadata": meta}
    return {**head, "items": items}


def _position(store: Store, call: Call) -> tuple[int, Key | None]:
    """The resource version to list at and the key to begin with. Raises 400, 410 or 504."""
    token = call.query.get("continue", "")
    if token:
        try:
            position = json.loads(base64.urlsafe_b64decode(token))
            return int(position["rv"]), (position["start"][0], position["start"][1])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise bad_request(
                f"continue key is not valid: {token!r}; use the one that the last page gave"
            ) from error
    version = call.number("resourceVersion") or 0
    current = store.log.last
    if version > current:
        raise _too_large(version, current)
    exact = call.query.get("resourceVersionMatch") == "Exact"
    return (version if exact and version else current), None


def _token(version: int, start: Key) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": list(start)})
    return base64.urlsafe_b64encode(text.encode()).decode()


def _too_large(version: int, current: int) -> ApiError:
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return ApiError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def watching(store: Store, call: Call) -> Response:
    """``GET ...?watch=1``: answers the watch that the transport polls."""
    version = call.number("resourceVersion") or 0
    if version > store.log.last:
        raise _too_large(version, store.log.last)
    form = _form(store, call)
    initial = call.flag("sendInitialEvents")
    seconds = call.number("timeoutSeconds") or _DEFAULT_WATCH_S
    wants_bookmarks = call.flag("allowWatchBookmarks") or initial
    watch = Watch(
        store,
        call.resource.gvr,
        matches=_matcher(call),
        show=lambda obj: form(present(call.resource, call.version, obj)),
        bookmark=(lambda rv, first: _bookmark(call, rv, first)) if wants_bookmarks else None,
        since=None if initial or version == 0 else version,
        initial_end=initial,
        until=store.now() + timedelta(seconds=seconds),
    )
    return Response(200, None, {"Content-Type": "application/json"}, watch)


def _bookmark(call: Call, version: int, ends_initial: bool) -> Object:
    meta: Object = {"resourceVersion": str(version), "creationTimestamp": None}
    if ends_initial:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return {
        "kind": call.resource.kind,
        "apiVersion": call.resource.api_version(call.version),
        "metadata": meta,
    }
