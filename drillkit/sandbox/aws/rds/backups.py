"""Automated backups of instances and clusters: taken, shipped, shown, kept after their source
is gone.
"""

from __future__ import annotations

import shutil
import threading
import time
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from drillkit.sandbox.aws.rds.lifecycle import Phase, log
from drillkit.sandbox.aws.rds.state import (
    Backup,
    Cluster,
    Instance,
    Params,
    Rds,
    Snapshot,
    chosen,
    new_resource_id,
    now,
)

BASE_EVERY_S = 900.0


def resource_id(item: Instance | Cluster) -> str:
    """What the API knows an instance or cluster by for ever."""
    return str(item.attrs["DbiResourceId" if isinstance(item, Instance) else "DbClusterResourceId"])


def phases(rds: Rds, item: Instance | Cluster) -> list[Phase]:
    """The first automated backup, where a retention asks for one."""
    if item.attrs["BackupRetentionPeriod"] == 0:
        return []
    return [
        Phase("backing-up" if isinstance(item, Instance) else "creating", partial(take, rds, item))
    ]


def take(rds: Rds, item: Instance | Cluster) -> None:
    """A base backup, shown as an automated snapshot too."""
    database = item.database
    if database is None:
        return
    database.back_up()
    with rds.lock:
        there = rds.region(item.region)
        key = resource_id(item)
        if key not in there.backups:
            name = new_resource_id("ab-").lower()
            there.backups[key] = Backup(
                item.region,
                item.attrs,
                item.tags,
                database,
                rds.arn(item.region, "auto-backup", name),
                cluster=isinstance(item, Cluster),
            )
        _show_bases(rds, item)


def _show_bases(rds: Rds, item: Instance | Cluster) -> None:
    """One automated snapshot for every base backup there is, and none for those that
    were pruned.
    """
    database = item.database
    if database is None or database.archive is None:
        return
    cluster = isinstance(item, Cluster)
    there = rds.region(item.region)
    shelf = there.cluster_snapshots if cluster else there.snapshots
    for name, snapshot in list(shelf.items()):
        if snapshot.shared_folder and snapshot.folder is not None and not snapshot.folder.exists():
            del shelf[name]
    known = {snapshot.folder for snapshot in shelf.values()}
    for base in database.archive.bases:
        if base.path not in known:
            stamp = base.usable_from.strftime("%Y-%m-%d-%H-%M-%S")
            snapshot = new_snapshot(rds, item, f"rds:{item.id}-{stamp}", "automated", {})
            snapshot.folder, snapshot.shared_folder = base.path, True
            snapshot.status, snapshot.progress = "available", 100
            for moment in (
                "SnapshotCreateTime",
                "OriginalSnapshotCreateTime",
                "SnapshotDatabaseTime",
            ):
                snapshot.attrs[moment] = base.usable_from


def new_snapshot(
    rds: Rds, item: Instance | Cluster, name: str, kind: str, tags: dict[str, str]
) -> Snapshot:
    """Puts a snapshot into the state; its data comes later.  `kind`: manual or automated."""
    cluster = isinstance(item, Cluster)
    attrs = item.attrs
    shown: dict[str, Any] = {
        "Engine": attrs["Engine"],
        "EngineVersion": attrs["EngineVersion"],
        "SnapshotType": kind,
        "Port": 5432,
        "MasterUsername": attrs["MasterUsername"],
        "AllocatedStorage": attrs["AllocatedStorage"],
        "LicenseModel": "postgresql-license",
        "StorageType": attrs.get("StorageType", "aurora"),
        "VpcId": "vpc-default",
        "IAMDatabaseAuthenticationEnabled": attrs["IAMDatabaseAuthenticationEnabled"],
    }
    if "KmsKeyId" in attrs:
        shown["KmsKeyId"] = attrs["KmsKeyId"]
    if cluster:
        shown |= {
            "DBClusterSnapshotIdentifier": name,
            "DBClusterIdentifier": item.id,
            "StorageEncrypted": attrs["StorageEncrypted"],
            "DBClusterSnapshotArn": rds.arn(item.region, "cluster-snapshot", name),
            "ClusterCreateTime": attrs["ClusterCreateTime"],
            "DbClusterResourceId": attrs["DbClusterResourceId"],
        }
    else:
        shown |= {
            "DBSnapshotIdentifier": name,
            "DBInstanceIdentifier": item.id,
            "Encrypted": attrs["StorageEncrypted"],
            "DBSnapshotArn": rds.arn(item.region, "snapshot", name),
            "InstanceCreateTime": attrs["InstanceCreateTime"],
            "DbiResourceId": attrs["DbiResourceId"],
            "AvailabilityZone": attrs["AvailabilityZone"],
            "OptionGroupName": attrs["OptionGroupMemberships"][0]["OptionGroupName"],
        }
    inherited = item.tags if attrs["CopyTagsToSnapshot"] else {}
    snapshot = Snapshot(
        item.region, shown, inherited | tags, dict(attrs), dict(item.tags), cluster=cluster
    )
    there = rds.region(item.region)
    (there.cluster_snapshots if cluster else there.snapshots)[name.lower()] = snapshot
    return snapshot


