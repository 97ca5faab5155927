"""RDS and Aurora."""

from __future__ import annotations

from drillkit.clients.rds.clusters import DeleteCluster
from drillkit.clients.rds.failovers import FailOverCluster, FailOverInstance
from drillkit.clients.rds.groups import DeleteParameterGroup
from drillkit.clients.rds.instances import DeleteInstance
from drillkit.clients.rds.rds import Rds
from drillkit.clients.rds.snapshots import DeleteSnapshot
from drillkit.clients.undo import UndoAction

UNDOS: dict[str, type[UndoAction]] = {
    cls.kind: cls for cls in (DeleteInstance, DeleteCluster, DeleteSnapshot, DeleteParameterGroup)
}

__all__ = [
    "UNDOS",
    "DeleteCluster",
    "DeleteInstance",
    "DeleteParameterGroup",
    "DeleteSnapshot",
    "FailOverCluster",
    "FailOverInstance",
    "Rds",
]
