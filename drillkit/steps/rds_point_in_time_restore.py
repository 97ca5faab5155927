"""`rds.point-in-time-restore`: an instance as it was at a moment, beside the original."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from drillkit.clients.rds import Rds
from drillkit.model.errors import StepFailed
from drillkit.steps.base import Act
from drillkit.steps.rds.instance_restore import InstanceRestore
from drillkit.steps.rds.original import Loss, Original, not_there
from drillkit.steps.rds.permissions import INSTANCE
from drillkit.steps.rds.point_in_time import PointInTimeArguments, PointInTimeRestore
from drillkit.steps.rds.windows import RestorableWindow


class RdsPointInTimeRestore(PointInTimeRestore[PointInTimeArguments]):
    """Restore an RDS instance to a point in time, read it, and remove it.

    A source that was deleted restores from the automated backup that it left. The copy has the
    original's settings, the target's drill network, and a copy of the parameter group in which
    schedulers and subscriptions are off.
    """

    name = "rds.point-in-time-restore"
    Arguments = PointInTimeArguments
    unit = "instance"
    actions = (
        "rds:RestoreDBInstanceToPointInTime",
        "rds:DescribeDBInstanceAutomatedBackups",
        *INSTANCE,
    )

    def quotas(self, arguments: PointInTimeArguments) -> Mapping[str, int]:
        return {"DBInstances": 1, "DBParameterGroups": 1}

    def copy(self, arguments: PointInTimeArguments) -> str:
        return f"a copy of {arguments.source} and a parameter group"

    def window(self, rds: Rds, source: str) -> tuple[RestorableWindow, Original]:
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

    def restore(
        self, arguments: PointInTimeArguments, act: Act, loss: Loss, point: datetime | None
    ) -> None:
        rds, original = act.clients.rds, loss.original
        source: dict[str, Any] = (
            {"SourceDBInstanceIdentifier": original.name}
            if original.alive
            else {"SourceDbiResourceId": original.uid}
        )
        source |= {"UseLatestRestorableTime": True} if point is None else {"RestoreTime": point}
        InstanceRestore(act, rds, arguments, loss).run(
            lambda plan, settings, zones: rds.restore_to_point_in_time(
                plan, source=source, settings=settings, zones=zones
            )
        )


KIND = RdsPointInTimeRestore()
