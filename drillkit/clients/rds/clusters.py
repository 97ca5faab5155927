"""Aurora clusters that a run restores, and their removal: members first, then the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts, adopted
from drillkit.clients.aws.ownership import as_mapping, tags
from drillkit.clients.aws.removal import Found, remove_resource
from drillkit.clients.effect import make
from drillkit.clients.rds.reader import RdsReader
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.journal.book import Planned
from drillkit.model.effects import Phase, Undone

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class DeleteCluster(UndoAction):
    """Deletes an Aurora cluster that the run restored. Its members have undos of their own, which
    come first.
    """

    kind: ClassVar[str] = "rds.delete-cluster"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 1

    name: str
    run: str
    """Id of the run that makes it."""
    region: str
    expires: str = ""
    """Until when it is meant to live (ISO 8601)."""

    @property
    def resource(self) -> str:
        return f"rds cluster/{self.region}/{self.name}"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver."""
        rds = clients.rds.at(self.region)

        def find() -> Found | None:
            described = rds.cluster(self.name)
            return None if described is None else found_cluster(described)

        def delete(found: Found) -> None:
            if found.protected:
                rds.door._send(
                    "ModifyDBCluster",
                    f"unprotect {self.resource}",
                    DBClusterIdentifier=self.name,
                    DeletionProtection=False,
                    ApplyImmediately=True,
                )
            rds.door._send(
                "DeleteDBCluster",
                f"delete {self.resource}",
                DBClusterIdentifier=self.name,
                SkipFinalSnapshot=True,
                DeleteAutomatedBackups=True,
            )

        return remove_resource(self, find, delete, context)


def found_cluster(described: Described) -> Found:
    """What decides whose a cluster is."""
    return Found(
        as_mapping(described.get("TagList")),
        str(described.get("Status", "")),
        str(described.get("DbClusterResourceId", "")),
        bool(described.get("DeletionProtection")),
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
