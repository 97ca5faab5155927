"""The state of a Kubernetes cluster and the one door to it: no I/O, no threads, no clock but the
one given.
"""

from __future__ import annotations

import random as random_module
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from drillkit.sandbox.kube import admission, defaults, patches, validation
from drillkit.sandbox.kube.access import Access, Caller, PathAccess
from drillkit.sandbox.kube.deletion import CRD_CLEANUP, Reaper
from drillkit.sandbox.kube.errors import (
    ApiError,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    not_found,
    stale,
)
from drillkit.sandbox.kube.objects import (
    ACCOUNTS,
    CRDS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    Event,
    Gvr,
    Object,
    clone,
    is_terminating,
    key_of,
    labels_of,
    rfc3339,
    utcnow,
)
from drillkit.sandbox.kube.resources import Registry, Resource
from drillkit.sandbox.kube.selectors import fields_match, labels_match
from drillkit.sandbox.kube.state import State
from drillkit.sandbox.kube.succession import GIVEN, conform, successor
from drillkit.sandbox.kube.tokens import Tokens
from drillkit.sandbox.kube.watch import Key, Log
from drillkit.sandbox.kube.wire import PodExec

__all__ = ["PodLog", "PodMetrics", "Store"]

PodLog = Callable[[Object, str, bool, int | None], str]
"""(pod, container, previous, tail_lines) -> the log's text."""

PodMetrics = Callable[[Object], Mapping[str, tuple[float, int]]]
"""pod -> container -> (CPU in cores, memory in bytes); empty while nothing was measured."""

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_STATUS_AT_BIRTH = (NODES, NAMESPACES)


