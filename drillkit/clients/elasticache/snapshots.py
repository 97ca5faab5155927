"""Snapshots of replication groups that a run takes, and their removal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

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

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class DeleteCacheSnapshot(DeleteInElastiCache):
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

    def find(self, clients: Clients) -> FoundResource | None:
        return _find(clients.elasticache.at(self.region), self.name)

    def delete(self, clients: Clients, found: FoundResource) -> None:
        self.service(clients)._send(
            "DeleteSnapshot", f"delete {self.resource}", SnapshotName=self.name
        )

    @classmethod
    def left(cls, cache: ElastiCacheReader) -> Iterator[Leftover]:
        listed = cache.service.pages(
            "DescribeSnapshots", "list cache snapshots", "Snapshots", SnapshotSource="user"
        )
        for each in listed:
            name = str(each["SnapshotName"])
            if name.startswith(OWN_PREFIX) and (found := cache.marked(each, "")) is not None:
                undo = cls(name, run_of(found.tags), cache.region)
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
    params = {"ReplicationGroupId": source, "SnapshotName": undo.name}

    def ask(attempts: AwsAttempts, marks: list[dict[str, str]]) -> Described:
        asked = f"make {undo.resource}"
        answer = attempts._send("CreateSnapshot", asked, **params, Tags=marks)
        made: Described = answer["Snapshot"]
        return made

    return created(
        cache.service,
        plan,
        ask,
        find=lambda: cache.snapshot(undo.name),
        ours=lambda there: cache.is_of(there, undo.run, undo.name),
        uid="ARN",
    )
