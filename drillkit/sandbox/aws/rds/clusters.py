"""Aurora clusters.  One PostgreSQL server stands behind the writer and the reader endpoint; members
are its names.

The cluster answers nobody before its first member is created, as in Aurora, and a failover really
restarts the server. Replica lag, storage that outlives its server and clones without a copy are
not emulated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from drillkit.sandbox.aws.postgres.server import HOST
from drillkit.sandbox.aws.rds import backups, settings
from drillkit.sandbox.aws.rds.database import Database
from drillkit.sandbox.aws.rds.instances import check_engine, master_password
from drillkit.sandbox.aws.rds.lifecycle import Phase, run
from drillkit.sandbox.aws.rds.restores import check_point
from drillkit.sandbox.aws.rds.state import (
    Backup,
    Cluster,
    Instance,
    Params,
    Rds,
    chosen,
    new_resource_id,
    now,
    tag_list,
    tags_of,
)
from drillkit.sandbox.aws.wire import Fault

ENGINE = "aurora-postgresql"
CARRIED = (
    "EngineVersion",
    "MasterUsername",
    "DatabaseName",
    "StorageEncrypted",
    "KmsKeyId",
    "BackupRetentionPeriod",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "AllocatedStorage",
    "EngineMode",
)


def members_of(rds: Rds, cluster: Cluster) -> list[Instance]:
    """The cluster's instances, in the order they were created."""
    return [
        item
        for item in rds.region(cluster.region).instances.values()
        if item.cluster_id == cluster.id
    ]


def shown(rds: Rds, cluster: Cluster) -> dict[str, Any]:
    """The cluster as DescribeDBClusters shows it."""
    members = members_of(rds, cluster)
    fields = cluster.attrs | {
        "Status": cluster.status,
        "TagList": tag_list(cluster.tags),
        "MultiAZ": len(members) > 1,
        "DBClusterMembers": [
            {
                "DBInstanceIdentifier": item.id,
                "IsClusterWriter": item.id == cluster.writer,
                "PromotionTier": 1,
                "DBClusterParameterGroupStatus": "in-sync",
            }
            for item in members
        ],
    }
    if cluster.database is not None:
        fields |= {"Endpoint": HOST, "ReaderEndpoint": HOST, "Port": cluster.database.server.port}
        archive = cluster.database.archive
        if archive is not None and archive.earliest is not None and archive.latest is not None:
            fields |= {
                "EarliestRestorableTime": archive.earliest,
                "LatestRestorableTime": archive.latest,
            }
    return fields


