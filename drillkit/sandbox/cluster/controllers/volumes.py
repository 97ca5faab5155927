"""Claims are bound at once to volumes that hold nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drillkit.sandbox.cluster.controllers.statefulset import CLAIMS
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import Gvr, Object, is_terminating

VOLUMES: Gvr = ("", "persistentvolumes")


@dataclass(frozen=True)
class Claims:
    """A PersistentVolume for each PersistentVolumeClaim."""

    name: str = "volume-binder"
    gvr: Gvr = CLAIMS
    watches: frozenset[Gvr] = frozenset({CLAIMS, VOLUMES})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if is_terminating(obj) or (obj.get("status") or {}).get("phase") == "Bound":
            return None
        meta = obj["metadata"]
        name = obj["spec"].get("volumeName") or f"pvc-{meta['uid']}"
        size = ((obj["spec"].get("resources") or {}).get("requests") or {}).get("storage", "1Gi")
        modes = obj["spec"].get("accessModes") or ["ReadWriteOnce"]
        if view.get(VOLUMES, "", name) is None:
            view.create(VOLUMES, self._volume(obj, name, size, modes), "")
        if not obj["spec"].get("volumeName"):
            obj = view.patch(CLAIMS, obj, {"spec": {"volumeName": name}})
        view.write_status(
            CLAIMS, obj, {"phase": "Bound", "accessModes": modes, "capacity": {"storage": size}}
        )
        return None

    def _volume(self, claim: Object, name: str, size: str, modes: list[str]) -> Object:
        meta = claim["metadata"]
        return {
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": size},
                "accessModes": modes,
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": claim["spec"].get("storageClassName") or "standard",
                "claimRef": {
                    "kind": "PersistentVolumeClaim",
                    "apiVersion": "v1",
                    "namespace": meta["namespace"],
                    "name": meta["name"],
                    "uid": meta["uid"],
                },
                "csi": {"driver": "sandbox.drillkit.dev", "volumeHandle": name},
            },
        }


@dataclass(frozen=True)
class Volumes:
    """A volume follows its claim: bound while it lives, then deleted or released by its
    reclaim policy.
    """

    name: str = "volume-reclaimer"
    gvr: Gvr = VOLUMES
    watches: frozenset[Gvr] = frozenset({CLAIMS, VOLUMES})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        ref = obj["spec"].get("claimRef")
        if is_terminating(obj) or ref is None:
            return None
        claim = view.get(CLAIMS, ref.get("namespace") or "", ref["name"])
        alive = claim is not None and ref.get("uid") in (None, "", claim["metadata"]["uid"])
        if not alive and obj["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            view.delete(VOLUMES, obj)
            return None
        view.write_status(
            VOLUMES, obj, {**(obj.get("status") or {}), "phase": "Bound" if alive else "Released"}
        )
        return None
