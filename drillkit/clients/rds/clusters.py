"""Aurora clusters that a run restores, and their removal: members first, then the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.aws.creation import created
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts
from drillkit.clients.aws.leftovers import marked, run_of
from drillkit.clients.aws.ownership import as_mapping
from drillkit.clients.aws.removal import FoundResource
from drillkit.clients.rds.reader import RdsReader
from drillkit.clients.rds.removal import DeleteInRds
from drillkit.clients.undo import Leftover
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class DeleteCluster(DeleteInRds):
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

    def find(self, clients: Clients) -> FoundResource | None:
        described = clients.rds.at(self.region).cluster(self.name)
        return None if described is None else found_cluster(described)

    def delete(self, clients: Clients, found: FoundResource) -> None:
        service = self.service(clients)
        if found.protected:
            service._send(
                "ModifyDBCluster",
                f"unprotect {self.resource}",
                DBClusterIdentifier=self.name,
                DeletionProtection=False,
                ApplyImmediately=True,
            )
        service._send(
            "DeleteDBCluster",
            f"delete {self.resource}",
            DBClusterIdentifier=self.name,
            SkipFinalSnapshot=True,
            DeleteAutomatedBackups=True,
        )

    @classmethod
    def left(cls, rds: RdsReader) -> Iterator[Leftover]:
        for each in rds.all_clusters():
            found = found_cluster(each)
            undo = cls(str(each["DBClusterIdentifier"]), run_of(found.tags), rds.region)
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

    def ask(attempts: AwsAttempts, marks: list[dict[str, str]]) -> Described:
        named = {"DBClusterIdentifier": undo.name, **params, "Tags": marks}
        made: Described = attempts._send(operation, f"make {undo.resource}", **named)["DBCluster"]
        return made

    return created(
        rds.service,
        plan,
        ask,
        find=lambda: rds.cluster(undo.name),
        ours=lambda described: found_cluster(described).is_of(undo, ""),
        uid="DbClusterResourceId",
    )
