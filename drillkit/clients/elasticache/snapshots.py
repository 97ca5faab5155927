"""Snapshots of replication groups that a run takes, and their removal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import Attempts, make
from drillkit.clients.aws.errors import Exists
from drillkit.clients.aws.ownership import tags
from drillkit.clients.aws.removal import Found, remove
from drillkit.clients.elasticache.reader import ElastiCacheReader
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.journal.book import Planned
from drillkit.model.effects import Phase, Undone
from drillkit.model.errors import NotOurs

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

        return remove(self, lambda: _find(cache, self.name), delete, context)


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

    def once(attempts: Attempts) -> Described:
        try:
            made = attempts._send(
                "CreateSnapshot",
                f"make {undo.resource}",
                ReplicationGroupId=source,
                SnapshotName=undo.name,
                Tags=tags(undo.run, undo.name, undo.expires),
            )
            return dict(made["Snapshot"])
        except Exists:
            there, found = cache.snapshot(undo.name), _find(cache, undo.name)
            if there is None or found is None:
                raise
            if not found.is_of(undo, ""):
                raise NotOurs(
                    f"expected to make {undo.resource}, found one that this run did not make; it "
                    "is left alone"
                ) from None
            return there

    return make(cache.door, plan, once, lambda made: {"uid": str(made.get("ARN", ""))})
