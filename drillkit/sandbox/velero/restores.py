"""Restore objects: validated, queued behind the one worker, carried out, finalized, cleaned up."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from drillkit.sandbox.kube.objects import Object, is_terminating
from drillkit.sandbox.velero.archive import CorruptBackup, unpack, zipped_json, zipped_text
from drillkit.sandbox.velero.backups import VOLUME_FILE, newest_completed
from drillkit.sandbox.velero.blobs import BlobsUnavailable
from drillkit.sandbox.velero.context import ControllerContext
from drillkit.sandbox.velero.modifiers import BadModifiers, Rule, read
from drillkit.sandbox.velero.names import (
    BACKUP_FILES,
    BACKUPS,
    CONFIG_MAPS,
    FINALIZER,
    LOCATIONS,
    RESTORE_FILES,
    RESTORES,
    RUNNING,
    TARBALL,
    backup_key,
    restore_key,
)
from drillkit.sandbox.velero.restorer import Restorer
from drillkit.sandbox.velero.selection import NEVER, canonical, invalid_spec, selection
from drillkit.sandbox.velero.volumes import VolumePlan


@dataclass
class Work:
    """The restore that has the worker."""

    uid: str
    restorer: Restorer


class RestoreDesk:
    """Carries Restore objects from phase to phase.  There is one worker: the others wait in New."""

    def __init__(self, context: ControllerContext) -> None:
        self._context = context
        self._work: Work | None = None
        self._stuck = False

    def restarted(self) -> None:
        """What was running is lost, and a stuck worker is free again."""
        self._work, self._stuck = None, False
        for restore in self._context.all(RESTORES):
            phase = (restore.get("status") or {}).get("phase")
            if phase in RUNNING:
                reason = (
                    f'found a restore with status "{phase}" during the server starting, mark it '
                    'as "Failed"'
                )
                self._context.status(
                    RESTORES,
                    restore,
                    phase="Failed",
                    failureReason=reason,
                    completionTimestamp=self._context.stamp(),
                )

    def reconcile(self) -> None:
        context = self._context
        restores = context.all(RESTORES)
        if self._work is not None and self._work.uid not in {
            restore["metadata"]["uid"] for restore in restores
        }:
            # Deleted while it ran: the real server's worker waits for it for ever, and so do all
            # later restores.
            self._work, self._stuck = None, True
        for restore in restores:
            phase = (restore.get("status") or {}).get("phase", "")
            mine = self._work is not None and self._work.uid == restore["metadata"]["uid"]
            if is_terminating(restore):
                self._bury(restore, phase, mine)
            elif phase == "":
                if "spec" not in restore:
                    restore = context.write(RESTORES, {**restore, "spec": {}})
                context.status(RESTORES, restore, phase="New")
            elif (
                phase == "New"
                and self._work is None
                and not self._stuck
                and context.ripe("Restore", restore, "New")
            ):
                self._begin(restore)
            elif phase == "InProgress" and mine:
                self._go_on(restore)
            elif (
                phase.startswith("Finalizing") and mine and context.ripe("Restore", restore, phase)
            ):
                self._finalize(restore)

    def _bury(self, restore: Object, phase: str, mine: bool) -> None:
        """Removes what a deleted restore left in the bucket, then the finalizer; waits while the
        bucket is away.
        """
        context = self._context
        if mine and phase in RUNNING:
            self._work, self._stuck = None, True
        location = context.store.get(LOCATIONS, context.namespace, self._location(restore))
        if location is None or (location.get("status") or {}).get("phase") == "Unavailable":
            context.wake(context.now() + timedelta(seconds=5))
            return
        try:
            for key in context.blobs.list(restore_key(restore["metadata"]["name"], "")):
                context.blobs.delete(key)
        except BlobsUnavailable:
            context.wake(context.now() + timedelta(seconds=5))
            return
        finalizers = [
            each for each in restore["metadata"].get("finalizers") or () if each != FINALIZER
        ]
        context.write(
            RESTORES, {**restore, "metadata": {**restore["metadata"], "finalizers": finalizers}}
        )

    def _location(self, restore: Object) -> str:
        backup = self._context.store.get(
            BACKUPS, self._context.namespace, (restore.get("spec") or {}).get("backupName") or ""
        )
        return str(((backup or {}).get("spec") or {}).get("storageLocation", "default"))

    def _resolved(self, restore: Object) -> tuple[Object, list[str]]:
        """The spec with the backup's name in it, and complaints."""
        spec = dict(restore["spec"])
        complaints = invalid_spec(spec)
        if bool(spec.get("backupName")) == bool(spec.get("scheduleName")):
            complaints.append(
                "Either a backup or schedule must be specified as a source for the restore, but "
                "not both"
            )
            return spec, complaints
        forbidden = sorted(
            canonical(spec.get("includedResources") or (), self._context.store.registry) & NEVER
        )
        complaints += [f"{name} are non-restorable resources" for name in forbidden]
        if spec.get("scheduleName"):
            newest = newest_completed(self._context, spec["scheduleName"])
            if newest is None:
                return spec, [
                    *complaints,
                    f"No completed backups found for schedule {spec['scheduleName']}",
                ]
            spec["backupName"] = newest["metadata"]["name"]
        backup = self._context.store.get(BACKUPS, self._context.namespace, spec["backupName"])
        if backup is None:
            name = spec["backupName"]
            return spec, [
                *complaints,
                f'Error retrieving backup: backups.velero.io "{name}" not found',
            ]
        location = self._context.store.get(
            LOCATIONS, self._context.namespace, backup["spec"].get("storageLocation", "default")
        )
        if location is None or (location.get("status") or {}).get("phase") == "Unavailable":
            complaints.append(
                f"BackupStorageLocation {backup['spec'].get('storageLocation')} is in "
                "Unavailable status"
            )
        return spec, complaints

    def _rules(self, spec: Object) -> list[Rule]:
        """Raises BadModifiers."""
        reference = spec.get("resourceModifier")
        if not reference:
            return []
        found = self._context.store.get(CONFIG_MAPS, self._context.namespace, reference["name"])
        if found is None:
            raise BadModifiers(
                "failed to get resource modifiers configmap "
                f"{self._context.namespace}/{reference['name']}"
            )
        return read(found)

    def _begin(self, restore: Object) -> None:
        context = self._context
        finalizers = [*(restore["metadata"].get("finalizers") or ()), FINALIZER]
        spec, complaints = self._resolved(restore)
        excluded = [
            *(spec.get("excludedResources") or ()),
            *sorted(NEVER - {*(spec.get("excludedResources") or ())}),
        ]
        spec["excludedResources"] = excluded
        rules: list[Rule] = []
        try:
            rules = self._rules(spec)
        except BadModifiers as error:
            complaints.append(str(error))
        meta = {**restore["metadata"], "finalizers": list(dict.fromkeys(finalizers))}
        restore = context.write(RESTORES, {**restore, "metadata": meta, "spec": spec})
        if complaints:
            context.status(RESTORES, restore, phase="FailedValidation", validationErrors=complaints)
            return
        restore = context.status(
            RESTORES, restore, phase="InProgress", startTimestamp=context.stamp()
        )
        try:
            restorer = self._restorer(restore, rules)
        except (BlobsUnavailable, FileNotFoundError) as error:
            self._fail(restore, f"error downloading backup: {error}")
            return
        except CorruptBackup as error:
            self._broken(restore, str(error))
            return
        self._work = Work(restore["metadata"]["uid"], restorer)
        context.status(
            RESTORES, restore, progress={"totalItems": restorer.total, "itemsRestored": 0}
        )

    def _restorer(self, restore: Object, rules: list[Rule]) -> Restorer:
        """Downloads and unpacks the backup.  Raises BlobsUnavailable, FileNotFoundError
        or CorruptBackup.
        """
        context, name = self._context, restore["spec"]["backupName"]
        packed = context.blobs.get(backup_key(name, TARBALL))
        if packed is None:
            raise FileNotFoundError(f"{backup_key(name, TARBALL)} does not exist")
        if context.knobs.is_corrupt(name):
            packed = packed[: len(packed) // 2]
        items = unpack(packed)
        infos = _json(context.blobs.get(backup_key(name, BACKUP_FILES["BackupVolumeInfos"])), [])
        data = _json(context.blobs.get(backup_key(name, VOLUME_FILE)), {})
        plan = VolumePlan(context, infos, data, restore["spec"])
        wanted = selection(
            {**restore["spec"], "excludedResources": restore["spec"]["excludedResources"]},
            context.store.registry,
        )
        return Restorer(context, restore, items, wanted, rules, plan)

    def _fail(self, restore: Object, reason: str) -> None:
        self._context.status(
            RESTORES,
            restore,
            phase="Failed",
            failureReason=reason,
            completionTimestamp=self._context.stamp(),
            errors=1,
        )

    def _broken(self, restore: Object, reason: str) -> None:
        """A tarball that cannot be unpacked: nothing is restored, and the results say why."""
        context, name = self._context, restore["metadata"]["name"]
        results = {"errors": {"velero": [reason]}, "warnings": {}}
        context.blobs.put(restore_key(name, RESTORE_FILES["RestoreResults"]), zipped_json(results))
        context.blobs.put(
            restore_key(name, RESTORE_FILES["RestoreLog"]),
            zipped_text([f'level=error msg="{reason}"']),
        )
        context.status(
            RESTORES,
            restore,
            phase="PartiallyFailed",
            completionTimestamp=context.stamp(),
            errors=1,
        )

    def _go_on(self, restore: Object) -> None:
        context, work = self._context, self._work
        if work is None:
            return
        ripe = context.ripe("Restore", restore, "InProgress")
        restorer = work.restorer
        restorer.step(1.0 if ripe else context.share_of_time("Restore", restore, "InProgress"))
        progress = {"totalItems": restorer.total, "itemsRestored": restorer.progress.done}
        if not (ripe and restorer.finished):
            context.status(RESTORES, restore, progress=progress)
            context.wake(context.now() + timedelta(seconds=0.2))
            return
        ending = context.knobs.ending("Restore", restore["metadata"]["name"])
        if ending is not None and ending["phase"] == "Failed":
            self._work = None
            context.status(RESTORES, restore, progress=progress)
            self._fail(restore, ending.get("reason", "made to fail"))
            return
        if ending is not None:
            restorer.progress.errors.velero.append(ending.get("reason", "made to fail"))
        failed = restorer.progress.errors.count() > 0
        try:
            self._upload(restore["metadata"]["name"], restorer)
        except BlobsUnavailable as error:
            self._work = None
            self._fail(restore, f"error uploading the restore's results: {error}")
            return
        context.status(
            RESTORES,
            restore,
            phase="FinalizingPartiallyFailed" if failed else "Finalizing",
            progress=progress,
            errors=restorer.progress.errors.count() or None,
            warnings=restorer.progress.warnings.count() or None,
        )

    def _upload(self, name: str, restorer: Restorer) -> None:
        progress = restorer.progress
        results = {"errors": progress.errors.shown(), "warnings": progress.warnings.shown()}
        files = {
            "RestoreResults": zipped_json(results),
            "RestoreLog": zipped_text(progress.log),
            "RestoreResourceList": zipped_json(
                {key: sorted(progress.listed[key]) for key in sorted(progress.listed)}
            ),
            "RestoreItemOperations": zipped_json([]),
            "RestoreVolumeInfo": zipped_json([]),
        }
        for kind, data in files.items():
            self._context.blobs.put(restore_key(name, RESTORE_FILES[kind]), data)

    def _finalize(self, restore: Object) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.restorer.finalize()
        phase = (
            "PartiallyFailed"
            if restore["status"]["phase"] == "FinalizingPartiallyFailed"
            else "Completed"
        )
        self._context.status(
            RESTORES, restore, phase=phase, completionTimestamp=self._context.stamp()
        )


def _json(data: bytes | None, default: Any) -> Any:
    """A zipped JSON file of a backup.  Raises CorruptBackup when it is no such thing."""
    if data is None:
        return default
    try:
        return json.loads(gzip.decompress(data))
    except (OSError, EOFError, ValueError) as error:
        raise CorruptBackup(f"error reading the backup's volume information: {error}") from error
