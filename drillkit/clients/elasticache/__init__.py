"""ElastiCache: replication groups and their snapshots."""

from __future__ import annotations

from drillkit.clients.elasticache.elasticache import ElastiCache
from drillkit.clients.elasticache.failover import FailOverGroup
from drillkit.clients.elasticache.groups import DeleteReplicationGroup
from drillkit.clients.elasticache.snapshots import DeleteCacheSnapshot
from drillkit.clients.undo import UndoAction

UNDOS: dict[str, type[UndoAction]] = {
    cls.kind: cls for cls in (DeleteReplicationGroup, DeleteCacheSnapshot)
}

__all__ = ["UNDOS", "DeleteCacheSnapshot", "DeleteReplicationGroup", "ElastiCache", "FailOverGroup"]
