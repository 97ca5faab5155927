"""The run's lock in the target cluster: a Lease, which also carries the stop flag."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from drillkit.clients.effect import make
from drillkit.clients.kube.client import MERGE_PATCH, KubeClient
from drillkit.clients.kube.effect import KubeAttempts
from drillkit.clients.kube.objects import deletion_by_hand, remove_object
from drillkit.clients.kube.ownership import BLOCKED, OF, RUN, STOP, UNDO, is_ours, labels
from drillkit.clients.kube.resources import LEASES, Object, Resource
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.clock import utc
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Counted, Phase, Undone
from drillkit.model.errors import Absent, Conflict, NotOurs, Refused, TargetError
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from drillkit.clients import Clients

LOCK = "drillkit"
"""Name of the Lease: one run at a time on a cluster."""
CLOCK_MARGIN_S = 5.0
"""A Lease counts as expired only so long after its end: clocks differ, and dates come in
whole seconds.
"""
RACES = 3


@dataclass(frozen=True)
class ReleaseLease(UndoAction):
    """Gives the lock back: deletes the Lease if this run still holds it."""

    kind: ClassVar[str] = "kube.release-lease"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 1000
    """Last of all: the lock protects the clean-up too."""

    name: str
    namespace: str
    run: str

    @property
    def resource(self) -> str:
        return LEASES.said(self.name, self.namespace)

    @property
    def by_hand(self) -> tuple[str, ...]:
        return (deletion_by_hand(LEASES, self.name, self.namespace),)

    @property
    def counts(self) -> Counted:
        return Counted()

    @property
    def of(self) -> Resource:
        """What kind of object it is."""
        return LEASES

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """A Lease with which somebody has blocked the target stays, held by nobody.

        Raises CallError, DeadlineOver.
        """
        there = clients.kube.find(LEASES, self.name, self.namespace)
        if there is not None and is_ours(there, self.run, self.name) and (why := blocked(there)):
            body = {
                "metadata": {
                    "resourceVersion": there["metadata"]["resourceVersion"],
                    "labels": {RUN: None, OF: None},
                    "annotations": {UNDO: None},
                },
                "spec": {"holderIdentity": None, "acquireTime": None, "renewTime": None},
            }
            path = LEASES.path(self.name, self.namespace)
            what = f"give {self.resource} back"
            clients.kube._send("PATCH", path, what, body=body, content_type=MERGE_PATCH)
            return Undone("undone", f"given back; the target stays blocked: {why}")
        return remove_object(clients.kube, self, context)


def acquire_lease(
    kube: KubeClient, plan: Planned[ReleaseLease], *, holder: str, ttl_s: int
) -> None:
    """See `Kube.acquire_lease`."""
    undo = plan.undo

    def once(attempts: KubeAttempts) -> Object:
        there = kube.find(LEASES, undo.name, undo.namespace)
        if there is not None:
            if is_ours(there, undo.run, undo.name):
                return there  # an attempt that was not answered has landed
            _must_be_expired(kube, there, undo.resource)
            _drop(attempts, undo, there)
        return _make(kube, attempts, undo, holder, ttl_s)

    make(KubeAttempts(kube, plan), once, lambda made: {"uid": made["metadata"]["uid"]})


def _make(
    kube: KubeClient, attempts: KubeAttempts, undo: ReleaseLease, holder: str, ttl_s: int
) -> Object:
    try:
        made: Object = attempts._send(
            "POST",
            LEASES.path(namespace=undo.namespace),
            f"create {undo.resource}",
            body=_body(kube, undo, holder, ttl_s),
        ).json()
    except Absent as error:
        raise _no_namespace(undo.namespace) from error
    except Conflict:
        there = kube.find(LEASES, undo.name, undo.namespace)
        if there is not None and is_ours(there, undo.run, undo.name):
            return there
        raise Refused(
            f"another run was faster to take {undo.resource}; wait for it to end (`--wait 30m`)"
        ) from None
    return made


def rehearse_lease(kube: KubeClient, namespace: str) -> None:
    """See `Kube.rehearse_lease`."""
    undo = ReleaseLease(LOCK, namespace, "rehearsal")
    there = kube.find(LEASES, undo.name, namespace)
    if there is not None:
        _must_be_expired(kube, there, undo.resource)
        return
    try:
        kube._send(
            "POST",
            LEASES.path(namespace=namespace),
            f"create {undo.resource}",
            query={"dryRun": "All"},
            body=_body(kube, undo, "rehearsal", 1),
            harmless=True,
        )
    except Absent as error:
        raise _no_namespace(namespace) from error
    except Conflict:
        return  # somebody took it meanwhile: so it can be taken


def _no_namespace(namespace: str) -> TargetError:
    return TargetError(
        f"expected namespace `{namespace}` for the run's lock, found none. Make it "
        f"(`kubectl create namespace {namespace}`), or name another as "
        "`kubernetes.namespace` of the target"
    )


def _body(kube: KubeClient, undo: ReleaseLease, holder: str, ttl_s: int) -> Object:
    stamp = _stamp(kube.clock.now())
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {
            "name": undo.name,
            "namespace": undo.namespace,
            "labels": labels(undo.run, undo.name),
            "annotations": {UNDO: f"kubectl delete lease {undo.name} -n {undo.namespace}"},
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": ttl_s,
            "acquireTime": stamp,
            "renewTime": stamp,
        },
    }


def blocked(lease: Object) -> str:
    """Why nobody may start anything, or ''."""
    annotations = lease["metadata"].get("annotations") or {}
    if BLOCKED not in annotations:
        return ""
    return annotations[BLOCKED] or "no reason given"


def set_block(kube: KubeClient, namespace: str, why: str | None) -> bool:
    """See `Kube.set_block`."""
    path = LEASES.path(LOCK, namespace)
    for race in range(RACES):
        there = kube.find(LEASES, LOCK, namespace)
        try:
            if there is None and why is None:
                return False
            if there is None:
                meta = {"name": LOCK, "namespace": namespace, "annotations": {BLOCKED: why}}
                body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta}
                kube._send("POST", LEASES.path(namespace=namespace), "block the target", body=body)
                return False
            meta = {"resourceVersion": there["metadata"]["resourceVersion"]}
            held = bool((there.get("spec") or {}).get("holderIdentity"))
            if why is None and not held:
                pins = {**meta, "uid": there["metadata"]["uid"]}
                options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": pins}
                kube._send("DELETE", path, "lift the block", body=options)
                return False
            body = {"metadata": {**meta, "annotations": {BLOCKED: why}}}
            what = "block the target" if why is not None else "lift the block"
            kube._send("PATCH", path, what, body=body, content_type=MERGE_PATCH)
            return held
        except Absent as error:
            if there is None:
                raise _no_namespace(namespace) from error
        except Conflict:
            if race == RACES - 1:
                raise
    raise Conflict(f"{LEASES.said(LOCK, namespace)} changes all the time; try again")


def _must_be_expired(kube: KubeClient, lease: Object, said: str) -> None:
    if why := blocked(lease):
        raise Refused(f"the target is blocked: {why}. `drillkit unblock TARGET` lifts that")
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity") or ""
    renewed = spec.get("renewTime") or spec.get("acquireTime")
    if not holder or not renewed:
        return
    there_s = kube.clock.now() + kube.clock_offset_s()
    age_s = there_s - datetime.fromisoformat(renewed).timestamp()
    ttl_s = float(spec.get("leaseDurationSeconds") or 0)
    if age_s > ttl_s + CLOCK_MARGIN_S:
        return
    run = (lease["metadata"].get("labels") or {}).get(RUN)
    who = f"run {run} of {holder}" if run else holder
    raise Refused(
        f"{who} holds the lock {said} (renewed {format_duration(max(0.0, age_s))} ago). Wait "
        "for it to end (`--wait 30m`); if that run is dead, its lock expires in "
        f"{format_duration(ttl_s + CLOCK_MARGIN_S - age_s)}, and `drillkit recover` cleans up "
        "after it"
    )


def _drop(attempts: KubeAttempts, undo: ReleaseLease, lease: Object) -> None:
    """Delete a dead run's Lease, that very version of it."""
    meta = lease["metadata"]
    pins = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": pins}
    try:
        attempts._send(
            "DELETE",
            LEASES.path(undo.name, undo.namespace),
            f"take over {undo.resource}",
            body=options,
        )
    except Absent:
        return
    except Conflict:
        raise Refused(
            f"another run was faster to take over {undo.resource}; wait for it to end"
        ) from None


