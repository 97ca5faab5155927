"""Aurora clusters that a run restores, and their removal: members first, then the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts, adopted
from drillkit.clients.aws.leftovers import marked, regions, run_of
from drillkit.clients.aws.ownership import as_mapping, tags
from drillkit.clients.aws.removal import DeleteResource, FoundResource
from drillkit.clients.aws.service_client import ServiceClient
from drillkit.clients.effect import make
from drillkit.clients.rds.reader import RdsReader
from drillkit.clients.undo import Leftover, Lookup
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class DeleteCluster(DeleteResource):
    """Deletes an Aurora cluster that the run restored. Its members have undos of their own, which
    come first.
    """

    kind: ClassVar[str] = "rds.delete-cluster"
    rank: ClassVar[int] = 1
    companions: ClassVar[frozenset[str]] = frozenset(
        {"rds.delete-instance", "rds.delete-parameter-group"}
    )
    """Nobody can read it without a member; it lives on its parameter group."""

    @property
    def resource(self) -> str:
        return f"rds cluster/{self.region}/{self.name}"

    @property
    def by_hand(self) -> tuple[str, ...]:
        which = f"--db-cluster-identifier {self.name} --region {self.region}"
        return (
            f"aws rds modify-db-cluster {which} --no-deletion-protection --apply-immediately",
            f"aws rds delete-db-cluster {which} --skip-final-snapshot --delete-automated-backups",
        )

    def door(self, clients: Clients) -> ServiceClient:
        return clients.rds.at(self.region).door

    def find(self, clients: Clients) -> FoundResource | None:
        described = clients.rds.at(self.region).cluster(self.name)
        return None if described is None else found_cluster(described)

    def delete(self, clients: Clients, found: FoundResource) -> None:
        door = self.door(clients)
        if found.protected:
            door._send(
                "ModifyDBCluster",
                f"unprotect {self.resource}",
                DBClusterIdentifier=self.name,
                DeletionProtection=False,
                ApplyImmediately=True,
            )
        door._send(
            "DeleteDBCluster",
            f"delete {self.resource}",
            DBClusterIdentifier=self.name,
            SkipFinalSnapshot=True,
            DeleteAutomatedBackups=True,
        )

    @classmethod
    def lookups(cls, clients: Clients) -> Iterable[Lookup]:
        """Region by region, what bears a run's tags."""
        return [partial(_left, clients.rds.at(region)) for region in regions(clients)]


def _left(rds: RdsReader) -> Iterator[Leftover]:
    for each in rds.all_clusters():
        found = found_cluster(each)
        undo = DeleteCluster(str(each["DBClusterIdentifier"]), run_of(found.tags), rds.region)
        yield from marked(undo, found.tags, found.uid)


def found_cluster(described: Described) -> FoundResource:
    """What decides whose a cluster is."""
    return FoundResource(
        as_mapping(described.get("TagList")),
        str(described.get("Status", "")),
        str(described.get("DbClusterResourceId", "")),
        bool(described.get("DeletionProtection")),
        str(described.get("DBClusterArn", "")),
    )


def restore_cluster_from_snapshot(
    rds: RdsReader, plan: Planned[DeleteCluster], snapshot: str, settings: Mapping[str, Any]
) -> Described:
    """See `Rds.restore_cluster_from_snapshot`."""
    return _launch(
        rds, plan, "RestoreDBClusterFromSnapshot", {"SnapshotIdentifier": snapshot, **settings}
    )


def restore_cluster_to_point_in_time(
    rds: RdsReader,
    plan: Planned[DeleteCluster],
    source: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Described:
    """See `Rds.restore_cluster_to_point_in_time`."""
    # A clone shares the original's storage: it proves nothing about backups.
    return _launch(
        rds,
        plan,
        "RestoreDBClusterToPointInTime",
        {"RestoreType": "full-copy", **source, **settings},
    )


def _launch(
    rds: RdsReader, plan: Planned[DeleteCluster], operation: str, params: Mapping[str, Any]
) -> Described:
    undo = plan.undo
    marked = {
        "DBClusterIdentifier": undo.name,
        **params,
        "Tags": tags(undo.run, undo.name, undo.expires),
    }

    def once(attempts: AwsAttempts) -> Described:
        return adopted(
            lambda: attempts._send(operation, f"make {undo.resource}", **marked)["DBCluster"],
            lambda: rds.cluster(undo.name),
            lambda d: found_cluster(d).is_of(undo, ""),
            undo.resource,
        )

    return make(
        AwsAttempts(rds.door, plan),
        once,
        lambda made: {"uid": str(made.get("DbClusterResourceId", ""))},
    )
