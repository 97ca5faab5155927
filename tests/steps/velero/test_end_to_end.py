"""Restore drills against the sandbox: what is met, what is violated and why, and that nothing
is left.
"""

from __future__ import annotations

import copy
import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drillkit.model.drill import Drill, Objectives, Step
from drillkit.model.prospect import Prospect
from drillkit.model.target import KubernetesTarget, Target
from drillkit.runner.dry_run import dry_run
from drillkit.runner.request import Request
from drillkit.runner.run_start import new_names
from drillkit.runner.session import differences
from drillkit.steps.velero.arguments import VeleroRestoreArguments
from tests.steps.velero.conftest import DRILL, VELERO, Town

pytestmark = pytest.mark.slow
SHOP = "/api/v1/namespaces/shop"


def drill(**with_: Any) -> dict[str, Any]:
    """The drill of these tests, with other arguments of its restore."""
    made = copy.deepcopy(DRILL)
    step = made["steps"][0]
    step["with"] = {k: v for k, v in {**step["with"], **with_}.items() if v is not None}
    return made


def with_fresh_backup() -> dict[str, Any]:
    """The same, from a backup that the drill takes."""
    made = drill(schedule=None, backup="${steps.save.outputs.backup}")
    made["steps"].insert(
        0, {"name": "save", "uses": "velero.backup", "with": {"namespaces": ["shop"]}}
    )
    return made


def attachments(town: Town) -> set[str]:
    return {path.name for path in (town.folder / "attachments").iterdir()}


def test_the_newest_backup_of_a_schedule_is_restored_read_and_removed(town: Town) -> None:
    ran = town.run(drill())
    assert ran.code == 0, ran.said
    (backup,) = town.evidence("Backup")
    assert (backup["how"], backup["of"]) == ("latest", "schedule shop-daily")
    assert backup["name"] == backup["among"][-1]
    assert "the target has no `aws:`" in backup["unread"][0]
    step = town.verdict["steps"][0]
    assert 0 < step["rto_s"] < 30
    assert 0 < step["rpo_s"] < 3600
    assert set(step["split_s"]) == {"decide", "queue", "restore", "ready", "verify"}
    assert town.judged("comparison/objects")["observed"].startswith("0 of 1")
    assert town.judged("is sealed")["holds"] == "met"
    kept = attachments(town)
    assert {"shop-restore-results.json", "shop-restore.log", "shop-restored-objects.json"} <= kept
    assert town.left() == {}


def test_a_backup_that_the_drill_took_goes_with_all_its_files(town: Town) -> None:
    ran = town.run(with_fresh_backup())
    assert ran.code == 0, ran.said
    assert [step["holds"] for step in town.verdict["steps"]] == ["met", "met"]
    assert [backup["how"] for backup in town.evidence("Backup")] == ["fresh"]
    assert town.left() == {}
    assert [b["metadata"]["name"] for b in town.api.items(f"{VELERO}/backups")] != []


def test_results_are_kept_before_the_restore_is_deleted(town: Town) -> None:
    assert town.run(drill()).code == 0
    records = town.records
    kept = [
        r["n"]
        for r in records
        if r["kind"] == "evidence" and r["data"].get("name") == "shop-restore-results.json"
    ]
    ended = [r["n"] for r in records if r["kind"] == "undo.ended"]
    assert kept
    assert max(kept) < min(ended)


def test_a_cluster_whose_network_ignores_policies_is_refused_and_nothing_is_restored(
    town: Town,
) -> None:
    knobs = {"metadata": {"name": "sandbox-cluster-knobs"}, "data": {"network-policies": "ignored"}}
    town.api("POST", "/api/v1/namespaces/kube-system/configmaps", knobs)
    ran = town.run(drill())
    assert ran.code == 3
    assert "does not enforce NetworkPolicies" in town.verdict["steps"][0]["why"]
    assert town.left() == {}


def test_an_endpoint_that_nobody_reaches_proves_no_seal(town: Town) -> None:
    ran = town.run(drill(reach="127.0.0.1:1"))
    assert ran.code == 3
    assert "could not be proven" in town.verdict["steps"][0]["why"]
    assert town.left() == {}


