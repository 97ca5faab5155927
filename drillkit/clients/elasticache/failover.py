"""What cannot be taken back: a node group's failover to a replica."""

from __future__ import annotations

from typing import ClassVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.effect import AwsAttempts
from drillkit.clients.effect import make
from drillkit.clients.elasticache.reader import ElastiCacheReader
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Irreversible


@dataclass(frozen=True)
class FailOverGroup(Irreversible):
    """A node group of a replication group is failed over to a replica."""

    kind: ClassVar[str] = "elasticache.failover"

    name: str
    region: str
    node_group: str

    @property
    def resource(self) -> str:
        return f"elasticache replication-group/{self.region}/{self.name}"

    @property
    def reason(self) -> str:
        return (
            "connections that a failover cuts stay cut, and writes that were not replicated "
            "are lost"
        )

    @property
    def wait_for(self) -> str:
        return "a replica to be the primary and the failed node to be replaced"


def fail_over(cache: ElastiCacheReader, plan: Planned[FailOverGroup]) -> Described:
    """See `ElastiCache.fail_over`."""
    undo = plan.undo

    def once(attempts: AwsAttempts) -> Described:
        return attempts._send(
            "TestFailover",
            f"fail over {undo.resource}",
            ReplicationGroupId=undo.name,
            NodeGroupId=undo.node_group,
        )

    return make(AwsAttempts(cache.service, plan), once)
