"""Objects of a cluster that runs made, found by their marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from drillkit.clients.kube.client import KubeClient
from drillkit.clients.kube.errors import NotServed
from drillkit.clients.kube.ownership import EXPIRES, OF, RUN, own_name
from drillkit.clients.kube.resources import Object, Resource
from drillkit.clients.undo import Leftover, Lookup, UndoAction, expiry

if TYPE_CHECKING:
    from drillkit.clients import Clients

UndoOf: TypeAlias = Callable[[Resource, str, str, str], UndoAction]
"""What undoes an object of (resource, name, run, namespace)."""


def made(clients: Clients, resources: Iterable[Resource], undo_of: UndoOf) -> Iterator[Lookup]:
    """Lookups of everything that carries both marks of a run and an expiry, whatever that says."""
    if clients.target.kubernetes is not None:
        for resource in resources:
            yield partial(_made, clients.kube, resource, undo_of)


def _made(kube: KubeClient, resource: Resource, undo_of: UndoOf) -> Iterator[Leftover]:
    for obj in listed(kube, resource, RUN):
        meta = obj["metadata"]
        labels, name = meta.get("labels") or {}, meta["name"]
        run, at = str(labels.get(RUN) or ""), expiry((meta.get("annotations") or {}).get(EXPIRES))
        # Restores and copies inherit labels: only what bears its own name is the thing itself.
        if run and at is not None and labels.get(OF) == own_name(name):
            undo = undo_of(resource, name, run, str(meta.get("namespace") or ""))
            yield Leftover(undo, run, at, str(meta["uid"]))


def listed(kube: KubeClient, resource: Resource, selector: str = "") -> list[Object]:
    """All objects of a kind that match; none where the cluster has no such kind.
    Raises CallError.
    """
    try:
        return list(kube.list(resource, selector=selector))
    except NotServed:
        return []
