"""ElastiCache: reads (in `ElastiCacheReader`), and the mutating calls, each of which takes the
receipt of its undo.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drillkit.clients.aws import Aws
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.elasticache import failover, groups, snapshots
from drillkit.clients.elasticache.failover import FailOverGroup
from drillkit.clients.elasticache.groups import DeleteReplicationGroup
from drillkit.clients.elasticache.reader import ElastiCacheReader
from drillkit.clients.elasticache.snapshots import DeleteCacheSnapshot
from drillkit.journal.book import Planned


class ElastiCache(ElastiCacheReader):
    """ElastiCache in one region. Every mutating call raises Refused when the fence is closed,
    NotOurs, CallError.
    """

    def __init__(self, aws: Aws, region: str = "") -> None:
        super().__init__(aws, region)
        self._aws = aws

    def at(self, region: str) -> ElastiCache:
        """ElastiCache in another region of the same account."""
        return self if region == self.region else ElastiCache(self._aws, region)

    def restore_from_snapshot(
        self, plan: Planned[DeleteReplicationGroup], *, snapshot: str, settings: Mapping[str, Any]
    ) -> Described:
        """Make a replication group with the contents of a snapshot."""
        return groups.restore_group(self, plan, snapshot, settings)

    def create_snapshot(self, plan: Planned[DeleteCacheSnapshot], *, source: str) -> Described:
        """Take a snapshot of a replication group."""
        return snapshots.create_snapshot(self, plan, source)

    def fail_over(self, plan: Planned[FailOverGroup]) -> Described:
        """Fail a node group over to a replica. AWS allows fifteen of these a day for an account."""
        return failover.fail_over(self, plan)
