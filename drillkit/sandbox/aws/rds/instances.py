"""DB instances: create, describe, modify, reboot, stop, start, delete."""

from __future__ import annotations

import secrets
import threading
import time
from functools import partial
from typing import Any

from drillkit.sandbox.aws.postgres.server import HOST
from drillkit.sandbox.aws.rds import backups, settings
from drillkit.sandbox.aws.rds.database import Database
from drillkit.sandbox.aws.rds.lifecycle import Phase, run
from drillkit.sandbox.aws.rds.state import (
    Cluster,
    Instance,
    Params,
    Rds,
    chosen,
    name_of,
    new_resource_id,
    now,
    tag_list,
    tags_of,
)
from drillkit.sandbox.aws.wire import Fault

# Changes that RDS makes at once and that never show as pending.
IMMEDIATE = frozenset(
    {
        "DeletionProtection",
        "CopyTagsToSnapshot",
        "ParameterGroup",
        "PreferredBackupWindow",
        "PreferredMaintenanceWindow",
        "MaxAllocatedStorage",
        "OptionGroupMemberships",
    }
)
PENDING_NAMES = (
    "AllocatedStorage",
    "BackupRetentionPeriod",
    "DBInstanceClass",
    "EngineVersion",
    "IAMDatabaseAuthenticationEnabled",
    "Iops",
    "MultiAZ",
    "StorageThroughput",
    "StorageType",
)
_JOINING = threading.Lock()
BUSY = frozenset({"creating", "deleting"})


def shown(rds: Rds, instance: Instance) -> dict[str, Any]:
    """The instance as DescribeDBInstances shows it."""
    fields = {name: value for name, value in instance.attrs.items() if name != "ParameterGroup"}
    status = "pending-reboot" if instance.parameters_pending else "in-sync"
    fields |= {
        "DBInstanceStatus": instance.status,
        "TagList": tag_list(instance.tags),
        "PendingModifiedValues": dict(instance.pending),
        "DBParameterGroups": [
            {
                "DBParameterGroupName": instance.attrs["ParameterGroup"],
                "ParameterApplyStatus": status,
            }
        ],
    }
    database = database_of(rds, instance)
    if instance.reached and database is not None:
        fields["Endpoint"] = {
            "Address": HOST,
            "Port": database.server.port,
            "HostedZoneId": "Z00000000SANDBOX",
        }
    archive = instance.database.archive if instance.database is not None else None
    if archive is not None and archive.latest is not None:
        fields["LatestRestorableTime"] = archive.latest
    return fields


def database_of(rds: Rds, instance: Instance) -> Database | None:
    """The server behind it: its own, or its cluster's."""
    if instance.cluster_id is None:
        return instance.database
    cluster = rds.region(instance.region).clusters.get(instance.cluster_id)
    return cluster.database if cluster is not None else None


def check_new_name(rds: Rds, region: str, identifier: str) -> str:
    """The stored form of a name nobody has yet; raises for a bad or taken one, or a full quota."""
    name = identifier.lower()
    if not (
        1 <= len(name) <= 63
        and name[0].isalpha()
        and name.replace("-", "").isalnum()
        and "--" not in name
        and not name.endswith("-")
    ):
        raise Fault(
            "InvalidParameterValue",
            f"The parameter DBInstanceIdentifier is not a valid identifier: {name}",
        )
    there = rds.region(region)
    if name in there.instances:
        raise rds.fault("DBInstanceAlreadyExistsFault", f"DB instance already exists: {name}")
    if len(there.instances) >= rds.knobs.settings.quota["DBInstances"]:
        raise rds.fault("InstanceQuotaExceededFault", "Maximum number of DB instances exceeded")
    return name


def new_instance(
    rds: Rds, region: str, name: str, fields: dict[str, Any], tags: dict[str, str]
) -> Instance:
    """Puts an instance into the state, with what identifies it."""
    fields |= {
        "DBInstanceIdentifier": name,
        "DBInstanceArn": rds.arn(region, "db", name),
        "DbiResourceId": new_resource_id("db-"),
        "InstanceCreateTime": now(),
    }
    instance = Instance(region, fields, dict(tags))
    rds.region(region).instances[name] = instance
    return instance


