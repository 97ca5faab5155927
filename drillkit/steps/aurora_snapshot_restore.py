"""`aurora.snapshot-restore`: an Aurora cluster from a snapshot, beside the original."""

from __future__ import annotations

from dataclasses import dataclass

from drillkit.model.evidence import RecoveryPoint
from drillkit.model.prospect import Prospect
from drillkit.steps import snapshots
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Act, Kind
from drillkit.steps.disruption import begin
from drillkit.steps.rds.aurora_restore import (
    COPIES,
    PASSES,
    QUOTAS,
    AuroraArguments,
    AuroraRestore,
    original_cluster,
)
from drillkit.steps.rds.restore import KEYS, OUTPUTS, Outlook, age


@dataclass(frozen=True, slots=True, kw_only=True)
class AuroraSnapshotArguments(AuroraArguments):
    from_: snapshots.From = "automated"
    """The newest `automated` or `manual` snapshot, or a `fresh` one that the step takes before
    the disruption.
    """
    snapshot: str = ""
    """A cluster snapshot by its name instead."""


class AuroraSnapshotRestore(Kind[AuroraSnapshotArguments]):
    """Restore an Aurora cluster from a snapshot with a member, read it, and remove it:
    members first.
    """

    name = "aurora.snapshot-restore"
    disturbs = "none"
    Arguments = AuroraSnapshotArguments
    needs = frozenset({"aws", "aurora"})
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = DATABASE_CHECKS | FROM_HERE
    outputs = OUTPUTS

    def prospect(self, arguments: AuroraSnapshotArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        rds = act.clients.rds
        fresh = arguments.from_ == "fresh" and not arguments.snapshot
        needs = {
            **QUOTAS,
            "DBInstances": arguments.members,
            **({"ManualSnapshots": 1} if fresh else {}),
        }
        outlook.surroundings(rds, arguments.source, needs)
        outlook.permissions += [
            "rds:RestoreDBClusterFromSnapshot",
            "rds:DescribeDBClusterSnapshots",
        ]
        outlook.permissions += [*PASSES, *COPIES, *KEYS]
        with outlook.looking():
            found = snapshots.chosen(
                act,
                rds,
                arguments.source,
                arguments.snapshot,
                arguments.from_,
                cluster=True,
                take=False,
            )
            if found is not None:
                outlook.targets.append(
                    f"rds cluster-snapshot/{rds.region}/{snapshots.name_of(found)} (not touched)"
                )
                if (at := snapshots.database_time(found)) is not None:
                    outlook.notes.append(
                        f"its data is of {at:%Y-%m-%d %H:%M:%S} UTC ({age(at, act)} ago)"
                    )
        if fresh:
            outlook.permissions += ["rds:CreateDBClusterSnapshot", "rds:DeleteDBClusterSnapshot"]
            outlook.makes(f"a snapshot of {arguments.source}", rds.region)
        outlook.makes(f"a copy of {arguments.source} with {arguments.members} members", rds.region)
        return outlook.prospect()

    def run(self, arguments: AuroraSnapshotArguments, act: Act) -> None:
        rds = act.clients.rds
        fresh = arguments.from_ == "fresh" and not arguments.snapshot
        found = snapshots.fresh(act, rds, arguments.source, cluster=True) if fresh else None
        disrupted = begin(act, arguments.disrupted)
        if found is None:
            found = snapshots.chosen(
                act, rds, arguments.source, arguments.snapshot, arguments.from_, cluster=True
            )
        assert found is not None
        original = original_cluster(rds, arguments.source, found)
        promised = RecoveryPoint(snapshots.database_time(found) or disrupted, "snapshot", disrupted)
        name = (
            snapshots.arn_of(found)
            if snapshots.name_of(found).startswith("rds:")
            else snapshots.name_of(found)
        )
        AuroraRestore(act, rds, arguments, original, disrupted, promised).run(
            lambda plan, settings: rds.restore_cluster_from_snapshot(
                plan, snapshot=name, settings=settings
            ),
            exact=False,
        )


KIND = AuroraSnapshotRestore()
