"""Snapshots that a run takes or copies, and their removal."""

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
class DeleteSnapshot(UndoAction):
    """Deletes a snapshot that the run took or copied."""

    kind: ClassVar[str] = "rds.delete-snapshot"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 2

    name: str
    run: str
    """Id of the run that makes it."""
    region: str
    expires: str = ""
    """Until when it is meant to live (ISO 8601)."""
    cluster: bool = False
    """Of an Aurora cluster."""

    @property
    def resource(self) -> str:
        return f"rds {'cluster-' if self.cluster else ''}snapshot/{self.region}/{self.name}"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver."""
        rds = clients.rds.at(self.region)
        of = "Cluster" if self.cluster else ""

        def find() -> Found | None:
            described = rds.snapshot(self.name, cluster=self.cluster)
            return None if described is None else found_snapshot(described)

        def delete(found: Found) -> None:
            rds.door._send(
                f"DeleteDB{of}Snapshot",
                f"delete {self.resource}",
                **{f"DB{of}SnapshotIdentifier": self.name},
            )

        return remove_resource(self, find, delete, context)


def found_snapshot(described: Described) -> Found:
    """What decides whose a snapshot is. Snapshots have no id of their own beside their name."""
    return Found(as_mapping(described.get("TagList")), str(described.get("Status", "")))


def create_snapshot(rds: RdsReader, plan: Planned[DeleteSnapshot], source: str) -> Described:
    """See `Rds.create_snapshot`."""
    undo = plan.undo
    of = "Cluster" if undo.cluster else ""
    source_key = "DBClusterIdentifier" if undo.cluster else "DBInstanceIdentifier"
    params = {f"DB{of}SnapshotIdentifier": undo.name, source_key: source}
    return _take(rds, plan, f"CreateDB{of}Snapshot", params)


def copy_snapshot(
    rds: RdsReader, plan: Planned[DeleteSnapshot], source_arn: str, source_region: str, kms_key: str
) -> Described:
    """See `Rds.copy_snapshot`."""
    undo = plan.undo
    of = "Cluster" if undo.cluster else ""
    params = {
        f"SourceDB{of}SnapshotIdentifier": source_arn,
        f"TargetDB{of}SnapshotIdentifier": undo.name,
    }
    if source_region != undo.region:
        params["SourceRegion"] = source_region
    if kms_key:
        params["KmsKeyId"] = kms_key
    return _take(rds, plan, f"CopyDB{of}Snapshot", params)


def _take(
    rds: RdsReader, plan: Planned[DeleteSnapshot], operation: str, params: Mapping[str, Any]
) -> Described:
    undo = plan.undo
    answer_key = "DBClusterSnapshot" if undo.cluster else "DBSnapshot"
    marked = {**params, "Tags": tags(undo.run, undo.name, undo.expires)}

    def once(attempts: AwsAttempts) -> Described:
        return adopted(
            lambda: attempts._send(operation, f"make {undo.resource}", **marked)[answer_key],
            lambda: rds.snapshot(undo.name, cluster=undo.cluster),
            lambda d: found_snapshot(d).is_of(undo, ""),
            undo.resource,
        )

    return make(
        AwsAttempts(rds.door, plan),
        once,
        lambda made: {"uid": str(made.get(f"{answer_key}Arn", ""))},
    )