def test_a_restore_that_fails_in_part_is_violated_with_the_reason_of_velero(town: Town) -> None:
    town.knobs(
        end=[
            {
                "kind": "Restore",
                "match": "*",
                "phase": "PartiallyFailed",
                "reason": "the webhook said no",
            }
        ]
    )
    ran = town.run(drill())
    assert ran.code == 1
    assert "PartiallyFailed" in town.verdict["steps"][0]["why"]
    assert "the webhook said no" in town.verdict["steps"][0]["why"]
    assert "shop-restore-results.json" in attachments(town)
    assert town.left() == {}


def test_a_corrupted_backup_is_violated(town: Town) -> None:
    town.knobs(corrupt=["shop-daily-*"])
    ran = town.run(drill())
    assert ran.code == 1
    assert "error" in town.verdict["steps"][0]["why"]
    assert town.left() == {}


def test_a_backup_that_is_too_old_is_violated_by_the_rpo(town: Town) -> None:
    town.backup("old")
    long_ago = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    town.api("PATCH", f"{VELERO}/backups/old", {"status": {"startTimestamp": long_ago}})
    made = drill(schedule=None, backup="old")
    made["steps"][0]["checks"] = [{"http": {"service": "web", "path": "/health"}}]
    ran = town.run(made)
    assert ran.code == 1
    judged = town.judged("objective/rpo")
    assert judged["holds"] == "violated"
    assert "3 d" in judged["observed"]
    assert town.judged("objective/rto")["holds"] == "met"
    assert town.left() == {}


def test_a_canary_that_came_back_changed_is_violated(town: Town) -> None:
    forged = {
        "backup": "*",
        "item": "configmaps/shop/drillkit-heartbeat",
        "patch": {"data": {"token": "forged"}},
    }
    town.knobs(alter=[forged])
    ran = town.run(with_fresh_backup())
    assert ran.code == 1
    assert "not signed" in town.judged("check/canary")["observed"]
    assert town.left() == {}


def test_an_object_that_did_not_come_back_is_violated_by_name(town: Town) -> None:
    town.knobs(omit=[{"item": "services/shop/orders"}])
    ran = town.run(with_fresh_backup())
    assert ran.code == 1
    assert "service/shop/orders" in town.judged("comparison/objects")["observed"]


def test_a_restore_that_nobody_reads_is_unknown(town: Town) -> None:
    made = drill()
    del made["steps"][0]["checks"]
    made["steps"][0]["objectives"] = {"rpo": "24h"}  # an RTO without a check is refused
    ran = town.run(made)
    assert ran.code == 3
    assert "nobody read the restored data" in town.judged("restored-data")["observed"]


def test_a_location_that_is_away_is_violated_and_nothing_is_made(town: Town) -> None:
    town.knobs(location_unavailable="no such bucket")
    town.until(lambda: town.phase("backupstoragelocations", "default") == "Unavailable")
    ran = town.run(drill())
    assert ran.code == 1
    assert "no such bucket" in town.verdict["steps"][0]["why"]
    assert town.left() == {}


def test_a_restart_of_the_server_is_survived_by_a_second_try(town: Town) -> None:
    town.knobs(slow_s={"Restore.InProgress": 1.5})
    made = drill()
    path = town.drillkit.folder / "dr.yaml"
    path.write_text(json.dumps(made))
    process = town.drillkit.start("run", str(path), "-t", "sandbox", "--yes")
    town.until(
        lambda: (
            "InProgress"
            in [r.get("status", {}).get("phase") for r in town.api.items(f"{VELERO}/restores")]
        )
    )
    town.knobs(slow_s={"Restore.InProgress": 1.5}, restarts=1)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    journal = (town.folder / "journal.jsonl").read_text()
    # The server may have been done before it was restarted.
    tries = 2 if "was interrupted by a restart" in journal else 1
    expected = {1: "shop-restore-results.json", 2: "shop-2-restore-results.json"}
    assert expected[tries] in attachments(town)
    assert town.left() == {}


