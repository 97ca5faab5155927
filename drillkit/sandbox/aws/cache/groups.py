"""Replication groups: create (also from a snapshot), describe, fail over, delete."""

from __future__ import annotations

import time
from typing import Any

from drillkit.sandbox.aws.cache.keys import HOST, CacheServer
from drillkit.sandbox.aws.cache.snapshots import taken
from drillkit.sandbox.aws.cache.state import ENGINE_VERSION, Cache, Group, Params, now, tags_of


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
    group = Group(region, attrs, tags_of(params), members, server, zones, members[0])
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
        taken(cache, region, group, final, {}, "manual")
    key = (region, group.attrs["ReplicationGroupId"])
    cache.work(group, "deleting", group.server.cut, lambda: cache.groups.pop(key, None))
    return {"ReplicationGroup": shown(group)}