def fill(snapshot: Snapshot, item: Instance | Cluster) -> None:
    """Takes the base backup a snapshot consists of."""
    if item.database is None:
        raise RuntimeError(f"{item.id} has no database to take a snapshot of")
    snapshot.progress = 10
    folder, at = item.database.snapshot()
    snapshot.folder = folder
    snapshot.progress = 100
    snapshot.attrs |= {"SnapshotCreateTime": now(), "OriginalSnapshotCreateTime": now()}
    if not snapshot.cluster:
        snapshot.attrs["SnapshotDatabaseTime"] = at


def final_snapshot(rds: Rds, item: Instance | Cluster, name: str) -> None:
    """The last snapshot before a deletion; raises if it cannot be taken, so that the deletion does
    not go on.
    """
    with rds.lock:
        snapshot = new_snapshot(rds, item, name, "manual", {})
    fill(snapshot, item)
    snapshot.status = "available"


def switch_off(rds: Rds, item: Instance | Cluster) -> None:
    """Deletes the automated backup and its snapshots, as a retention of zero does."""
    if item.database is not None:
        item.database.stop_backing_up()
    source_deleted(rds, item.region, resource_id(item), keep=False)


def source_deleted(rds: Rds, region: str, key: str, keep: bool) -> None:
    """The source is gone: its automated backup is `retained`, or goes too, with the
    automated snapshots.
    """
    with rds.lock:
        there = rds.region(region)
        backup = there.backups.get(key)
        if backup is None:
            return
        if keep:
            backup.retained = True
            return
        del there.backups[key]
        for shelf in (there.snapshots, there.cluster_snapshots):
            for name, snapshot in list(shelf.items()):
                same = key in (
                    snapshot.attrs.get("DbiResourceId"),
                    snapshot.attrs.get("DbClusterResourceId"),
                )
                if same and snapshot.attrs["SnapshotType"] == "automated":
                    del shelf[name]
        if backup.database.archive is not None:
            backup.database.archive.remove()


def shown(rds: Rds, backup: Backup) -> dict[str, Any]:
    """The backup as the Describe actions show it."""
    attrs = backup.source_attrs
    archive = backup.database.archive
    fields: dict[str, Any] = {
        name: attrs[name]
        for name in (
            "Engine",
            "EngineVersion",
            "AllocatedStorage",
            "MasterUsername",
            "BackupRetentionPeriod",
            "LicenseModel",
            "IAMDatabaseAuthenticationEnabled",
            "KmsKeyId",
            "StorageType",
            "AvailabilityZone",
            "DBInstanceIdentifier",
            "DbiResourceId",
            "DBInstanceArn",
            "InstanceCreateTime",
            "DBClusterIdentifier",
            "DbClusterResourceId",
            "DBClusterArn",
            "ClusterCreateTime",
            "StorageEncrypted",
        )
        if name in attrs
    }
    fields |= {
        "Status": "retained" if backup.retained else "active",
        "Region": backup.region,
        "Port": 5432,
    }
    if backup.cluster:
        fields["DBClusterAutomatedBackupsArn"] = backup.arn
    else:
        fields |= {
            "DBInstanceAutomatedBackupsArn": backup.arn,
            "Encrypted": attrs["StorageEncrypted"],
            "TagList": [{"Key": key, "Value": value} for key, value in backup.source_tags.items()],
        }
    if archive is not None and archive.earliest is not None and archive.latest is not None:
        fields["RestoreWindow"] = {"EarliestTime": archive.earliest, "LatestTime": archive.latest}
    return fields


