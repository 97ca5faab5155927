"""Velero: backups and restores of namespaces, over the cluster's API."""

from __future__ import annotations

from drillkit.clients.undo import UndoAction
from drillkit.clients.velero.undo import (
    DeleteBackup,
    DeleteDownload,
    DeleteRestore,
    DeleteScratch,
    backup_undo,
    restore_undo,
    scratch_undo,
)
from drillkit.clients.velero.velero import Velero

UNDOS: dict[str, type[UndoAction]] = {
    cls.kind: cls for cls in (DeleteRestore, DeleteScratch, DeleteBackup, DeleteDownload)
}

__all__ = [
    "UNDOS",
    "DeleteBackup",
    "DeleteDownload",
    "DeleteRestore",
    "DeleteScratch",
    "Velero",
    "backup_undo",
    "restore_undo",
    "scratch_undo",
]
