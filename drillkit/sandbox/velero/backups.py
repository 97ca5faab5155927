"""Backup objects: validated, taken, uploaded, finalized."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from drillkit.sandbox.kube import patches
from drillkit.sandbox.kube.objects import (
    CRDS,
    NAMESPACES,
    Object,
    clone,
    is_terminating,
    labels_of,
    parse_time,
    rfc3339,
)
from drillkit.sandbox.kube.resources import Resource
from drillkit.sandbox.velero import volumes
from drillkit.sandbox.velero.archive import FORMAT_VERSION, Item, pack, zipped_json, zipped_text
from drillkit.sandbox.velero.blobs import BlobsUnavailable
from drillkit.sandbox.velero.context import ControllerContext, Results, go_duration
from drillkit.sandbox.velero.names import (
    BACKUP_FILES,
    BACKUPS,
    CLAIMS,
    LOCATIONS,
    METADATA,
    SCHEDULE_NAME,
    STORAGE_LOCATION,
    TARBALL,
    VOLUMES,
    backup_key,
    label_value,
)
from drillkit.sandbox.velero.selection import (
    Selection,
    group_resource,
    invalid_spec,
    is_excluded,
    selection,
)

VOLUME_FILE = "volumes.json.gz"
"""Ours: what the saved volumes held; Velero keeps such data outside its own folder."""
BROKEN = b"\x1f\x8b\x08\x00 this is no backup"


@dataclass
class Taken:
    """What a backup found."""

    items: list[Item] = field(default_factory=list)
    infos: list[Object] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)
    errors: Results = field(default_factory=Results)
    warnings: Results = field(default_factory=Results)
    log: list[str] = field(default_factory=list)

    def resource_list(self) -> dict[str, list[str]]:
        """As Velero lists a backup's contents: by API version and kind."""
        found: dict[str, list[str]] = {}
        for item in self.items:
            key = f"{item.object['apiVersion']}/{item.object['kind']}"
            found.setdefault(key, []).append(f"{item.namespace}/{item.name}".lstrip("/"))
        return {key: sorted(found[key]) for key in sorted(found)}


def take(context: ControllerContext, backup: Object) -> Taken:
    """Reads everything a backup means."""
    taken = Taken()
    wanted = selection(backup["spec"], context.store.registry)
    spaces = [
        space
        for space in context.store.list(NAMESPACES)
        if wanted.namespace(space["metadata"]["name"])
        and not is_terminating(space)
        and not is_excluded(space)
    ]
    names = [space["metadata"]["name"] for space in spaces]
    for pattern in wanted.included_namespaces:
        if pattern != "*" and pattern not in names and not any(sign in pattern for sign in "*?["):
            taken.warnings.add(pattern, f'namespaces "{pattern}" not found')
    for space in spaces:
        taken.items.append(Item("namespaces", "", space["metadata"]["name"], space))
    kinds: set[str] = set()
    for resource in _distinct(context):
        name = group_resource(resource)
        if not wanted.resource(name) or resource.gvr == NAMESPACES:
            continue
        if resource.namespaced:
            found = [obj for space in names for obj in context.store.list(resource.gvr, space)]
            kinds |= {name} if found else set()
        else:
            found = _cluster_scoped(context, wanted, resource)
        for obj in found:
            if wanted.labels(obj) and not is_excluded(obj):
                taken.items.append(
                    Item(name, obj["metadata"].get("namespace", ""), obj["metadata"]["name"], obj)
                )
    _related(context, wanted, taken)
    taken.log += [
        f'level=info msg="Backed up a new item" resource={item.path}' for item in taken.items
    ]
    return taken


def _distinct(context: ControllerContext) -> list[Resource]:
    """The resources that have objects of their own (events are served twice and stored once)."""
    own = (resource for resource in context.store.registry.all() if resource.storage is None)
    return [resource for resource in own if {"create", "list"} <= {*resource.verbs}]


def _cluster_scoped(
    context: ControllerContext, wanted: Selection, resource: Resource
) -> list[Object]:
    """All of them when asked for, or when the backup means every namespace; else only what
    `_related` finds.
    """
    everything = wanted.cluster_resources is None and wanted.every_namespace()
    named = group_resource(resource) in wanted.included_resources
    if wanted.cluster_resources or everything or (named and wanted.cluster_resources is not False):
        return context.store.list(resource.gvr)
    return []


