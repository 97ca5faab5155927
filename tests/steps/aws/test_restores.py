"""Restores of a real PostgreSQL: met, violated each for its own reason, unknown when nobody
could look.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from drillkit.model.draw import position
from drillkit.model.drill import Objectives, StepCheck
from drillkit.model.evidence import Backup, Check, Comparison, RecoveryPoint
from tests.steps.aws.conftest import CHECKS, SOURCE, Lab

pytestmark = pytest.mark.slow
SOON = Objectives(rto=timedelta(minutes=2), rpo=timedelta(seconds=30))
PITR = "rds.point-in-time-restore"


def test_a_restore_whose_rows_come_back_is_met_and_leaves_nothing(lab: Lab) -> None:
    checks = (
        *CHECKS,
        StepCheck(table="orders", newest="created_at", expect="< 30s"),
        StepCheck(table="orders", checksum="id", keys="1..5000"),
        StepCheck(
            sql="select email from customers where id = 7", expect="== customer7@example.com"
        ),
    )
    ran = lab.run(PITR, source=SOURCE, objectives=SOON, checks=checks)
    assert ran.holds == "met", ran.verdict.headline
    assert ran.left == ()
    assert set(ran.undone().values()) == {"undone"}
    assert len(ran.undone()) == 2
    expected = [
        "disrupted",
        "decided",
        "queued",
        "started",
        "restored",
        "ready",
        "warm",
        "verified",
    ]
    assert [m for m in ran.marks() if m in expected] == expected
    points = {p.basis for p in ran.evidence(RecoveryPoint)}
    assert points == {"latest-restorable", "canary", "newest-row"}
    (backup,) = ran.evidence(Backup)
    assert (backup.how, backup.place) == ("latest", f"account {lab.aws.account}")
    assert backup.between is not None
    assert backup.between[0] < backup.between[1] == backup.created
    assert backup.encrypted is not None
    assert backup.immutable is False
    (settings,) = [c for c in ran.evidence(Comparison) if c.of == "settings"]
    assert settings.compared > 20
    assert {what for what, _, _ in settings.differs} <= set(settings.allowed)
    step = ran.verdict.steps[0]
    assert step.rpo_s is not None
    assert step.rpo_s < 10
    assert set(step.split_s) >= {"decide", "queue", "restore", "ready", "warm", "verify"}


def test_backups_that_have_lost_rows_violate_by_their_count(lab: Lab) -> None:
    lab.aws.damage(SOURCE, mode="sql", sql="delete from orders where id > 100")
    ran = lab.run(PITR, source=SOURCE, objectives=SOON)
    assert ran.holds == "violated"
    assert ran.why == "rows of orders: expected >= 5000, found 100"


def test_backups_whose_rows_were_changed_violate_by_their_checksum(lab: Lab) -> None:
    lab.aws.damage(
        SOURCE, mode="sql", sql="update orders set quantity = quantity + 1 where id = 2500"
    )
    ran = lab.run(
        PITR, source=SOURCE, checks=(StepCheck(table="orders", checksum="id", keys="1..5000"),)
    )
    assert ran.holds == "violated"
    (sums,) = [c for c in ran.evidence(Comparison) if c.of == "checksums"]
    assert [what for what, _, _ in sums.differs] == ["part 7"]


def test_a_heartbeat_that_nobody_signed_violates(lab: Lab) -> None:
    lab.aws.damage(SOURCE, mode="sql", sql="update drillkit_heartbeat set token = reverse(token)")
    ran = lab.run(PITR, source=SOURCE, objectives=SOON)
    assert ran.holds == "violated"
    assert (
        "canary heartbeat: expected == authentic, found not signed with the target's key" in ran.why
    )


def test_without_a_key_the_originals_heartbeat_tells_byte_for_byte(lab: Lab) -> None:
    lab.aws.damage(
        SOURCE, mode="sql", sql="update drillkit_heartbeat set signature = upper(signature)"
    )
    ran = lab.run(PITR, source=SOURCE, target=replace(lab.target, canary_key=None))
    assert "canary heartbeat: expected == authentic, found differs from the original's" in ran.why


def test_backups_that_are_too_old_violate_the_recovery_point_objective(lab: Lab) -> None:
    lab.aws.settings(stalled_archivers=[SOURCE])
    time.sleep(4)
    ran = lab.run(PITR, source=SOURCE, objectives=Objectives(rpo=timedelta(seconds=2)))
    lab.aws.settings(stalled_archivers=[])
    assert ran.holds == "violated"
    rpo = [j for j in ran.verdict.steps[0].judged if str(j.about).endswith("objective/rpo")]
    assert rpo[0].holds.name == "VIOLATED"
    assert "by the heartbeat" in rpo[0].note
    assert ran.verdict.steps[0].outcome == "ok"


@pytest.mark.realtime
def test_a_restore_that_fails_violates_at_once_and_says_what_to_do(lab: Lab) -> None:
    lab.aws.fail_next("restore-error", match="dr-*")
    began = time.monotonic()
    ran = lab.run(PITR, source=SOURCE, objectives=SOON)
    assert time.monotonic() - began < 30
    assert ran.holds == "violated"
    assert "is restore-error: the backup cannot be restored" in ran.why
    assert ran.left == ()


def test_a_restore_whose_data_nobody_could_read_is_unknown(lab: Lab) -> None:
    wrong = lab.folder / "wrong.login"
    wrong.write_text("app:not-the-password")
    target = replace(lab.target, databases={SOURCE: f"file:{wrong}"})
    ran = lab.run(PITR, source=SOURCE, objectives=SOON, target=target)
    assert ran.holds == "unknown"
    assert all(check.found is None for check in ran.evidence(Check))
    assert "not-the-password" not in "".join(map(str, ran.records))


def test_a_restore_without_checks_is_unknown(lab: Lab) -> None:
    ran = lab.run(PITR, source=SOURCE, objectives=SOON, checks=())
    assert ran.holds == "unknown"
    assert ran.verdict.steps[0].outcome == "ok"


def test_a_time_is_restored_exactly_and_one_outside_of_the_window_is_refused(lab: Lab) -> None:
    rds = lab.clients().rds
    described = rds.instance(SOURCE)
    assert described is not None
    point = described["LatestRestorableTime"] - timedelta(seconds=1)
    counted = StepCheck(
        sql=f"select count(*) from orders where created_at > '{point.isoformat()}'", expect="== 0"
    )
    ran = lab.run(PITR, source=SOURCE, to=point, checks=(counted,))
    assert ran.holds == "met", ran.verdict.headline
    assert ran.asked("RestoreDBInstanceToPointInTime")[0]["params"]["RestoreTime"].startswith(
        f"{point:%Y-%m-%dT%H:%M}"
    )
    refused = lab.run(PITR, source=SOURCE, to=datetime(2020, 1, 1, tzinfo=UTC))
    assert (
        "2020-01-01T00:00:00+00:00 cannot be restored: expected a time from"
        in refused.verdict.headline
    )
    assert refused.asked("RestoreDBInstanceToPointInTime") == []


def test_a_fresh_snapshot_restores_and_is_removed_with_its_copy(lab: Lab) -> None:
    ran = lab.run("rds.snapshot-restore", source=SOURCE, from_="fresh", objectives=SOON)
    assert ran.holds == "met", ran.verdict.headline
    kinds = {resource.split("/")[0] for resource in ran.undone()}
    assert kinds == {"rds instance", "rds snapshot", "rds parameter-group"}
    marks = ran.marks()
    assert marks.index("disrupted") == 0
    taken = next(r for r in ran.records if r["data"].get("undo") == "rds.delete-snapshot")
    disrupted = next(r for r in ran.records if r["data"].get("moment") == "disrupted")
    assert taken["n"] < disrupted["n"]


def test_the_newest_automated_snapshot_restores_here_and_in_the_dr_region(lab: Lab) -> None:
    here = lab.run("rds.snapshot-restore", source=SOURCE, choose="random")
    assert here.holds == "met", here.verdict.headline
    (backup,) = here.evidence(Backup)
    assert backup.among[position(backup.seed, backup.among)] == backup.name
    assert here.asked("RestoreDBInstanceFromDBSnapshot")[0]["params"]["DBSnapshotIdentifier"] == (
        backup.name
    )
    assert here.verdict.steps[0].rpo_s is None
    there = lab.run("rds.cross-region-restore", source=SOURCE)
    assert there.holds == "met", there.verdict.headline
    (copy,) = there.asked("CopyDBSnapshot")
    assert copy["region"] == lab.aws.dr_region
    assert copy["params"]["SourceDBSnapshotIdentifier"].startswith(f"arn:aws:rds:{lab.aws.region}:")
    assert [c["region"] for c in there.asked("RestoreDBInstanceFromDBSnapshot")] == [
        lab.aws.dr_region
    ]


def test_calls_without_an_answer_are_found_again_and_adopted(lab: Lab) -> None:
    lab.aws.rule("drop-answer", action="RestoreDBInstanceToPointInTime")
    lab.aws.rule("drop-answer", action="CopyDBParameterGroup")
    lab.aws.rule("drop-answer", action="CreateDBParameterGroup")
    lab.aws.rule("drop-answer", action="DeleteDBInstance")
    ran = lab.run(PITR, source=SOURCE)
    assert ran.holds == "met", ran.verdict.headline
    assert len(ran.asked("RestoreDBInstanceToPointInTime")) == 2
    assert ran.left == ()


def test_throttling_and_a_copy_that_is_hidden_for_a_while_only_cost_time(lab: Lab) -> None:
    lab.aws.rule("throttle", action="*", times=4, skip=6)
    lab.aws.hide("dr-*", 1.5)
    ran = lab.run(PITR, source=SOURCE)
    assert ran.holds == "met", ran.verdict.headline


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("InstanceQuotaExceeded", "Raise this quota"),
        ("InsufficientDBInstanceCapacity", "Try another zone"),
        ("KMSKeyNotAccessibleFault", "CreateGrant on the key"),
    ],
)
def test_what_would_fail_in_a_disaster_too_is_violated_with_advice(
    lab: Lab, code: str, what: str
) -> None:
    lab.aws.rule("error", action="RestoreDBInstanceToPointInTime", code=code, status=400, times=0)
    ran = lab.run(PITR, source=SOURCE)
    assert ran.holds == "violated"
    assert what in ran.why


def test_missing_permission_is_unknown_since_it_says_nothing_about_the_backup(lab: Lab) -> None:
    lab.aws.rule(
        "error", action="RestoreDBInstanceToPointInTime", code="AccessDenied", status=403, times=0
    )
    ran = lab.run(PITR, source=SOURCE)
    assert ran.holds == "unknown"
    assert "Grant that action" in ran.why


def test_another_account_is_never_touched(lab: Lab) -> None:
    ran = lab.run(PITR, source=SOURCE, target=lab.with_aws(account="999999999999"))
    assert (
        "pinned to AWS account 999999999999, but these credentials lead to 123456789012"
        in ran.verdict.headline
    )
    assert {call["action"] for call in ran.calls} == {"GetCallerIdentity"}


def test_without_a_drill_network_nothing_begins(lab: Lab) -> None:
    ran = lab.run(PITR, source=SOURCE, target=lab.with_aws(security_groups=()))
    assert "the target names no drill network" in ran.verdict.headline
    assert ran.asked("RestoreDBInstanceToPointInTime") == []


def test_more_instances_than_the_target_allows_are_refused(lab: Lab) -> None:
    target = replace(lab.target, caps=replace(lab.target.caps, instances=0))
    ran = lab.run(PITR, source=SOURCE, target=target)
    assert "allows 0 restored instances at once" in ran.verdict.headline


def test_a_name_that_somebody_else_has_is_refused_and_stays(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "drillkit.steps.rds.instance_restore.resource_name", lambda act, suffix="": suffix or SOURCE
    )
    ran = lab.run(PITR, source=SOURCE)
    assert "found one that this run did not make; it is left alone" in ran.why
    assert {r.split("/")[-1]: o for r, o in ran.undone().items()}[SOURCE] in (
        "not-ours",
        "never-happened",
    )
    assert lab.clients().rds.instance(SOURCE) is not None