class Store:
    """Every object of one cluster.

    Objects that come out are shared and must be treated as read-only (``objects.clone`` them); each
    change makes a new object, so one that was handed out is a snapshot. Those that go in
    are copied.

    Args:
        now: the clock.
        uid: makes the UIDs.
        random: draws the suffixes of generated names; from a fresh seed if None.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = utcnow,
        uid: Callable[[], str] = lambda: str(uuid.uuid4()),
        random: random_module.Random | None = None,
    ) -> None:
        self.now = now
        self.registry = Registry()
        self.state = State()
        self.pod_log: PodLog | None = None
        """Reads a container's log; without it logs are refused."""
        self.pod_exec: PodExec | None = None
        """Runs commands in pods; the transport awaits it."""
        self.policy: Callable[[Access], bool] | None = None
        """An authorizer that denies before the roles are asked, even the administrator, as a
        webhook may: answers access reviews and is enforced on requests (403), not on calls in
        process. As of a webhook, nobody can list its rules.
        """
        self.audit: Callable[[Caller, Access | PathAccess, bool], None] = lambda *asked: None
        """Told of every request: who asked for what, and whether it was allowed."""
        self.authority_pem = ""
        """The authority that signs the API's certificate (PEM); empty where nothing is served."""
        self.tokens = Tokens()
        """Signs and checks the tokens of ServiceAccounts."""
        self._pod_metrics: PodMetrics | None = None
        self._uid = uid
        self._random = random or random_module.Random()
        self._reaper = Reaper(self.state, self.registry, now)
        self._next_ip = 0

    @property
    def pod_metrics(self) -> PodMetrics | None:
        """Measures a pod; metrics.k8s.io (``kubectl top``) is served once it is set."""
        return self._pod_metrics

    @pod_metrics.setter
    def pod_metrics(self, hook: PodMetrics | None) -> None:
        self._pod_metrics = hook
        self.registry.metrics = hook is not None

    @property
    def log(self) -> Log:
        """The bounded log of changes."""
        return self.state.log

    def table(self, gvr: Gvr) -> dict[Key, Object]:
        """The objects of one resource by (namespace, name), unordered; to be read only."""
        return self.state.table(gvr)

    def resource(self, gvr: Gvr) -> Resource:
        """The description of a resource. Raises 404 if it isn't served."""
        found = self.registry.find(*gvr)
        if found is None:
            raise ApiError(
                404,
                "NotFound",
                f"the server could not find the requested resource: {gvr[1]}.{gvr[0]}",
            )
        return found

    def get(self, gvr: Gvr, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        return self.state.table(gvr).get((namespace, name))

    def need(self, gvr: Gvr, namespace: str, name: str) -> Object:
        """The object. Raises 404 if there is none."""
        obj = self.get(gvr, namespace, name)
        if obj is None:
            raise not_found(gvr, name)
        return obj

    def list(
        self, gvr: Gvr, namespace: str | None = None, selector: str = "", fields: str = ""
    ) -> list[Object]:
        """Objects in the order of namespace and name; ``namespace`` None means all of them.

        Raises 400 for selectors that cannot be parsed or fields that cannot be selected by.
        """
        table = self.state.table(gvr)
        keys = sorted(key for key in table if namespace is None or key[0] == namespace)
        found = [table[key] for key in keys]
        if selector:
            matches = labels_match(selector)
            found = [obj for obj in found if matches(labels_of(obj))]
        if fields:
            fits = fields_match(self.resource(gvr), fields)
            found = [obj for obj in found if fits(obj)]
        return found

    def create(
        self, gvr: Gvr, obj: Object, namespace: str = "", *, dry_run: bool = False
    ) -> Object:
        """Adds an object. As in Kubernetes its status is dropped where status is a subresource
        (nodes excepted).

        Raises 404 or 403 for a namespace that is absent or terminating, 409 if the name is taken,
        422 if invalid.
        """
        resource = self.resource(gvr)
        new = self._born(resource, obj, namespace)
        key = key_of(new)
        if resource.namespaced:
            self._admit(gvr, key)
        if resource.custom:
            conform(resource, new)
        defaults.fill("" if resource.custom else resource.kind, new)
        if gvr == PODS:
            self._mount_account(new)
        validation.check(resource, new, None)
        if key in self.state.table(gvr):
            raise already_exists(gvr, key[1])
        if dry_run:
            return new
        with self.state.change():
            if gvr == SERVICES:
                self._assign_ip(new)
            if gvr == CRDS:
                self._define(new)
            return self.state.put(gvr, new)

    def _born(self, resource: Resource, obj: Object, namespace: str) -> Object:
        """A copy of ``obj`` with the identity the server gives it."""
        new: Object = clone(obj)
        meta = new["metadata"] = {**(new.get("metadata") or {})}
        if meta.pop("resourceVersion", None):
            raise bad_request("resourceVersion should not be set on objects to be created")
        meta = new["metadata"] = {key: value for key, value in meta.items() if key in GIVEN}
        namespace = self._namespace(resource, meta.pop("namespace", None) or "", namespace)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + _suffix(self._random)
        head: Object = {"name": meta.pop("name", "")}
        if namespace:
            head["namespace"] = namespace
        head.update(uid=self._uid(), creationTimestamp=rfc3339(self.now()))
        if resource.counts_generations:
            head["generation"] = 1
        new["metadata"] = {**head, **meta}
        if resource.has_status and resource.gvr not in _STATUS_AT_BIRTH:
            new.pop("status", None)
        new.pop("apiVersion", None)
        new.pop("kind", None)
        return {"apiVersion": resource.api_version(), "kind": resource.kind, **new}

    def _mount_account(self, pod: Object) -> None:
        meta, name = pod["metadata"], pod["spec"]["serviceAccountName"]
        account = self.get(ACCOUNTS, meta["namespace"], name)
        # A chance of its own: the names of pods are the same whether or not they have a token.
        suffix = _suffix(random_module.Random(meta["uid"]))
        admission.mount_account(pod, account, suffix)

    @staticmethod
    def _namespace(resource: Resource, given: str, asked: str) -> str:
        if not resource.namespaced:
            return ""
        if given and asked and given != asked:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                f"request: {given!r} and {asked!r}"
            )
        if not (given or asked):
            raise bad_request(
                f"an empty namespace may not be set during creation of {resource.plural}"
            )
        return asked or given

    def _admit(self, gvr: Gvr, key: Key) -> None:
        namespace = self.get(NAMESPACES, "", key[0])
        if namespace is None:
            raise not_found(NAMESPACES, key[0])
        if is_terminating(namespace):
            why = (
                f"unable to create new content in namespace {key[0]} because it is being terminated"
            )
            told = f"namespace {key[0]} is being terminated"
            causes = [
                {"reason": "NamespaceTerminating", "message": told, "field": "metadata.namespace"}
            ]
            raise forbidden(gvr, key[1], why, causes)

    def _assign_ip(self, service: Object) -> None:
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return
        if not spec.get("clusterIP"):
            self._next_ip += 1
            spec["clusterIP"] = f"10.96.{self._next_ip // 250}.{self._next_ip % 250 + 1}"
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _define(self, crd: Object) -> None:
        """Serves what a definition declares, and says so in its status."""
        resource = self.registry.define(crd)
        finalizers = crd["metadata"].setdefault("finalizers", [])
        if CRD_CLEANUP not in finalizers and not is_terminating(crd):
            finalizers.append(CRD_CLEANUP)
        since = crd["metadata"]["creationTimestamp"]
        told = (("NamesAccepted", "NoConflicts"), ("Established", "InitialNamesAccepted"))
        crd["status"] = {
            "acceptedNames": clone(crd["spec"]["names"]),
            "storedVersions": [resource.versions[0]],
            "conditions": [
                {
                    "type": kind,
                    "status": "True",
                    "reason": reason,
                    "message": "",
                    "lastTransitionTime": since,
                }
                for kind, reason in told
            ],
        }

    def update(
        self, gvr: Gvr, obj: Object, *, subresource: str = "", dry_run: bool = False
    ) -> Object:
        """Replaces an object; 409 when its resourceVersion is given and stale.
        ``subresource="status"`` writes status.

        What the server owns (identity, times, generation) stays; status stays where it is a
        subresource. In process, ``subresource="status"`` writes the field status alone of a
        resource that has no such subresource, too.
        """
        resource = self.resource(gvr)
        old = self.need(gvr, *key_of(obj))
        given, current = obj["metadata"], old["metadata"]
        if given.get("resourceVersion") and given["resourceVersion"] != current["resourceVersion"]:
            raise stale(gvr, current["name"])
        if given.get("uid") and given["uid"] != current["uid"]:
            why = (
                f"Precondition failed: UID in precondition: {given['uid']}, UID in object "
                f"meta: {current['uid']}"
            )
            raise conflict(gvr, current["name"], why)
        new = successor(resource, old, clone(obj), subresource)
        if new == old:
            return old
        if dry_run:
            return new
        with self.state.change():
            if gvr == CRDS and not subresource:
                self._define(new)
            self.state.put(gvr, new)
            self._reaper.settle(gvr, new)
        return new

    def patch(
        self,
        gvr: Gvr,
        namespace: str,
        name: str,
        patch: Object,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Merges ``patch`` into an object (RFC 7386)."""
        changed: Object = patches.merge(self.need(gvr, namespace, name), patch)
        return self.update(
            gvr, _addressed(changed, namespace, name), subresource=subresource, dry_run=dry_run
        )

    def delete(
        self,
        gvr: Gvr,
        namespace: str,
        name: str,
        *,
        grace_s: int | None = None,
        propagation: str = "Background",
        uid: str = "",
        resource_version: str = "",
        dry_run: bool = False,
    ) -> Object | None:
        """Deletes an object; answers what is left of it while it terminates, or None if it is gone.

        A pod on a node terminates: it stays until ``finalize_pod`` (or a grace of 0). Raises 404,
        or 409 when ``uid`` or ``resource_version`` is given and isn't the object's.
        """
        obj = self.need(gvr, namespace, name)
        meta = obj["metadata"]
        if uid and meta["uid"] != uid:
            why = (
                f"the UID in the precondition ({uid}) does not match the UID in "
                f"record ({meta['uid']})"
            )
            raise conflict(
                gvr, name, f"{why}. The object might have been deleted and then recreated"
            )
        if resource_version and meta["resourceVersion"] != resource_version:
            why = (
                f"the ResourceVersion in the precondition ({resource_version}) does not match "
                "the ResourceVersion"
            )
            why = (
                f"{why} in record ({meta['resourceVersion']}). The object might have been modified"
            )
            raise conflict(gvr, name, why)
        if gvr == NAMESPACES and name in ("default", "kube-system", "kube-public"):
            raise forbidden(gvr, name, "this namespace may not be deleted")
        if dry_run:
            return obj
        with self.state.change():
            return self._reaper.delete(gvr, obj, grace_s=grace_s, propagation=propagation)

    def finalize_pod(self, namespace: str, name: str, uid: str) -> None:
        """The kubelet's last word: the terminating pod's processes are gone. Nothing happens if the
        pod is too.
        """
        pod = self.get(PODS, namespace, name)
        if pod is not None and pod["metadata"]["uid"] == uid and is_terminating(pod):
            with self.state.change():
                self._reaper.finalize_pod(pod)

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Calls back after each change, synchronously, in order; the answer ends it.

        The callback may change the store; when one operation makes several changes (a cascade),
        listeners hear of all of them once it is complete.
        """
        return self.state.subscribe(callback)


def _suffix(random: random_module.Random) -> str:
    """The end of a generated name."""
    return "".join(random.choices(_SUFFIX, k=5))


def _addressed(obj: Object, namespace: str, name: str) -> Object:
    """``obj`` with the address it was found under, whatever a patch says."""
    meta = {**obj["metadata"], "name": name, **({"namespace": namespace} if namespace else {})}
    return {**obj, "metadata": meta}