def check_engine(rds: Rds, params: Params) -> str:
    """The engine asked for, if this sandbox has it in that version."""
    engine = str(params["Engine"])
    if engine not in ("postgres", "aurora-postgresql"):
        raise Fault(
            "InvalidParameterValue",
            f"the sandbox serves the engines postgres and aurora-postgresql, not {engine}",
        )
    wanted, have = str(params.get("EngineVersion", "")), rds.databases.version
    if wanted and wanted.split(".")[0] != have.split(".")[0]:
        raise Fault(
            "InvalidParameterCombination",
            f"Cannot find version {wanted} for {engine}; there is {have}",
        )
    return engine


def create_db_instance(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """A new instance with an empty database, or a member of an Aurora cluster."""
    engine = check_engine(rds, params)
    name = check_new_name(rds, region, params["DBInstanceIdentifier"])
    given = settings.instance_fields(rds, region, params)
    given.pop("EngineVersion", None)
    fields = settings.instance_defaults(rds, region, engine) | given
    if "DBClusterIdentifier" in params:
        return {"DBInstance": _create_member(rds, region, name, fields, params)}
    if engine != "postgres":
        raise Fault(
            "InvalidParameterCombination", f"an instance of {engine} needs a DBClusterIdentifier"
        )
    password, secret = master_password(rds, region, name, params)
    settings.finish_network(fields, params)
    user = params.get("MasterUsername", "postgres")
    instance = new_instance(rds, region, name, fields | {"MasterUsername": user}, tags_of(params))
    if secret is not None:
        instance.attrs["MasterUserSecret"] = secret
    instance.database = rds.databases.new(instance.attrs["DbiResourceId"])
    use_group(rds, instance)
    work = partial(
        instance.database.create, user, password, fields.get("DBName"), rds.prepare.get(name)
    )
    run(rds, instance, [Phase("creating", work), *backups.phases(rds, instance)])
    return {"DBInstance": shown(rds, instance)}


def master_password(
    rds: Rds, region: str, name: str, params: Params
) -> tuple[str, dict[str, str] | None]:
    """The master user's password as given, or a new one kept as a secret and how the API shows
    that secret.
    """
    if not params.get("ManageMasterUserPassword"):
        if not params.get("MasterUserPassword"):
            raise Fault(
                "InvalidParameterCombination",
                "MasterUserPassword or ManageMasterUserPassword must be given",
            )
        return params["MasterUserPassword"], None
    if rds.on_secret is None:
        raise Fault("InvalidParameterCombination", "this sandbox has no Secrets Manager")
    password = secrets.token_urlsafe(18)
    arn = rds.on_secret(region, f"rds!db-{name}", password)
    return password, {"SecretArn": arn, "SecretStatus": "active"}


def use_group(rds: Rds, instance: Instance) -> None:
    """Hands the parameter group's values to the server, to hold from its next start."""
    if instance.database is not None:
        group = rds.region(instance.region).parameter_groups.get(instance.attrs["ParameterGroup"])
        instance.database.use_parameters(settings.group_values(group) if group is not None else {})


def _create_member(
    rds: Rds, region: str, name: str, fields: dict[str, Any], params: Params
) -> dict[str, Any]:
    cluster = rds.cluster(region, params["DBClusterIdentifier"])
    if cluster.status != "available":
        raise rds.fault(
            "InvalidDBClusterStateFault",
            f"DBCluster {cluster.id} is {cluster.status}, not available",
        )
    settings.finish_network(fields, params)
    for shared in (
        "MasterUsername",
        "EngineVersion",
        "StorageEncrypted",
        "BackupRetentionPeriod",
        "VpcSecurityGroups",
    ):
        fields[shared] = cluster.attrs[shared]
    fields |= {
        "DBClusterIdentifier": cluster.id,
        "Engine": cluster.attrs["Engine"],
        "StorageType": "aurora",
    }
    instance = new_instance(rds, region, name, fields, tags_of(params))
    run(
        rds,
        instance,
        [Phase("creating", partial(_join, cluster))],
        then=partial(_joined, cluster, instance),
    )
    return shown(rds, instance)


def _join(cluster: Cluster) -> None:
    """The cluster's server listens from its first member on: a cluster without members
    answers nobody.
    """
    with _JOINING:  # members may come two at a time
        if cluster.database is not None and not cluster.database.server.running:
            cluster.database.server.start()


def _joined(cluster: Cluster, instance: Instance) -> None:
    if cluster.writer is None:
        cluster.writer = instance.id


def describe_db_instances(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """All instances, or one; raises DBInstanceNotFound for that one."""
    there = rds.region(region)
    if "DBInstanceIdentifier" in params:
        return {"DBInstances": [shown(rds, rds.instance(region, params["DBInstanceIdentifier"]))]}
    return {
        "DBInstances": [
            shown(rds, item)
            for item in there.instances.values()
            if not rds.knobs.hidden(item.id)
            and chosen(params, "db-instance-id", item.id)
            and chosen(params, "dbi-resource-id", item.attrs["DbiResourceId"])
            and chosen(params, "db-cluster-id", item.cluster_id or "")
            and chosen(params, "engine", item.attrs["Engine"])
        ]
    }


def modify_db_instance(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Some changes hold at once, some wait for `modifying`, and without ApplyImmediately they
    stay pending.
    """
    instance = rds.instance(region, params["DBInstanceIdentifier"])
    if instance.status in BUSY or instance.status.startswith(("failed", "restore-error")):
        raise rds.fault(
            "InvalidDBInstanceStateFault",
            f"DB instance {instance.id} is {instance.status}, not available",
        )
    fields = settings.instance_fields(rds, region, params)
    if fields.get("BackupRetentionPeriod") == 0 and instance.cluster_id:
        raise Fault("InvalidParameterValue", "an Aurora member's retention belongs to its cluster")
    if "ParameterGroup" in fields and fields["ParameterGroup"] != instance.attrs["ParameterGroup"]:
        instance.parameters_pending = True
    now_fields = {name: value for name, value in fields.items() if name in IMMEDIATE}
    later = {
        name: value
        for name, value in fields.items()
        if name not in IMMEDIATE and instance.attrs.get(name) != value
    }
    instance.attrs |= now_fields
    if "ParameterGroup" in now_fields:
        use_group(rds, instance)
    instance.pending |= {name: value for name, value in later.items() if name in PENDING_NAMES}
    password = params.get("MasterUserPassword")
    if password:
        instance.pending["MasterUserPassword"] = "****"
    if later or password:
        _modify_now_or_never(rds, instance, later, password, bool(params.get("ApplyImmediately")))
    return {"DBInstance": shown(rds, instance)}


def _modify_now_or_never(
    rds: Rds, instance: Instance, later: dict[str, Any], password: str | None, at_once: bool
) -> None:
    if not at_once:
        return  # until a maintenance window, which the sandbox does not have

    def apply() -> None:
        if password and instance.database is not None:
            instance.database.set_password(instance.attrs["MasterUsername"], password)
        before = instance.attrs["BackupRetentionPeriod"]
        with rds.lock:
            instance.attrs |= later
            settings.place_standby(instance.attrs)
            instance.pending.clear()
        if before == 0 and instance.attrs["BackupRetentionPeriod"] > 0:
            backups.take(rds, instance)
        elif before > 0 and instance.attrs["BackupRetentionPeriod"] == 0:
            backups.switch_off(rds, instance)

    run(rds, instance, [Phase("modifying", apply)])


def reboot_db_instance(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Restarts the server for real: connections break, and none is accepted for a while."""
    instance = rds.instance(region, params["DBInstanceIdentifier"])
    failover = bool(params.get("ForceFailover"))
    if instance.status != "available":
        raise rds.fault(
            "InvalidDBInstanceStateFault",
            f"Instance {instance.id} is {instance.status}, not available",
        )
    if failover and not instance.attrs["MultiAZ"]:
        raise Fault(
            "InvalidParameterCombination",
            "ForceFailover cannot be specified since the instance is not Multi-AZ",
        )
    database = database_of(rds, instance)
    if database is None:
        raise rds.fault("InvalidDBInstanceStateFault", f"Instance {instance.id} has no server")
    server = database.server

    def restart() -> None:
        server.stop("immediate" if failover else "fast")
        if failover:
            time.sleep(rds.knobs.settings.failover_s)
        server.start()
        with rds.lock:
            instance.parameters_pending = False
            if failover:
                first, second = (
                    instance.attrs["AvailabilityZone"],
                    instance.attrs["SecondaryAvailabilityZone"],
                )
                instance.attrs |= {"AvailabilityZone": second, "SecondaryAvailabilityZone": first}
                rds.event(
                    region, "db-instance", instance.id, "Multi-AZ instance failover completed"
                )

    rds.event(
        region,
        "db-instance",
        instance.id,
        "Multi-AZ instance failover started" if failover else "DB instance restarted",
    )
    run(rds, instance, [Phase("rebooting", restart)])
    return {"DBInstance": shown(rds, instance)}


def delete_db_instance(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Deletes it, after a final snapshot if one is wanted; its automated backup stays when that is
    asked for.
    """
    instance = rds.instance(region, params["DBInstanceIdentifier"])
    final = params.get("FinalDBSnapshotIdentifier")
    if instance.attrs["DeletionProtection"]:
        raise Fault(
            "InvalidParameterCombination",
            "Cannot delete protected DB Instance, please disable deletion protection and "
            "try again.",
        )
    if instance.status in BUSY:
        raise rds.fault(
            "InvalidDBInstanceStateFault",
            f"Instance {instance.id} is {instance.status}; it cannot be deleted now.",
        )
    if instance.cluster_id is None and not params.get("SkipFinalSnapshot") and not final:
        raise Fault(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        )
    if final and params.get("SkipFinalSnapshot"):
        raise Fault(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier must not be given with SkipFinalSnapshot.",
        )
    keep = params.get("DeleteAutomatedBackups") is False
    work = partial(_delete, rds, instance, final, keep)
    run(
        rds,
        instance,
        [Phase("deleting", work)],
        final="deleted",
        then=partial(_forget, rds, instance),
    )
    return {"DBInstance": shown(rds, instance)}


def _delete(rds: Rds, instance: Instance, final: str | None, keep: bool) -> None:
    if instance.cluster_id is not None:
        _leave(rds, instance)
    elif instance.database is not None:
        if final:
            backups.final_snapshot(rds, instance, final)
        instance.database.remove(keep_backup=keep)
        backups.source_deleted(rds, instance.region, instance.attrs["DbiResourceId"], keep)


def _leave(rds: Rds, instance: Instance) -> None:
    """Takes a member from its cluster; the last one takes the server with it."""
    with rds.lock:
        cluster = rds.region(instance.region).clusters.get(instance.cluster_id or "")
        if cluster is None:
            return
        others = [
            item
            for item in rds.region(instance.region).instances.values()
            if item.cluster_id == cluster.id and item is not instance and item.status != "deleting"
        ]
        if cluster.writer == instance.id:
            cluster.writer = others[0].id if others else None
    if not others and cluster.database is not None:
        cluster.database.server.stop("fast")


def _forget(rds: Rds, instance: Instance) -> None:
    rds.region(instance.region).instances.pop(name_of(instance.id), None)
    rds.event(instance.region, "db-instance", instance.id, "DB instance deleted")


ACTIONS = {
    "CreateDBInstance": create_db_instance,
    "DescribeDBInstances": describe_db_instances,
    "ModifyDBInstance": modify_db_instance,
    "RebootDBInstance": reboot_db_instance,
    "DeleteDBInstance": delete_db_instance,
}
