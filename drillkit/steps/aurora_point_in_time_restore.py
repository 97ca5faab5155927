"""`aurora.point-in-time-restore`: an Aurora cluster as it was at a moment, beside the original."""

from __future__ import annotations

from typing import Any

from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.model.evidence import RecoveryPoint
from drillkit.model.prospect import Prospect
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
from drillkit.steps.rds.restore import KEYS, OUTPUTS, RESTORED_DATABASE, Original, Outlook
from drillkit.steps.snapshots import seed_of
from drillkit.steps.windows import RestorableWindow, To, chosen, foretell, identity


@dataclass(frozen=True, slots=True, kw_only=True)
class AuroraPointInTimeArguments(AuroraArguments):
    to: To = "latest"
    """`latest` restorable time; `before`: one second before `disrupted`; a time; or `random`: a
    second of the restorable window, drawn so that anybody can draw it again. An old one has no
    recovery point objective.
    """


class AuroraPointInTimeRestore(Kind[AuroraPointInTimeArguments]):
    """Restore an Aurora cluster to a point in time with a member, read it, and remove it:
    members first.

    Always a full copy: a clone shares its original's storage and proves nothing about backups.
    """

    name = "aurora.point-in-time-restore"
    disturbs = "none"
    rehearses = RESTORED_DATABASE
    Arguments = AuroraPointInTimeArguments
    needs = frozenset({"aws", "aurora"})
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = DATABASE_CHECKS | FROM_HERE
    outputs = OUTPUTS

    def prospect(self, arguments: AuroraPointInTimeArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        rds = act.clients.rds
        outlook.surroundings(rds, arguments, {**QUOTAS, "DBInstances": arguments.members})
        outlook.permissions += [
            "rds:RestoreDBClusterToPointInTime",
            "rds:DescribeDBClusterAutomatedBackups",
        ]
        outlook.permissions += [*PASSES, *COPIES, *KEYS]
        with outlook.looking():
            window, _ = find_window(rds, arguments.source)
            source = f"rds cluster/{rds.region}/{arguments.source}"
            foretell(outlook, arguments.to, arguments.disrupted, window, source)
        if arguments.to == "random":
            outlook.notes.append("the moment is drawn when the run has begun")
        outlook.makes(f"a copy of {arguments.source} with {arguments.members} members", rds.region)
        return outlook.prospect()

    def run(self, arguments: AuroraPointInTimeArguments, act: Act) -> None:
        disrupted = begin(act, arguments.disrupted)
        rds = act.clients.rds
        window, original = find_window(rds, arguments.source)
        point = chosen(arguments.to, disrupted, window, seed_of(act))
        promised = RecoveryPoint(point or window.latest, "latest-restorable", disrupted)
        of = original.described
        act.observe(identity(act, rds, arguments.source, of, arguments.to, window, point))
        source: dict[str, Any] = (
            {"SourceDBClusterIdentifier": arguments.source}
            if original.alive
            else {"SourceDbClusterResourceId": original.uid}
        )
        source |= {"UseLatestRestorableTime": True} if point is None else {"RestoreToTime": point}
        AuroraRestore(act, rds, arguments, original, disrupted, promised).run(
            lambda plan, settings: rds.restore_cluster_to_point_in_time(
                plan, source=source, settings=settings
            ),
            exact=True,
        )


def find_window(rds: Rds, source: str) -> tuple[RestorableWindow, Original]:
    """Between which times a cluster can be restored, alive or deleted. Raises StepFailed when
    it cannot.
    """
    kept = next(iter(rds.automated_backups(source, cluster=True)), None)
    original = original_cluster(rds, source, kept)
    if original.alive:
        earliest, latest = (
            original.described.get(f"{which}RestorableTime") for which in ("Earliest", "Latest")
        )
    else:
        window = original.described.get("RestoreWindow") or {}
        earliest, latest = window.get("EarliestTime"), window.get("LatestTime")
    if latest is None:
        raise StepFailed(f"{source} has nothing that could be restored yet")
    return RestorableWindow(earliest, latest), original


KIND = AuroraPointInTimeRestore()
