"""The small requests to Velero: downloads, deletions of backups, the server's version."""

from __future__ import annotations

from datetime import timedelta

from drillkit.sandbox.kube.objects import Object, labels_of, parse_time, rfc3339
from drillkit.sandbox.velero.blobs import BlobsUnavailable
from drillkit.sandbox.velero.desk import Desk
from drillkit.sandbox.velero.names import (
    BACKUP_NAME,
    BACKUPS,
    DELETIONS,
    DOWNLOADS,
    LOCATIONS,
    RESTORES,
    RUNNING,
    backup_key,
    download_key,
    label_value,
)

URL_LIFETIME_S = 600
DELETION_KEPT = timedelta(hours=24)


class RequestDesk:
    """Answers DownloadRequest and DeleteBackupRequest."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def reconcile(self) -> None:
        for request in self._desk.all(DOWNLOADS):
            self._download(request)
        for request in self._desk.all(DELETIONS):
            self._deletion(request)

    def _download(self, request: Object) -> None:
        desk, status = self._desk, request.get("status") or {}
        if status.get("phase") == "Processed":
            self._expire(DOWNLOADS, request, status["expiration"])
            return
        if status.get("phase") != "New":
            request = desk.status(DOWNLOADS, request, phase="New")
        target = request["spec"]["target"]
        gvr = RESTORES if target["kind"].startswith("Restore") else BACKUPS
        of = desk.store.get(gvr, desk.namespace, target["name"])
        key = download_key(target["kind"], target["name"])
        location = desk.store.get(LOCATIONS, desk.namespace, "default")
        away = location is None or (location.get("status") or {}).get("phase") == "Unavailable"
        if of is None or key is None or away or desk.knobs.hang_downloads:
            return  # it stays New: the real server logs its error and tries again
        if not desk.ripe("DownloadRequest", request, "New"):
            return
        desk.status(
            DOWNLOADS,
            request,
            phase="Processed",
            downloadURL=desk.blobs.url(key, URL_LIFETIME_S),
            expiration=rfc3339(desk.now() + timedelta(seconds=URL_LIFETIME_S)),
        )

    def _expire(self, gvr: tuple[str, str], request: Object, at: str) -> None:
        """Deletes a request whose time is over."""
        if self._desk.now() >= parse_time(at):
            self._desk.store.delete(gvr, self._desk.namespace, request["metadata"]["name"])
            self._desk.changed = True
        else:
            self._desk.wake(parse_time(at))

    def _deletion(self, request: Object) -> None:
        desk, status = self._desk, request.get("status") or {}
        phase = status.get("phase", "")
        if phase == "Processed":
            made = parse_time(request["metadata"]["creationTimestamp"])
            self._expire(DELETIONS, request, rfc3339(made + DELETION_KEPT))
            return
        name = request["spec"]["backupName"]
        backup = desk.store.get(BACKUPS, desk.namespace, name)
        if phase in ("", "New"):
            refusal = self._refusal(backup)
            if backup is None or refusal:
                desk.status(DELETIONS, request, phase="Processed", errors=[refusal])
                return
            desk.status(BACKUPS, backup, phase="Deleting")
            desk.status(DELETIONS, request, phase="InProgress")
        elif phase == "InProgress" and desk.ripe("DeleteBackupRequest", request, "InProgress"):
            self._delete(request, name, backup)

    def _refusal(self, backup: Object | None) -> str:
        """Why a backup is not deleted, or nothing."""
        if backup is None:
            return "backup not found"
        if (backup.get("status") or {}).get("phase") in RUNNING:
            return "backup is still in progress"
        location = self._desk.store.get(
            LOCATIONS, self._desk.namespace, backup["spec"].get("storageLocation", "default")
        )
        if location is None:
            return "backup storage location not found"
        if (location.get("status") or {}).get("phase") == "Unavailable":
            where = location["metadata"]["name"]
            return (
                f"cannot delete backup because BackupStorageLocation {where} is in "
                "Unavailable status"
            )
        if location["spec"].get("accessMode") == "ReadOnly":
            where = location["metadata"]["name"]
            return (
                f"cannot delete backup because backup storage location {where} is currently in "
                "read-only mode"
            )
        return ""

    def _delete(self, request: Object, name: str, backup: Object | None) -> None:
        """The files first, then the restores made from it, then the backup itself."""
        desk = self._desk
        try:
            for key in desk.blobs.list(backup_key(name, "")):
                desk.blobs.delete(key)
        except BlobsUnavailable as error:
            desk.status(
                DELETIONS,
                request,
                phase="Processed",
                errors=[f"error deleting the backup's files: {error}"],
            )
            return
        for restore in desk.all(RESTORES):
            if (restore.get("spec") or {}).get("backupName") == name:
                desk.store.delete(RESTORES, desk.namespace, restore["metadata"]["name"])
        if backup is not None:
            desk.store.delete(BACKUPS, desk.namespace, name)
        labels = {**labels_of(request), BACKUP_NAME: label_value(name)}
        request = desk.write(
            DELETIONS, {**request, "metadata": {**request["metadata"], "labels": labels}}
        )
        desk.status(DELETIONS, request, phase="Processed", errors=None)