def describe_instance_backups(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Of one source, by its DbiResourceId, ARN or name, or of all; deleted sources
    are `retained`.
    """
    return {
        "DBInstanceAutomatedBackups": [
            shown(rds, backup)
            for backup in rds.region(region).backups.values()
            if not backup.cluster
            and not rds.knobs.hidden(backup.source_attrs["DBInstanceIdentifier"])
            and params.get("DbiResourceId", backup.source_attrs["DbiResourceId"])
            == backup.source_attrs["DbiResourceId"]
            and params.get("DBInstanceAutomatedBackupsArn", backup.arn) == backup.arn
            and params.get(
                "DBInstanceIdentifier", backup.source_attrs["DBInstanceIdentifier"]
            ).lower()
            == backup.source_attrs["DBInstanceIdentifier"]
            and chosen(params, "status", "retained" if backup.retained else "active")
            and chosen(params, "dbi-resource-id", backup.source_attrs["DbiResourceId"])
            and chosen(params, "db-instance-id", backup.source_attrs["DBInstanceIdentifier"])
        ]
    }


def describe_cluster_backups(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """The same for clusters."""
    return {
        "DBClusterAutomatedBackups": [
            shown(rds, backup)
            for backup in rds.region(region).backups.values()
            if backup.cluster
            and params.get("DbClusterResourceId", backup.source_attrs["DbClusterResourceId"])
            == backup.source_attrs["DbClusterResourceId"]
            and params.get(
                "DBClusterIdentifier", backup.source_attrs["DBClusterIdentifier"]
            ).lower()
            == backup.source_attrs["DBClusterIdentifier"]
            and chosen(params, "status", "retained" if backup.retained else "active")
        ]
    }


def delete_instance_backup(rds: Rds, region: str, params: Params) -> dict[str, Any]:
    """Deletes a retained automated backup."""
    for key, backup in list(rds.region(region).backups.items()):
        if (
            params.get("DbiResourceId") == key
            or params.get("DBInstanceAutomatedBackupsArn") == backup.arn
        ):
            if not backup.retained:
                raise rds.fault(
                    "InvalidDBInstanceAutomatedBackupStateFault",
                    "the source of this backup still exists",
                )
            answer = shown(rds, backup)
            source_deleted(rds, region, key, keep=False)
            return {"DBInstanceAutomatedBackup": answer | {"Status": "deleting"}}
    raise rds.fault("DBInstanceAutomatedBackupNotFoundFault", "no automated backup matches")


class Shipper:
    """Ships WAL of every database with an automated backup, again and again, and takes new base
    backups at times.
    """

    def __init__(self, rds: Rds) -> None:
        self._rds = rds
        self._stop = threading.Event()
        self._last_base: dict[str, float] = {}
        self._thread = threading.Thread(target=self._loop, name="shipper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:  # a start that failed did not get so far
            self._thread.join(15.0)

    def _loop(self) -> None:
        while not self._stop.wait(max(0.2, self._rds.knobs.settings.ship_interval_s)):
            with self._rds.lock:
                items: list[Instance | Cluster] = []
                for region in self._rds.regions.values():
                    items += region.instances.values()
                    items += region.clusters.values()
                items = [
                    item
                    for item in items
                    if item.status in ("available", "backing-up", "modifying")
                ]
            for item in items:
                try:
                    self._ship(item)
                except Exception as error:  # it may be stopping this moment; the next round tells
                    if self._stop.is_set():
                        return
                    log.warning("%s: shipping its WAL failed: %s", item.id, error)

    def _ship(self, item: Instance | Cluster) -> None:
        database = item.database
        if database is None or database.archive is None or not database.server.running:
            return
        archive = database.archive
        stalled = any(
            fnmatchcase(item.id, name) for name in self._rds.knobs.settings.stalled_archivers
        )
        if stalled != archive.stalled:
            archive.stall(database.server, stalled)
        if not stalled:
            archive.ship(database.server)
        key = resource_id(item)
        if (
            not stalled
            and time.monotonic() - self._last_base.setdefault(key, time.monotonic()) > BASE_EVERY_S
        ):
            self._last_base[key] = time.monotonic()
            take(self._rds, item)


def destroy_files(rds: Rds, pattern: str) -> int:
    """Destroys what snapshots and base backups that match consist of; returns how many were hit."""
    hit = 0
    with rds.lock:
        for region in rds.regions.values():
            for snapshot in (*region.snapshots.values(), *region.cluster_snapshots.values()):
                if fnmatchcase(snapshot.id, pattern) and snapshot.folder is not None:
                    hit += _destroy(snapshot)
            for backup in region.backups.values():
                if (
                    fnmatchcase(_source_name(backup), pattern)
                    and backup.database.archive is not None
                ):
                    for base in backup.database.archive.bases:
                        shutil.rmtree(base.path / "global", ignore_errors=True)
                        hit += 1
    return hit


def _destroy(snapshot: Snapshot) -> int:
    if snapshot.folder is None:
        return 0
    shutil.rmtree(snapshot.folder / "global", ignore_errors=True)
    return 1


def _source_name(backup: Backup) -> str:
    return str(
        backup.source_attrs["DBClusterIdentifier" if backup.cluster else "DBInstanceIdentifier"]
    )


def lose_wal(rds: Rds, pattern: str) -> int:
    """Destroys the archived WAL of automated backups whose source matches; returns how many
    were hit.
    """
    hit = 0
    with rds.lock:
        for region in rds.regions.values():
            for backup in region.backups.values():
                if (
                    fnmatchcase(_source_name(backup), pattern)
                    and backup.database.archive is not None
                ):
                    backup.database.archive.lose_wal()
                    hit += 1
    return hit


ACTIONS = {
    "DescribeDBInstanceAutomatedBackups": describe_instance_backups,
    "DescribeDBClusterAutomatedBackups": describe_cluster_backups,
    "DeleteDBInstanceAutomatedBackup": delete_instance_backup,
}
