"""`rds.snapshot-restore`: an instance from a snapshot, beside the original."""

from __future__ import annotations

from collections.abc import Mapping

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds
from drillkit.steps.base import Act
from drillkit.steps.rds.from_snapshot import SnapshotArguments, SnapshotRestore
from drillkit.steps.rds.instance_restore import InstanceRestore
from drillkit.steps.rds.original import Loss, Original, original_instance
from drillkit.steps.rds.permissions import INSTANCE
from drillkit.steps.rds.snapshots import name_of


class RdsSnapshotRestore(SnapshotRestore[SnapshotArguments]):
    """Restore an RDS instance from a snapshot, read it, and remove it.

    The source may be gone. The copy has the original's settings, the target's drill network, and a
    copy of the parameter group in which schedulers and subscriptions are off.
    """

    name = "rds.snapshot-restore"
    Arguments = SnapshotArguments
    actions = ("rds:RestoreDBInstanceFromDBSnapshot", "rds:DescribeDBSnapshots", *INSTANCE)
    takes = ("rds:CreateDBSnapshot", "rds:DeleteDBSnapshot")

    def quotas(self, arguments: SnapshotArguments) -> Mapping[str, int]:
        return {"DBInstances": 1, "DBParameterGroups": 1}

    def copy(self, arguments: SnapshotArguments) -> str:
        return f"a copy of {arguments.source} and a parameter group"

    def original(self, rds: Rds, source: str, snapshot: Described) -> Original:
        return original_instance(rds, source, snapshot)

    def restore(
        self, arguments: SnapshotArguments, act: Act, loss: Loss, snapshot: Described
    ) -> None:
        rds = act.clients.rds
        InstanceRestore(act, rds, arguments, loss).run(
            lambda plan, settings, zones: rds.restore_from_snapshot(
                plan, snapshot=name_of(snapshot), settings=settings, zones=zones
            )
        )


KIND = RdsSnapshotRestore()
