"""Backups: what they hold, where it lies, which phases they go through, when they are refused."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from drillkit.sandbox.velero.names import (
    BACKUPS,
    DELETIONS,
    LOCATIONS,
    SCHEDULES,
    backup_key,
    label_value,
)


def test_a_backup_goes_through_the_phases_and_counts_its_items(world, phases):
    status = world.backup("b1")
    assert phases(BACKUPS, "b1") == ["New", "InProgress", "Finalizing", "Completed"]
    assert status["progress"] == {"totalItems": 11, "itemsBackedUp": 11}
    assert "errors" not in status
    assert status["startTimestamp"] == status["completionTimestamp"] == "2026-03-01T03:00:00Z"
    assert status["expiration"] == "2026-03-31T03:00:00Z"
    made = world.store.need(BACKUPS, "velero", "b1")
    assert made["metadata"]["labels"]["velero.io/storage-location"] == "default"


def test_the_tarball_has_veleros_layout(world):
    world.backup("b1")
    packed = world.blobs.objects["backups/b1/b1.tar.gz"]
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        names = tar.getnames()
        assert names[0] == "metadata/version"
        assert "resources/deployments.apps/namespaces/shop/web.json" in names
        assert "resources/deployments.apps/v1-preferredversion/namespaces/shop/web.json" in names
        assert "resources/namespaces/cluster/shop.json" in names
        assert "resources/persistentvolumes/cluster/pv-1.json" in names
        file = tar.extractfile("resources/configmaps/namespaces/shop/settings.json")
        assert file is not None
        assert json.load(file)["data"] == {"colour": "blue"}
    assert (
        json.loads(world.blobs.objects["backups/b1/velero-backup.json"])["status"]["phase"]
        == "Completed"
    )
    for suffix in ("-logs.gz", "-results.gz", "-resource-list.json.gz", "-volumeinfo.json.gz"):
        assert f"backups/b1/b1{suffix}" in world.blobs.objects
    listed = world.file("BackupResourceList", "b1")
    assert listed["apps/v1/Deployment"] == ["shop/web"]
    assert listed["v1/PersistentVolume"] == ["pv-1"]


def test_only_what_is_included_by_resource_and_label_is_saved(world):
    world.backup(
        "b1", includedResources=["deploy", "pods"], labelSelector={"matchLabels": {"app": "web"}}
    )
    assert world.file("BackupResourceList", "b1") == {
        "apps/v1/Deployment": ["shop/web"],
        "v1/Namespace": ["shop"],
        "v1/Pod": ["shop/web-1-a"],
    }
    world.store.patch(
        ("", "configmaps"),
        "shop",
        "canary",
        {"metadata": {"labels": {"velero.io/exclude-from-backup": "true"}}},
    )
    world.backup("b2", includedResources=["configmaps"])
    assert world.file("BackupResourceList", "b2")["v1/ConfigMap"] == ["shop/settings"]


def test_volumes_are_saved_or_told_to_be_skipped(world):
    world.backup("saved")
    (info,) = world.file("BackupVolumeInfos", "saved")
    assert (info["pvcName"], info["pvName"], info["skipped"]) == ("data", "pv-1", False)
    assert info["pvInfo"] == {"volumeHandle": "disk-1", "reclaimPolicy": "Delete", "labels": {}}
    assert world.status(BACKUPS, "saved")["volumeSnapshotsCompleted"] == 1
    world.backup("bare", snapshotVolumes=False)
    (info,) = world.file("BackupVolumeInfos", "bare")
    assert info["skipped"] is True
    assert info["skippedReason"]


def test_contradictions_are_failed_validation_without_timestamps(world):
    world.make(
        BACKUPS,
        "b1",
        spec={"includedResources": ["pods"], "excludedResources": ["pods"], "ttl": "soon"},
    )
    world.run()
    status = world.status(BACKUPS, "b1")
    assert status["phase"] == "FailedValidation"
    assert len(status["validationErrors"]) == 2
    assert "startTimestamp" not in status
    assert not [key for key in world.blobs.objects if "b1" in key]


def test_a_storage_location_that_is_away_refuses_backups_until_it_is_back(world):
    world.knobs.location_unavailable = "no route to bucket"
    world.run()
    assert world.status(LOCATIONS, "default")["phase"] == "Unavailable"
    assert world.backup("b1")["phase"] == "FailedValidation"
    world.knobs.location_unavailable = ""
    world.run()
    assert world.status(LOCATIONS, "default")["phase"] == "Available"
    assert world.backup("b2")["phase"] == "Completed"


@pytest.mark.parametrize("phase", ["Failed", "PartiallyFailed"])
def test_a_backup_can_be_made_to_fail(world, phase):
    world.knobs.end.append(
        {"kind": "Backup", "match": "b*", "phase": phase, "reason": "disk on fire"}
    )
    status = world.backup("b1")
    assert status["phase"] == phase
    if phase == "Failed":
        assert status["failureReason"] == "disk on fire"
        assert "backups/b1/b1.tar.gz" not in world.blobs.objects
    else:
        assert status["errors"] == 1
        assert world.file("BackupResults", "b1")["errors"] == {"velero": ["disk on fire"]}


def test_a_slow_backup_is_in_progress_meanwhile_and_a_restart_fails_it(world):
    world.knobs.slow_s["Backup.InProgress"] = 30
    world.make(BACKUPS, "b1", spec={"includedNamespaces": ["shop"]})
    world.run(10)
    assert world.status(BACKUPS, "b1")["phase"] == "InProgress"
    world.velero.restart()
    world.run(60)
    status = world.status(BACKUPS, "b1")
    assert status["phase"] == "Failed"
    assert "during the server starting" in status["failureReason"]


def test_a_schedule_fires_on_time_with_its_label_and_a_wrong_one_is_refused(world):
    world.make(
        SCHEDULES,
        "daily",
        spec={"schedule": "5 3 * * *", "template": {"includedNamespaces": ["shop"]}},
    )
    world.make(SCHEDULES, "wrong", spec={"schedule": "99 * * * *", "template": {}})
    world.run()
    assert world.status(SCHEDULES, "daily")["phase"] == "Enabled"
    assert world.status(SCHEDULES, "wrong")["phase"] == "FailedValidation"
    assert world.store.list(BACKUPS) == []
    world.run(301)
    (made,) = world.store.list(BACKUPS)
    assert made["metadata"]["name"].startswith("daily-2026030103050")
    assert made["metadata"]["labels"]["velero.io/schedule-name"] == "daily"
    assert made["status"]["phase"] == "Completed"
    assert world.status(SCHEDULES, "daily")["lastBackup"].startswith("2026-03-01T03:05")
    world.store.patch(SCHEDULES, "velero", "daily", {"spec": {"paused": True}})
    world.run(2 * 86400)
    assert len(world.store.list(BACKUPS)) == 1


def test_a_deletion_takes_the_files_the_restores_and_the_backup(world):
    world.backup("b1")
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "copy"})
    world.make(DELETIONS, "d1", spec={"backupName": "b1"})
    world.make(DELETIONS, "d2", spec={"backupName": "nobody"})
    world.run()
    assert world.get(BACKUPS, "b1") is None
    assert world.store.list(("velero.io", "restores")) == []
    assert not world.blobs.objects
    assert world.status(DELETIONS, "d1") == {"phase": "Processed"}
    assert world.status(DELETIONS, "d2") == {"phase": "Processed", "errors": ["backup not found"]}


def test_an_expired_backup_is_deleted_and_a_deleted_object_comes_back_from_the_bucket(world):
    world.backup("b1", ttl="2h0m0s")
    world.store.delete(BACKUPS, "velero", "b1")
    world.run(61)
    assert world.status(BACKUPS, "b1")["phase"] == "Completed"
    world.run(2 * 3600)
    assert world.get(BACKUPS, "b1") is None
    assert backup_key("b1", "velero-backup.json") not in world.blobs.objects


def test_long_names_are_shortened_in_labels():
    assert label_value("short") == "short"
    long = label_value("x" * 80)
    assert len(long) == 63
    assert long[:57] == "x" * 57
    assert long != label_value("x" * 81)
