"""Snapshots of replication groups that a run takes, and their removal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts, adopted
from drillkit.clients.aws.leftovers import OWN_PREFIX, marked, regions, run_of
from drillkit.clients.aws.ownership import tags
from drillkit.clients.aws.removal import DeleteResource, FoundResource
from drillkit.clients.aws.service_client import ServiceClient
from drillkit.clients.effect import make
from drillkit.clients.elasticache.reader import ElastiCacheReader
from drillkit.clients.undo import Leftover, Lookup
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class DeleteCacheSnapshot(DeleteResource):
    """Deletes a snapshot that the run took."""

    kind: ClassVar[str] = "elasticache.delete-snapshot"
    rank: ClassVar[int] = 2

    @property
    def resource(self) -> str:
        return f"elasticache snapshot/{self.region}/{self.name}"

    @property
    def by_hand(self) -> tuple[str, ...]:
        which = f"--snapshot-name {self.name} --region {self.region}"
        return (f"aws elasticache delete-snapshot {which}",)

    def door(self, clients: Clients) -> ServiceClient:
        return clients.elasticache.at(self.region).door

    def find(self, clients: Clients) -> FoundResource | None:
        return _find(clients.elasticache.at(self.region), self.name)

    def delete(self, clients: Clients, found: FoundResource) -> None:
        self.door(clients)._send(
            "DeleteSnapshot", f"delete {self.resource}", SnapshotName=self.name
        )

    @classmethod
    def lookups(cls, clients: Clients) -> Iterable[Lookup]:
        """Region by region, what bears a run's tags."""
        return [partial(_left, clients.elasticache.at(region)) for region in regions(clients)]


def _left(cache: ElastiCacheReader) -> Iterator[Leftover]:
    listed = cache.door.pages(
        "DescribeSnapshots", "list cache snapshots", "Snapshots", SnapshotSource="user"
    )
    for each in listed:
        name = str(each["SnapshotName"])
        if name.startswith(OWN_PREFIX) and (found := cache.marked(each, "")) is not None:
            undo = DeleteCacheSnapshot(name, run_of(found.tags), cache.region)
            yield from marked(undo, found.tags)


def _find(cache: ElastiCacheReader, name: str) -> FoundResource | None:
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
