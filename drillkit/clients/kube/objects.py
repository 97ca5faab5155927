"""Objects that a run creates, and their removal: a fault (relieve), or a resource of its
own (remove).
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from drillkit.clients.effect import make
from drillkit.clients.kube.client import MERGE_PATCH, KubeClient
from drillkit.clients.kube.effect import PATIENCE, KubeAttempts
from drillkit.clients.kube.leftovers import made
from drillkit.clients.kube.ownership import EXPIRES, OF, RUN, UNDO, is_ours, labels
from drillkit.clients.kube.resources import (
    CHAOS_ENGINES,
    CONFIGMAPS,
    DNS_CHAOS,
    JOBS,
    NAMESPACES,
    NETWORK_CHAOS,
    POD_CHAOS,
    PODS,
    SECRETS,
    SERVICES,
    STRESS_CHAOS,
    Object,
    Resource,
)
from drillkit.clients.removal import Removal, Whose, remove
from drillkit.clients.retry import patiently
from drillkit.clients.undo import Lookup, UndoAction, UndoContext
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Counted, Phase, Undone
from drillkit.model.errors import Absent, Conflict, NotOurs

if TYPE_CHECKING:
    from drillkit.clients import Clients


def deletion_by_hand(of: Resource, name: str, namespace: str = "") -> str:
    """How somebody with nothing but kubectl deletes an object."""
    kind = f"{of.plural}.{of.group}" if of.group else of.plural
    where = f" --namespace {namespace}" if of.namespaced else ""
    return f"kubectl delete {kind} {name}{where}"


class OwnObject(Protocol):
    """What is known of an object of the run's own before it is made."""

    @property
    def of(self) -> Resource: ...
    @property
    def name(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def run(self) -> str: ...
    @property
    def resource(self) -> str: ...


@dataclass(frozen=True)
class _DeleteOwn(UndoAction):
    """Deletes an object that the run made."""

    swept: ClassVar[tuple[Resource, ...]]
    """Kinds of object that a sweep looks for."""

    of: Resource
    name: str
    run: str
    """Id of the run that creates it."""
    namespace: str = ""
    expires: str = ""
    """Until when it is meant to live, or the other side ends it by itself (ISO 8601), or ''."""

    @property
    def resource(self) -> str:
        return self.of.said(self.name, self.namespace)

    @property
    def by_hand(self) -> tuple[str, ...]:
        return (deletion_by_hand(self.of, self.name, self.namespace),)

    @classmethod
    def lookups(cls, clients: Clients) -> Iterable[Lookup]:
        """Everything of its kinds that bears a run's marks."""
        return made(clients, cls.swept, cls)


@dataclass(frozen=True)
class DeleteFault(_DeleteOwn):
    """Deletes a fault's object (a NetworkChaos, say) and waits until its controller has really
    let go.
    """

    kind: ClassVar[str] = "kube.delete-fault"
    phase: ClassVar[Phase] = "relieve"
    swept: ClassVar[tuple[Resource, ...]] = (
        NETWORK_CHAOS,
        STRESS_CHAOS,
        DNS_CHAOS,
        POD_CHAOS,
        CHAOS_ENGINES,
    )

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver."""
        return remove_object(clients.kube, self, context, propagation="Background")


@dataclass(frozen=True)
class DeleteObject(_DeleteOwn):
    """Deletes an object that the run made for itself (a namespace, a Job, an engine) and waits
    until it is gone.
    """

    kind: ClassVar[str] = "kube.delete-object"
    phase: ClassVar[Phase] = "remove"
    swept: ClassVar[tuple[Resource, ...]] = (
        PODS,
        JOBS,
        CONFIGMAPS,
        SECRETS,
        SERVICES,
    )
    """Those with an undo of their own stand there."""

    @property
    def counts(self) -> Counted:
        return Counted()

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver."""
        # Foreground: gone means that what it owned (a Job's pods) is gone as well.
        return remove_object(clients.kube, self, context, propagation="Foreground")

    def hand_over(self, clients: Clients, uid: str) -> str:
        """Take the run's marks off. Raises Absent, NotOurs, CallError."""
        kube = clients.kube
        found = kube.find(self.of, self.name, self.namespace)
        if found is None:
            raise Absent(f"{self.resource} is not there (any more)")
        if not is_ours(found, self.run, self.name, uid):
            raise NotOurs(
                f"{self.resource} does not carry this run's marks: it is nobody's to hand over"
            )
        unmarked = {"labels": {RUN: None, OF: None}, "annotations": {UNDO: None, EXPIRES: None}}

        def once() -> None:
            kube._send(
                "PATCH",
                self.of.path(self.name, self.namespace),
                f"take the run's marks off {self.resource}",
                body={"metadata": unmarked},
                content_type=MERGE_PATCH,
            )

        patiently(once, kube.clock, attempts=3, limit_s=20.0)
        return "its marks are off"


def create(
    kube: KubeClient, plan: Planned[DeleteFault] | Planned[DeleteObject], body: Object
) -> Object:
    """See `Kube.create`."""
    undo = plan.undo
    obj = _prepared(undo, body)

    def once(attempts: KubeAttempts) -> Object:
        try:
            made: Object = attempts._send(
                "POST", undo.of.path(namespace=undo.namespace), f"create {undo.resource}", body=obj
            ).json()
        except Conflict:
            there = kube.find(undo.of, undo.name, undo.namespace)
            if there is None:
                raise  # not about the name: the namespace is being deleted, say
            if not is_ours(there, undo.run, undo.name):
                raise NotOurs(
                    f"expected to create {undo.resource}, found one that this run did not make; it "
                    "is left alone. Choose another name, or delete it if nobody needs it"
                ) from None
            if there["metadata"].get("deletionTimestamp"):
                raise
            return there  # an attempt that was not answered has landed
        return made

    return make(KubeAttempts(kube, plan), once, lambda made: {"uid": made["metadata"]["uid"]})


def _prepared(undo: DeleteFault | DeleteObject, body: Object) -> Object:
    obj = copy.deepcopy(body)
    obj.setdefault("apiVersion", undo.of.api_version)
    obj.setdefault("kind", undo.of.kind)
    meta = obj.setdefault("metadata", {})
    meta["name"] = undo.name
    if undo.of.namespaced:
        meta["namespace"] = undo.namespace
    meta["labels"] = {**(meta.get("labels") or {}), **labels(undo.run, undo.name)}
    where = f" -n {undo.namespace}" if undo.of.namespaced else ""
    by_hand = (
        f"kubectl delete {undo.of.plural}{f'.{undo.of.group}' if undo.of.group else ''} "
        f"{undo.name}{where}"
    )
    expires = {EXPIRES: undo.expires} if undo.expires else {}
    meta["annotations"] = {**(meta.get("annotations") or {}), UNDO: by_hand, **expires}
    return obj


def remove_object(
    kube: KubeClient,
    undo: OwnObject,
    context: UndoContext,
    *,
    propagation: str = "Background",
    ask: Callable[[Object], str] | None = None,
    ours: Callable[[Object], bool] = lambda obj: False,
) -> Undone:
    """Delete what the run made and wait until it is gone. Raises CallError, DeadlineOver saying
    what blocks.

    `ask`: how it is asked to go, where that is not a plain delete; what may hold it up. `ours`: by
    what else than the run's marks an object is known as the run's.
    """
    uid = context.identity.get("uid", "")

    def whose(obj: Object) -> Whose:
        if is_ours(obj, undo.run, undo.name, uid) or ours(obj):
            return "ours"
        return "another" if uid and obj["metadata"]["uid"] != uid else "unmarked"

    def delete(obj: Object) -> str:
        if obj["metadata"].get("deletionTimestamp"):
            return f"it is on its way out: {_what_blocks(undo.of, obj)}"
        if ask is not None:
            return ask(obj)
        delete_object(kube, undo, obj, propagation)
        return _what_blocks(undo.of, obj)

    found = Removal(
        undo.resource,
        lambda: kube.find(undo.of, undo.name, undo.namespace),
        whose,
        delete,
        PATIENCE,
    )
    return remove(found, context)


def delete_object(
    kube: KubeClient, undo: OwnObject, obj: Object, propagation: str = "", *, version: bool = False
) -> None:
    """Ask once for the deletion of this very object, with `version` only as it was read."""
    meta = obj["metadata"]
    only = {"uid": meta["uid"], **({"resourceVersion": meta["resourceVersion"]} if version else {})}
    how = {"propagationPolicy": propagation} if propagation else {}
    options = {"apiVersion": "v1", "kind": "DeleteOptions", **how, "preconditions": only}
    # Gone, changed or another one by now: the caller looks again.
    with contextlib.suppress(Absent, Conflict):
        kube._send(
            "DELETE",
            undo.of.path(undo.name, undo.namespace),
            f"delete {undo.resource}",
            body=options,
        )


def _what_blocks(resource: Resource, obj: Object) -> str:
    """Why an object that is being deleted is still there."""
    why: list[str] = []
    if resource == NAMESPACES:
        troubles = [c for c in _conditions(obj) if c.get("status") == "True"]
        why += [f"{c.get('type')}: {c.get('message', '').strip()}" for c in troubles]
    else:
        why += [
            f"{c['type']} is {c.get('status')}"
            for c in _conditions(obj)
            if c.get("type") == "AllRecovered"
        ]
    if held := obj["metadata"].get("finalizers"):
        why.append(f"held by {', '.join(held)}; is the controller that owns it running?")
    return "; ".join(why) or "nothing says why"


def _conditions(obj: Object) -> list[dict[str, Any]]:
    return list((obj.get("status") or {}).get("conditions") or [])