def test_another_restore_at_work_is_not_held_up(town: Town) -> None:
    town.knobs(slow_s={"Restore.InProgress": 600.0})
    name = town.api.items(f"{VELERO}/backups")[0]["metadata"]["name"]
    body = {
        "apiVersion": "velero.io/v1",
        "kind": "Restore",
        "metadata": {"name": "emergency"},
        "spec": {"backupName": name, "namespaceMapping": {"shop": "rescued"}},
    }
    town.api("POST", f"{VELERO}/restores", body)
    town.until(lambda: town.phase("restores", "emergency") == "InProgress")
    ran = town.run(drill())
    assert ran.code == 3
    assert "emergency" in town.verdict["steps"][0]["why"]
    town.knobs()
    town.until(lambda: town.phase("restores", "emergency") == "Completed")
    town.api("DELETE", f"{VELERO}/restores/emergency")
    town.api("DELETE", "/api/v1/namespaces/rescued")
    town.until(lambda: town.api("GET", "/api/v1/namespaces/rescued") is None)


def test_a_volume_that_would_come_back_as_the_originals_own_disk_is_refused(town: Town) -> None:
    name = next(
        v["metadata"]["name"]
        for v in town.api.items("/api/v1/persistentvolumes")
        if v["spec"]["claimRef"]["namespace"] == "shop"
    )
    town.api(
        "PATCH",
        f"/api/v1/persistentvolumes/{name}",
        {"spec": {"persistentVolumeReclaimPolicy": "Retain"}},
    )
    try:
        town.backup("skipping", snapshotVolumes=False)
        ran = town.run(drill(schedule=None, backup="skipping"))
        assert ran.code == 3
        assert "the original's disk" in town.verdict["steps"][0]["why"]
        assert town.run(drill(schedule=None, backup="skipping", volumes=False)).code == 0
        assert town.left() == {}
    finally:
        town.api(
            "PATCH",
            f"/api/v1/persistentvolumes/{name}",
            {"spec": {"persistentVolumeReclaimPolicy": "Delete"}},
        )


def test_a_namespace_of_somebody_else_is_left_alone(town: Town) -> None:
    town.api("POST", "/api/v1/namespaces", {"metadata": {"name": "taken"}})
    ran = town.run(drill(namespaces={"shop": "taken"}))
    assert ran.code == 4
    assert "taken exists already" in ran.said
    assert (
        town.api("GET", "/api/v1/namespaces/taken")["metadata"]
        .get("labels", {})
        .get("drillkit.dev/run")
        is None
    )
    town.api("DELETE", "/api/v1/namespaces/taken")


FRESH: dict[str, Any] = {
    "drill": "dr",
    "owner": "me@example.com",
    "steps": [{"name": "fresh", "uses": "velero.freshness", "with": {"max_age": "26h"}}],
}


def test_fresh_backups_are_met_and_nothing_is_touched(town: Town) -> None:
    ran = town.run(FRESH)
    assert ran.code == 0, ran.said
    assert "age of the last good backup of shop-daily" in json.dumps(town.verdict)


def test_a_newer_backup_that_failed_in_part_is_not_passed_over_in_silence(town: Town) -> None:
    town.knobs(
        end=[
            {
                "kind": "Backup",
                "match": "broken",
                "phase": "PartiallyFailed",
                "reason": "a disk was busy",
            }
        ]
    )
    town.backup("broken", schedule="shop-daily")
    ran = town.run(FRESH)
    assert ran.code == 1
    assert town.judged("last backup of shop-daily")["observed"] == "PartiallyFailed"
    assert town.run(drill()).code == 0
    assert "passed over: broken" in (town.folder / "journal.jsonl").read_text()


def test_a_newer_backup_is_told_at_the_hold_good_or_not(town: Town, tmp_path: Path) -> None:
    arguments = VeleroRestoreArguments(namespaces={"shop": "dr-1"}, schedule="shop-daily")
    kubernetes = KubernetesTarget(kubeconfig=str(town.api.kubeconfig))
    step = Step(name="shop", uses="velero.restore", objectives=Objectives(rpo=timedelta(0)))
    request = Request(
        drill=Drill(drill="dr", owner="me", steps=(step,)),
        source=b"",
        target=Target(name="town", kubernetes=kubernetes),
        names=new_names("dr"),
        reports=tmp_path,
        bind=lambda step, outputs: arguments,
        find_experiment=lambda name: pytest.fail(name),
        digests={},
    )

    def look() -> Prospect:
        return dry_run(request).plan.steps[0].prospect

    planned = look()

    def aged() -> Prospect | None:
        """It says how old the backup is, in words that change."""
        found = look()
        return found if found.fails != planned.fails else None

    assert differences(planned, town.until(aged)) == ()
    town.knobs(end=[{"kind": "Backup", "match": "broken", "phase": "Failed", "reason": "disk"}])
    town.backup("broken", schedule="shop-daily")
    assert "now: backup broken: Failed, passed over" in differences(planned, failed := look())
    time.sleep(1)  # Velero's times are whole seconds, and the newer of two needs another one
    town.backup("newer", schedule="shop-daily")
    assert set(differences(failed, look())) >= {
        f"no more: {planned.seen[0]}",
        "now: backup newer: it would be restored",
    }


