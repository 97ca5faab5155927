"""Looking at ElastiCache in one region. Everything that changes it is in `ElastiCache`."""

from __future__ import annotations

from typing import Any

from drillkit.clients.aws import Aws
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.ownership import as_mapping, carries_marks
from drillkit.clients.aws.removal import FoundResource
from drillkit.model.errors import Absent


class ElastiCacheReader:
    """One region's ElastiCache, looked at. All methods raise CallError and, the first
    time, TargetError.
    """

    def __init__(self, aws: Aws, region: str = "") -> None:
        self.region = region or aws.target.region
        self.clock = aws.clock
        self.service = aws.service("elasticache", self.region)

    def group(self, name: str) -> Described | None:
        """A replication group, or None."""
        try:
            answer = self.service.read(
                "DescribeReplicationGroups",
                f"look at replication group {name}",
                ReplicationGroupId=name,
            )
        except Absent:
            return None
        return next(iter(answer.get("ReplicationGroups") or []), None)

    def all_groups(self) -> list[dict[str, Any]]:
        """Every replication group of the region."""
        return list(
            self.service.pages(
                "DescribeReplicationGroups",
                "list replication groups",
                "ReplicationGroups",
                MaxRecords=100,
            )
        )

    def member(self, name: str) -> Described | None:
        """A cache cluster of a replication group, or None: it tells of engine version, parameters
        and network.
        """
        try:
            answer = self.service.read(
                "DescribeCacheClusters", f"look at cache cluster {name}", CacheClusterId=name
            )
        except Absent:
            return None
        return next(iter(answer.get("CacheClusters") or []), None)

    def snapshot(self, name: str) -> Described | None:
        """A snapshot by its name, or None."""
        try:
            answer = self.service.read(
                "DescribeSnapshots", f"look at cache snapshot {name}", SnapshotName=name
            )
        except Absent:
            return None
        return next(iter(answer.get("Snapshots") or []), None)

    def snapshots(self, source: str, kind: str) -> list[dict[str, Any]]:
        """Snapshots of a replication group, which may be gone; `kind`: automated or manual."""
        origin = {"automated": "system", "manual": "user"}[kind]
        return list(
            self.service.pages(
                "DescribeSnapshots",
                f"list cache snapshots of {source}",
                "Snapshots",
                ReplicationGroupId=source,
                SnapshotSource=origin,
                MaxRecords=50,
            )
        )

    def marked(self, described: Described, status: str) -> FoundResource | None:
        """What decides whose something is; its tags are not in its description. None when it
        went meanwhile.
        """
        try:
            answer = self.service.read(
                "ListTagsForResource",
                f"read the tags of {described['ARN']}",
                ResourceName=described["ARN"],
            )
        except Absent:
            return None
        return FoundResource(as_mapping(answer.get("TagList")), status, arn=str(described["ARN"]))

    def is_of(self, described: Described, run: str, name: str) -> bool:
        """Whether the tags of what has this name make it the run's."""
        found = self.marked(described, "")
        return found is not None and carries_marks(found.tags, run, name)
