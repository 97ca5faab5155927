"""`rds.snapshot-restore`: an instance from a snapshot, beside the original."""

from __future__ import annotations

from dataclasses import dataclass

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds
from drillkit.model.evidence import RecoveryPoint
from drillkit.model.prospect import Prospect
from drillkit.steps import snapshots
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Act, Kind
from drillkit.steps.disruption import begin
from drillkit.steps.rds.restore import (
    COPIES,
    KEYS,
    OUTPUTS,
    PASSES,
    Original,
    Outlook,
    Restore,
    RestoreArguments,
    age,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotArguments(RestoreArguments):
    from_: snapshots.From = "automated"
    """The newest `automated` or `manual` snapshot, or a `fresh` one that the step takes before
    the disruption.
    """
    snapshot: str = ""
    """A snapshot by its name instead."""


class RdsSnapshotRestore(Kind[SnapshotArguments]):
    """Restore an RDS instance from a snapshot, read it, and remove it.

    The source may be gone. The copy has the original's settings, the target's drill network, and a
    copy of the parameter group in which schedulers and subscriptions are off.
    """

    name = "rds.snapshot-restore"
    disturbs = "none"
    Arguments = SnapshotArguments
    needs = frozenset({"aws"})
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = DATABASE_CHECKS | FROM_HERE
    outputs = OUTPUTS

    def prospect(self, arguments: SnapshotArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        rds = act.clients.rds
        needs = {"DBInstances": 1, "DBParameterGroups": 1}
        fresh = arguments.from_ == "fresh" and not arguments.snapshot
        outlook.surroundings(
            rds, arguments.source, {**needs, **({"ManualSnapshots": 1} if fresh else {})}
        )
        outlook.permissions += ["rds:RestoreDBInstanceFromDBSnapshot", "rds:DescribeDBSnapshots"]
        outlook.permissions += [*PASSES, *COPIES, *KEYS]
        with outlook.looking():
            chosen = snapshots.chosen(
                act, rds, arguments.source, arguments.snapshot, arguments.from_, take=False
            )
            describe(outlook, rds, arguments.source, chosen)
        if fresh:
            outlook.permissions += ["rds:CreateDBSnapshot", "rds:DeleteDBSnapshot"]
            outlook.makes(f"a snapshot of {arguments.source}", rds.region)
        outlook.makes(f"a copy of {arguments.source} and a parameter group", rds.region)
        return outlook.prospect()

    def run(self, arguments: SnapshotArguments, act: Act) -> None:
        rds = act.clients.rds
        fresh = arguments.from_ == "fresh" and not arguments.snapshot
        found = None
        if fresh:  # taken in good time: the disruption comes after it
            found = snapshots.fresh(act, rds, arguments.source)
        disrupted = begin(act, arguments.disrupted)
        if found is None:
            found = snapshots.chosen(
                act, rds, arguments.source, arguments.snapshot, arguments.from_
            )
        assert found is not None
        original = original_of(rds, arguments.source, found)
        promised = RecoveryPoint(snapshots.database_time(found) or disrupted, "snapshot", disrupted)
        name = snapshots.name_of(found)
        Restore(act, rds, arguments, original, disrupted, promised).run(
            lambda plan, settings, zones: rds.restore_from_snapshot(
                plan, snapshot=name, settings=settings, zones=zones
            )
        )


def original_of(rds: Rds, source: str, snapshot: Described) -> Original:
    """The source, or what the snapshot tells of it when it is gone."""
    described = rds.instance(source)
    if described is None:
        return Original(source, snapshot, False)
    return Original(source, described, True, str(described.get("DbiResourceId", "")))


def describe(outlook: Outlook, rds: Rds, source: str, snapshot: Described | None) -> None:
    """Say which snapshot is meant and how old it is."""
    if snapshot is None:
        outlook.targets.append(f"rds instance/{rds.region}/{source} (it gets a snapshot)")
        return
    outlook.targets.append(
        f"rds snapshot/{rds.region}/{snapshots.name_of(snapshot)} (it is not touched)"
    )
    if (at := snapshots.database_time(snapshot)) is not None:
        outlook.notes.append(
            f"its data is of {at:%Y-%m-%d %H:%M:%S} UTC ({age(at, outlook.act)} ago)"
        )


KIND = RdsSnapshotRestore()
