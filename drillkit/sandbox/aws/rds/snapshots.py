"""Manual snapshots of instances and clusters: create, copy (also from another region),
describe, delete.
"""

from __future__ import annotations

import shutil
import time
from functools import partial
from typing import Any

from drillkit.sandbox.aws.rds import backups
from drillkit.sandbox.aws.rds.lifecycle import Phase, run
from drillkit.sandbox.aws.rds.state import (
    Cluster,
    Instance,
    Params,
    Rds,
    Snapshot,
    chosen,
    now,
    tag_list,
    tags_of,
)
from drillkit.sandbox.aws.wire import Fault


def shown(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as its Describe action shows it."""
    return snapshot.attrs | {
        "Status": snapshot.status,
        "PercentProgress": snapshot.progress,
        "TagList": tag_list(snapshot.tags),
    }


def _shelf(rds: Rds, region: str, cluster: bool) -> dict[str, Snapshot]:
    there = rds.region(region)
    return there.cluster_snapshots if cluster else there.snapshots


def _check_new(rds: Rds, region: str, name: str, cluster: bool) -> None:
    if (
        not name[:1].isalpha()
        or not name.replace("-", "").isalnum()
        or name.endswith("-")
        or "--" in name
    ):
        raise Fault("InvalidParameterValue", f"the snapshot identifier is not valid: {name}")
    shelf = _shelf(rds, region, cluster)
    if name.lower() in shelf:
        shape = "DBClusterSnapshotAlreadyExistsFault" if cluster else "DBSnapshotAlreadyExistsFault"
        raise rds.fault(shape, f"Cannot create the snapshot because {name} already exists.")
    manual = sum(snapshot.attrs["SnapshotType"] == "manual" for snapshot in shelf.values())
    if manual >= rds.knobs.settings.quota["ManualSnapshots"]:
        raise rds.fault("SnapshotQuotaExceededFault", "the quota of manual snapshots is used up")


def _create(rds: Rds, item: Instance | Cluster, name: str, params: Params) -> Snapshot:
    cluster = isinstance(item, Cluster)
    _check_new(rds, item.region, name, cluster)
    if item.status != "available" or item.database is None:
        shape = "InvalidDBClusterStateFault" if cluster else "InvalidDBInstanceStateFault"
        raise rds.fault(shape, f"{item.id} is {item.status}, not available")
    snapshot = backups.new_snapshot(rds, item, name, "manual", tags_of(params))
    run(rds, snapshot, [Phase("creating", partial(backups.fill, snapshot, item))])
    if isinstance(item, Instance):
        item.status = "backing-up"
        run(rds, item, [Phase("backing-up", partial(_until_taken, snapshot))])
    return snapshot


def _until_taken(snapshot: Snapshot) -> None:
    while snapshot.status == "creating":
        time.sleep(0.05)


def create_db_snapshot(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    instance = rds.instance(region, params["DBInstanceIdentifier"])
    if instance.cluster_id is not None:
        raise Fault(
            "InvalidParameterCombination",
            "a member of a cluster has no snapshots; use CreateDBClusterSnapshot",
        )
    return {"DBSnapshot": shown(_create(rds, instance, params["DBSnapshotIdentifier"], params))}


def create_db_cluster_snapshot(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    cluster = rds.cluster(region, params["DBClusterIdentifier"])
    return {
        "DBClusterSnapshot": shown(
            _create(rds, cluster, params["DBClusterSnapshotIdentifier"], params)
        )
    }


def _copy(rds: Rds, region: str, source: Snapshot, name: str, params: Params) -> Snapshot:
    _check_new(rds, region, name, cluster=False)
    if source.status != "available":
        why = f"snapshot {source.id} is {source.status}, not available"
        raise rds.fault("InvalidDBSnapshotStateFault", why)
    crossing = source.region != region
    if crossing and source.attrs["Encrypted"] and not params.get("KmsKeyId"):
        raise rds.fault(
            "KMSKeyNotAccessibleFault",
            "copying an encrypted snapshot to another region needs a KmsKeyId of that region",
        )
    attrs = source.attrs | {
        "DBSnapshotIdentifier": name,
        "DBSnapshotArn": rds.arn(region, "snapshot", name),
        "SnapshotType": "manual",
        "SourceDBSnapshotIdentifier": source.attrs["DBSnapshotArn"],
        "SnapshotCreateTime": now(),
    }
    if crossing:
        attrs |= {"SourceRegion": source.region, "AvailabilityZone": f"{region}a"}
    if params.get("KmsKeyId"):
        attrs |= {"KmsKeyId": params["KmsKeyId"], "Encrypted": True}
    tags = (source.tags if params.get("CopyTags") else {}) | tags_of(params)
    copy = Snapshot(region, attrs, tags, dict(source.source_attrs), dict(source.source_tags))
    rds.region(region).snapshots[name.lower()] = copy
    run(rds, copy, [Phase("creating", partial(_copy_files, rds, source, copy))])
    return copy


def _copy_files(rds: Rds, source: Snapshot, copy: Snapshot) -> None:
    if source.folder is None:
        raise RuntimeError(f"snapshot {source.id} has no data")
    folder = rds.databases.snapshot_folder()
    with rds.databases.work:
        rds.databases.tools.copy(source.folder, folder)
    copy.folder, copy.progress = folder, 100


def copy_db_snapshot(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Called in the destination; a source elsewhere is named by its ARN."""
    source = rds.snapshot(region, params["SourceDBSnapshotIdentifier"], cluster=False)
    _check_presigned(source, region, params)
    return {
        "DBSnapshot": shown(
            _copy(rds, region, source, params["TargetDBSnapshotIdentifier"], params)
        )
    }


def _check_presigned(source: Snapshot, region: str, params: Params) -> None:
    """A copy of an encrypted snapshot from another region needs the signed URL that SourceRegion
    makes clients send.
    """
    if source.region != region and source.attrs["Encrypted"] and not params.get("PreSignedUrl"):
        raise Fault(
            "InvalidParameterCombination",
            "PreSignedUrl (SourceRegion in an SDK) is required for this copy",
        )


def describe_db_snapshots(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """One by its name (or raises), or all that match."""
    if "DBSnapshotIdentifier" in params:
        return {
            "DBSnapshots": [
                shown(rds.snapshot(region, params["DBSnapshotIdentifier"], cluster=False))
            ]
        }
    return {
        "DBSnapshots": [
            shown(snapshot)
            for snapshot in rds.region(region).snapshots.values()
            if not rds.knobs.hidden(snapshot.id)
            and params.get("DBInstanceIdentifier", snapshot.attrs["DBInstanceIdentifier"]).lower()
            == snapshot.attrs["DBInstanceIdentifier"]
            and params.get("SnapshotType", snapshot.attrs["SnapshotType"])
            == snapshot.attrs["SnapshotType"]
            and params.get("DbiResourceId", snapshot.attrs["DbiResourceId"])
            == snapshot.attrs["DbiResourceId"]
            and chosen(params, "db-instance-id", snapshot.attrs["DBInstanceIdentifier"])
            and chosen(params, "db-snapshot-id", snapshot.id)
            and chosen(params, "dbi-resource-id", snapshot.attrs["DbiResourceId"])
            and chosen(params, "snapshot-type", snapshot.attrs["SnapshotType"])
        ]
    }


def describe_db_cluster_snapshots(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    if "DBClusterSnapshotIdentifier" in params:
        return {
            "DBClusterSnapshots": [
                shown(rds.snapshot(region, params["DBClusterSnapshotIdentifier"], cluster=True))
            ]
        }
    return {
        "DBClusterSnapshots": [
            shown(snapshot)
            for snapshot in rds.region(region).cluster_snapshots.values()
            if not rds.knobs.hidden(snapshot.id)
            and params.get("DBClusterIdentifier", snapshot.attrs["DBClusterIdentifier"]).lower()
            == snapshot.attrs["DBClusterIdentifier"]
            and params.get("SnapshotType", snapshot.attrs["SnapshotType"])
            == snapshot.attrs["SnapshotType"]
            and chosen(params, "db-cluster-id", snapshot.attrs["DBClusterIdentifier"])
            and chosen(params, "snapshot-type", snapshot.attrs["SnapshotType"])
        ]
    }


def _delete(rds: Rds, region: str, identifier: str, cluster: bool) -> dict[str, Any]:
    snapshot = rds.snapshot(region, identifier, cluster)
    state = "InvalidDBClusterSnapshotStateFault" if cluster else "InvalidDBSnapshotStateFault"
    if snapshot.attrs["SnapshotType"] != "manual":
        raise rds.fault(state, "only manual snapshots may be deleted.")
    if snapshot.status == "creating":
        raise rds.fault(
            state, f"snapshot {snapshot.id} is being created; it cannot be deleted now."
        )
    _shelf(rds, snapshot.region, cluster).pop(snapshot.id.lower())
    if snapshot.folder is not None:
        shutil.rmtree(snapshot.folder, ignore_errors=True)
    return shown(snapshot) | {"Status": "deleted"}


def delete_db_snapshot(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    return {"DBSnapshot": _delete(rds, region, params["DBSnapshotIdentifier"], cluster=False)}


def delete_db_cluster_snapshot(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    return {
        "DBClusterSnapshot": _delete(
            rds, region, params["DBClusterSnapshotIdentifier"], cluster=True
        )
    }


ACTIONS = {
    "CreateDBSnapshot": create_db_snapshot,
    "CreateDBClusterSnapshot": create_db_cluster_snapshot,
    "CopyDBSnapshot": copy_db_snapshot,
    "DescribeDBSnapshots": describe_db_snapshots,
    "DescribeDBClusterSnapshots": describe_db_cluster_snapshots,
    "DeleteDBSnapshot": delete_db_snapshot,
    "DeleteDBClusterSnapshot": delete_db_cluster_snapshot,
}
