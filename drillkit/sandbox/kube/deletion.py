"""How objects go: gracefully, with finalizers, with what they own, with their namespace.

Kubernetes does much of this in controllers that lag behind; here it happens at once, which is one
of its possible schedules.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from drillkit.sandbox.kube.objects import (
    CRDS,
    NAMESPACES,
    PODS,
    Gvr,
    Object,
    is_terminating,
    key_of,
    owners_of,
    rfc3339,
)
from drillkit.sandbox.kube.resources import Registry
from drillkit.sandbox.kube.state import State

FOREGROUND = "foregroundDeletion"
_DEFAULT_GRACE_S = 30
_OVER = ("Succeeded", "Failed")


class Reaper:
    """Deletes objects of a state, and what depends on them."""

    def __init__(self, state: State, registry: Registry, now: Callable[[], datetime]) -> None:
        self._state = state
        self._registry = registry
        self._now = now

    def delete(
        self, gvr: Gvr, obj: Object, *, grace_s: int | None, propagation: str
    ) -> Object | None:
        """Requests an object's deletion; answers what is left of it, or None if it is gone."""
        if gvr == NAMESPACES:
            return self._delete_namespace(obj)
        uid = obj["metadata"]["uid"]
        if propagation == "Orphan":
            self._orphan(uid)
        finalizers = list(obj["metadata"].get("finalizers") or [])
        if propagation == "Foreground" and FOREGROUND not in finalizers and self._blocking(uid):
            finalizers.append(FOREGROUND)
        if gvr == PODS:
            left = self._terminate_pod(obj, grace_s, finalizers)
        elif finalizers:
            left = self._mark(gvr, obj, finalizers, self._now(), None)
        else:
            left = None
        if left is None:
            self.remove(gvr, obj)
            return None
        if FOREGROUND in finalizers:
            for kind, dependent in self._state.dependents(uid):
                if not is_terminating(dependent):
                    self.delete(kind, dependent, grace_s=None, propagation="Foreground")
            self._release(left)
        if gvr == CRDS:
            self._delete_instances(left)
        return self._state.lookup(uid)

    def _mark(
        self, gvr: Gvr, obj: Object, finalizers: list[str], when: datetime, grace_s: int | None
    ) -> Object:
        """Sets the time of deletion (once, but for a pod whose grace was shortened)."""
        meta = dict(obj["metadata"])
        if grace_s is not None:
            meta["deletionGracePeriodSeconds"] = grace_s
            meta["deletionTimestamp"] = rfc3339(when)
        meta.setdefault("deletionTimestamp", rfc3339(when))
        if finalizers:
            meta["finalizers"] = finalizers
        if meta == obj["metadata"]:
            return obj
        if not is_terminating(obj) and self._counts(gvr):
            meta["generation"] = meta.get("generation", 1) + 1
        return self._state.put(gvr, {**obj, "metadata": meta})

    def _counts(self, gvr: Gvr) -> bool:
        resource = self._registry.find(*gvr)
        return resource is not None and resource.counts_generations

    def _terminate_pod(
        self, pod: Object, grace_s: int | None, finalizers: list[str]
    ) -> Object | None:
        """Starts or shortens a pod's termination; None if nothing keeps it."""
        spec, meta = pod.get("spec") or {}, pod["metadata"]
        if grace_s is None:
            grace_s = meta.get("deletionGracePeriodSeconds")
        if grace_s is None:
            grace_s = spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE_S)
        over = (pod.get("status") or {}).get("phase") in _OVER
        if not spec.get("nodeName") or over:
            grace_s = 0
        earlier = meta.get("deletionGracePeriodSeconds")
        if earlier is not None and grace_s >= earlier and (grace_s or finalizers):
            return pod
        if grace_s == 0 and not finalizers:
            return None
        return self._mark(PODS, pod, finalizers, self._now() + timedelta(seconds=grace_s), grace_s)

    def finalize_pod(self, pod: Object) -> None:
        """The processes of a terminating pod have ended: removes it unless finalizers hold it."""
        if pod["metadata"].get("finalizers"):
            self._end_pod(pod)
        else:
            self.remove(PODS, pod)

    def _end_pod(self, pod: Object) -> None:
        """What finalizers hold of a pod whose processes were made to end: it has failed."""
        meta = {**pod["metadata"], "deletionGracePeriodSeconds": 0}
        status = dict(pod.get("status") or {})
        if status.get("phase") not in _OVER:
            status["phase"] = "Failed"
        ended = {**pod, "metadata": meta, "status": status}
        if ended != pod:
            self._state.put(PODS, ended)

    def settle(self, gvr: Gvr, obj: Object) -> None:
        """After an update: removes a terminating object that no finalizer (and no running pod)
        holds any longer.
        """
        meta = obj["metadata"]
        if not is_terminating(obj) or meta.get("finalizers"):
            return
        if gvr == NAMESPACES:
            self._settle_namespace(meta["name"])
        elif gvr != PODS or not meta.get("deletionGracePeriodSeconds"):
            self.remove(gvr, obj)

    def remove(self, gvr: Gvr, obj: Object) -> None:
        """Takes an object away now, then sees to those who waited for it."""
        meta = obj["metadata"]
        self._state.drop(gvr, key_of(obj))
        if gvr == CRDS:
            names = obj["spec"]["names"]
            self._registry.forget((obj["spec"]["group"], names["plural"]))
        self._collect(meta["uid"])
        for reference in owners_of(obj):
            owner = self._state.lookup(reference["uid"])
            if owner is not None and FOREGROUND in (owner["metadata"].get("finalizers") or []):
                self._release(owner)
        if gvr[1] != "customresourcedefinitions":
            self._settle_definition(gvr)
        if meta.get("namespace"):
            self._settle_namespace(meta["namespace"])

    def _collect(self, uid: str) -> None:
        """Garbage collection after the object of that UID has gone."""
        for kind, seen in self._state.dependents(uid):
            dependent = self._state.lookup(seen["metadata"]["uid"])
            if dependent is None:
                continue
            others = [owner for owner in owners_of(dependent) if owner["uid"] != uid]
            if any(self._state.lookup(owner["uid"]) is not None for owner in others):
                self._disown(kind, dependent, uid)
            elif not is_terminating(dependent):
                self.delete(kind, dependent, grace_s=None, propagation="Background")

    def _disown(self, gvr: Gvr, dependent: Object, uid: str) -> None:
        meta = dict(dependent["metadata"])
        meta["ownerReferences"] = [owner for owner in owners_of(dependent) if owner["uid"] != uid]
        if not meta["ownerReferences"]:
            del meta["ownerReferences"]
        self._state.put(gvr, {**dependent, "metadata": meta})

    def _orphan(self, uid: str) -> None:
        for kind, dependent in self._state.dependents(uid):
            self._disown(kind, dependent, uid)

    def _blocking(self, uid: str) -> bool:
        return any(
            owner["uid"] == uid and owner.get("blockOwnerDeletion")
            for _, dependent in self._state.dependents(uid)
            for owner in owners_of(dependent)
        )

    def _release(self, owner: Object) -> None:
        """Lets an owner go that waited in the foreground, once nothing blocks it."""
        uid = owner["metadata"]["uid"]
        current = self._state.lookup(uid)
        if current is None or self._blocking(uid):
            return
        gvr = self._gvr_of(current)
        meta = dict(current["metadata"])
        meta["finalizers"] = [each for each in meta.get("finalizers") or [] if each != FOREGROUND]
        self.settle(gvr, self._state.put(gvr, {**current, "metadata": meta}))

    def _gvr_of(self, obj: Object) -> Gvr:
        group = obj["apiVersion"].rpartition("/")[0]
        for resource in self._registry.all():
            if resource.kind == obj["kind"] and resource.group == group:
                return resource.gvr
        raise LookupError(f"no resource serves {obj['apiVersion']} {obj['kind']}")

    def _delete_namespace(self, namespace: Object) -> Object | None:
        name, uid = namespace["metadata"]["name"], namespace["metadata"]["uid"]
        if not is_terminating(namespace):
            meta = {**namespace["metadata"], "deletionTimestamp": rfc3339(self._now())}
            status = {**(namespace.get("status") or {}), "phase": "Terminating"}
            self._state.put(NAMESPACES, {**namespace, "metadata": meta, "status": status})
            for gvr in self._state.tables():
                for key, obj in list(self._state.table(gvr).items()):
                    if key[0] == name and self._state.lookup(obj["metadata"]["uid"]) is not None:
                        self.delete(
                            gvr, self._state.table(gvr)[key], grace_s=None, propagation="Background"
                        )
        self._settle_namespace(name)
        return self._state.lookup(uid)

    def _settle_namespace(self, name: str) -> None:
        """Finishes a terminating namespace once it is empty."""
        namespace = self._state.table(NAMESPACES).get(("", name))
        if namespace is None or not is_terminating(namespace):
            return
        if any(key[0] == name for gvr in self._state.tables() for key in self._state.table(gvr)):
            return
        spec = namespace.get("spec") or {}
        others = [each for each in spec.get("finalizers") or [] if each != "kubernetes"]
        if others or namespace["metadata"].get("finalizers"):
            if spec.get("finalizers") != others:
                self._state.put(NAMESPACES, {**namespace, "spec": {**spec, "finalizers": others}})
            return
        self.remove(NAMESPACES, namespace)

    def _delete_instances(self, definition: Object) -> None:
        """Deletes the objects of a custom resource whose definition terminates."""
        gvr = (definition["spec"]["group"], definition["spec"]["names"]["plural"])
        for key in list(self._state.table(gvr)):
            obj = self._state.table(gvr).get(key)
            if obj is not None:
                self.delete(gvr, obj, grace_s=None, propagation="Background")
        self._settle_definition(gvr)

    def _settle_definition(self, gvr: Gvr) -> None:
        """Finishes a terminating definition once it has no objects."""
        if not gvr[0] or self._state.table(gvr):
            return
        definition = self._state.table(CRDS).get(("", f"{gvr[1]}.{gvr[0]}"))
        if definition is None or not is_terminating(definition):
            return
        meta = dict(definition["metadata"])
        meta["finalizers"] = [each for each in meta.get("finalizers") or [] if each != CRD_CLEANUP]
        if meta["finalizers"] == (definition["metadata"].get("finalizers") or []):
            return
        self.settle(CRDS, self._state.put(CRDS, {**definition, "metadata": meta}))


CRD_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer of every definition: its objects go first."""
