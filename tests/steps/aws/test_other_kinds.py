"""Aurora, failovers, caches, deleted sources, freshness; and Jobs that read from inside
a cluster.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from drillkit.clients import redis
from drillkit.clock import SystemClock
from drillkit.model.drill import Objectives, StepCheck
from drillkit.model.evidence import Backup, Check, Comparison
from drillkit.model.prospect import Prospect
from drillkit.runner.session import differences
from tests.steps.aws.conftest import CHECKS, CLUSTER, SOURCE, Lab

pytestmark = pytest.mark.slow
ALIVE = (StepCheck(table="orders", rows=True, expect=">= 5000"),)
CACHE = "microservices-dev-cache"
SOON = Objectives(rto=timedelta(minutes=2))


def actions(calls: list[dict[str, Any]], *names: str) -> list[str]:
    return [call["action"] for call in calls if call["action"] in names]


def test_an_aurora_cluster_restores_to_a_point_in_time_members_after_the_cluster(lab: Lab) -> None:
    ran = lab.run(
        "aurora.point-in-time-restore", source=CLUSTER, objectives=SOON, checks=CHECKS, members=2
    )
    assert ran.holds == "met", ran.verdict.headline
    order = actions(
        ran.calls,
        "RestoreDBClusterToPointInTime",
        "CreateDBInstance",
        "DeleteDBInstance",
        "DeleteDBCluster",
    )
    assert order[0] == "RestoreDBClusterToPointInTime"
    assert order[1:3] == ["CreateDBInstance"] * 2
    assert order[-1] == "DeleteDBCluster"
    assert ran.asked("RestoreDBClusterToPointInTime")[0]["params"]["RestoreType"] == "full-copy"
    (settings,) = [c for c in ran.evidence(Comparison) if c.of == "settings"]
    assert {what for what, _, _ in settings.differs} <= set(settings.allowed)


def test_an_aurora_cluster_restores_from_automated_and_fresh_snapshots(lab: Lab) -> None:
    for origin in ("automated", "fresh"):
        ran = lab.run("aurora.snapshot-restore", source=CLUSTER, from_=origin, checks=ALIVE)
        assert ran.holds == "met", ran.verdict.headline
        assert set(ran.undone().values()) == {"undone"}
        (backup,) = ran.evidence(Backup)
        assert backup.how == ("fresh" if origin == "fresh" else "latest")
        assert bool(backup.among) == (origin == "automated")


def test_an_aurora_cluster_that_cannot_be_restored_leaves_nothing(lab: Lab) -> None:
    lab.aws.fail_next("restore-error", kind="cluster", match="dr-*")
    ran = lab.run("aurora.point-in-time-restore", source=CLUSTER, checks=ALIVE)
    assert ran.holds == "violated"
    assert "is restore-error" in ran.why
    assert ran.left == ()


def test_an_aurora_failover_makes_another_member_the_writer(lab: Lab) -> None:
    objectives = Objectives(recovery=timedelta(seconds=30))
    ran = lab.run("aurora.failover", source=CLUSTER, objectives=objectives, checks=ALIVE)
    assert ran.holds == "met", ran.verdict.headline
    again = lab.run(
        "aurora.failover", source=CLUSTER, objectives=objectives, checks=ALIVE, to=f"{CLUSTER}-1"
    )
    assert again.holds == "met", again.verdict.headline
    assert (
        again.asked("FailoverDBCluster")[0]["params"]["TargetDBInstanceIdentifier"]
        == f"{CLUSTER}-1"
    )
    refused = lab.run("aurora.failover", source=CLUSTER, to=SOURCE)
    assert "is no reader of" in refused.verdict.headline


def test_a_multi_az_instance_fails_over_to_its_standby(lab: Lab) -> None:
    rds = lab.clients().rds
    before = rds.instance(SOURCE)
    assert before is not None
    ran = lab.run(
        "rds.failover",
        source=SOURCE,
        objectives=Objectives(recovery=timedelta(seconds=30)),
        checks=ALIVE,
    )
    assert ran.holds == "met", ran.verdict.headline
    assert ran.verdict.steps[0].hit == (f"rds instance/{lab.aws.region}/{SOURCE}",)
    after = rds.instance(SOURCE)
    assert after is not None
    assert after["AvailabilityZone"] == before["SecondaryAvailabilityZone"]
    assert [c.purpose for c in ran.evidence(Check)] == ["in-effect", "step"]


def test_what_has_no_standby_is_refused_before_anything_happens(lab: Lab) -> None:
    ran = lab.run("rds.failover", source=f"{CLUSTER}-1")
    assert "is not Multi-AZ" in ran.verdict.headline
    assert ran.asked("RebootDBInstance") == []


def test_a_cache_fails_over_and_restores_from_a_fresh_snapshot(lab: Lab) -> None:
    source = CACHE
    whole = Objectives(recovery=timedelta(minutes=1))
    ran = lab.run("elasticache.failover", source=source, checks=(), objectives=whole)
    assert ran.holds == "met", ran.verdict.headline
    group = lab.clients().elasticache.group(source)
    assert group is not None
    endpoint = group["NodeGroups"][0]["PrimaryEndpoint"]
    assert redis.count_keys(redis.Cache(endpoint["Address"], endpoint["Port"]), None, 5) == 200
    restored = lab.run("elasticache.snapshot-restore", source=source, from_="fresh", checks=())
    assert restored.holds == "met", restored.verdict.headline
    (backup,) = restored.evidence(Backup)
    assert (backup.how, backup.immutable, backup.encrypted) == ("fresh", False, None)
    too_few = lab.run(
        "elasticache.snapshot-restore", source=source, from_="fresh", checks=(), keys=999
    )
    assert too_few.why == f"keys in the copy of {source}: expected at least 999, found 200"
    assert too_few.holds == "violated"


def test_fresh_backups_are_met_and_old_ones_violated(lab: Lab) -> None:
    for source in (SOURCE, CLUSTER):
        fresh = lab.run("rds.freshness", source=source, checks=())
        assert fresh.holds == "met", fresh.verdict.headline
        assert {c["action"] for c in fresh.calls} <= {
            "DescribeDBInstances",
            "DescribeDBClusters",
            "DescribeDBSnapshots",
            "DescribeDBClusterSnapshots",
            "GetCallerIdentity",
        }
    old = lab.run("rds.freshness", source=SOURCE, checks=(), max_age=timedelta(milliseconds=1))
    assert old.holds == "violated"
    assert "latest restorable time (age, s): expected <= 0.001" in old.why
    kept = lab.run("rds.freshness", source=SOURCE, checks=(), retention=timedelta(days=30))
    assert "backup retention (days): expected >= 30, found 7" in kept.why


@pytest.mark.parametrize(
    ("uses", "source", "named", "snapshot", "of"),
    [
        ("rds.snapshot-restore", SOURCE, "DBSnapshotIdentifier", "DBSnapshot", "DBInstance"),
        (
            "aurora.snapshot-restore",
            CLUSTER,
            "DBClusterSnapshotIdentifier",
            "DBClusterSnapshot",
            "DBCluster",
        ),
        ("elasticache.snapshot-restore", CACHE, "SnapshotName", "Snapshot", "ReplicationGroup"),
    ],
)
def test_a_newer_snapshot_is_told_at_the_hold_and_one_that_is_only_older_by_now_is_not(
    lab: Lab, uses: str, source: str, named: str, snapshot: str, of: str
) -> None:
    clients = lab.clients()
    door = clients.elasticache.service if of == "ReplicationGroup" else clients.rds.service
    taken: list[str] = []

    def look() -> Prospect:
        tiny = timedelta(milliseconds=1)
        return lab.prospect(uses, source=source, from_="manual", rpo=tiny)

    def take(name: str) -> Prospect:
        whose = {f"{of}Id" if of == "ReplicationGroup" else f"{of}Identifier": source}
        door._send(f"Create{snapshot}", "prepare", **{named: name}, **whose)
        taken.append(name)
        _until(lambda: name in str(look().seen))
        return look()

    try:
        planned = take("first")
        assert planned.fails
        _until(lambda: look().fails != planned.fails)  # it says how old it is
        older, newer = look(), take("second")
        assert differences(planned, older) == ()
        gone, now = differences(older, newer)
        assert gone.startswith("no more: ")
        assert gone.endswith("/first: it would be restored")
        assert now.startswith("now: ")
        assert now.endswith("/second: it would be restored")
        assert planned.targets == newer.targets
    finally:
        for name in taken:
            door._send(f"Delete{snapshot}", "tidy up", **{named: name})


def test_a_source_that_is_gone_restores_from_the_backups_it_left(lab: Lab) -> None:
    rds = lab.clients().rds
    door, name = rds.service, "victim"
    described = rds.instance(SOURCE)
    assert described is not None
    door._send(
        "RestoreDBInstanceToPointInTime",
        "prepare",
        SourceDBInstanceIdentifier=SOURCE,
        UseLatestRestorableTime=True,
        TargetDBInstanceIdentifier=name,
        DeletionProtection=False,
        BackupRetentionPeriod=7,
        Tags=[],
    )
    _until(lambda: (rds.instance(name) or {}).get("DBInstanceStatus") == "available")
    uid = (rds.instance(name) or {})["DbiResourceId"]
    door._send(
        "DeleteDBInstance",
        "prepare",
        DBInstanceIdentifier=name,
        SkipFinalSnapshot=True,
        DeleteAutomatedBackups=False,
    )
    _until(lambda: rds.instance(name) is None)
    target = replace(
        lab.target, databases={**lab.target.databases, name: lab.target.databases[SOURCE]}
    )
    try:
        ran = lab.run(
            "rds.point-in-time-restore",
            source=name,
            instance_class="db.t4g.small",
            target=target,
            checks=ALIVE,
        )
        assert ran.holds == "met", ran.verdict.headline
        (call,) = ran.asked("RestoreDBInstanceToPointInTime")
        assert call["params"]["SourceDbiResourceId"] == uid
        assert "SourceDBInstanceIdentifier" not in call["params"]
        assert call["params"]["DBInstanceClass"] == "db.t4g.small"
    finally:
        door._send("DeleteDBInstanceAutomatedBackup", "tidy up", DbiResourceId=uid)
    gone = lab.run("rds.point-in-time-restore", source=name)
    assert "no automated backup of it is kept" in gone.verdict.headline


def _until(so: Any, limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not so():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("ahead_s", [3600, -3600])
def test_the_age_of_a_backup_goes_by_the_clock_that_dates_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    """By ours it would be an hour old, or of the future, of which nobody knows the age."""
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda clock: now(clock) + ahead_s)
    fresh = lab.run("rds.freshness", source=SOURCE, checks=(), max_age=timedelta(minutes=30))
    assert fresh.holds == "met", fresh.verdict.headline
