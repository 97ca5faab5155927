"""`rds.point-in-time-restore`: an instance as it was at a moment, beside the original."""

from __future__ import annotations

from typing import Any

from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.model.evidence import RecoveryPoint
from drillkit.model.prospect import Prospect
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Act, Kind
from drillkit.steps.disruption import begin
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
    not_there,
)
from drillkit.steps.snapshots import seed_of
from drillkit.steps.windows import RestorableWindow, To, chosen, foretell, identity


@dataclass(frozen=True, slots=True, kw_only=True)
class PointInTimeArguments(RestoreArguments):
    to: To = "latest"
    """`latest` restorable time; `before`: one second before `disrupted`; a time; or `random`: a
    second of the restorable window, drawn so that anybody can draw it again. An old one has no
    recovery point objective.
    """


class RdsPointInTimeRestore(Kind[PointInTimeArguments]):
    """Restore an RDS instance to a point in time, read it, and remove it.

    A source that was deleted restores from the automated backup that it left. The copy has the
    original's settings, the target's drill network, and a copy of the parameter group in which
    schedulers and subscriptions are off.
    """

    name = "rds.point-in-time-restore"
    disturbs = "none"
    rehearses = RESTORED_DATABASE
    Arguments = PointInTimeArguments
    needs = frozenset({"aws"})
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = DATABASE_CHECKS | FROM_HERE
    outputs = OUTPUTS

    def prospect(self, arguments: PointInTimeArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        rds = act.clients.rds
        outlook.surroundings(rds, arguments, {"DBInstances": 1, "DBParameterGroups": 1})
        outlook.permissions += [
            "rds:RestoreDBInstanceToPointInTime",
            "rds:DescribeDBInstanceAutomatedBackups",
            *PASSES,
            *COPIES,
            *KEYS,
        ]
        with outlook.looking():
            window, _ = find_window(rds, arguments.source)
            source = f"rds instance/{rds.region}/{arguments.source}"
            foretell(outlook, arguments.to, arguments.disrupted, window, source)
        if arguments.to == "random":
            outlook.notes.append("the moment is drawn when the run has begun")
        outlook.makes(f"a copy of {arguments.source} and a parameter group", rds.region)
        return outlook.prospect()

    def run(self, arguments: PointInTimeArguments, act: Act) -> None:
        disrupted = begin(act, arguments.disrupted)
        rds = act.clients.rds
        window, original = find_window(rds, arguments.source)
        point = chosen(arguments.to, disrupted, window, seed_of(act))
        promised = RecoveryPoint(point or window.latest, "latest-restorable", disrupted)
        of = original.described
        act.observe(identity(act, rds, arguments.source, of, arguments.to, window, point))
        source: dict[str, Any] = (
            {"SourceDBInstanceIdentifier": arguments.source}
            if original.alive
            else {"SourceDbiResourceId": original.uid}
        )
        source |= {"UseLatestRestorableTime": True} if point is None else {"RestoreTime": point}
        restore = Restore(act, rds, arguments, original, disrupted, promised)
        restore.run(
            lambda plan, settings, zones: rds.restore_to_point_in_time(
                plan, source=source, settings=settings, zones=zones
            )
        )


def find_window(rds: Rds, source: str) -> tuple[RestorableWindow, Original]:
    """Between which times a source can be restored, alive or deleted. Raises StepFailed when
    it cannot.
    """
    described = rds.instance(source)
    backups = rds.automated_backups(source)
    if described is not None:
        latest = described.get("LatestRestorableTime")
        if latest is None:
            raise StepFailed(
                f"{source} has no automated backups: its retention is "
                f"{described.get('BackupRetentionPeriod')} days"
            )
        uid = str(described.get("DbiResourceId", ""))
        own = next((b for b in backups if b.get("DbiResourceId") == uid), {})
        earliest = (own.get("RestoreWindow") or {}).get("EarliestTime")
        return RestorableWindow(earliest, latest), Original(source, described, True, uid)
    kept = next((b for b in backups if (b.get("RestoreWindow") or {}).get("LatestTime")), None)
    if kept is None:
        raise not_there(source, rds.region)
    window = kept["RestoreWindow"]
    original = Original(source, kept, False, str(kept["DbiResourceId"]))
    return RestorableWindow(window.get("EarliestTime"), window["LatestTime"]), original


KIND = RdsPointInTimeRestore()
