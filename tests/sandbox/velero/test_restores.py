"""Restores: what comes back and how, what is left to controllers, what fails and how it is told."""

from __future__ import annotations

import json

import pytest

from drillkit.sandbox.kube.objects import is_terminating
from drillkit.sandbox.velero.names import BACKUPS, RESTORES

PVS = ("", "persistentvolumes")
CLAIMS = ("", "persistentvolumeclaims")
CONFIG_MAPS = ("", "configmaps")
DEPLOYMENTS = ("apps", "deployments")


def test_a_deleted_namespace_comes_back(world, phases):
    world.backup("b1")
    world.delete_namespace("shop")
    assert world.get(DEPLOYMENTS, "web", "shop") is None
    status = world.restore("r1", backupName="b1")
    assert phases(RESTORES, "r1") == ["New", "InProgress", "Finalizing", "Completed"]
    assert "errors" not in status
    assert status["progress"]["itemsRestored"] == status["progress"]["totalItems"]
    web = world.get(DEPLOYMENTS, "web", "shop")
    assert web is not None
    assert web["spec"]["replicas"] == 2
    assert web["metadata"]["labels"] == {
        "app": "web",
        "velero.io/backup-name": "b1",
        "velero.io/restore-name": "r1",
    }
    space = world.get(("", "namespaces"), "shop", "")
    assert space is not None
    assert space["metadata"]["labels"]["team"] == "web"
    assert world.store.need(RESTORES, "velero", "r1")["metadata"]["finalizers"]


def test_a_restore_waits_for_a_namespace_that_is_still_on_its_way_out(world):
    world.backup("b1")
    world.store.delete(("", "namespaces"), "", "shop")
    assert world.restore("r1", backupName="b1")["phase"] == "InProgress"
    for pod in world.store.list(("", "pods"), "shop"):
        world.store.finalize_pod("shop", pod["metadata"]["name"], pod["metadata"]["uid"])
    world.run(1)
    assert world.status(RESTORES, "r1")["phase"] == "Completed"
    assert world.get(CONFIG_MAPS, "canary", "shop") is not None


def test_a_mapped_restore_stands_beside_the_original_and_touches_nothing_of_it(world):
    before = {
        key: obj["metadata"]["resourceVersion"]
        for key, obj in world.store.table(DEPLOYMENTS).items()
    }
    world.backup("b1")
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr-1"})
    assert world.get(CONFIG_MAPS, "canary", "dr-1")["data"] == {"token": "a1b2"}
    assert world.get(DEPLOYMENTS, "web", "dr-1") is not None
    after = {
        key: obj["metadata"]["resourceVersion"]
        for key, obj in world.store.table(DEPLOYMENTS).items()
    }
    assert before.items() <= after.items()


def test_owned_pods_and_replica_sets_are_left_to_their_controllers_and_bare_pods_come_back(world):
    world.backup("b1")
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    assert [pod["metadata"]["name"] for pod in world.store.list(("", "pods"), "dr")] == ["bare"]
    assert world.store.list(("apps", "replicasets"), "dr") == []
    assert "nodeName" not in world.get(("", "pods"), "bare", "dr")["spec"]
    listed = world.file("RestoreResourceList", "r1")
    assert listed["v1/Pod"] == ["dr/bare(created)", "shop/web-1-a(skipped)"]


def test_services_get_new_addresses(world):
    world.backup("b1")
    original = world.get(("", "services"), "web", "shop")["spec"]
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    restored = world.get(("", "services"), "web", "dr")["spec"]
    assert restored["clusterIP"] != original["clusterIP"]
    assert original["ports"][0]["nodePort"] == 30080
    assert restored["ports"][0].get("nodePort") != 30080


def test_only_the_resources_and_labels_asked_for_come_back(world):
    world.backup("b1")
    world.restore(
        "r1",
        backupName="b1",
        namespaceMapping={"shop": "dr"},
        includedResources=["configmaps", "deployments.apps"],
        orLabelSelectors=[{"matchLabels": {"app": "web"}}],
    )
    assert world.get(DEPLOYMENTS, "web", "dr") is not None
    assert world.store.list(CONFIG_MAPS, "dr") == []
    assert world.store.list(("", "services"), "dr") == []


