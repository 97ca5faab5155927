"""Snapshots of replication groups that a run takes, and their removal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

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
class DeleteCacheSnapshot(UndoAction):
    """Deletes a snapshot that the run took."""

    kind: ClassVar[str] = "elasticache.delete-snapshot"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 2

    name: str
    run: str
    """Id of the run that makes it."""
    region: str
    expires: str = ""
    """Until when it is meant to live (ISO 8601)."""

    @property
    def resource(self) -> str:
        return f"elasticache snapshot/{self.region}/{self.name}"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver."""
        cache = clients.elasticache.at(self.region)

        def delete(found: Found) -> None:
            cache.door._send("DeleteSnapshot", f"delete {self.resource}", SnapshotName=self.name)

        return remove_resource(self, lambda: _find(cache, self.name), delete, context)


def _find(cache: ElastiCacheReader, name: str) -> Found | None:
    described = cache.snapshot(name)
    return (
        None
        if described is None
        else cache.marked(described, str(described.get("SnapshotStatus", "")))
    )


def create_snapshot(
    cache: ElastiCacheReader, plan: Planned[DeleteCacheSnapshot], source: str
) -> Described:
    """See `ElastiCache.create_snapshot`."""
    undo = plan.undo

    def once(attempts: AwsAttempts) -> Described:
        return adopted(
            lambda: attempts._send(
                "CreateSnapshot",
                f"make {undo.resource}",
                ReplicationGroupId=source,
                SnapshotName=undo.name,
                Tags=tags(undo.run, undo.name, undo.expires),
            )["Snapshot"],
            lambda: cache.snapshot(undo.name),
            lambda there: cache.is_of(there, undo.run, undo.name),
            undo.resource,
        )

    return make(AwsAttempts(cache.door, plan), once, lambda made: {"uid": str(made.get("ARN", ""))})
