"""`aurora.snapshot-restore`: an Aurora cluster from a snapshot, beside the original."""

from __future__ import annotations

from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import RecoveryPoint
from drillkit.model.prospect import Prospect
from drillkit.steps import snapshots
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Act, Kind
from drillkit.steps.rds.aurora_restore import (
    COPIES,
    PASSES,
    QUOTAS,
    AuroraArguments,
    AuroraRestore,
    original_cluster,
)
from drillkit.steps.rds.restore import KEYS, OUTPUTS, RESTORED_DATABASE, Outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class AuroraSnapshotArguments(AuroraArguments):
    from_: snapshots.From = "automated"
    """Snapshots of which kind: `automated`, `manual`, those of AWS Backup (`awsbackup`), or a
    `fresh` one that the step takes before the disruption.
    """
    choose: snapshots.Choose = "latest"
    """Which of them: the `latest`, or one drawn at `random`, a sample as auditors ask for. The draw
    can be repeated; an old backup has no recovery point objective.
    """
    snapshot: str = ""
    """A cluster snapshot by its name instead."""

    @property
    def wanted(self) -> snapshots.Wanted:
        """Which snapshot is asked for."""
        return snapshots.Wanted(self.source, self.snapshot, self.from_, self.choose, cluster=True)


class AuroraSnapshotRestore(Kind[AuroraSnapshotArguments]):
    """Restore an Aurora cluster from a snapshot with a member, read it, and remove it:
    members first.
    """

    name = "aurora.snapshot-restore"
    disturbs = "none"
    rehearses = RESTORED_DATABASE
    Arguments = AuroraSnapshotArguments
    needs = frozenset({"aws", "aurora"})
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = DATABASE_CHECKS | FROM_HERE
    outputs = OUTPUTS

    def prospect(self, arguments: AuroraSnapshotArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        rds = act.clients.rds
        fresh = arguments.wanted.fresh
        needs = {
            **QUOTAS,
            "DBInstances": arguments.members,
            **({"ManualSnapshots": 1} if fresh else {}),
        }
        outlook.surroundings(rds, arguments, needs)
        outlook.permissions += [
            "rds:RestoreDBClusterFromSnapshot",
            "rds:DescribeDBClusterSnapshots",
        ]
        outlook.permissions += [*PASSES, *COPIES, *KEYS]
        with outlook.looking():
            snapshots.foretell(outlook, rds, arguments.wanted, arguments.disrupted)
        if fresh:
            outlook.permissions += ["rds:CreateDBClusterSnapshot", "rds:DeleteDBClusterSnapshot"]
        outlook.makes(f"a copy of {arguments.source} with {arguments.members} members", rds.region)
        return outlook.prospect()

    def run(self, arguments: AuroraSnapshotArguments, act: Act) -> None:
        rds = act.clients.rds
        wanted = arguments.wanted
        found, disrupted = snapshots.select(act, rds, wanted, arguments.disrupted)
        original = original_cluster(rds, arguments.source, found.snapshot)
        promised = RecoveryPoint(found.at or disrupted, "snapshot", disrupted)
        named = found.name
        if ":" in named:  # of AWS' own: `rds:`, `awsbackup:`
            named = snapshots.arn_of(found.snapshot)
        try:
            AuroraRestore(act, rds, arguments, original, disrupted, promised).run(
                lambda plan, settings: rds.restore_cluster_from_snapshot(
                    plan, snapshot=named, settings=settings
                ),
                exact=False,
            )
        finally:  # nobody would ask for it in a disaster, so it is no part of the recovery time
            act.observe(snapshots.identity(rds, wanted, found))


KIND = AuroraSnapshotRestore()
