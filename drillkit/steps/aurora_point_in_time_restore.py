"""`aurora.point-in-time-restore`: an Aurora cluster as it was at a moment, beside the original."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.steps.base import Act
from drillkit.steps.rds.cluster_restore import QUOTAS, ClusterRestore
from drillkit.steps.rds.original import Loss, Original, original_cluster
from drillkit.steps.rds.permissions import CLUSTER
from drillkit.steps.rds.point_in_time import PointInTimeArguments, PointInTimeRestore
from drillkit.steps.rds.windows import RestorableWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuroraPointInTimeArguments(PointInTimeArguments):
    members: int = 1
    """Instances of the restored cluster, the writer among them."""


class AuroraPointInTimeRestore(PointInTimeRestore[AuroraPointInTimeArguments]):
    """Restore an Aurora cluster to a point in time with a member, read it, and remove it:
    members first.

    Always a full copy: a clone shares its original's storage and proves nothing about backups.
    """

    name = "aurora.point-in-time-restore"
    Arguments = AuroraPointInTimeArguments
    needs = frozenset({"aws", "aurora"})
    unit = "cluster"
    actions = (
        "rds:RestoreDBClusterToPointInTime",
        "rds:DescribeDBClusterAutomatedBackups",
        *CLUSTER,
    )

    def quotas(self, arguments: AuroraPointInTimeArguments) -> Mapping[str, int]:
        return {**QUOTAS, "DBInstances": arguments.members}

    def copy(self, arguments: AuroraPointInTimeArguments) -> str:
        return f"a copy of {arguments.source} with {arguments.members} members"

    def window(self, rds: Rds, source: str) -> tuple[RestorableWindow, Original]:
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

    def restore(
        self, arguments: AuroraPointInTimeArguments, act: Act, loss: Loss, point: datetime | None
    ) -> None:
        rds, original = act.clients.rds, loss.original
        source: dict[str, Any] = (
            {"SourceDBClusterIdentifier": original.name}
            if original.alive
            else {"SourceDbClusterResourceId": original.uid}
        )
        source |= {"UseLatestRestorableTime": True} if point is None else {"RestoreToTime": point}
        ClusterRestore(act, rds, arguments, arguments.members, loss).run(
            lambda plan, settings: rds.restore_cluster_to_point_in_time(
                plan, source=source, settings=settings
            ),
            exact=True,
        )


KIND = AuroraPointInTimeRestore()
