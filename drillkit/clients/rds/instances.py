"""DB instances that a run makes: restored copies and members of restored clusters; and
their removal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.aws.creation import created
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts
from drillkit.clients.aws.errors import NoCapacity
from drillkit.clients.aws.leftovers import marked, run_of
from drillkit.clients.aws.ownership import as_mapping
from drillkit.clients.aws.removal import FoundResource
from drillkit.clients.rds.reader import RdsReader
from drillkit.clients.rds.removal import DeleteInRds
from drillkit.clients.undo import Leftover
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Counted
from drillkit.model.prospect import Copied

if TYPE_CHECKING:
    from drillkit.clients import Clients


@dataclass(frozen=True)
class DeleteInstance(DeleteInRds):
    """Deletes an instance that the run made, with its automated backups and without a
    last snapshot.
    """

    kind: ClassVar[str] = "rds.delete-instance"
    rank: ClassVar[int] = 0
    companions: ClassVar[frozenset[str]] = frozenset(
        {"rds.delete-parameter-group", "rds.delete-cluster"}
    )
    """A copy lives on its parameter group, a member on its cluster."""

    instance_class: str = ""
    """What it will cost by the hour: asked by the target's caps before it is made."""
    storage_gib: int = 0
    """Its size; 0 where that grows by itself."""

    @property
    def resource(self) -> str:
        return f"rds instance/{self.region}/{self.name}"

    @property
    def counts(self) -> Counted:
        return Counted(copy=Copied(self.resource, self.instance_class, self.storage_gib))

    @property
    def by_hand(self) -> tuple[str, ...]:
        which = f"--db-instance-identifier {self.name} --region {self.region}"
        return (
            f"aws rds modify-db-instance {which} --no-deletion-protection --apply-immediately",
            f"aws rds delete-db-instance {which} --skip-final-snapshot --delete-automated-backups",
        )

    def find(self, clients: Clients) -> FoundResource | None:
        described = clients.rds.at(self.region).instance(self.name)
        return None if described is None else found_instance(described)

    def delete(self, clients: Clients, found: FoundResource) -> None:
        service = self.service(clients)
        if found.protected:  # a copy inherits the protection of its source
            service._send(
                "ModifyDBInstance",
                f"unprotect {self.resource}",
                DBInstanceIdentifier=self.name,
                DeletionProtection=False,
                ApplyImmediately=True,
            )
        service._send(
            "DeleteDBInstance",
            f"delete {self.resource}",
            DBInstanceIdentifier=self.name,
            SkipFinalSnapshot=True,
            DeleteAutomatedBackups=True,
        )

    @classmethod
    def left(cls, rds: RdsReader) -> Iterator[Leftover]:
        for each in rds.all_instances():
            found = found_instance(each)
            name = str(each["DBInstanceIdentifier"])
            undo = cls(name, run_of(found.tags), rds.region)
            yield from marked(undo, found.tags, found.uid)


def found_instance(described: Described) -> FoundResource:
    """What decides whose an instance is."""
    return FoundResource(
        as_mapping(described.get("TagList")),
        str(described.get("DBInstanceStatus", "")),
        str(described.get("DbiResourceId", "")),
        bool(described.get("DeletionProtection")),
        str(described.get("DBInstanceArn", "")),
    )


def restore_from_snapshot(
    rds: RdsReader,
    plan: Planned[DeleteInstance],
    snapshot: str,
    settings: Mapping[str, Any],
    zones: Sequence[str],
) -> Described:
    """See `Rds.restore_from_snapshot`."""
    params = {"DBInstanceIdentifier": plan.undo.name, "DBSnapshotIdentifier": snapshot, **settings}
    return _launch(rds, plan, "RestoreDBInstanceFromDBSnapshot", params, zones)


def restore_to_point_in_time(
    rds: RdsReader,
    plan: Planned[DeleteInstance],
    source: Mapping[str, Any],
    settings: Mapping[str, Any],
    zones: Sequence[str],
) -> Described:
    """See `Rds.restore_to_point_in_time`."""
    params = {"TargetDBInstanceIdentifier": plan.undo.name, **source, **settings}
    return _launch(rds, plan, "RestoreDBInstanceToPointInTime", params, zones)


def create_member(
    rds: RdsReader,
    plan: Planned[DeleteInstance],
    cluster: str,
    settings: Mapping[str, Any],
    zones: Sequence[str],
) -> Described:
    """See `Rds.create_member`."""
    params = {"DBInstanceIdentifier": plan.undo.name, "DBClusterIdentifier": cluster, **settings}
    return _launch(rds, plan, "CreateDBInstance", params, zones)


def _launch(
    rds: RdsReader,
    plan: Planned[DeleteInstance],
    operation: str,
    params: Mapping[str, Any],
    zones: Sequence[str],
) -> Described:
    undo = plan.undo
    asked = f"make {undo.resource}"
    return created(
        rds.service,
        plan,
        lambda attempts, marks: _somewhere(
            attempts, operation, asked, {**params, "Tags": marks}, zones
        ),
        find=lambda: rds.instance(undo.name),
        ours=lambda described: found_instance(described).is_of(undo, ""),
        uid="DbiResourceId",
    )


def _somewhere(
    attempts: AwsAttempts,
    operation: str,
    asked: str,
    params: Mapping[str, Any],
    zones: Sequence[str],
) -> Described:
    """Where AWS likes; where it has no capacity, in each of the zones in turn. All of it is one
    plan's attempt.
    """
    try:
        return _in(attempts, operation, asked, params)
    except NoCapacity:
        if not zones:
            raise
    for zone in zones[:-1]:
        with contextlib.suppress(NoCapacity):
            return _in(attempts, operation, asked, {**params, "AvailabilityZone": zone})
    return _in(attempts, operation, asked, {**params, "AvailabilityZone": zones[-1]})


def _in(attempts: AwsAttempts, operation: str, asked: str, params: Mapping[str, Any]) -> Described:
    made: Described = attempts._send(operation, asked, **params)["DBInstance"]
    return made


def modify(rds: RdsReader, plan: Planned[DeleteInstance], changes: Mapping[str, Any]) -> Described:
    """See `Rds.modify`."""
    undo = plan.undo
    answer = rds.service._change(
        "ModifyDBInstance",
        f"change {undo.resource}",
        DBInstanceIdentifier=undo.name,
        ApplyImmediately=True,
        **changes,
    )
    made: Described = answer["DBInstance"]
    return made


def reboot(rds: RdsReader, plan: Planned[DeleteInstance]) -> Described:
    """See `Rds.reboot`."""
    undo = plan.undo
    answer = rds.service._change(
        "RebootDBInstance", f"reboot {undo.resource}", DBInstanceIdentifier=undo.name
    )
    made: Described = answer["DBInstance"]
    return made
