"""Snapshots of replication groups."""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.aws.cache.state import (
    ENGINE_VERSION,
    Cache,
    CacheSnapshot,
    Group,
    Params,
    now,
    tags_of,
)


def taken(
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
    snapshot = taken(cache, region, group, params["SnapshotName"], tags_of(params), "manual")
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
