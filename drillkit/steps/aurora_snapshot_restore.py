"""`aurora.snapshot-restore`: an Aurora cluster from a snapshot, beside the original."""

from __future__ import annotations

from collections.abc import Mapping

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.steps.base import Act
from drillkit.steps.rds.cluster_restore import QUOTAS, ClusterRestore
from drillkit.steps.rds.from_snapshot import SnapshotArguments, SnapshotRestore
from drillkit.steps.rds.original import Loss, Original, original_cluster
from drillkit.steps.rds.permissions import CLUSTER
from drillkit.steps.rds.snapshots import Wanted, arn_of, name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AuroraSnapshotArguments(SnapshotArguments):
    members: int = 1
    """Instances of the restored cluster, the writer among them."""

    @property
    def wanted(self) -> Wanted:
        """Which snapshot is asked for."""
        return Wanted(self.source, self.snapshot, self.from_, self.choose, cluster=True)


class AuroraSnapshotRestore(SnapshotRestore[AuroraSnapshotArguments]):
    """Restore an Aurora cluster from a snapshot with a member, read it, and remove it:
    members first.
    """

    name = "aurora.snapshot-restore"
    Arguments = AuroraSnapshotArguments
    needs = frozenset({"aws", "aurora"})
    actions = ("rds:RestoreDBClusterFromSnapshot", "rds:DescribeDBClusterSnapshots", *CLUSTER)
    takes = ("rds:CreateDBClusterSnapshot", "rds:DeleteDBClusterSnapshot")

    def quotas(self, arguments: AuroraSnapshotArguments) -> Mapping[str, int]:
        return {**QUOTAS, "DBInstances": arguments.members}

    def copy(self, arguments: AuroraSnapshotArguments) -> str:
        return f"a copy of {arguments.source} with {arguments.members} members"

    def original(self, rds: Rds, source: str, snapshot: Described) -> Original:
        return original_cluster(rds, source, snapshot)

    def restore(
        self, arguments: AuroraSnapshotArguments, act: Act, loss: Loss, snapshot: Described
    ) -> None:
        rds = act.clients.rds
        named = name_of(snapshot)
        if ":" in named:  # of AWS' own: `rds:`, `awsbackup:`
            named = arn_of(snapshot)
        ClusterRestore(act, rds, arguments, arguments.members, loss).run(
            lambda plan, settings: rds.restore_cluster_from_snapshot(
                plan, snapshot=named, settings=settings
            ),
            exact=False,
        )


KIND = AuroraSnapshotRestore()
