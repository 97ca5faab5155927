"""What a controller sees and the few ways in which it acts: an index over the store, status
writes, events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from drillkit.sandbox.cluster.values import controller_of, matches
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import (
    EVENTS,
    Event,
    Gvr,
    Object,
    is_terminating,
    key_of,
    owner_reference,
    owners_of,
    rfc3339,
)

if TYPE_CHECKING:
    from drillkit.sandbox.kube.store import Store

Key = tuple[str, str]
KEPT_EVENTS = 500


@dataclass
class Recorder:
    """Writes core Events; repetitions raise a count, and the oldest go when there are too many."""

    store: Store
    now: Callable[[], datetime]
    enabled: bool = True
    _names: dict[tuple[str, str, str], Key] = field(default_factory=dict)

    def __call__(
        self,
        obj: Object,
        reason: str,
        message: str,
        *,
        warning: bool = False,
        component: str = "sandbox",
    ) -> None:
        """One event about `obj`. A namespace that is going away takes none, which is no fault."""
        if not self.enabled:
            return
        try:
            self._write(obj, reason, message, warning, component)
        except ApiError as error:
            if error.code not in (403, 404, 409):
                raise

    def _write(self, obj: Object, reason: str, message: str, warning: bool, component: str) -> None:
        meta, at = obj["metadata"], rfc3339(self.now())
        identity = (meta["uid"], reason, message)
        known = self._names.get(identity)
        old = self.store.get(EVENTS, *known) if known else None
        if old is not None and known is not None:
            self.store.patch(
                EVENTS, *known, {"count": old.get("count", 1) + 1, "lastTimestamp": at}
            )
            return
        namespace = meta.get("namespace") or "default"
        event = {
            "metadata": {"generateName": f"{meta['name']}."},
            "involvedObject": {
                "kind": obj["kind"],
                "apiVersion": obj["apiVersion"],
                "namespace": meta.get("namespace") or "",
                "name": meta["name"],
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "source": {"component": component},
            "reportingComponent": component,
            "reportingInstance": "",
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        made = self.store.create(EVENTS, event, namespace)
        self._names[identity] = key_of(made)
        while len(self._names) > KEPT_EVENTS:
            oldest = self._names.pop(next(iter(self._names)))
            if self.store.get(EVENTS, *oldest) is not None:
                self.store.delete(EVENTS, *oldest)


class View:
    """The store's objects by resource and by controlling owner, always up to date; and the writes
    controllers share.
    """

    def __init__(self, store: Store, now: Callable[[], datetime], *, events: bool = True) -> None:
        self.store = store
        self.now = now
        self.event = Recorder(store, now, events)
        self.changed: set[Gvr] = set()
        self._tables: dict[Gvr, dict[Key, Object]] = {}
        self._owned: dict[str, dict[tuple[Gvr, Key], None]] = {}
        self._observers: list[Callable[[Event], None]] = []
        self._end = store.subscribe(self._hear)

    def follow(self, gvrs: frozenset[Gvr]) -> None:
        """Index these resources from now on."""
        for gvr in gvrs - self._tables.keys():
            self._tables[gvr] = {}
            for obj in self.store.list(gvr):
                self._put(gvr, obj)
            self.changed.add(gvr)

    def observe(self, callback: Callable[[Event], None]) -> None:
        """Be told of each change of a followed resource, after the index has it."""
        self._observers.append(callback)

    def close(self) -> None:
        """Stop listening to the store."""
        self._end()

    def all(self, gvr: Gvr, namespace: str | None = None) -> list[Object]:
        """Objects of a resource, of one namespace or of all."""
        return [
            obj
            for (where, _), obj in self._tables[gvr].items()
            if namespace is None or where == namespace
        ]

    def get(self, gvr: Gvr, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        return self._tables[gvr].get((namespace, name))

    def owned(self, gvr: Gvr, owner: Object) -> list[Object]:
        """Objects whose controller is `owner`."""
        places = self._owned.get(owner["metadata"]["uid"], {})
        return [self._tables[gvr][key] for place, key in places if place == gvr]

    def claim(self, gvr: Gvr, owner: Object, selector: Object | None) -> list[Object]:
        """The owner's objects, after adopting orphans that its selector matches and releasing those
        it doesn't.
        """
        kept = []
        for obj in self.owned(gvr, owner):
            if matches(selector, obj) or is_terminating(obj):
                kept.append(obj)
            else:
                refs = [ref for ref in owners_of(obj) if ref["uid"] != owner["metadata"]["uid"]]
                self.patch(gvr, obj, {"metadata": {"ownerReferences": refs or None}})
        if is_terminating(owner):
            return kept
        for obj in self.all(gvr, owner["metadata"]["namespace"]):
            if controller_of(obj) is None and not is_terminating(obj) and matches(selector, obj):
                refs = [*owners_of(obj), owner_reference(owner)]
                kept.append(self.patch(gvr, obj, {"metadata": {"ownerReferences": refs}}))
        return kept

    def patch(self, gvr: Gvr, obj: Object, patch: Object) -> Object:
        """Merge `patch` into an object."""
        return self.store.patch(gvr, *key_of(obj), patch)

    def write_status(self, gvr: Gvr, obj: Object, status: Object) -> Object:
        """Replace an object's status if it differs."""
        if obj.get("status") == status:
            return obj
        return self.store.update(gvr, {**obj, "status": status}, subresource="status")

    def delete(self, gvr: Gvr, obj: Object, grace_s: int | None = None) -> None:
        """Delete this very object; it being gone already is fine."""
        try:
            self.store.delete(gvr, *key_of(obj), grace_s=grace_s, uid=obj["metadata"]["uid"])
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    def create(self, gvr: Gvr, obj: Object, namespace: str) -> Object:
        """Create an object."""
        return self.store.create(gvr, obj, namespace)

    def _hear(self, event: Event) -> None:
        if event.gvr not in self._tables:
            return
        self.changed.add(event.gvr)
        if event.previous is not None:
            self._drop(event.gvr, event.previous)
        if event.type != "DELETED":
            self._put(event.gvr, event.object)
        for observer in self._observers:
            observer(event)

    def _put(self, gvr: Gvr, obj: Object) -> None:
        key = key_of(obj)
        self._tables[gvr][key] = obj
        owner = controller_of(obj)
        if owner is not None:
            self._owned.setdefault(owner["uid"], {})[gvr, key] = None

    def _drop(self, gvr: Gvr, obj: Object) -> None:
        key = key_of(obj)
        self._tables[gvr].pop(key, None)
        owner = controller_of(obj)
        if owner is not None and owner["uid"] in self._owned:
            self._owned[owner["uid"]].pop((gvr, key), None)
            if not self._owned[owner["uid"]]:
                del self._owned[owner["uid"]]


def pods_of_template(
    owner: Object, template: Object, labels: dict[str, str] | None = None
) -> Object:
    """A pod made from a template, owned by `owner`; name and generateName are the caller's."""
    meta = template.get("metadata") or {}
    merged = {**(meta.get("labels") or {}), **(labels or {})}
    return {
        "metadata": {
            "labels": merged,
            **({"annotations": dict(meta["annotations"])} if meta.get("annotations") else {}),
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": template["spec"],
    }
