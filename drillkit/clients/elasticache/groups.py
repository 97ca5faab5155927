"""Replication groups that a run restores, and their removal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts, adopted
from drillkit.clients.aws.ownership import tags
from drillkit.clients.aws.removal import Found, remove_resource
from drillkit.clients.effect import make
from drillkit.clients.elasticache.reader import ElastiCacheReader
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.journal.book import Planned
from drillkit.model.effects import Phase, Undone

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class DeleteReplicationGroup(UndoAction):
    """Deletes a replication group that the run made, without a last snapshot."""

    kind: ClassVar[str] = "elasticache.delete-replication-group"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 0

    name: str
    run: str
    """Id of the run that makes it."""
    region: str
    expires: str = ""
    """Until when it is meant to live (ISO 8601)."""
    instance_class: str = ""
    """What it will cost by the hour: asked by the target's caps before it is made."""
    storage_gib: int = 0
    """Its size; 0 where that grows by itself."""

    @property
    def resource(self) -> str:
        return f"elasticache replication-group/{self.region}/{self.name}"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver."""
        cache = clients.elasticache.at(self.region)

        def delete(found: Found) -> None:
            cache.door._send(
                "DeleteReplicationGroup",
                f"delete {self.resource}",
                ReplicationGroupId=self.name,
                RetainPrimaryCluster=False,
            )

        return remove_resource(self, lambda: find_group(cache, self.name), delete, context)


def find_group(cache: ElastiCacheReader, name: str) -> Found | None:
    """What decides whose a replication group is."""
    described = cache.group(name)
    return None if described is None else cache.marked(described, str(described.get("Status", "")))


def restore_group(
    cache: ElastiCacheReader,
    plan: Planned[DeleteReplicationGroup],
    snapshot: str,
    settings: Mapping[str, Any],
) -> Described:
    """See `ElastiCache.restore_from_snapshot`."""
    undo = plan.undo
    params = {
        "ReplicationGroupId": undo.name,
        "SnapshotName": snapshot,
        **settings,
        "Tags": tags(undo.run, undo.name, undo.expires),
    }

    def once(attempts: AwsAttempts) -> Described:
        return adopted(
            lambda: attempts._send("CreateReplicationGroup", f"make {undo.resource}", **params)[
                "ReplicationGroup"
            ],
            lambda: cache.group(undo.name),
            lambda there: cache.is_of(there, undo.run, undo.name),
            undo.resource,
        )

    return make(AwsAttempts(cache.door, plan), once, lambda made: {"uid": str(made.get("ARN", ""))})
