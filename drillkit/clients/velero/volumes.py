"""Persistent volumes of a restored namespace, and their disks: the part of a restore that outlives
its namespace.

Velero puts the source's reclaim policy back on what it restored, so a policy of Retain keeps the
copy's disk (and its bill) when the namespace goes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, Protocol

from drillkit.clients.kube.client import MERGE_PATCH, KubeClient
from drillkit.clients.kube.effect import PATIENCE
from drillkit.clients.kube.ownership import labels
from drillkit.clients.kube.resources import PERSISTENT_VOLUMES, Object
from drillkit.clients.removal import Certain, Observation, Pending, take_back
from drillkit.clients.undo import UndoContext
from drillkit.model.effects import Undone
from drillkit.model.errors import Absent, Conflict

_HANDLES = {
    "csi": "volumeHandle",
    "awsElasticBlockStore": "volumeID",
    "gcePersistentDisk": "pdName",
    "azureDisk": "diskURI",
    "vsphereVolume": "volumePath",
    "cinder": "volumeID",
}


class ScratchNamespace(Protocol):
    """The namespace that a restore went into."""

    @property
    def name(self) -> str: ...
    @property
    def run(self) -> str: ...
    @property
    def handles(self) -> tuple[str, ...]:
        """Disks of the original, which are let go and never deleted."""

    @property
    def resource(self) -> str: ...


def of_namespace(kube: KubeClient, namespace: str) -> list[Object]:
    """The volumes that claims of a namespace are or were bound to. Raises CallError."""
    return [pv for pv in kube.list(PERSISTENT_VOLUMES) if _claim(pv).get("namespace") == namespace]


def disks_of_others(kube: KubeClient, namespace: str) -> tuple[str, ...]:
    """Disks that volumes of other namespaces name, too: never deleted with this one.
    Raises CallError.
    """
    volumes = kube.list(PERSISTENT_VOLUMES)
    theirs = [v for v in volumes if _claim(v).get("namespace") != namespace]
    return tuple(sorted({handle_of(volume) for volume in theirs} - {""}))


def _claim(volume: Object) -> dict[str, Any]:
    return (volume.get("spec") or {}).get("claimRef") or {}


def handle_of(volume: Object) -> str:
    """What names its disk at the provider, or ''."""
    spec = volume.get("spec") or {}
    return next(
        (str(spec[kind].get(field) or "") for kind, field in _HANDLES.items() if spec.get(kind)), ""
    )


def give_up(kube: KubeClient, undo: ScratchNamespace) -> list[Object]:
    """Have the disks of a scratch namespace go with it, except those of the original. What is
    there now.

    Raises CallError.
    """
    volumes = of_namespace(kube, undo.name)
    for volume in volumes:
        wanted = "Retain" if handle_of(volume) in undo.handles else "Delete"
        policy = volume["spec"].get("persistentVolumeReclaimPolicy")
        if policy == wanted or volume["metadata"].get("deletionTimestamp"):
            continue
        name = volume["metadata"]["name"]
        body = {
            "metadata": {
                "resourceVersion": volume["metadata"]["resourceVersion"],
                "labels": labels(undo.run, undo.name),
            },
            "spec": {"persistentVolumeReclaimPolicy": wanted},
        }
        with contextlib.suppress(Absent, Conflict):  # looked at again, or with the next attempt
            kube._send(
                "PATCH",
                PERSISTENT_VOLUMES.path(name),
                f"set the policy of persistentvolume/{name} to {wanted}",
                body=body,
                content_type=MERGE_PATCH,
            )
    return volumes


def wait_until_gone(
    kube: KubeClient, undo: ScratchNamespace, context: UndoContext, known: Iterable[Object]
) -> list[str]:
    """After the namespace: wait until none of its volumes is left. Names of all that are gone, the
    `known` ones too.

    Raises CallError, DeadlineOver.
    """
    seen = {volume["metadata"]["name"]: handle_of(volume) for volume in known}

    def look() -> Observation:
        left = give_up(kube, undo)
        for volume in left:
            seen[volume["metadata"]["name"]] = handle_of(volume)
            if handle_of(volume) in undo.handles:
                _let_go(kube, undo, volume)
        return Pending(", ".join(_states(left))) if left else Certain(Undone("undone"))

    take_back(look, f"the last volume of {undo.resource}", PATIENCE, context)
    return [_said(name, handle, undo) for name, handle in sorted(seen.items())]


def _let_go(kube: KubeClient, undo: ScratchNamespace, volume: Object) -> None:
    """Delete a volume's object alone; with a policy of Retain its disk stays."""
    meta = volume["metadata"]
    if volume["spec"].get("persistentVolumeReclaimPolicy") != "Retain" or meta.get(
        "deletionTimestamp"
    ):
        return
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
    }
    with contextlib.suppress(Absent, Conflict):
        kube._send(
            "DELETE",
            PERSISTENT_VOLUMES.path(meta["name"]),
            f"delete persistentvolume/{meta['name']}, not its disk",
            body=options,
        )


def _said(name: str, handle: str, undo: ScratchNamespace) -> str:
    kept = " (its disk is the original's and stays)" if handle in undo.handles else ""
    return f"persistentvolume/{name}{kept}"


def _states(volumes: Iterable[Object]) -> Iterable[str]:
    for volume in volumes:
        status = volume.get("status") or {}
        why = status.get("message") or ", ".join(volume["metadata"].get("finalizers") or ())
        yield f"{volume['metadata']['name']} is {status.get('phase', '?')}" + (
            f" ({why})" if why else ""
        )
