"""Velero's resources and names."""

from __future__ import annotations

import hashlib

from drillkit.clients.kube.resources import Resource

BACKUPS = Resource("velero.io", "v1", "backups", kind="Backup")
RESTORES = Resource("velero.io", "v1", "restores", kind="Restore")
SCHEDULES = Resource("velero.io", "v1", "schedules", kind="Schedule")
LOCATIONS = Resource("velero.io", "v1", "backupstoragelocations", kind="BackupStorageLocation")
DOWNLOADS = Resource("velero.io", "v1", "downloadrequests", kind="DownloadRequest")
DELETIONS = Resource("velero.io", "v1", "deletebackuprequests", kind="DeleteBackupRequest")

RESTORE_NAME = "velero.io/restore-name"
SCHEDULE_NAME = "velero.io/schedule-name"

NAMESPACE = "velero"
"""Where Velero usually lives."""
SEAL_POLICY = "drillkit-sealed"
"""Name of the NetworkPolicy that seals a namespace."""
LABEL_LIMIT = 63


def label_value(name: str) -> str:
    """A name as the value of Velero's labels: cut to 57 characters and six digits of its SHA-256
    where it is longer.
    """
    if len(name) <= LABEL_LIMIT:
        return name
    return name[: LABEL_LIMIT - 6] + hashlib.sha256(name.encode()).hexdigest()[:6]
