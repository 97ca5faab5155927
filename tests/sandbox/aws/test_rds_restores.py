"""Restores of real PostgreSQL data: snapshots, points in time, other regions, sources that
are gone.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

SHOP = "microservices-dev-db"
QUIET = {"BackupRetentionPeriod": 0, "DeletionProtection": False}


def shipped_past(lab: Any, rds: Any, moment: datetime) -> None:
    """Waits until the source can be restored to `moment`."""
    lab.until(lambda: lab.instance(rds, SHOP)["LatestRestorableTime"] > moment)


@pytest.mark.slow
def test_a_point_in_time_restore_brings_back_the_rows_lost_since_and_not_one_written_later(
    aws, lab
):
    rds = lab.client()
    with lab.sql(lab.instance(rds, SHOP)["Endpoint"]) as sql:
        sql("create table ledger (n int)")
        sql("insert into ledger select generate_series(1, 1000)")
        time.sleep(0.05)
        before = sql("select clock_timestamp()")
        time.sleep(0.05)
        sql("delete from ledger where n > 10")
        sql("insert into ledger values (9999)")
        shipped_past(lab, rds, before)
        rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=SHOP,
            TargetDBInstanceIdentifier="pitr",
            RestoreTime=before,
            **QUIET,
        )
        copy = lab.settled(rds, "pitr")
        assert copy["DBInstanceStatus"] == "available"
        with lab.sql(copy["Endpoint"]) as restored:
            assert restored("select count(*) from ledger") == 1000
            assert restored("select max(n) from ledger") == 1000
        assert sql("select count(*) from ledger") == 11
        sql("drop table ledger")
    lab.gone(rds, "pitr")


@pytest.mark.slow
def test_the_latest_restorable_time_can_be_restored_and_holds_every_order_before_it(aws, lab):
    rds = lab.client()
    with lab.sql(lab.instance(rds, SHOP)["Endpoint"]) as sql:
        rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=SHOP,
            TargetDBInstanceIdentifier="latest",
            UseLatestRestorableTime=True,
            **QUIET,
        )
        point = lab.instance(rds, SHOP)["LatestRestorableTime"]
        copy = lab.settled(rds, "latest")
        with lab.sql(copy["Endpoint"]) as restored:
            newest = restored("select max(created_at) from orders")
            count = restored("select count(*) from orders")
        assert newest <= point + timedelta(seconds=1)
        assert point - newest < timedelta(seconds=3)
        assert count == sql(
            f"select count(*) from orders where created_at <= '{newest.isoformat()}'"
        )
        assert count >= 5000
    lab.gone(rds, "latest")


def test_times_outside_the_restorable_window_are_refused(lab):
    rds = lab.client()
    for moment in (datetime.now(UTC) + timedelta(minutes=1), datetime(2001, 1, 1, tzinfo=UTC)):
        with pytest.raises(ClientError, match="outside the restorable window") as caught:
            rds.restore_db_instance_to_point_in_time(
                SourceDBInstanceIdentifier=SHOP,
                TargetDBInstanceIdentifier="never",
                RestoreTime=moment,
            )
        assert caught.value.response["Error"]["Code"] == "InvalidRestoreFault"
    with pytest.raises(ClientError, match="exactly one"):
        rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=SHOP, TargetDBInstanceIdentifier="never"
        )


@pytest.mark.slow
def test_the_latest_restorable_time_stands_still_while_the_archiver_does(aws, lab):
    rds = lab.client()
    aws.settings(stalled_archivers=[SHOP])
    time.sleep(1.0)
    stuck = lab.instance(rds, SHOP)["LatestRestorableTime"]
    time.sleep(1.0)
    assert lab.instance(rds, SHOP)["LatestRestorableTime"] == stuck
    aws.settings(stalled_archivers=[])
    shipped_past(lab, rds, stuck + timedelta(seconds=1))


@pytest.mark.slow
def test_a_snapshot_restores_its_own_rows_with_the_settings_given_even_false_and_zero_ones(
    aws, lab
):
    rds = lab.client()
    with lab.sql(lab.instance(rds, SHOP)["Endpoint"]) as sql:
        sql("create table snap (n int)")
        sql("insert into snap values (1), (2), (3)")
        taken = rds.create_db_snapshot(DBSnapshotIdentifier="s1", DBInstanceIdentifier=SHOP)[
            "DBSnapshot"
        ]
        assert taken["Status"] == "creating"
        assert lab.instance(rds, SHOP)["DBInstanceStatus"] == "backing-up"
        lab.until(
            lambda: (
                rds.describe_db_snapshots(DBSnapshotIdentifier="s1")["DBSnapshots"][0]["Status"]
                == "available"
            )
        )
        sql("drop table snap")
    lab.settled(rds, SHOP)
    answer = rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="snap1",
        DBSnapshotIdentifier="s1",
        MultiAZ=False,
        PubliclyAccessible=False,
        **QUIET,
        DBSubnetGroupName=aws.subnet_group,
        VpcSecurityGroupIds=[aws.security_group],
        Tags=[{"Key": "a", "Value": "b"}],
    )["DBInstance"]
    assert answer["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in answer
    copy = lab.settled(rds, "snap1")
    with lab.sql(copy["Endpoint"]) as restored:
        assert restored("select count(*) from snap") == 3
        assert restored("select count(*) from orders") >= 5000
    assert copy["DeletionProtection"] is False
    assert copy["BackupRetentionPeriod"] == 0
    assert copy["MultiAZ"] is False
    assert copy["TagList"] == [{"Key": "a", "Value": "b"}]
    assert copy["DBSubnetGroup"]["DBSubnetGroupName"] == aws.subnet_group
    lab.gone(rds, "snap1")
    rds.delete_db_snapshot(DBSnapshotIdentifier="s1")


@pytest.mark.slow
def test_a_copy_without_settings_of_its_own_gets_the_defaults_and_inherits_tags_and_retention(
    aws, lab
):
    rds = lab.client()
    newest = rds.describe_db_snapshots(DBInstanceIdentifier=SHOP, SnapshotType="automated")[
        "DBSnapshots"
    ][-1]
    rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="plain", DBSnapshotIdentifier=newest["DBSnapshotIdentifier"]
    )
    copy, source = lab.settled(rds, "plain"), lab.instance(rds, SHOP)
    assert copy["TagList"] == source["TagList"]
    assert copy["BackupRetentionPeriod"] == 7
    assert copy["MultiAZ"] is False
    assert copy["DeletionProtection"] is False
    assert copy["PubliclyAccessible"] is True
    assert copy["VpcSecurityGroups"] != source["VpcSecurityGroups"]
    assert copy["DBParameterGroups"][0]["DBParameterGroupName"].startswith("default.")
    assert copy["LatestRestorableTime"]
    lab.gone(rds, "plain")
    backups = rds.describe_db_instance_automated_backups(DbiResourceId=copy["DbiResourceId"])
    assert backups["DBInstanceAutomatedBackups"] == []


@pytest.mark.slow
def test_a_deleted_source_is_restored_from_the_backups_it_left(aws, lab):
    rds = lab.client()
    rds.create_db_instance(
        DBInstanceIdentifier="doomed",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="app",
        MasterUserPassword="correct-horse",
        DBName="shop",
        BackupRetentionPeriod=1,
    )
    made = lab.settled(rds, "doomed")
    with lab.sql(made["Endpoint"], password="correct-horse") as sql:
        sql("create table kept (n int)")
        sql("insert into kept select generate_series(1, 77)")
    with pytest.raises(ClientError, match="FinalDBSnapshotIdentifier"):
        rds.delete_db_instance(DBInstanceIdentifier="doomed")
    rds.delete_db_instance(
        DBInstanceIdentifier="doomed", SkipFinalSnapshot=True, DeleteAutomatedBackups=False
    )

    def left() -> Any:
        return rds.describe_db_instance_automated_backups(DbiResourceId=made["DbiResourceId"])[
            "DBInstanceAutomatedBackups"
        ]

    lab.until(lambda: left()[0]["Status"] == "retained")
    with pytest.raises(ClientError) as caught:
        rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier="doomed",
            TargetDBInstanceIdentifier="again",
            UseLatestRestorableTime=True,
        )
    assert caught.value.response["Error"]["Code"] == "DBInstanceNotFound"
    rds.restore_db_instance_to_point_in_time(
        SourceDbiResourceId=made["DbiResourceId"],
        TargetDBInstanceIdentifier="again",
        RestoreTime=left()[0]["RestoreWindow"]["LatestTime"],
        **QUIET,
    )
    copy = lab.settled(rds, "again")
    with lab.sql(copy["Endpoint"], password="correct-horse") as restored:
        assert restored("select count(*) from kept") == 77
    lab.gone(rds, "again")
    rds.delete_db_instance_automated_backup(DbiResourceId=made["DbiResourceId"])
    assert left() == []


@pytest.mark.slow
def test_a_snapshot_is_copied_to_another_region_and_restored_there(aws, lab):
    here, there = lab.client(), lab.client(region=aws.dr_region)
    source = here.describe_db_snapshots(DBInstanceIdentifier=SHOP)["DBSnapshots"][-1]
    with pytest.raises(ClientError) as caught:
        there.restore_db_instance_from_db_snapshot(
            DBInstanceIdentifier="far", DBSnapshotIdentifier=source["DBSnapshotArn"]
        )
    assert caught.value.response["Error"]["Code"] == "DBSnapshotNotFound"
    made = there.copy_db_snapshot(
        SourceDBSnapshotIdentifier=source["DBSnapshotArn"],
        TargetDBSnapshotIdentifier="travelled",
        SourceRegion=aws.region,
    )["DBSnapshot"]
    assert made["OriginalSnapshotCreateTime"] == source["OriginalSnapshotCreateTime"]
    lab.until(
        lambda: (
            there.describe_db_snapshots(DBSnapshotIdentifier="travelled")["DBSnapshots"][0][
                "Status"
            ]
            == "available"
        )
    )
    there.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="far", DBSnapshotIdentifier="travelled", **QUIET
    )
    copy = lab.settled(there, "far")
    assert copy["DBInstanceArn"].startswith(f"arn:aws:rds:{aws.dr_region}:")
    with lab.sql(copy["Endpoint"]) as restored:
        assert restored("select count(*) from orders") >= 5000
    lab.gone(there, "far")
    there.delete_db_snapshot(DBSnapshotIdentifier="travelled")


@pytest.mark.slow
def test_a_backup_whose_wal_is_gone_or_whose_files_are_destroyed_fails_to_restore(aws, lab):
    rds = lab.client()
    rds.create_db_instance(
        DBInstanceIdentifier="frail",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="app",
        MasterUserPassword="correct-horse",
        BackupRetentionPeriod=1,
    )
    lab.settled(rds, "frail")
    rds.create_db_snapshot(DBSnapshotIdentifier="frail-1", DBInstanceIdentifier="frail")
    lab.until(
        lambda: (
            rds.describe_db_snapshots(DBSnapshotIdentifier="frail-1")["DBSnapshots"][0]["Status"]
            == "available"
        )
    )
    assert aws.damage("frail", mode="wal-gone") == {"hit": 1}
    assert aws.damage("frail-1", mode="files") == {"hit": 1}
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="frail",
        TargetDBInstanceIdentifier="frail-a",
        UseLatestRestorableTime=True,
    )
    rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="frail-b", DBSnapshotIdentifier="frail-1"
    )
    for name in ("frail-a", "frail-b"):
        broken = lab.settled(rds, name)
        assert broken["DBInstanceStatus"] == "restore-error"
        assert "Endpoint" not in broken
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    assert any("FATAL" in event["Message"] for event in rds.describe_events()["Events"])
    lab.gone(rds, "frail")
    rds.delete_db_snapshot(DBSnapshotIdentifier="frail-1")


@pytest.mark.slow
def test_a_backup_with_missing_rows_restores_without_complaint_and_without_them(aws, lab):
    rds = lab.client()
    aws.damage(SHOP, sql="delete from orders where id > 10")
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=SHOP,
        TargetDBInstanceIdentifier="thin",
        UseLatestRestorableTime=True,
        **QUIET,
    )
    copy = lab.settled(rds, "thin")
    assert copy["DBInstanceStatus"] == "available"
    with lab.sql(copy["Endpoint"]) as restored:
        assert restored("select count(*) from orders") == 10
    lab.gone(rds, "thin")