def _related(context: ControllerContext, wanted: Selection, taken: Taken) -> None:
    """The volumes of saved claims with their data, and the definitions of saved custom objects."""
    present = {item.path for item in taken.items}
    for item in [item for item in taken.items if item.group_resource == "persistentvolumeclaims"]:
        volume = context.store.get(VOLUMES, "", item.object["spec"].get("volumeName") or "")
        if (
            volume is None
            or wanted.cluster_resources is False
            or not wanted.resource("persistentvolumes")
        ):
            continue
        name = volume["metadata"]["name"]
        taken.data[name] = volumes.data_of(volume)
        if f"persistentvolumes/{name}" not in present:
            taken.items.append(Item("persistentvolumes", "", name, volume))
    for name in sorted({item.group_resource for item in taken.items}):
        plural, _, group = name.partition(".")
        resource = context.store.registry.find(group, plural)
        definition = (
            context.store.get(CRDS, "", name) if resource is not None and resource.custom else None
        )
        path = f"customresourcedefinitions.apiextensions.k8s.io/{name}"
        if definition is not None and path not in present and wanted.cluster_resources is not False:
            taken.items.append(
                Item("customresourcedefinitions.apiextensions.k8s.io", "", name, definition)
            )


def upload(context: ControllerContext, backup: Object, taken: Taken) -> None:
    """Writes every file of a backup but its metadata.  Raises BlobsUnavailable."""
    name = backup["metadata"]["name"]
    packed = pack(_spoiled(context, name, taken.items))
    files: dict[str, bytes] = {
        TARBALL: BROKEN if context.knobs.is_corrupt(name) else packed,
        BACKUP_FILES["BackupLog"]: zipped_text(taken.log),
        BACKUP_FILES["BackupResults"]: zipped_json(
            {"errors": taken.errors.shown(), "warnings": taken.warnings.shown()}
        ),
        BACKUP_FILES["BackupResourceList"]: zipped_json(taken.resource_list()),
        BACKUP_FILES["BackupVolumeInfos"]: zipped_json(taken.infos),
        BACKUP_FILES["BackupVolumeSnapshots"]: zipped_json([]),
        BACKUP_FILES["BackupItemOperations"]: zipped_json([]),
        VOLUME_FILE: zipped_json(taken.data),
    }
    for file, data in files.items():
        context.blobs.put(backup_key(name, file), data)


def _spoiled(context: ControllerContext, backup: str, items: list[Item]) -> list[Item]:
    """The items as the knobs want the backup to hold them."""
    kept = []
    for item in items:
        if context.knobs.omits(backup, item.path):
            continue
        obj = clone(item.object)
        for patch in context.knobs.patches(backup, item.path):
            obj = patches.merge(obj, patch)
        kept.append(Item(item.group_resource, item.namespace, item.name, obj))
    return kept


