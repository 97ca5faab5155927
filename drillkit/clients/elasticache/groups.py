"""Replication groups that a run restores, and their removal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

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

        return remove(self, lambda: find_group(cache, self.name), delete, context)


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

    def once(attempts: Attempts) -> Described:
        try:
            made: Described = attempts._send(
                "CreateReplicationGroup", f"make {undo.resource}", **params
            )
            return dict(made["ReplicationGroup"])
        except Exists:
            there, found = cache.group(undo.name), find_group(cache, undo.name)
            if there is None or found is None:
                raise
            if not found.is_of(undo, ""):
                raise NotOurs(
                    f"expected to make {undo.resource}, found one that this run did not make; it "
                    "is left alone. Choose another name for the step, or delete it if nobody "
                    "needs it"
                ) from None
            return there

    return make(cache.door, plan, once, lambda made: {"uid": str(made.get("ARN", ""))})