def test_a_paused_schedule_and_an_old_backup_are_violated(town: Town) -> None:
    town.api("PATCH", f"{VELERO}/schedules/shop-daily", {"spec": {"paused": True}})
    try:
        made = copy.deepcopy(FRESH)
        made["steps"][0]["with"]["max_age"] = "1ms"
        ran = town.run(made)
    finally:
        town.api("PATCH", f"{VELERO}/schedules/shop-daily", {"spec": {"paused": False}})
    assert ran.code == 1
    assert town.judged("schedule shop-daily")["observed"] == "paused"
    assert town.judged("age of the last good backup")["holds"] == "violated"


def test_a_schedule_that_does_not_exist_is_no_weakness_but_a_slip_and_refused(town: Town) -> None:
    ran = town.run(drill(schedule="nightly"))
    assert ran.code == 4
    assert "there are shop-daily" in ran.err
    ran = town.drillkit("plan", str(town.drillkit.folder / "dr.yaml"), "-t", "sandbox")
    assert ran.code == 4
    assert "problem: step `shop`: expected schedule nightly" in ran.out


def test_a_backup_that_is_too_old_for_the_rpo_is_what_plan_says_a_run_would_find(
    town: Town,
) -> None:
    made = drill()
    made["steps"][0]["objectives"] = {"rpo": "100ms"}
    file = town.drillkit.folder / "old.yaml"
    file.write_text(json.dumps(made))
    ran = town.drillkit("plan", str(file), "-t", "sandbox")
    assert ran.code == 1, ran.said
    assert re.search(r"it fails: step `shop`: backup \S+, .* old; RPO 0.1 s: cannot be", ran.out)
    made["steps"][0]["objectives"] = {"rpo": "48h"}
    file.write_text(json.dumps(made))
    ran = town.drillkit("plan", str(file), "-t", "sandbox")
    assert ran.code == 0, ran.said
    assert re.search(r"note +backup \S+, .* old; RPO 2 d: can be met", ran.out)


def test_a_schedule_without_a_good_backup_is_what_plan_says_a_run_would_find(town: Town) -> None:
    schedule = town.api("GET", f"{VELERO}/schedules/shop-daily")
    made = {**schedule, "metadata": {"name": "young", "namespace": "velero"}, "status": {}}
    made["spec"] = {**schedule["spec"], "schedule": "0 0 1 1 *"}
    town.api("POST", f"{VELERO}/schedules", made)
    try:
        assert town.run(drill(schedule="young")).code == 1
        ran = town.drillkit("plan", str(town.drillkit.folder / "dr.yaml"), "-t", "sandbox")
    finally:
        town.api("DELETE", f"{VELERO}/schedules/young")
    assert ran.code == 1
    assert "as things are now it fails: step `shop`: expected a Completed backup" in ran.out
    assert "it would start, and fail" in ran.out


def test_a_backup_without_the_namespace_is_violated_before_anything_is_made(town: Town) -> None:
    ran = town.run(drill(namespaces={"warehouse": "dr-${run.id}"}))
    assert ran.code == 1
    assert "holds nothing of namespace warehouse" in town.verdict["steps"][0]["why"]
    assert town.left() == {}


def test_a_namespace_that_can_be_none_is_refused_by_name(town: Town) -> None:
    ran = town.run(drill(namespaces={"${nothing}": "dr-${run.id}"}))
    assert ran.code in (2, 4)
    assert "${nothing}" in ran.said
