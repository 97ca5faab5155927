"""What cannot be taken back: failovers of instances and clusters that are in use."""

from __future__ import annotations

from typing import ClassVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts
from drillkit.clients.effect import make
from drillkit.clients.rds.reader import RdsReader
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Irreversible
from drillkit.model.errors import Absent


@dataclass(frozen=True)
class FailOverInstance(Irreversible):
    """A Multi-AZ instance is rebooted onto its standby."""

    kind: ClassVar[str] = "rds.failover-instance"

    name: str
    region: str
    uid: str
    """DbiResourceId: only this very instance."""

    @property
    def resource(self) -> str:
        return f"rds instance/{self.region}/{self.name}"

    @property
    def reason(self) -> str:
        return "connections that a failover cuts stay cut, and failing back would cut them again"

    @property
    def wait_for(self) -> str:
        return "the instance to be available in its other zone"


@dataclass(frozen=True)
class FailOverCluster(Irreversible):
    """Another member of an Aurora cluster becomes its writer."""

    kind: ClassVar[str] = "rds.failover-cluster"

    name: str
    region: str
    uid: str
    """DbClusterResourceId: only this very cluster."""
    to: str = ""
    """The member that is to become the writer; '' leaves it to Aurora."""

    @property
    def resource(self) -> str:
        return f"rds cluster/{self.region}/{self.name}"

    @property
    def reason(self) -> str:
        return "connections that a failover cuts stay cut, and failing back would cut them again"

    @property
    def wait_for(self) -> str:
        return "the cluster to be available with another writer"


def fail_over_instance(rds: RdsReader, plan: Planned[FailOverInstance]) -> Described:
    """See `Rds.fail_over_instance`."""
    undo = plan.undo

    def once(attempts: AwsAttempts) -> Described:
        described = rds.instance(undo.name)
        _same(described and described.get("DbiResourceId"), undo.uid, undo.resource)
        made: Described = attempts._send(
            "RebootDBInstance",
            f"fail over {undo.resource}",
            DBInstanceIdentifier=undo.name,
            ForceFailover=True,
        )["DBInstance"]
        return made

    return make(AwsAttempts(rds.service, plan), once, lambda _: {"uid": undo.uid})


def fail_over_cluster(rds: RdsReader, plan: Planned[FailOverCluster]) -> Described:
    """See `Rds.fail_over_cluster`."""
    undo = plan.undo
    target = {"TargetDBInstanceIdentifier": undo.to} if undo.to else {}

    def once(attempts: AwsAttempts) -> Described:
        described = rds.cluster(undo.name)
        _same(described and described.get("DbClusterResourceId"), undo.uid, undo.resource)
        made: Described = attempts._send(
            "FailoverDBCluster",
            f"fail over {undo.resource}",
            DBClusterIdentifier=undo.name,
            **target,
        )["DBCluster"]
        return made

    return make(AwsAttempts(rds.service, plan), once, lambda _: {"uid": undo.uid})


def _same(found: object, uid: str, said: str) -> None:
    if found != uid:
        raise Absent(
            f"{said} is not the one that was looked at before (expected {uid}, "
            f"found {found or 'none'})"
        )
