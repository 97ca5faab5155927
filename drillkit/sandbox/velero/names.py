"""Velero's names: resources, labels, annotations, phases, and where things lie in the bucket."""

from __future__ import annotations

import hashlib

from drillkit.sandbox.kube.objects import Gvr

NAMESPACE = "velero"
GROUP = "velero.io"
BACKUPS: Gvr = (GROUP, "backups")
RESTORES: Gvr = (GROUP, "restores")
SCHEDULES: Gvr = (GROUP, "schedules")
LOCATIONS: Gvr = (GROUP, "backupstoragelocations")
DELETIONS: Gvr = (GROUP, "deletebackuprequests")
DOWNLOADS: Gvr = (GROUP, "downloadrequests")
CONFIG_MAPS: Gvr = ("", "configmaps")
CLAIMS: Gvr = ("", "persistentvolumeclaims")
VOLUMES: Gvr = ("", "persistentvolumes")

BACKUP_NAME = "velero.io/backup-name"
RESTORE_NAME = "velero.io/restore-name"
SCHEDULE_NAME = "velero.io/schedule-name"
STORAGE_LOCATION = "velero.io/storage-location"
EXCLUDE = "velero.io/exclude-from-backup"
FINALIZER = "restores.velero.io/external-resources-finalizer"
VOLUME_DATA = "sandbox.drillkit.dev/data"
"""Annotation of a PersistentVolume with what the emulated volume holds."""

DONE = ("Completed", "PartiallyFailed", "Failed", "FailedValidation")
RUNNING = ("InProgress", "Finalizing", "FinalizingPartiallyFailed")


def label_value(name: str) -> str:
    """A name as a label's value: as it is up to 63 characters, else the first 57 and six digits of
    its SHA-256.
    """
    if len(name) <= 63:
        return name
    return name[:57] + hashlib.sha256(name.encode()).hexdigest()[:6]


def backup_key(backup: str, file: str) -> str:
    """The object of a backup; `file` may hold `{name}`."""
    return f"backups/{backup}/{file.format(name=backup)}"


def restore_key(restore: str, file: str) -> str:
    """The object of a restore; `file` may hold `{name}`."""
    return f"restores/{restore}/{file.format(name=restore)}"


TARBALL = "{name}.tar.gz"
METADATA = "velero-backup.json"
BACKUP_FILES = {
    "BackupContents": TARBALL,
    "BackupLog": "{name}-logs.gz",
    "BackupResults": "{name}-results.gz",
    "BackupResourceList": "{name}-resource-list.json.gz",
    "BackupVolumeInfos": "{name}-volumeinfo.json.gz",
    "BackupVolumeSnapshots": "{name}-volumesnapshots.json.gz",
    "BackupItemOperations": "{name}-itemoperations.json.gz",
    "CSIBackupVolumeSnapshots": "{name}-csi-volumesnapshots.json.gz",
    "CSIBackupVolumeSnapshotContents": "{name}-csi-volumesnapshotcontents.json.gz",
}
RESTORE_FILES = {
    "RestoreLog": "restore-{name}-logs.gz",
    "RestoreResults": "restore-{name}-results.gz",
    "RestoreResourceList": "restore-{name}-resource-list.json.gz",
    "RestoreItemOperations": "restore-{name}-itemoperations.json.gz",
    "RestoreVolumeInfo": "{name}-volumeinfo.json.gz",
}


def download_key(kind: str, name: str) -> str | None:
    """Where the file of a download target lies; None for a kind that does not exist."""
    if kind in BACKUP_FILES:
        return backup_key(name, BACKUP_FILES[kind])
    if kind in RESTORE_FILES:
        return restore_key(name, RESTORE_FILES[kind])
    return None
