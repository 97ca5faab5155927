"""What belongs to no single resource: quotas, tags, events, engine versions, instance classes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drillkit.sandbox.aws.rds.state import Params, Rds, now, tag_list
from drillkit.sandbox.aws.wire import Fault


def describe_account_attributes(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """The quotas, with what is used of them."""
    there = rds.region(region)
    manual = [
        s
        for s in (*there.snapshots.values(), *there.cluster_snapshots.values())
        if s.attrs["SnapshotType"] == "manual"
    ]
    used = {
        "DBInstances": len(there.instances),
        "ManualSnapshots": len(manual),
        "DBClusters": len(there.clusters),
        "DBParameterGroups": len(there.parameter_groups),
        "DBSubnetGroups": len(there.subnet_groups),
        "DBClusterParameterGroups": len(there.cluster_parameter_groups),
        "AllocatedStorage": sum(
            item.attrs["AllocatedStorage"] for item in there.instances.values()
        ),
    }
    most = {
        "DBParameterGroups": 50,
        "DBSubnetGroups": 50,
        "DBClusterParameterGroups": 50,
        "AllocatedStorage": 100_000,
    }
    most |= rds.knobs.settings.quota
    return {
        "AccountQuotas": [
            {"AccountQuotaName": name, "Used": count, "Max": most[name]}
            for name, count in used.items()
        ]
    }


def _tags(rds: Rds, arn: str) -> dict[str, str]:
    for known, tags in rds.tagged():
        if known == arn:
            return tags
    shape = "DBSnapshotNotFoundFault" if ":snapshot:" in arn else "DBInstanceNotFoundFault"
    raise rds.fault(shape, f"no resource has the ARN {arn}")


def list_tags(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    return {"TagList": tag_list(_tags(rds, params["ResourceName"]))}


def add_tags(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    tags = _tags(rds, params["ResourceName"])
    tags.update({tag["Key"]: tag.get("Value", "") for tag in params["Tags"]})
    if len(tags) > 50:
        raise Fault("InvalidParameterValue", "a resource can have at most 50 tags")
    return {}


def remove_tags(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    tags = _tags(rds, params["ResourceName"])
    for key in params["TagKeys"]:
        tags.pop(key, None)
    return {}


def describe_events(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """The events of the last `Duration` minutes (60), of one source or of all."""
    since = params.get("StartTime", now() - timedelta(minutes=params.get("Duration", 60)))
    return {
        "Events": [
            event
            for event in rds.region(region).events
            if event["Date"] >= since
            and params.get("SourceIdentifier", event["SourceIdentifier"])
            == event["SourceIdentifier"]
            and params.get("SourceType", event["SourceType"]) == event["SourceType"]
        ]
    }


def describe_engine_versions(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """The one version there is, for both engines."""
    version = rds.databases.version
    major = version.split(".")[0]
    return {
        "DBEngineVersions": [
            {
                "Engine": engine,
                "EngineVersion": version,
                "DBParameterGroupFamily": f"{engine}{major}",
                "DBEngineDescription": "PostgreSQL",
                "DBEngineVersionDescription": f"PostgreSQL {version}",
                "Status": "available",
            }
            for engine in ("postgres", "aurora-postgresql")
            if params.get("Engine", engine) == engine
        ]
    }


ACTIONS = {
    "DescribeAccountAttributes": describe_account_attributes,
    "ListTagsForResource": list_tags,
    "AddTagsToResource": add_tags,
    "RemoveTagsFromResource": remove_tags,
    "DescribeEvents": describe_events,
    "DescribeDBEngineVersions": describe_engine_versions,
}
