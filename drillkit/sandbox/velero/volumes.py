"""Persistent volumes: what a backup saves of them and what a restore makes of that.

What an emulated volume holds is text in an annotation of its PersistentVolume, so restored data can
be read back.
"""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.kube.objects import Object, clone, rfc3339
from drillkit.sandbox.velero.archive import Item
from drillkit.sandbox.velero.context import ControllerContext
from drillkit.sandbox.velero.names import VOLUME_DATA, VOLUMES

_BINDING = (
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
)


def volume_info(
    context: ControllerContext, backup: Object, claim: Object, volume: Object
) -> Object:
    """One entry of the backup's volume information: saved, or skipped and why."""
    saved = backup["spec"].get("snapshotVolumes") is not False
    info: Object = {
        "pvcName": claim["metadata"]["name"],
        "pvcNamespace": claim["metadata"]["namespace"],
        "pvName": volume["metadata"]["name"],
        "startTimestamp": rfc3339(context.now()),
        "completionTimestamp": rfc3339(context.now()),
        "snapshotDataMoved": False,
        "preserveLocalSnapshot": False,
        "skipped": not saved,
        "pvInfo": {
            "volumeHandle": _handle(volume),
            "reclaimPolicy": volume["spec"].get("persistentVolumeReclaimPolicy", "Delete"),
            "labels": volume["metadata"].get("labels") or {},
        },
    }
    if not saved:
        return info | {
            "backupMethod": "",
            "skippedReason": "not satisfy the criteria for VolumePolicy or snapshotVolumes",
        }
    handle = f"snap-{volume['metadata']['uid'][:8]}-{backup['metadata']['uid'][:8]}"
    snapshot = {
        "snapshotHandle": handle,
        "volumeType": "sandbox",
        "volumeAZ": "",
        "iops": "",
        "phase": "Completed",
    }
    return info | {
        "backupMethod": "NativeSnapshot",
        "result": "succeeded",
        "nativeSnapshotInfo": snapshot,
    }


def _handle(volume: Object) -> str:
    return str((volume["spec"].get("csi") or {}).get("volumeHandle", volume["metadata"]["name"]))


def data_of(volume: Object) -> str:
    """What the emulated volume holds."""
    return str((volume["metadata"].get("annotations") or {}).get(VOLUME_DATA, "{}"))


class VolumePlan:
    """How the volumes of one restore come back, from the backup's volume information and
    saved data.
    """

    def __init__(
        self, context: ControllerContext, infos: list[Object], data: dict[str, str], spec: Object
    ) -> None:
        self._context = context
        self._infos = {info["pvName"]: info for info in infos}
        self._data = data
        self._mapping: dict[str, str] = spec.get("namespaceMapping") or {}
        self._restore = spec.get("restorePVs") is not False
        self.renamed: dict[str, str | None] = {}
        """By the volume's name in the backup: its name now, or None when its claim is
        provisioned anew.
        """
        self.policies: dict[str, str] = {}
        """By the new name: the source's reclaim policy, put back when the restore finalizes."""

    def volume(self, item: Item, token: str) -> tuple[Object | None, str]:
        """The PersistentVolume to create, or None, and what the log says.  `token` makes new names
        and handles.
        """
        source = item.object
        policy = source["spec"].get("persistentVolumeReclaimPolicy", "Delete")
        info = self._infos.get(item.name)
        saved = self._restore and info is not None and not info["skipped"]
        if not saved and policy == "Delete":
            self.renamed[item.name] = None
            return (
                None,
                f"Dynamically re-provisioning persistent volume {item.name}: it has no snapshot to "
                "restore from",
            )
        volume = clone(source)
        volume.pop("status", None)
        if claim := volume["spec"].get("claimRef"):
            namespace = self._mapping.get(claim["namespace"], claim["namespace"])
            volume["spec"]["claimRef"] = {
                "kind": "PersistentVolumeClaim",
                "apiVersion": "v1",
                "namespace": namespace,
                "name": claim["name"],
            }
        name = item.name
        if not saved:
            # The disk was neither copied nor given up: what comes back is the very same disk.
            self.renamed[item.name] = name
            return (
                volume,
                f"Restoring persistent volume {name} as is: it has no snapshot and its policy "
                f"is {policy}",
            )
        if self._context.store.get(VOLUMES, "", name) is not None:
            name = f"velero-clone-{token}"
        volume["metadata"]["name"] = name
        volume["metadata"].setdefault("annotations", {})[VOLUME_DATA] = self._data.get(
            item.name, "{}"
        )
        volume["spec"].pop("csi", None)
        volume["spec"]["csi"] = {"driver": "sandbox.drillkit.dev", "volumeHandle": f"vol-{token}"}
        volume["spec"]["persistentVolumeReclaimPolicy"] = "Delete"
        self.renamed[item.name] = name
        self.policies[name] = policy
        return volume, f"Restoring persistent volume {item.name} from its snapshot as {name}"

    def claim(self, claim: Object) -> Object:
        """The claim, bound to what its volume became."""
        claim = clone(claim)
        annotations = claim["metadata"].get("annotations") or {}
        for name in _BINDING:
            annotations.pop(name, None)
        before = claim["spec"].get("volumeName")
        now: Any = self.renamed.get(before) if before else None
        if now:
            claim["spec"]["volumeName"] = now
        else:
            claim["spec"].pop("volumeName", None)
        return claim

    def finalize(self) -> None:
        """Puts the sources' reclaim policies back, so that retained disks outlive the
        restored namespace.
        """
        for name, policy in self.policies.items():
            if policy != "Delete" and self._context.store.get(VOLUMES, "", name) is not None:
                self._context.store.patch(
                    VOLUMES, "", name, {"spec": {"persistentVolumeReclaimPolicy": policy}}
                )