class BackupDesk:
    """Carries Backup objects from phase to phase; one at a time is in progress."""

    def __init__(self, context: ControllerContext) -> None:
        self._context = context
        self._work: dict[str, Taken] = {}

    def restarted(self) -> None:
        """What was running is lost."""
        self._work.clear()
        for backup in self._context.all(BACKUPS):
            phase = (backup.get("status") or {}).get("phase")
            if phase in ("InProgress", "WaitingForPluginOperations"):
                reason = (
                    f'found a backup with status "{phase}" during the server starting, mark it '
                    'as "Failed"'
                )
                self._context.status(
                    BACKUPS,
                    backup,
                    phase="Failed",
                    failureReason=reason,
                    completionTimestamp=self._context.stamp(),
                )

    def reconcile(self) -> None:
        context = self._context
        for backup in context.all(BACKUPS):
            phase = (backup.get("status") or {}).get("phase", "")
            if phase == "":
                if "spec" not in backup:
                    backup = context.write(BACKUPS, {**backup, "spec": {}})
                context.status(
                    BACKUPS, backup, phase="New", version=1, formatVersion=FORMAT_VERSION
                )
            elif phase == "New" and not self._work and context.ripe("Backup", backup, "New"):
                self._begin(backup)
            elif phase == "InProgress" and backup["metadata"]["uid"] in self._work:
                if context.ripe("Backup", backup, "InProgress"):
                    self._finish(backup)
            elif phase.startswith("Finalizing") and context.ripe("Backup", backup, phase):
                self._finalize(backup)
        living = {backup["metadata"]["uid"] for backup in context.all(BACKUPS)}
        for uid in set(self._work) - living:
            del self._work[uid]

    def _complaints(self, backup: Object) -> list[str]:
        spec = backup["spec"]
        complaints = invalid_spec(spec)
        location = spec.get("storageLocation", "default")
        found = self._context.store.get(LOCATIONS, self._context.namespace, location)
        if found is None:
            complaints.append(
                f'an existing backup storage location was not specified: "{location}" not found'
            )
        elif (found.get("status") or {}).get("phase") == "Unavailable":
            complaints.append(
                f"backup can't be created because BackupStorageLocation {location} is in "
                "Unavailable status"
            )
        elif found["spec"].get("accessMode") == "ReadOnly":
            complaints.append(
                f"backup can't be created because backup storage location {location} is currently "
                "in read-only mode"
            )
        try:
            go_duration(spec.get("ttl", "720h0m0s"))
        except ValueError as error:
            complaints.append(f"invalid ttl: {error}")
        return complaints

    def _begin(self, backup: Object) -> None:
        context = self._context
        spec = {"storageLocation": "default", "ttl": "720h0m0s", **backup["spec"]}
        labels = {
            **(backup["metadata"].get("labels") or {}),
            STORAGE_LOCATION: label_value(spec["storageLocation"]),
        }
        backup = context.write(
            BACKUPS, {**backup, "metadata": {**backup["metadata"], "labels": labels}, "spec": spec}
        )
        if complaints := self._complaints(backup):
            context.status(BACKUPS, backup, phase="FailedValidation", validationErrors=complaints)
            return
        taken = take(context, backup)
        for item in taken.items:
            if item.group_resource == "persistentvolumes":
                claim = _claim_of(context, item.object)
                if claim is not None:
                    taken.infos.append(volumes.volume_info(context, backup, claim, item.object))
        saved = sum(not info["skipped"] for info in taken.infos)
        self._work[backup["metadata"]["uid"]] = taken
        context.status(
            BACKUPS,
            backup,
            phase="InProgress",
            startTimestamp=context.stamp(),
            expiration=rfc3339(context.now() + go_duration(spec["ttl"])),
            progress={"totalItems": len(taken.items), "itemsBackedUp": 0},
            **({"volumeSnapshotsAttempted": saved} if saved else {}),
        )

    def _finish(self, backup: Object) -> None:
        context, name = self._context, backup["metadata"]["name"]
        taken = self._work.pop(backup["metadata"]["uid"])
        ending = context.knobs.ending("Backup", name)
        if ending is not None and ending["phase"] == "PartiallyFailed":
            taken.errors.velero.append(ending.get("reason", "made to fail"))
        reason = (
            ending.get("reason", "made to fail")
            if ending is not None and ending["phase"] == "Failed"
            else None
        )
        if reason is None:
            try:
                upload(context, backup, taken)
            except BlobsUnavailable as error:
                reason = f"error uploading backup: {error}"
        total = len(taken.items)
        fields: dict[str, Any] = {
            "progress": {"totalItems": total, "itemsBackedUp": total},
            "errors": taken.errors.count() or None,
            "warnings": taken.warnings.count() or None,
        }
        if reason is not None:
            fields |= {
                "phase": "Failed",
                "failureReason": reason,
                "completionTimestamp": context.stamp(),
            }
        else:
            fields["phase"] = "FinalizingPartiallyFailed" if taken.errors.count() else "Finalizing"
            saved = sum(not info["skipped"] for info in taken.infos)
            fields |= {"volumeSnapshotsCompleted": saved} if saved else {}
        context.status(BACKUPS, backup, **fields)

    def _finalize(self, backup: Object) -> None:
        context = self._context
        phase = (
            "PartiallyFailed"
            if backup["status"]["phase"] == "FinalizingPartiallyFailed"
            else "Completed"
        )
        done = {
            **backup,
            "status": {**backup["status"], "phase": phase, "completionTimestamp": context.stamp()},
        }
        try:
            key = backup_key(backup["metadata"]["name"], METADATA)
            context.blobs.put(key, json.dumps(done).encode())
        except BlobsUnavailable as error:
            context.status(
                BACKUPS,
                backup,
                phase="Failed",
                failureReason=f"error uploading backup: {error}",
                completionTimestamp=context.stamp(),
            )
            return
        context.status(BACKUPS, backup, **done["status"])


def _claim_of(context: ControllerContext, volume: Object) -> Object | None:
    ref = volume["spec"].get("claimRef") or {}
    return context.store.get(CLAIMS, ref.get("namespace", ""), ref.get("name", ""))


def newest_completed(context: ControllerContext, schedule: str) -> Object | None:
    """The backup a restore by schedule takes: newer ones that only partly succeeded are passed over
    in silence.
    """
    found = [
        backup
        for backup in context.all(BACKUPS)
        if labels_of(backup).get(SCHEDULE_NAME) == label_value(schedule)
        and (backup.get("status") or {}).get("phase") == "Completed"
    ]

    def started(backup: Object) -> datetime:
        return parse_time(backup["status"]["startTimestamp"])

    return max(found, key=started, default=None)
