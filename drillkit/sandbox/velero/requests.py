"""The small requests to Velero: downloads, deletions of backups, the server's version."""

from __future__ import annotations

from datetime import timedelta

from drillkit.sandbox.kube.objects import Object, labels_of, parse_time, rfc3339
from drillkit.sandbox.velero.blobs import BlobsUnavailable
from drillkit.sandbox.velero.context import ControllerContext
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

    def __init__(self, context: ControllerContext) -> None:
        self._context = context

    def reconcile(self) -> None:
        for request in self._context.all(DOWNLOADS):
            self._download(request)
        for request in self._context.all(DELETIONS):
            self._deletion(request)

    def _download(self, request: Object) -> None:
        context, status = self._context, request.get("status") or {}
        if status.get("phase") == "Processed":
            self._expire(DOWNLOADS, request, status["expiration"])
            return
        if status.get("phase") != "New":
            request = context.status(DOWNLOADS, request, phase="New")
        target = request["spec"]["target"]
        gvr = RESTORES if target["kind"].startswith("Restore") else BACKUPS
        of = context.store.get(gvr, context.namespace, target["name"])
        key = download_key(target["kind"], target["name"])
        location = context.store.get(LOCATIONS, context.namespace, "default")
        away = location is None or (location.get("status") or {}).get("phase") == "Unavailable"
        if of is None or key is None or away or context.knobs.hang_downloads:
            return  # it stays New: the real server logs its error and tries again
        if not context.ripe("DownloadRequest", request, "New"):
            return
        context.status(
            DOWNLOADS,
            request,
            phase="Processed",
            downloadURL=context.blobs.url(key, URL_LIFETIME_S),
            expiration=rfc3339(context.now() + timedelta(seconds=URL_LIFETIME_S)),
        )

    def _expire(self, gvr: tuple[str, str], request: Object, at: str) -> None:
        """Deletes a request whose time is over."""
        if self._context.now() >= parse_time(at):
            self._context.store.delete(gvr, self._context.namespace, request["metadata"]["name"])
            self._context.changed = True
        else:
            self._context.wake(parse_time(at))

    def _deletion(self, request: Object) -> None:
        context, status = self._context, request.get("status") or {}
        phase = status.get("phase", "")
        if phase == "Processed":
            made = parse_time(request["metadata"]["creationTimestamp"])
            self._expire(DELETIONS, request, rfc3339(made + DELETION_KEPT))
            return
        name = request["spec"]["backupName"]
        backup = context.store.get(BACKUPS, context.namespace, name)
        if phase in ("", "New"):
            refusal = self._refusal(backup)
            if backup is None or refusal:
                context.status(DELETIONS, request, phase="Processed", errors=[refusal])
                return
            context.status(BACKUPS, backup, phase="Deleting")
            context.status(DELETIONS, request, phase="InProgress")
        elif phase == "InProgress" and context.ripe("DeleteBackupRequest", request, "InProgress"):
            self._delete(request, name, backup)

    def _refusal(self, backup: Object | None) -> str:
        """Why a backup is not deleted, or nothing."""
        if backup is None:
            return "backup not found"
        if (backup.get("status") or {}).get("phase") in RUNNING:
            return "backup is still in progress"
        location = self._context.store.get(
            LOCATIONS, self._context.namespace, backup["spec"].get("storageLocation", "default")
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
        context = self._context
        try:
            for key in context.blobs.list(backup_key(name, "")):
                context.blobs.delete(key)
        except BlobsUnavailable as error:
            context.status(
                DELETIONS,
                request,
                phase="Processed",
                errors=[f"error deleting the backup's files: {error}"],
            )
            return
        for restore in context.all(RESTORES):
            if (restore.get("spec") or {}).get("backupName") == name:
                context.store.delete(RESTORES, context.namespace, restore["metadata"]["name"])
        if backup is not None:
            context.store.delete(BACKUPS, context.namespace, name)
        labels = {**labels_of(request), BACKUP_NAME: label_value(name)}
        request = context.write(
            DELETIONS, {**request, "metadata": {**request["metadata"], "labels": labels}}
        )
        context.status(DELETIONS, request, phase="Processed", errors=None)
