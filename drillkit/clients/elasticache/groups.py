"""Replication groups that a run restores, and their removal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.aws.creation import created
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts
from drillkit.clients.aws.leftovers import OWN_PREFIX, marked, run_of
from drillkit.clients.aws.removal import FoundResource
from drillkit.clients.elasticache.reader import ElastiCacheReader
from drillkit.clients.elasticache.removal import DeleteInElastiCache
from drillkit.clients.undo import Leftover
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Counted
from drillkit.model.prospect import Copied

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class DeleteReplicationGroup(DeleteInElastiCache):
    """Deletes a replication group that the run made, without a last snapshot."""

    kind: ClassVar[str] = "elasticache.delete-replication-group"
    rank: ClassVar[int] = 0

    instance_class: str = ""
    """What it will cost by the hour: asked by the target's caps before it is made."""
    storage_gib: int = 0
    """Its size; 0 where that grows by itself."""
    nodes: int = 1
    """Each of which is paid for."""

    @property
    def resource(self) -> str:
        return f"elasticache replication-group/{self.region}/{self.name}"

    @property
    def counts(self) -> Counted:
        return Counted(
            copy=Copied(self.resource, self.instance_class, self.storage_gib, self.nodes)
        )

    @property
    def by_hand(self) -> tuple[str, ...]:
        which = f"--replication-group-id {self.name} --region {self.region}"
        return (f"aws elasticache delete-replication-group {which} --no-retain-primary-cluster",)

    def find(self, clients: Clients) -> FoundResource | None:
        return find_group(clients.elasticache.at(self.region), self.name)

    def delete(self, clients: Clients, found: FoundResource) -> None:
        self.service(clients)._send(
            "DeleteReplicationGroup",
            f"delete {self.resource}",
            ReplicationGroupId=self.name,
            RetainPrimaryCluster=False,
        )

    @classmethod
    def left(cls, cache: ElastiCacheReader) -> Iterator[Leftover]:
        listed = cache.service.pages(
            "DescribeReplicationGroups", "list replication groups", "ReplicationGroups"
        )
        for each in listed:
            name = str(each["ReplicationGroupId"])
            if name.startswith(OWN_PREFIX) and (found := cache.marked(each, "")) is not None:
                undo = cls(name, run_of(found.tags), cache.region)
                yield from marked(undo, found.tags)


def find_group(cache: ElastiCacheReader, name: str) -> FoundResource | None:
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
    params = {"ReplicationGroupId": undo.name, "SnapshotName": snapshot, **settings}

    def ask(attempts: AwsAttempts, marks: list[dict[str, str]]) -> Described:
        asked = f"make {undo.resource}"
        answer = attempts._send("CreateReplicationGroup", asked, **params, Tags=marks)
        made: Described = answer["ReplicationGroup"]
        return made

    return created(
        cache.service,
        plan,
        ask,
        find=lambda: cache.group(undo.name),
        ours=lambda there: cache.is_of(there, undo.run, undo.name),
        uid="ARN",
    )