def test_resource_modifiers_change_what_they_match_by_the_original_namespace(world):
    rules = """
version: v1
resourceModifierRules:
- conditions: {groupResource: cronjobs.batch, namespaces: [shop]}
  mergePatches: [{patchData: '{"spec": {"suspend": true}}'}]
- conditions: {groupResource: services, resourceNameRegex: "^web$", matches: [{path: /spec/type, value: LoadBalancer}]}
  patches:
  - {operation: replace, path: /spec/type, value: ClusterIP}
- conditions: {groupResource: deployments.apps, namespaces: [dr]}
  patches: [{operation: replace, path: /spec/replicas, value: "7"}]
- conditions: {groupResource: deployments.apps}
  patches: [{operation: replace, path: /spec/replicas, value: "1"}]
"""  # noqa: E501
    world.make(CONFIG_MAPS, "rules", data={"rules.yaml": rules})
    world.backup("b1")
    world.restore(
        "r1",
        backupName="b1",
        namespaceMapping={"shop": "dr"},
        resourceModifier={"kind": "configmap", "name": "rules"},
    )
    assert world.get(("batch", "cronjobs"), "nightly", "dr")["spec"]["suspend"] is True
    assert world.get(("", "services"), "web", "dr")["spec"]["type"] == "ClusterIP"
    assert world.get(DEPLOYMENTS, "web", "dr")["spec"]["replicas"] == 1


def test_a_patch_that_does_not_fit_makes_the_restore_partially_failed(world):
    rules = (
        "{version: v1, resourceModifierRules: [{conditions: {groupResource: deployments.apps},"
        " patches: [{operation: remove, path: /spec/nothing}]}]}"
    )
    world.make(CONFIG_MAPS, "rules", data={"rules.yaml": rules})
    world.backup("b1")
    status = world.restore(
        "r1",
        backupName="b1",
        namespaceMapping={"shop": "dr"},
        resourceModifier={"kind": "configmap", "name": "rules"},
    )
    assert (status["phase"], status["errors"]) == ("PartiallyFailed", 1)
    (error,) = world.file("RestoreResults", "r1")["errors"]["namespaces"]["dr"]
    assert "deployments.apps/shop/web" in error


def test_a_saved_volume_comes_back_as_a_new_disk_with_its_contents(world):
    world.backup("b1")
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    claim = world.get(CLAIMS, "data", "dr")
    volume = world.get(PVS, claim["spec"]["volumeName"], "")
    assert volume["metadata"]["name"].startswith("velero-clone-")
    assert volume["spec"]["csi"]["volumeHandle"] != "disk-1"
    assert volume["spec"]["claimRef"]["namespace"] == "dr"
    assert json.loads(volume["metadata"]["annotations"]["sandbox.drillkit.dev/data"]) == {
        "/data/orders": "5000"
    }


