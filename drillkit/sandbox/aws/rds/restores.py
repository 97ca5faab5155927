"""Restores of instances: from a snapshot and to a point in time, also of a source that is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from drillkit.sandbox.aws.knobs import Damage
from drillkit.sandbox.aws.rds import backups, settings
from drillkit.sandbox.aws.rds.database import Database
from drillkit.sandbox.aws.rds.instances import check_new_name, new_instance, shown, use_group
from drillkit.sandbox.aws.rds.lifecycle import Phase, run
from drillkit.sandbox.aws.rds.state import Backup, Instance, Params, Rds, tags_of
from drillkit.sandbox.aws.wire import Fault

# What a copy takes from its source unless told otherwise.  Everything else falls back to RDS's
# defaults: Single-AZ, default parameter, option and security groups, no IAM authentication.
CARRIED = (
    "Engine",
    "EngineVersion",
    "LicenseModel",
    "MasterUsername",
    "AllocatedStorage",
    "StorageType",
    "Iops",
    "StorageThroughput",
    "StorageEncrypted",
    "KmsKeyId",
    "DBInstanceClass",
    "BackupRetentionPeriod",
    "DBName",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "AutoMinorVersionUpgrade",
)


def copied_fields(rds: Rds, region: str, source: dict[str, Any], params: Params) -> dict[str, Any]:
    """The fields of a copy: defaults, then what is carried over, then what the request says, false
    and zero too.
    """
    if params.get("Engine") not in (None, source["Engine"]):
        raise Fault(
            "InvalidParameterCombination",
            f"the source's engine is {source['Engine']}, not {params['Engine']}",
        )
    fields = settings.instance_defaults(rds, region, source["Engine"])
    fields |= {name: source[name] for name in CARRIED if name in source}
    fields |= settings.instance_fields(rds, region, params)
    settings.finish_network(fields, params)
    return fields


def _launch(
    rds: Rds,
    region: str,
    name: str,
    source: dict[str, Any],
    inherited: dict[str, str],
    params: Params,
    load: Callable[[Database], None],
) -> dict[str, Any]:
    fields = copied_fields(rds, region, source, params)
    # Without tags in the request a copy inherits the source's: tag-driven backup and monitoring
    # then adopt it.
    instance = new_instance(
        rds, region, name, fields, tags_of(params) if "Tags" in params else inherited
    )
    instance.database = rds.databases.new(instance.attrs["DbiResourceId"])
    use_group(rds, instance)
    steps = [Phase("creating", partial(load, instance.database)), *backups.phases(rds, instance)]
    run(rds, instance, steps, failure="restore-error")
    rds.event(region, "db-instance", name, "Restored from a backup")
    return {"DBInstance": shown(rds, instance)}


def restore_from_snapshot(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """A new instance with a snapshot's contents; a snapshot of another region must be copied
    here first.
    """
    if "DBSnapshotIdentifier" not in params:
        raise Fault("InvalidParameterCombination", "DBSnapshotIdentifier must be given")
    snapshot = rds.snapshot(region, params["DBSnapshotIdentifier"], cluster=False)
    if snapshot.region != region:
        raise rds.fault(
            "DBSnapshotNotFoundFault",
            f"DBSnapshot not found in {region}: {params['DBSnapshotIdentifier']}",
        )
    if snapshot.status != "available" or snapshot.folder is None:
        raise rds.fault(
            "InvalidDBSnapshotStateFault",
            f"snapshot {snapshot.id} is {snapshot.status}, not available",
        )
    name = check_new_name(rds, region, params["DBInstanceIdentifier"])
    damages = rds.knobs.sql_damage(snapshot.id, snapshot.attrs["DBInstanceIdentifier"])
    load = partial(_load_snapshot, snapshot.folder, damages)
    return _launch(
        rds, region, name, snapshot.source_attrs, snapshot.source_tags | snapshot.tags, params, load
    )


def _load_snapshot(folder: Any, damages: list[Damage], database: Database) -> None:
    database.restore(folder, damages)


def _load_point(
    backup: Backup, target: datetime, damages: list[Damage], database: Database
) -> None:
    if backup.database.archive is None:
        raise RuntimeError("the automated backup was deleted while it was being restored")
    database.recover(backup.database.archive, target, damages)


def find_backup(rds: Rds, region: str, params: Params) -> Backup:
    """The automated backup a point-in-time restore starts from; raises the fault for none or more
    than one source.
    """
    by_name, by_id, by_arn = (
        params.get(key)
        for key in (
            "SourceDBInstanceIdentifier",
            "SourceDbiResourceId",
            "SourceDBInstanceAutomatedBackupsArn",
        )
    )
    if sum(value is not None for value in (by_name, by_id, by_arn)) != 1:
        raise Fault(
            "InvalidParameterCombination",
            "give exactly one of SourceDBInstanceIdentifier, SourceDbiResourceId "
            "and SourceDBInstanceAutomatedBackupsArn",
        )
    there = rds.region(region).backups
    if by_name is not None:
        source: Instance = rds.instance(region, by_name)
        found = there.get(source.attrs["DbiResourceId"])
        if found is None:
            raise rds.fault(
                "PointInTimeRestoreNotEnabledFault", f"{source.id} has no automated backups"
            )
        return found
    found = (
        there.get(by_id)
        if by_id
        else next((item for item in there.values() if item.arn == by_arn), None)
    )
    if found is None or found.cluster:
        raise rds.fault(
            "DBInstanceAutomatedBackupNotFoundFault", f"no automated backup for {by_id or by_arn}"
        )
    return found


def check_point(rds: Rds, backup: Backup, wanted: datetime | None, latest: bool) -> datetime:
    """The time to recover to; raises InvalidRestoreFault outside the window that can really
    be restored.
    """
    if (wanted is not None) == latest:
        raise Fault(
            "InvalidParameterCombination",
            "give exactly one of a restore time and UseLatestRestorableTime",
        )
    archive = backup.database.archive
    if archive is None or archive.earliest is None or archive.latest is None:
        raise rds.fault("InvalidRestoreFault", "the automated backup is not ready yet")
    if wanted is None:
        return archive.latest
    if not archive.earliest <= wanted <= archive.latest:
        raise rds.fault(
            "InvalidRestoreFault",
            f"The time {wanted.isoformat()} is outside the restorable window "
            f"{archive.earliest.isoformat()} to {archive.latest.isoformat()}",
        )
    return wanted


def restore_to_point_in_time(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """A new instance with the contents another had at a time, recovered for real from its base
    backup and WAL.
    """
    if "TargetDBInstanceIdentifier" not in params:
        raise Fault("InvalidParameterCombination", "TargetDBInstanceIdentifier must be given")
    backup = find_backup(rds, region, params)
    target = check_point(
        rds, backup, params.get("RestoreTime"), bool(params.get("UseLatestRestorableTime"))
    )
    name = check_new_name(rds, region, params["TargetDBInstanceIdentifier"])
    damages = rds.knobs.sql_damage(backup.source_attrs["DBInstanceIdentifier"])
    load = partial(_load_point, backup, target, damages)
    return _launch(rds, region, name, backup.source_attrs, dict(backup.source_tags), params, load)


ACTIONS = {
    "RestoreDBInstanceFromDBSnapshot": restore_from_snapshot,
    "RestoreDBInstanceToPointInTime": restore_to_point_in_time,
}