def renew_lease(kube: KubeClient, plan: Planned[ReleaseLease]) -> str:
    """See `Kube.renew_lease`."""
    undo = plan.undo
    for race in range(RACES):
        lease = kube.find(LEASES, undo.name, undo.namespace)
        if lease is None or not is_ours(lease, undo.run, undo.name):
            holder = ((lease or {}).get("spec") or {}).get("holderIdentity") or "nobody"
            raise NotOurs(f"the run's lock {undo.resource} is lost: {holder} holds it now")
        body = {
            "metadata": {"resourceVersion": lease["metadata"]["resourceVersion"]},
            "spec": {"renewTime": _stamp(kube.clock.now())},
        }
        try:
            kube._send(
                "PATCH",
                LEASES.path(undo.name, undo.namespace),
                f"renew {undo.resource}",
                body=body,
                content_type=MERGE_PATCH,
            )
        except Conflict:
            if race == RACES - 1:
                raise
            continue
        return _flag(lease)
    raise AssertionError("the last race raises")


def stop_flag(kube: KubeClient, name: str, namespace: str) -> str:
    """See `Kube.stop_flag`."""
    lease = kube.find(LEASES, name, namespace)
    return _flag(lease) if lease is not None else ""


def _flag(lease: Object) -> str:
    if why := blocked(lease):
        return f"the target was blocked: {why}"
    annotations = lease["metadata"].get("annotations") or {}
    if STOP not in annotations:
        return ""
    return annotations[STOP] or "no reason given"


def _stamp(at: float) -> str:
    return utc(at).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