def _given(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    fields = settings.plain(params)
    if "VpcSecurityGroupIds" in params:
        fields["VpcSecurityGroups"] = settings.security_groups(params["VpcSecurityGroupIds"])
    if "DBSubnetGroupName" in params:
        fields["DBSubnetGroup"] = settings.subnet_group(
            rds, region, params["DBSubnetGroupName"]
        ).attrs["DBSubnetGroupName"]
    if "DBClusterParameterGroupName" in params:
        settings.cluster_parameter_group(rds, region, params["DBClusterParameterGroupName"])
        fields["DBClusterParameterGroup"] = params["DBClusterParameterGroupName"].lower()
    if export := params.get("CloudwatchLogsExportConfiguration"):
        fields["EnabledCloudwatchLogsExports"] = export.get("EnableLogTypes") or []
    if fields.get("BackupRetentionPeriod") == 0:
        raise Fault(
            "InvalidParameterValue",
            "BackupRetentionPeriod of an Aurora cluster must be between 1 and 35",
        )
    return fields


def _defaults(rds: Rds, region: str) -> dict[str, Any]:
    major = rds.databases.version.split(".")[0]
    return {
        "Engine": ENGINE,
        "EngineVersion": rds.databases.version,
        "EngineMode": "provisioned",
        "AllocatedStorage": 1,
        "BackupRetentionPeriod": 1,
        "StorageEncrypted": False,
        "DeletionProtection": False,
        "IAMDatabaseAuthenticationEnabled": False,
        "CopyTagsToSnapshot": False,
        "HttpEndpointEnabled": False,
        "DBClusterParameterGroup": f"default.{ENGINE}{major}",
        "DBSubnetGroup": "default",
        "VpcSecurityGroups": settings.security_groups(["sg-default"]),
        "PreferredBackupWindow": "02:00-02:30",
        "PreferredMaintenanceWindow": "sun:03:00-sun:03:30",
        "EnabledCloudwatchLogsExports": [],
        "AvailabilityZones": [f"{region}{zone}" for zone in "abc"],
    }


def _new(rds: Rds, region: str, name: str, fields: dict[str, Any], tags: dict[str, str]) -> Cluster:
    name = name.lower()
    there = rds.region(region)
    if (
        not name[:1].isalpha()
        or not name.replace("-", "").isalnum()
        or name.endswith("-")
        or "--" in name
    ):
        raise Fault(
            "InvalidParameterValue",
            f"The parameter DBClusterIdentifier is not a valid identifier: {name}",
        )
    if name in there.clusters:
        raise rds.fault("DBClusterAlreadyExistsFault", f"DB Cluster already exists: {name}")
    if len(there.clusters) >= rds.knobs.settings.quota["DBClusters"]:
        raise rds.fault("DBClusterQuotaExceededFault", "Maximum number of DB clusters exceeded")
    fields |= {
        "DBClusterIdentifier": name,
        "DBClusterArn": rds.arn(region, "cluster", name),
        "ClusterCreateTime": now(),
        "DbClusterResourceId": new_resource_id("cluster-"),
    }
    cluster = Cluster(region, fields, dict(tags))
    cluster.database = rds.databases.new(fields["DbClusterResourceId"])
    there.clusters[name] = cluster
    group = settings.cluster_parameter_group(rds, region, fields["DBClusterParameterGroup"])
    cluster.database.use_parameters(settings.group_values(group))
    return cluster


def _bring_up(
    rds: Rds, cluster: Cluster, load: Callable[[Database], None], failure: str
) -> dict[str, Any]:
    database = cluster.database
    if database is None:
        raise RuntimeError(f"cluster {cluster.id} has no database")
    steps = [
        Phase("creating", partial(load, database)),
        *backups.phases(rds, cluster),
        Phase("creating", database.server.stop),  # its first member starts it again
    ]
    run(rds, cluster, steps, failure=failure)
    return {"DBCluster": shown(rds, cluster)}


def create_db_cluster(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """A new, empty cluster without members."""
    if check_engine(rds, params) != ENGINE:
        raise Fault("InvalidParameterValue", f"the sandbox's clusters are of {ENGINE}")
    password, secret = master_password(rds, region, params["DBClusterIdentifier"], params)
    user = params.get("MasterUsername", "postgres")
    fields = (
        _defaults(rds, region)
        | _given(rds, region, params)
        | {"MasterUsername": user, "EngineVersion": rds.databases.version}
    )
    cluster = _new(rds, region, params["DBClusterIdentifier"], fields, tags_of(params))
    if secret is not None:
        cluster.attrs["MasterUserSecret"] = secret

    def load(database: Database) -> None:
        database.create(user, password, fields.get("DatabaseName"), rds.prepare.get(cluster.id))

    return _bring_up(rds, cluster, load, "failed")


def _restored(
    rds: Rds,
    region: str,
    source: dict[str, Any],
    inherited: dict[str, str],
    params: Params,
    load: Callable[[Database], None],
) -> dict[str, Any]:
    fields = _defaults(rds, region) | {name: source[name] for name in CARRIED if name in source}
    fields |= _given(rds, region, params)
    tags = tags_of(params) if "Tags" in params else inherited
    cluster = _new(rds, region, params["DBClusterIdentifier"], fields, tags)
    return _bring_up(rds, cluster, load, "restore-error")


def restore_cluster_from_snapshot(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """A new cluster without members, with a cluster snapshot's contents."""
    if params["Engine"] != ENGINE:
        raise Fault(
            "InvalidParameterCombination",
            f"the snapshot's engine is {ENGINE}, not {params['Engine']}",
        )
    snapshot = rds.snapshot(region, params["SnapshotIdentifier"], cluster=True)
    if snapshot.region != region:
        raise rds.fault(
            "DBClusterSnapshotNotFoundFault", f"no such cluster snapshot in {region}: {snapshot.id}"
        )
    if snapshot.status != "available" or snapshot.folder is None:
        raise rds.fault(
            "InvalidDBClusterSnapshotStateFault",
            f"snapshot {snapshot.id} is {snapshot.status}, not available",
        )
    folder = snapshot.folder
    damages = rds.knobs.sql_damage(snapshot.id, snapshot.attrs["DBClusterIdentifier"])
    inherited = snapshot.source_tags | snapshot.tags
    return _restored(
        rds,
        region,
        snapshot.source_attrs,
        inherited,
        params,
        lambda database: database.restore(folder, damages),
    )


def _cluster_backup(rds: Rds, region: str, params: Params) -> Backup:
    by_name, by_id = (
        params.get("SourceDBClusterIdentifier"),
        params.get("SourceDbClusterResourceId"),
    )
    if (by_name is None) == (by_id is None):
        raise Fault(
            "InvalidParameterCombination",
            "give exactly one of SourceDBClusterIdentifier and SourceDbClusterResourceId",
        )
    key = (
        by_id
        if by_id is not None
        else rds.cluster(region, str(by_name)).attrs["DbClusterResourceId"]
    )
    found = rds.region(region).backups.get(key)
    if found is None or not found.cluster:
        raise rds.fault(
            "DBClusterAutomatedBackupNotFoundFault", f"no automated backup for {by_name or by_id}"
        )
    return found


def restore_cluster_to_point_in_time(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """A new cluster without members; `copy-on-write` is served by a copy too."""
    backup = _cluster_backup(rds, region, params)
    target = check_point(
        rds, backup, params.get("RestoreToTime"), bool(params.get("UseLatestRestorableTime"))
    )
    damages = rds.knobs.sql_damage(backup.source_attrs["DBClusterIdentifier"])

    def load(database: Database) -> None:
        if backup.database.archive is None:
            raise RuntimeError("the automated backup was deleted while it was being restored")
        database.recover(backup.database.archive, target, damages)

    return _restored(rds, region, backup.source_attrs, dict(backup.source_tags), params, load)


def describe_db_clusters(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    if "DBClusterIdentifier" in params:
        return {"DBClusters": [shown(rds, rds.cluster(region, params["DBClusterIdentifier"]))]}
    return {
        "DBClusters": [
            shown(rds, cluster)
            for cluster in rds.region(region).clusters.values()
            if not rds.knobs.hidden(cluster.id)
            and chosen(params, "db-cluster-id", cluster.id)
            and chosen(params, "db-cluster-resource-id", cluster.attrs["DbClusterResourceId"])
            and chosen(params, "engine", ENGINE)
        ]
    }


def modify_db_cluster(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Every change holds at once."""
    cluster = rds.cluster(region, params["DBClusterIdentifier"])
    if cluster.status != "available":
        raise rds.fault(
            "InvalidDBClusterStateFault",
            f"DBCluster {cluster.id} is {cluster.status}, not available",
        )
    fields = _given(rds, region, params)
    fields.pop("EngineVersion", None)
    if password := params.get("MasterUserPassword"):
        if cluster.database is None or not cluster.database.server.running:
            raise rds.fault("InvalidDBClusterStateFault", f"DBCluster {cluster.id} has no members")
        cluster.database.set_password(cluster.attrs["MasterUsername"], password)
    cluster.attrs |= fields
    return {"DBCluster": shown(rds, cluster)}


def failover_db_cluster(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Makes another member the writer; every connection breaks and none is accepted for a while."""
    cluster = rds.cluster(region, params["DBClusterIdentifier"])
    others = [
        item.id
        for item in members_of(rds, cluster)
        if item.id != cluster.writer and item.status == "available"
    ]
    target = params.get("TargetDBInstanceIdentifier", others[0] if others else None)
    if cluster.status != "available" or target not in others or cluster.database is None:
        raise rds.fault(
            "InvalidDBClusterStateFault",
            f"DBCluster {cluster.id} ({cluster.status}) has no reader {target or ''} that could "
            "take over",
        )
    server = cluster.database.server

    def switch() -> None:
        server.stop("immediate")
        time.sleep(rds.knobs.settings.failover_s)
        server.start()
        with rds.lock:
            cluster.writer = target
            rds.event(
                region, "db-cluster", cluster.id, f"Completed failover to DB instance: {target}"
            )

    rds.event(region, "db-cluster", cluster.id, f"Started failover to DB instance: {target}")
    run(rds, cluster, [Phase("failing-over", switch)])
    return {"DBCluster": shown(rds, cluster)}


def delete_db_cluster(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Refused while members are left that are not being deleted."""
    cluster = rds.cluster(region, params["DBClusterIdentifier"])
    final = params.get("FinalDBSnapshotIdentifier")
    if cluster.attrs["DeletionProtection"]:
        raise Fault(
            "InvalidParameterCombination",
            "Cannot delete protected Cluster, please disable deletion protection and try again.",
        )
    if cluster.status in ("creating", "deleting"):
        raise rds.fault(
            "InvalidDBClusterStateFault",
            f"DBCluster {cluster.id} is {cluster.status}; it cannot be deleted now.",
        )
    if any(item.status != "deleting" for item in members_of(rds, cluster)):
        raise rds.fault(
            "InvalidDBClusterStateFault",
            "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
        )
    if bool(final) == bool(params.get("SkipFinalSnapshot")):
        raise Fault(
            "InvalidParameterCombination",
            "give exactly one of FinalDBSnapshotIdentifier and SkipFinalSnapshot",
        )
    keep = params.get("DeleteAutomatedBackups") is False

    def delete() -> None:
        deadline = time.monotonic() + 60.0
        while members_of(rds, cluster) and time.monotonic() < deadline:
            time.sleep(0.05)
        if cluster.database is not None:
            if final:
                cluster.database.server.start()
                backups.final_snapshot(rds, cluster, final)
            cluster.database.remove(keep_backup=keep)
        backups.source_deleted(rds, region, cluster.attrs["DbClusterResourceId"], keep)

    run(
        rds,
        cluster,
        [Phase("deleting", delete)],
        final="deleted",
        then=lambda: rds.region(region).clusters.pop(cluster.id, None),
    )
    return {"DBCluster": shown(rds, cluster)}


ACTIONS = {
    "CreateDBCluster": create_db_cluster,
    "RestoreDBClusterFromSnapshot": restore_cluster_from_snapshot,
    "RestoreDBClusterToPointInTime": restore_cluster_to_point_in_time,
    "DescribeDBClusters": describe_db_clusters,
    "ModifyDBCluster": modify_db_cluster,
    "FailoverDBCluster": failover_db_cluster,
    "DeleteDBCluster": delete_db_cluster,
}
