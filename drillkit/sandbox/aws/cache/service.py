"""Replication groups: create (also from a snapshot), describe, fail over, snapshot, delete; with
tags and events.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from drillkit.sandbox.aws.cache.keys import HOST, CacheServer, Contents
from drillkit.sandbox.aws.knobs import Knobs
from drillkit.sandbox.aws.wire import Call, Fault, QueryProtocol

Params = Mapping[str, Any]
ENGINE_VERSION = "7.1"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False)
class Group:
    """A replication group: one shard, one data set, one port for all of its endpoints."""

    region: str
    attrs: dict[str, Any]
    tags: dict[str, str]
    members: list[str]
    server: CacheServer
    zones: dict[str, str]
    primary: str
    status: str = "creating"


@dataclass(eq=False)
class CacheSnapshot:
    region: str
    attrs: dict[str, Any]
    tags: dict[str, str]
    data: Contents = field(default_factory=dict)
    status: str = "creating"


class Cache:
    """The service and its state.  Hold `lock` while touching either."""

    def __init__(self, account: str, knobs: Knobs, protocol: QueryProtocol) -> None:
        self.account = account
        self.knobs = knobs
        self.protocol = protocol
        self.lock = threading.RLock()
        self.groups: dict[tuple[str, str], Group] = {}
        self.snapshots: dict[tuple[str, str], CacheSnapshot] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []

    def answer(self, call: Call) -> str:
        """Performs a call and returns its XML; raises Fault."""
        action = ACTIONS.get(call.action)
        if action is None:
            raise Fault(
                "InvalidAction",
                f"the sandbox's ElastiCache does not serve {call.action}; it serves "
                f"{', '.join(ACTIONS)}",
            )
        with self.lock:
            return self.protocol.write(call, action(self, call.region, call.params))

    def act(self, region: str, action: str, params: Params) -> dict[str, Any]:
        """Performs an action from inside."""
        with self.lock:
            return ACTIONS[action](self, region, params)

    def stop_all(self) -> None:
        for group in self.groups.values():
            group.server.cut()

    def arn(self, region: str, kind: str, name: str) -> str:
        return f"arn:aws:elasticache:{region}:{self.account}:{kind}:{name}"

    def event(self, region: str, source: str, kind: str, message: str) -> None:
        self.events.append(
            (
                region,
                {"SourceIdentifier": source, "SourceType": kind, "Message": message, "Date": now()},
            )
        )
        del self.events[:-500]

    def group(self, region: str, name: str) -> Group:
        found = self.groups.get((region, name.lower()))
        if found is None or self.knobs.hidden(name.lower()):
            raise self.protocol.fault(
                "ReplicationGroupNotFoundFault", f"ReplicationGroup {name} not found."
            )
        return found

    def snapshot(self, region: str, name: str) -> CacheSnapshot:
        found = self.snapshots.get((region, name.lower()))
        if found is None:
            raise self.protocol.fault("SnapshotNotFoundFault", f"Snapshot {name} not found.")
        return found

    def work(
        self,
        item: Group | CacheSnapshot,
        state: str,
        job: Callable[[], None],
        then: Callable[[], object] | None = None,
    ) -> None:
        """Does `job` in the background while the state holds, then makes the item available (or
        lets `then` end it).
        """
        item.status = state
        kind = "cache" if isinstance(item, Group) else "cache-snapshot"

        def go() -> None:
            started = time.monotonic()
            job()
            least = self.knobs.settings.slow_s.get(f"{kind}.{state}", 0.0)
            time.sleep(max(0.0, started + least - time.monotonic()))
            with self.lock:
                name = item.attrs[
                    "ReplicationGroupId" if isinstance(item, Group) else "SnapshotName"
                ]
                item.status = (
                    self.knobs.failure_for(kind, name) or "available"
                    if state == "creating"
                    else "available"
                )
                if then is not None:
                    then()

        threading.Thread(target=go, daemon=True).start()


def _tags(params: Params) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in params.get("Tags") or []}


def shown(group: Group) -> dict[str, Any]:
    endpoint = {"Address": HOST, "Port": group.server.port}
    members = [
        {
            "CacheClusterId": name,
            "CacheNodeId": "0001",
            "PreferredAvailabilityZone": group.zones[name],
            "CurrentRole": "primary" if name == group.primary else "replica",
            "ReadEndpoint": endpoint,
        }
        for name in group.members
    ]
    node_group: dict[str, Any] = {
        "NodeGroupId": "0001",
        "Status": group.status,
        "NodeGroupMembers": members,
    }
    if group.status not in ("creating", "create-failed"):
        node_group |= {"PrimaryEndpoint": endpoint, "ReaderEndpoint": endpoint}
    return group.attrs | {
        "Status": group.status,
        "MemberClusters": list(group.members),
        "NodeGroups": [node_group],
    }


def create_group(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    """A new group, empty or with the contents of a snapshot."""
    name = params["ReplicationGroupId"].lower()
    if (region, name) in cache.groups:
        raise cache.protocol.fault(
            "ReplicationGroupAlreadyExistsFault", f"Replication group {name} already exists."
        )
    source = cache.snapshot(region, params["SnapshotName"]) if params.get("SnapshotName") else None
    if source is not None and source.status != "available":
        raise cache.protocol.fault(
            "InvalidParameterValueException",
            f"snapshot {params['SnapshotName']} is {source.status}",
        )
    inherited = source.attrs if source is not None else {}
    count = int(params.get("NumCacheClusters") or 1 + int(params.get("ReplicasPerNodeGroup") or 0))
    failover = bool(params.get("AutomaticFailoverEnabled"))
    if failover and count < 2:
        raise cache.protocol.fault(
            "InvalidParameterCombinationException", "automatic failover needs at least one replica"
        )
    members = [f"{name}-{number:03d}" for number in range(1, count + 1)]
    attrs = {
        "ReplicationGroupId": name,
        "Description": params["ReplicationGroupDescription"],
        "ARN": cache.arn(region, "replicationgroup", name),
        "CacheNodeType": params.get("CacheNodeType")
        or inherited.get("CacheNodeType", "cache.t4g.micro"),
        "Engine": params.get("Engine", "redis"),
        "AutomaticFailover": "enabled" if failover else "disabled",
        "MultiAZ": "enabled" if params.get("MultiAZEnabled") else "disabled",
        "SnapshotRetentionLimit": params.get("SnapshotRetentionLimit", 0),
        "SnapshotWindow": params.get("SnapshotWindow", "03:00-04:00"),
        "ClusterEnabled": False,
        "TransitEncryptionEnabled": bool(params.get("TransitEncryptionEnabled")),
        "AtRestEncryptionEnabled": bool(params.get("AtRestEncryptionEnabled")),
        "AuthTokenEnabled": "AuthToken" in params,
        "ReplicationGroupCreateTime": now(),
        "SnapshottingClusterId": members[-1],
        "SecurityGroupIds": params.get("SecurityGroupIds", []),
        "CacheSubnetGroupName": params.get("CacheSubnetGroupName", "default"),
        "CacheParameterGroupName": params.get("CacheParameterGroupName", "default.redis7"),
    }
    zones = {member: f"{region}{'abc'[number % 3]}" for number, member in enumerate(members)}
    server = CacheServer()
    group = Group(region, attrs, _tags(params), members, server, zones, members[0])
    cache.groups[region, name] = group

    def fill_and_open() -> None:
        if source is not None:
            server.restore(source.data)
        server.open()

    cache.work(group, "creating", fill_and_open)
    cache.event(region, name, "replication-group", "Replication group created")
    return {"ReplicationGroup": shown(group)}


def describe_groups(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    if params.get("ReplicationGroupId"):
        return {"ReplicationGroups": [shown(cache.group(region, params["ReplicationGroupId"]))]}
    return {
        "ReplicationGroups": [
            shown(group)
            for (home, name), group in cache.groups.items()
            if home == region and not cache.knobs.hidden(name)
        ]
    }


def describe_clusters(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    """The groups' members as cache clusters."""
    wanted = params.get("CacheClusterId")
    clusters = [
        {
            "CacheClusterId": member,
            "CacheClusterStatus": group.status,
            "ReplicationGroupId": name,
            "Engine": group.attrs["Engine"],
            "EngineVersion": ENGINE_VERSION,
            "CacheNodeType": group.attrs["CacheNodeType"],
            "NumCacheNodes": 1,
            "PreferredAvailabilityZone": group.zones[member],
            "ARN": cache.arn(region, "cluster", member),
            "CacheSubnetGroupName": group.attrs["CacheSubnetGroupName"],
            "CacheParameterGroup": {
                "CacheParameterGroupName": group.attrs["CacheParameterGroupName"],
                "ParameterApplyStatus": "in-sync",
            },
            "SecurityGroups": [
                {"SecurityGroupId": item, "Status": "active"}
                for item in group.attrs["SecurityGroupIds"]
            ],
            "CacheNodes": [
                {
                    "CacheNodeId": "0001",
                    "CacheNodeStatus": group.status,
                    "Endpoint": {"Address": HOST, "Port": group.server.port},
                }
            ],
        }
        for (home, name), group in cache.groups.items()
        if home == region
        for member in group.members
        if wanted in (None, member)
    ]
    if wanted and not clusters:
        raise cache.protocol.fault("CacheClusterNotFoundFault", f"CacheCluster not found: {wanted}")
    return {"CacheClusters": clusters}


