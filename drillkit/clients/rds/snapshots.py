"""Snapshots that a run takes or copies, and their removal."""

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
class DeleteSnapshot(DeleteInRds):
    """Deletes a snapshot that the run took or copied."""

    kind: ClassVar[str] = "rds.delete-snapshot"
    rank: ClassVar[int] = 2

    cluster: bool = False
    """Of an Aurora cluster."""

    @property
    def resource(self) -> str:
        return f"rds {'cluster-' if self.cluster else ''}snapshot/{self.region}/{self.name}"

    @property
    def by_hand(self) -> tuple[str, ...]:
        of = "db-cluster" if self.cluster else "db"
        which = f"--{of}-snapshot-identifier {self.name} --region {self.region}"
        return (f"aws rds delete-{of}-snapshot {which}",)

    def find(self, clients: Clients) -> FoundResource | None:
        described = clients.rds.at(self.region).snapshot(self.name, cluster=self.cluster)
        return None if described is None else found_snapshot(described)

    def delete(self, clients: Clients, found: FoundResource) -> None:
        of = "Cluster" if self.cluster else ""
        self.service(clients)._send(
            f"DeleteDB{of}Snapshot",
            f"delete {self.resource}",
            **{f"DB{of}SnapshotIdentifier": self.name},
        )

    @classmethod
    def left(cls, rds: RdsReader) -> Iterator[Leftover]:
        for cluster in (False, True):
            key = f"DB{'Cluster' if cluster else ''}SnapshotIdentifier"
            for each in rds.snapshots(kind="manual", cluster=cluster):
                found = found_snapshot(each)
                run = run_of(found.tags)
                undo = cls(str(each[key]), run, rds.region, cluster=cluster)
                yield from marked(undo, found.tags)


def found_snapshot(described: Described) -> FoundResource:
    """What decides whose a snapshot is. Snapshots have no id of their own beside their name."""
    arn = described.get("DBClusterSnapshotArn", described.get("DBSnapshotArn", ""))
    return FoundResource(
        as_mapping(described.get("TagList")), str(described.get("Status", "")), arn=str(arn)
    )


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

    def ask(attempts: AwsAttempts, marks: list[dict[str, str]]) -> Described:
        asked = f"make {undo.resource}"
        answer: Described = attempts._send(operation, asked, **params, Tags=marks)[answer_key]
        return answer

    return created(
        rds.service,
        plan,
        ask,
        find=lambda: rds.snapshot(undo.name, cluster=undo.cluster),
        ours=lambda described: found_snapshot(described).is_of(undo, ""),
        uid=f"{answer_key}Arn",
    )
