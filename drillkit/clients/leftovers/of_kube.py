"""Objects of a cluster that runs made, and those that they changed."""

from __future__ import annotations

from collections.abc import Iterator

from drillkit.clients.kube import DeleteFault, DeleteObject, Kube, NotServed, Object, Resource
from drillkit.clients.kube.field_patch import changes_on
from drillkit.clients.kube.ownership import EXPIRES, OF, RUN, own_name
from drillkit.clients.kube.resources import (
    CHAOS_ENGINES,
    CONFIGMAPS,
    DEPLOYMENTS,
    DNS_CHAOS,
    JOBS,
    NAMESPACES,
    NETWORK_CHAOS,
    NODES,
    PERSISTENT_VOLUMES,
    POD_CHAOS,
    PODS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    STRESS_CHAOS,
    VIRTUAL_SERVICES,
)
from drillkit.clients.leftovers.leftover import Leftover, expiry
from drillkit.clients.velero.resources import BACKUPS, DOWNLOADS, RESTORES
from drillkit.clients.velero.undo import DeleteBackup, DeleteRestore, DeleteScratch
from drillkit.clients.velero.volumes import handle_of

FAULTS = (NETWORK_CHAOS, STRESS_CHAOS, DNS_CHAOS, POD_CHAOS)
OBJECTS = (PODS, JOBS, CONFIGMAPS, SECRETS, SERVICES, CHAOS_ENGINES, DOWNLOADS)
"""What runs make beside faults, namespaces, Backups and Restores."""
CHANGED = (NODES, DEPLOYMENTS, STATEFULSETS, VIRTUAL_SERVICES)
"""What runs change and do not own."""


def leftovers_of_kube(kube: Kube) -> Iterator[Leftover]:
    """Everything that carries both marks of a run and an expiry, whatever that says.
    Raises CallError.
    """
    for resource in (*FAULTS, *OBJECTS, RESTORES, NAMESPACES, BACKUPS):
        try:
            found = kube.list(resource, selector=RUN)
        except NotServed:
            continue
        for obj in found:
            if (leftover := _leftover(kube, resource, obj)) is not None:
                yield leftover


def changes_of_kube(kube: Kube, resource: Resource) -> Iterator[Leftover]:
    """What runs changed on objects that are not theirs, by the marks that they left beside it.
    Raises CallError.
    """
    try:
        found = kube.list(resource)
    except NotServed:
        return
    for obj in found:
        for undo in changes_on(resource, obj):
            if (at := expiry(undo.expires)) is not None:
                yield Leftover(undo, undo.run, at, undo.uid)


def _leftover(kube: Kube, resource: Resource, obj: Object) -> Leftover | None:
    meta = obj["metadata"]
    labels, name = meta.get("labels") or {}, meta["name"]
    at = expiry((meta.get("annotations") or {}).get(EXPIRES))
    # Restores and copies inherit labels: only what bears its own name is the thing itself.
    if at is None or labels.get(OF) != own_name(name) or not labels.get(RUN):
        return None
    run, namespace = str(labels[RUN]), str(meta.get("namespace") or "")
    undo: DeleteObject | DeleteFault
    if resource in FAULTS:
        undo = DeleteFault(resource, name, run, namespace)
    elif resource is NAMESPACES:
        undo = DeleteScratch(resource, name, run, handles=_disks_of_others(kube, name))
    elif resource is RESTORES:
        undo = DeleteRestore(resource, name, run, namespace)
    elif resource is BACKUPS:
        undo = DeleteBackup(resource, name, run, namespace)
    else:
        undo = DeleteObject(resource, name, run, namespace)
    return Leftover(undo, run, at, str(meta["uid"]))


def _disks_of_others(kube: Kube, namespace: str) -> tuple[str, ...]:
    """Disks that volumes of other namespaces name, too: never deleted with this one."""
    volumes = kube.list(PERSISTENT_VOLUMES)
    theirs = [
        v for v in volumes if ((v["spec"].get("claimRef") or {}).get("namespace")) != namespace
    ]
    return tuple(sorted({handle_of(volume) for volume in theirs} - {""}))