def test_failover(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    """Promotes the next replica; every connection breaks and none is accepted for a while."""
    group = cache.group(region, params["ReplicationGroupId"])
    if params["NodeGroupId"] != "0001":
        raise cache.protocol.fault(
            "NodeGroupNotFoundFault", f"node group {params['NodeGroupId']} not found; there is 0001"
        )
    if group.attrs["AutomaticFailover"] != "enabled":
        raise cache.protocol.fault(
            "InvalidReplicationGroupStateFault", "automatic failover is not enabled"
        )
    if group.status != "available":
        raise cache.protocol.fault(
            "InvalidReplicationGroupStateFault",
            f"Replication group is {group.status}, not available",
        )
    old = group.primary
    new = group.members[(group.members.index(old) + 1) % len(group.members)]

    def switch() -> None:
        group.server.cut()
        time.sleep(cache.knobs.settings.failover_s)
        with cache.lock:
            group.primary = new
        group.server.open()
        cache.event(
            region,
            group.attrs["ReplicationGroupId"],
            "replication-group",
            f"Failover from primary node {old} to replica node {new} completed",
        )

    cache.event(
        region,
        group.attrs["ReplicationGroupId"],
        "replication-group",
        "Test Failover API called for node group 0001",
    )
    cache.work(group, "modifying", switch)
    return {"ReplicationGroup": shown(group)}


def delete_group(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    group = cache.group(region, params["ReplicationGroupId"])
    if group.status in ("creating", "deleting"):
        raise cache.protocol.fault(
            "InvalidReplicationGroupStateFault", f"Replication group is {group.status}"
        )
    if final := params.get("FinalSnapshotIdentifier"):
        _snapshot(cache, region, group, final, {}, "manual")
    key = (region, group.attrs["ReplicationGroupId"])
    cache.work(group, "deleting", group.server.cut, lambda: cache.groups.pop(key, None))
    return {"ReplicationGroup": shown(group)}


def _snapshot(
    cache: Cache, region: str, group: Group, name: str, tags: dict[str, str], source: str
) -> CacheSnapshot:
    name = name.lower()
    if (region, name) in cache.snapshots:
        raise cache.protocol.fault("SnapshotAlreadyExistsFault", f"Snapshot {name} already exists.")
    attrs = {
        "SnapshotName": name,
        "ReplicationGroupId": group.attrs["ReplicationGroupId"],
        "SnapshotSource": source,
        "ReplicationGroupDescription": group.attrs["Description"],
        "CacheClusterId": group.members[-1],
        "CacheNodeType": group.attrs["CacheNodeType"],
        "Engine": group.attrs["Engine"],
        "EngineVersion": ENGINE_VERSION,
        "NumCacheNodes": 1,
        "NumNodeGroups": 1,
        "AutomaticFailover": group.attrs["AutomaticFailover"],
        "ARN": cache.arn(region, "snapshot", name),
        "CacheSubnetGroupName": group.attrs["CacheSubnetGroupName"],
        "CacheParameterGroupName": group.attrs["CacheParameterGroupName"],
        "SnapshotRetentionLimit": group.attrs["SnapshotRetentionLimit"],
        "SnapshotWindow": group.attrs["SnapshotWindow"],
    }
    snapshot = CacheSnapshot(region, attrs, tags)
    cache.snapshots[region, name] = snapshot

    def copy() -> None:
        snapshot.data = group.server.contents()
        size = sum(len(value) for _, value in snapshot.data.values())
        snapshot.attrs["NodeSnapshots"] = [
            {
                "CacheClusterId": group.members[-1],
                "NodeGroupId": "0001",
                "CacheNodeId": "0001",
                "SnapshotCreateTime": now(),
                "CacheSize": f"{size // 2**20 + 1} MB",
            }
        ]

    cache.work(snapshot, "creating", copy)
    return snapshot


def create_snapshot(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    if not params.get("ReplicationGroupId"):
        raise cache.protocol.fault(
            "InvalidParameterCombinationException",
            "the sandbox takes snapshots of a ReplicationGroupId",
        )
    group = cache.group(region, params["ReplicationGroupId"])
    if group.status != "available":
        raise cache.protocol.fault(
            "InvalidReplicationGroupStateFault",
            f"Replication group is {group.status}, not available",
        )
    snapshot = _snapshot(cache, region, group, params["SnapshotName"], _tags(params), "manual")
    return {"Snapshot": snapshot.attrs | {"SnapshotStatus": snapshot.status}}


def describe_snapshots(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    if params.get("SnapshotName"):
        found = [cache.snapshot(region, params["SnapshotName"])]
    else:
        found = [snapshot for (home, _), snapshot in cache.snapshots.items() if home == region]
    return {
        "Snapshots": [
            snapshot.attrs | {"SnapshotStatus": snapshot.status}
            for snapshot in found
            if params.get("ReplicationGroupId") in (None, snapshot.attrs["ReplicationGroupId"])
            and params.get("SnapshotSource")
            in (None, {"manual": "user", "automated": "system"}[snapshot.attrs["SnapshotSource"]])
        ]
    }


def delete_snapshot(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    snapshot = cache.snapshot(region, params["SnapshotName"])
    if snapshot.status == "creating":
        raise cache.protocol.fault("InvalidSnapshotStateFault", "the snapshot is being created")
    del cache.snapshots[region, snapshot.attrs["SnapshotName"]]
    return {"Snapshot": snapshot.attrs | {"SnapshotStatus": "deleting"}}


def _tagged(cache: Cache, arn: str) -> dict[str, str]:
    items: list[Group | CacheSnapshot] = [*cache.groups.values(), *cache.snapshots.values()]
    for item in items:
        if item.attrs["ARN"] == arn:
            return item.tags
    raise cache.protocol.fault("InvalidARNFault", f"no resource has the ARN {arn}")


def _tag_list(tags: dict[str, str]) -> dict[str, Any]:
    return {"TagList": [{"Key": key, "Value": value} for key, value in tags.items()]}


def list_tags(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    return _tag_list(_tagged(cache, params["ResourceName"]))


def add_tags(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    tags = _tagged(cache, params["ResourceName"])
    tags.update(_tags(params))
    return _tag_list(tags)


def remove_tags(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    tags = _tagged(cache, params["ResourceName"])
    for key in params["TagKeys"]:
        tags.pop(key, None)
    return _tag_list(tags)


def describe_events(cache: Cache, region: str, params: Params) -> dict[str, Any]:
    since = params.get("StartTime", now() - timedelta(minutes=params.get("Duration", 60)))
    return {
        "Events": [
            event
            for home, event in cache.events
            if home == region
            and event["Date"] >= since
            and params.get("SourceIdentifier", event["SourceIdentifier"])
            == event["SourceIdentifier"]
            and params.get("SourceType", event["SourceType"]) == event["SourceType"]
        ]
    }


ACTIONS: dict[str, Callable[[Cache, str, Params], dict[str, Any]]] = {
    "CreateReplicationGroup": create_group,
    "DescribeReplicationGroups": describe_groups,
    "DescribeCacheClusters": describe_clusters,
    "DeleteReplicationGroup": delete_group,
    "TestFailover": test_failover,
    "CreateSnapshot": create_snapshot,
    "DescribeSnapshots": describe_snapshots,
    "DeleteSnapshot": delete_snapshot,
    "ListTagsForResource": list_tags,
    "AddTagsToResource": add_tags,
    "RemoveTagsFromResource": remove_tags,
    "DescribeEvents": describe_events,
}
