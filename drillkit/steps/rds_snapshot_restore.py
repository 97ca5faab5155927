"""`rds.snapshot-restore`: an instance from a snapshot, beside the original."""

from __future__ import annotations

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import RecoveryPoint
from drillkit.model.prospect import Prospect
from drillkit.steps import snapshots
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Act, Kind
from drillkit.steps.rds.restore import (
    COPIES,
    KEYS,
    OUTPUTS,
    PASSES,
    RESTORED_DATABASE,
    Original,
    Outlook,
    Restore,
    RestoreArguments,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotArguments(RestoreArguments):
    from_: snapshots.From = "automated"
    """Snapshots of which kind: `automated`, `manual`, those of AWS Backup (`awsbackup`), or a
    `fresh` one that the step takes before the disruption.
    """
    choose: snapshots.Choose = "latest"
    """Which of them: the `latest`, or one drawn at `random`, a sample as auditors ask for. The draw
    can be repeated; an old backup has no recovery point objective.
    """
    snapshot: str = ""
    """A snapshot by its name instead."""

    @property
    def wanted(self) -> snapshots.Wanted:
        """Which snapshot is asked for."""
        return snapshots.Wanted(self.source, self.snapshot, self.from_, self.choose)


class RdsSnapshotRestore(Kind[SnapshotArguments]):
    """Restore an RDS instance from a snapshot, read it, and remove it.

    The source may be gone. The copy has the original's settings, the target's drill network, and a
    copy of the parameter group in which schedulers and subscriptions are off.
    """

    name = "rds.snapshot-restore"
    disturbs = "none"
    rehearses = RESTORED_DATABASE
    Arguments = SnapshotArguments
    needs = frozenset({"aws"})
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = DATABASE_CHECKS | FROM_HERE
    outputs = OUTPUTS

    def prospect(self, arguments: SnapshotArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        rds = act.clients.rds
        needs = {"DBInstances": 1, "DBParameterGroups": 1}
        fresh = arguments.wanted.fresh
        outlook.surroundings(rds, arguments, {**needs, **({"ManualSnapshots": 1} if fresh else {})})
        outlook.permissions += ["rds:RestoreDBInstanceFromDBSnapshot", "rds:DescribeDBSnapshots"]
        outlook.permissions += [*PASSES, *COPIES, *KEYS]
        with outlook.looking():
            snapshots.foretell(outlook, rds, arguments.wanted, arguments.disrupted)
        if fresh:
            outlook.permissions += ["rds:CreateDBSnapshot", "rds:DeleteDBSnapshot"]
        outlook.makes(f"a copy of {arguments.source} and a parameter group", rds.region)
        return outlook.prospect()

    def run(self, arguments: SnapshotArguments, act: Act) -> None:
        rds = act.clients.rds
        wanted = arguments.wanted
        found, disrupted = snapshots.select(act, rds, wanted, arguments.disrupted)
        original = original_of(rds, arguments.source, found.snapshot)
        promised = RecoveryPoint(found.at or disrupted, "snapshot", disrupted)
        try:
            Restore(act, rds, arguments, original, disrupted, promised).run(
                lambda plan, settings, zones: rds.restore_from_snapshot(
                    plan, snapshot=found.name, settings=settings, zones=zones
                )
            )
        finally:  # nobody would ask for it in a disaster, so it is no part of the recovery time
            act.observe(snapshots.identity(rds, wanted, found))


def original_of(rds: Rds, source: str, snapshot: Described) -> Original:
    """The source, or what the snapshot tells of it when it is gone."""
    described = rds.instance(source)
    if described is None:
        return Original(source, snapshot, False)
    return Original(source, described, True, str(described.get("DbiResourceId", "")))


KIND = RdsSnapshotRestore()
