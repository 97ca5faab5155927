"""`rds.cross-region-restore`: a snapshot is copied to the DR region and restored there."""

from __future__ import annotations

from drillkit.clients.rds import Rds
from drillkit.model.errors import StepFailed, UsageError
from drillkit.model.evidence import RecoveryPoint
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.aws import aws_of
from drillkit.steps.base import Act
from drillkit.steps.outlook import Outlook
from drillkit.steps.rds import snapshots
from drillkit.steps.rds.from_snapshot import SnapshotArguments
from drillkit.steps.rds.instance_restore import InstanceRestore
from drillkit.steps.rds.kind import DatabaseRestore
from drillkit.steps.rds.original import Loss, original_instance
from drillkit.steps.rds.permissions import INSTANCE
from drillkit.steps.rds.surroundings import foresee_surroundings


class RdsCrossRegionRestore(DatabaseRestore[SnapshotArguments]):
    """Copy a snapshot of an RDS instance to the target's DR region, restore it there, read it, and
    remove both.

    Both calls are made in the DR region. An encrypted snapshot needs the target's `dr_kms_key`.
    Parameters that the original's group sets are set in a new group there; its option group
    stays behind.
    """

    name = "rds.cross-region-restore"
    rehearses = Rehearsal(way="restore", system="database", named_by=("source",), apart="region")
    Arguments = SnapshotArguments

    def prospect(self, arguments: SnapshotArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        with outlook.looking():
            home, there = regions(act)
            needs = {"DBInstances": 1, "DBParameterGroups": 1, "ManualSnapshots": 1}
            foresee_surroundings(outlook, there, arguments, needs, home)
            outlook.permissions += [
                "rds:CopyDBSnapshot",
                "rds:DeleteDBSnapshot",
                "rds:RestoreDBInstanceFromDBSnapshot",
                "rds:DescribeDBSnapshots",
                *INSTANCE,
            ]
            found = snapshots.foretell(outlook, home, arguments.wanted, arguments.disrupted)
            if found is not None and found.get("Encrypted") and not aws_of(act).dr_kms_key:
                outlook.problems.append(
                    f"{snapshots.name_of(found)} is encrypted: add `dr_kms_key` to the "
                    "target's `aws:`"
                )
            outlook.makes(
                f"a copy of that snapshot, a copy of {arguments.source} and a parameter group",
                there.region,
            )
        return outlook.prospect()

    def run(self, arguments: SnapshotArguments, act: Act) -> None:
        home, there = regions(act)
        wanted = arguments.wanted
        found, disrupted = snapshots.select(act, home, wanted, arguments.disrupted)
        original = original_instance(home, arguments.source, found.snapshot)
        at = snapshots.database_time(found.snapshot)
        if at is None:
            raise StepFailed(f"nothing tells of when {snapshots.name_of(found.snapshot)} is")
        loss = Loss(original, disrupted, RecoveryPoint(at, "snapshot", disrupted))
        key = aws_of(act).dr_kms_key or ""
        try:
            copied = snapshots.copied(act, there, found.snapshot, home, key)
            InstanceRestore(act, there, arguments, loss, home=home).run(
                lambda plan, settings, zones: there.restore_from_snapshot(
                    plan, snapshot=snapshots.name_of(copied), settings=settings, zones=zones
                )
            )
        finally:
            act.observe(snapshots.backup_evidence(home, wanted, found))


def regions(act: Act) -> tuple[Rds, Rds]:
    """RDS at home and in the DR region. Raises UsageError when the target has none."""
    region = aws_of(act).dr_region
    if not region:
        raise UsageError(f"target `{act.target.name}` has no `dr_region` in its `aws:`")
    return act.clients.rds, act.clients.rds.at(region)


KIND = RdsCrossRegionRestore()