def test_a_retained_disk_that_was_not_saved_comes_back_as_the_very_same_disk(world):
    world.store.patch(PVS, "", "pv-1", {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    world.backup("b1", snapshotVolumes=False)
    world.delete_namespace("shop")
    world.store.delete(PVS, "", "pv-1")
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    volume = world.get(PVS, "pv-1", "")
    assert volume["spec"]["csi"]["volumeHandle"] == "disk-1"
    assert world.get(CLAIMS, "data", "dr")["spec"]["volumeName"] == "pv-1"


def test_a_disk_that_was_neither_saved_nor_retained_is_made_anew_and_empty(world):
    world.backup("b1", snapshotVolumes=False)
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    assert "volumeName" not in world.get(CLAIMS, "data", "dr")["spec"]
    assert [volume["metadata"]["name"] for volume in world.store.list(PVS)] == ["pv-1"]


def test_finalizing_puts_the_sources_reclaim_policy_back(world):
    world.store.patch(PVS, "", "pv-1", {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    world.backup("b1")
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    claim = world.get(CLAIMS, "data", "dr")
    volume = world.get(PVS, claim["spec"]["volumeName"], "")
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


def test_what_is_there_already_is_left_with_a_warning_or_updated(world):
    world.backup("b1")
    world.store.patch(CONFIG_MAPS, "shop", "settings", {"data": {"colour": "red"}})
    status = world.restore("r1", backupName="b1", includedResources=["configmaps"])
    assert (status["phase"], status["warnings"]) == ("Completed", 1)
    assert (
        "already exists" in world.file("RestoreResults", "r1")["warnings"]["namespaces"]["shop"][0]
    )
    assert world.get(CONFIG_MAPS, "settings", "shop")["data"] == {"colour": "red"}
    world.restore(
        "r2", backupName="b1", includedResources=["configmaps"], existingResourcePolicy="update"
    )
    assert world.get(CONFIG_MAPS, "settings", "shop")["data"] == {"colour": "blue"}
    assert "shop/settings(updated)" in world.file("RestoreResourceList", "r2")["v1/ConfigMap"]


def test_by_schedule_the_newest_completed_backup_is_taken_and_newer_partial_ones_passed_over(world):
    for name, seconds in (("old", 0), ("good", 60), ("partial", 120)):
        world.run(seconds)
        if name == "partial":
            world.knobs.end.append({"kind": "Backup", "match": name, "phase": "PartiallyFailed"})
        world.make(
            BACKUPS,
            name,
            metadata={"labels": {"velero.io/schedule-name": "daily"}},
            spec={"includedNamespaces": ["shop"]},
        )
        world.run()
    world.restore("r1", scheduleName="daily", namespaceMapping={"shop": "dr"})
    assert world.store.need(RESTORES, "velero", "r1")["spec"]["backupName"] == "good"
    status = world.restore("r2", backupName="partial", namespaceMapping={"shop": "dr2"})
    assert status["phase"] == "Completed"


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({}, "Either a backup or schedule"),
        ({"backupName": "b1", "scheduleName": "daily"}, "Either a backup or schedule"),
        ({"backupName": "nobody"}, 'backups.velero.io "nobody" not found'),
        ({"scheduleName": "nobody"}, "No completed backups found for schedule nobody"),
        ({"backupName": "b1", "includedResources": ["nodes"]}, "nodes are non-restorable"),
        (
            {"backupName": "b1", "resourceModifier": {"kind": "configmap", "name": "x"}},
            "failed to get resource modifiers",
        ),
    ],
)
def test_a_wrong_restore_is_failed_validation_and_says_why(world, spec, complaint):
    world.backup("b1")
    status = world.restore("r1", **spec)
    assert status["phase"] == "FailedValidation"
    assert complaint in " ".join(status["validationErrors"])
    assert "startTimestamp" not in status


def test_a_corrupt_tarball_restores_nothing_and_tells(world):
    world.backup("b1")
    world.knobs.corrupt.append("b1")
    status = world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    assert (status["phase"], status["errors"]) == ("PartiallyFailed", 1)
    assert "error unzipping" in world.file("RestoreResults", "r1")["errors"]["velero"][0]
    assert world.store.get(("", "namespaces"), "", "dr") is None


def test_a_backup_whose_file_is_gone_fails_the_restore(world):
    world.backup("b1")
    world.blobs.delete("backups/b1/b1.tar.gz")
    status = world.restore("r1", backupName="b1")
    assert status["phase"] == "Failed"
    assert "b1.tar.gz does not exist" in status["failureReason"]


def test_a_backup_can_lack_what_it_lists_and_hold_something_else(world):
    world.knobs.omit.append({"backup": "b1", "item": "deployments.apps/shop/*"})
    world.knobs.alter.append(
        {"backup": "b1", "item": "configmaps/shop/canary", "patch": {"data": {"token": "other"}}}
    )
    world.backup("b1")
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    assert world.file("BackupResourceList", "b1")["apps/v1/Deployment"] == ["shop/web"]
    assert world.get(DEPLOYMENTS, "web", "dr") is None
    assert world.get(CONFIG_MAPS, "canary", "dr")["data"] == {"token": "other"}


@pytest.mark.parametrize("phase", ["Failed", "PartiallyFailed"])
def test_a_restore_can_be_made_to_fail(world, phase):
    world.backup("b1")
    world.knobs.end.append(
        {"kind": "Restore", "match": "r1", "phase": phase, "reason": "webhook said no"}
    )
    status = world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    assert (status["phase"], status["errors"]) == (phase, 1)


def test_there_is_one_worker_and_the_others_wait_in_line(world):
    world.backup("b1")
    world.knobs.slow_s["Restore.InProgress"] = 20
    world.make(RESTORES, "r1", spec={"backupName": "b1", "namespaceMapping": {"shop": "dr1"}})
    world.run(1)
    world.make(RESTORES, "r2", spec={"backupName": "b1", "namespaceMapping": {"shop": "dr2"}})
    world.run(10)
    assert world.status(RESTORES, "r1")["phase"] == "InProgress"
    half = world.status(RESTORES, "r1")["progress"]
    assert 0 < half["itemsRestored"] < half["totalItems"]
    assert world.status(RESTORES, "r2")["phase"] == "New"
    world.run(15)
    assert world.status(RESTORES, "r1")["phase"] == "Completed"
    assert world.status(RESTORES, "r2")["phase"] == "InProgress"


def test_a_restart_fails_the_running_restore_and_half_of_it_stays(world):
    world.backup("b1")
    world.knobs.slow_s["Restore.InProgress"] = 20
    world.make(RESTORES, "r1", spec={"backupName": "b1", "namespaceMapping": {"shop": "dr"}})
    world.run(15)
    world.knobs.restarts += 1
    world.run()
    status = world.status(RESTORES, "r1")
    assert status["phase"] == "Failed"
    assert "during the server starting" in status["failureReason"]
    assert world.store.list(CONFIG_MAPS, "dr")
    assert (
        world.get(DEPLOYMENTS, "web", "dr") is None
        or world.get(("", "services"), "web", "dr") is None
    )


def test_deleting_a_running_restore_blocks_the_worker_until_a_restart(world):
    world.backup("b1")
    world.knobs.slow_s["Restore.InProgress"] = 20
    world.make(RESTORES, "r1", spec={"backupName": "b1", "namespaceMapping": {"shop": "dr"}})
    world.run(5)
    world.store.delete(RESTORES, "velero", "r1")
    world.knobs.slow_s.clear()
    assert world.restore("r2", backupName="b1", namespaceMapping={"shop": "dr2"})["phase"] == "New"
    world.velero.restart()
    world.run()
    assert world.status(RESTORES, "r2")["phase"] == "Completed"


def test_a_deleted_restore_takes_its_files_and_waits_for_the_bucket(world):
    world.backup("b1")
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    world.knobs.location_unavailable = "away"
    world.run()
    world.store.delete(RESTORES, "velero", "r1")
    world.run(30)
    left = world.get(RESTORES, "r1")
    assert left is not None
    assert is_terminating(left)
    assert "restores/r1/restore-r1-results.gz" in world.blobs.objects
    world.knobs.location_unavailable = ""
    world.run(10)
    assert world.get(RESTORES, "r1") is None
    assert not [key for key in world.blobs.objects if key.startswith("restores/r1/")]


def test_knobs_can_be_set_by_a_config_map(world):
    knobs = {"location_unavailable": "set from afar"}
    world.make(CONFIG_MAPS, "sandbox-velero-knobs", data={"knobs.json": json.dumps(knobs)})
    world.run()
    assert (
        world.status(("velero.io", "backupstoragelocations"), "default")["message"]
        == "set from afar"
    )
