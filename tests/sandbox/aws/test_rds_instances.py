"""Instances as their users meet them: states, failover, modifications, protection, groups,
quotas, pages.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

SHOP = "microservices-dev-db"
SMALL: dict[str, Any] = {
    "Engine": "postgres",
    "DBInstanceClass": "db.t4g.micro",
    "AllocatedStorage": 20,
    "MasterUsername": "app",
    "MasterUserPassword": "correct-horse",
    "DBName": "shop",
    "BackupRetentionPeriod": 0,
}


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_the_shop_is_there_with_orders_and_somebody_keeps_ordering(aws, lab):
    access = aws.databases[SHOP]
    assert lab.instance(lab.client(), SHOP)["Endpoint"]["Port"] == access["port"]
    with lab.sql({"Address": access["host"], "Port": access["port"]}) as sql:
        first = sql("select count(*) from orders")
        assert first >= 5000
        lab.until(lambda: sql("select count(*) from orders") > first, limit_s=5)
        aws.settings(writer_rate=0)
        time.sleep(0.5)
        still = sql("select count(*) from orders")
        time.sleep(0.5)
        assert sql("select count(*) from orders") == still


def test_a_wrong_password_is_refused_by_the_database_itself(lab):
    endpoint = lab.instance(lab.client(), SHOP)["Endpoint"]
    with pytest.raises(Exception, match="password authentication failed"):
        lab.sql(endpoint, password="wrong")


def test_the_password_can_be_read_from_secrets_manager(aws, lab):
    import json
    from pathlib import Path

    access = aws.databases[SHOP]
    value = lab.client("secretsmanager").get_secret_value(SecretId=access["secret_arn"])[
        "SecretString"
    ]
    assert json.loads(value)["password"] == Path(access["password_file"]).read_text(
        encoding="utf-8"
    )


def test_a_failover_breaks_connections_swaps_the_zones_and_loses_no_committed_row(aws, lab):
    rds = lab.client()
    aws.settings(failover_s=1)
    before = lab.instance(rds, SHOP)
    sql = lab.sql(before["Endpoint"])
    count = sql("select count(*) from orders")
    rds.reboot_db_instance(DBInstanceIdentifier=SHOP, ForceFailover=True)
    with pytest.raises(Exception, match=r"(?i)network|connection|closed|reset"):
        for _ in range(200):
            sql("select 1")
            time.sleep(0.01)
    assert lab.instance(rds, SHOP)["DBInstanceStatus"] == "rebooting"
    after = lab.settled(rds, SHOP)
    assert after["AvailabilityZone"] == before["SecondaryAvailabilityZone"]
    assert after["Endpoint"] == before["Endpoint"]
    with lab.sql(after["Endpoint"]) as again:
        assert again("select count(*) from orders") >= count


def test_an_instance_in_one_zone_cannot_fail_over_but_reboot(lab):
    rds = lab.client()
    rds.create_db_instance(DBInstanceIdentifier="single", **SMALL)
    made = lab.settled(rds, "single")
    assert "LatestRestorableTime" not in made
    with pytest.raises(ClientError, match="not Multi-AZ"):
        rds.reboot_db_instance(DBInstanceIdentifier="single", ForceFailover=True)
    rds.reboot_db_instance(DBInstanceIdentifier="single")
    assert lab.settled(rds, "single")["DBInstanceStatus"] == "available"
    with pytest.raises(ClientError) as caught:
        rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier="single",
            TargetDBInstanceIdentifier="x",
            UseLatestRestorableTime=True,
        )
    assert code_of(caught) == "PointInTimeRestoreNotEnabled"
    lab.gone(rds, "single")
    with pytest.raises(ClientError) as caught:
        lab.instance(rds, "single")
    assert code_of(caught) == "DBInstanceNotFound"


def test_a_protected_instance_is_not_deleted_and_a_taken_name_is_not_given_again(lab):
    rds = lab.client()
    with pytest.raises(ClientError, match="protected"):
        rds.delete_db_instance(DBInstanceIdentifier=SHOP, SkipFinalSnapshot=True)
    with pytest.raises(ClientError) as caught:
        rds.create_db_instance(DBInstanceIdentifier=SHOP.upper(), **SMALL)
    assert code_of(caught) == "DBInstanceAlreadyExists"


def test_changes_show_as_pending_until_they_are_made_and_the_password_really_changes(aws, lab):
    rds = lab.client()
    rds.create_db_instance(DBInstanceIdentifier="changing", **SMALL)
    lab.settled(rds, "changing")
    rds.modify_db_instance(DBInstanceIdentifier="changing", AllocatedStorage=30)
    assert lab.instance(rds, "changing")["PendingModifiedValues"] == {"AllocatedStorage": 30}
    aws.settings(slow_s={"instance.modifying": 0.3})
    answer = rds.modify_db_instance(
        DBInstanceIdentifier="changing",
        MasterUserPassword="battery-staple",
        MultiAZ=True,
        BackupRetentionPeriod=1,
        DeletionProtection=True,
        ApplyImmediately=True,
    )["DBInstance"]
    assert answer["DBInstanceStatus"] == "modifying"
    assert answer["DeletionProtection"] is True
    assert answer["PendingModifiedValues"]["MultiAZ"] is True
    done = lab.settled(rds, "changing")
    assert done["PendingModifiedValues"] == {}
    assert done["MultiAZ"] is True
    assert done["LatestRestorableTime"]
    with lab.sql(done["Endpoint"], password="battery-staple") as sql:
        assert sql("select 1") == 1
    rds.modify_db_instance(DBInstanceIdentifier="changing", DeletionProtection=False)
    lab.gone(rds, "changing")


def test_a_copied_parameter_group_takes_hold_after_a_reboot_and_cannot_go_while_used(lab):
    rds = lab.client()
    default = lab.instance(rds, SHOP)["DBParameterGroups"][0]["DBParameterGroupName"]
    rds.copy_db_parameter_group(
        SourceDBParameterGroupIdentifier=default,
        TargetDBParameterGroupIdentifier="calm",
        TargetDBParameterGroupDescription="no schedulers",
        Tags=[{"Key": "k", "Value": "v"}],
    )
    with pytest.raises(ClientError, match="static"):
        rds.modify_db_parameter_group(
            DBParameterGroupName="calm",
            Parameters=[
                {
                    "ParameterName": "max_worker_processes",
                    "ParameterValue": "0",
                    "ApplyMethod": "immediate",
                }
            ],
        )
    rds.modify_db_parameter_group(
        DBParameterGroupName="calm",
        Parameters=[
            {
                "ParameterName": "max_logical_replication_workers",
                "ParameterValue": "0",
                "ApplyMethod": "pending-reboot",
            }
        ],
    )
    ours = rds.describe_db_parameters(DBParameterGroupName="calm", Source="user")["Parameters"]
    assert [item["ParameterName"] for item in ours] == ["max_logical_replication_workers"]
    rds.create_db_instance(DBInstanceIdentifier="calmed", DBParameterGroupName="calm", **SMALL)
    made = lab.settled(rds, "calmed")
    with lab.sql(made["Endpoint"], password="correct-horse") as sql:
        assert sql("show max_logical_replication_workers") == "0"
    with pytest.raises(ClientError, match="in use by calmed"):
        rds.delete_db_parameter_group(DBParameterGroupName="calm")
    rds.modify_db_instance(DBInstanceIdentifier="calmed", DBParameterGroupName=default)
    groups = lab.instance(rds, "calmed")["DBParameterGroups"]
    assert groups == [{"DBParameterGroupName": default, "ParameterApplyStatus": "pending-reboot"}]
    lab.gone(rds, "calmed")
    rds.delete_db_parameter_group(DBParameterGroupName="calm")
    with pytest.raises(ClientError) as caught:
        rds.describe_db_parameter_groups(DBParameterGroupName="calm")
    assert code_of(caught) == "DBParameterGroupNotFound"


def test_tags_are_added_listed_and_taken_away(lab):
    rds = lab.client()
    arn = lab.instance(rds, SHOP)["DBInstanceArn"]
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "drill", "Value": "1"}])
    assert {"Key": "drill", "Value": "1"} in rds.list_tags_for_resource(ResourceName=arn)["TagList"]
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["drill"])
    assert "drill" not in [tag["Key"] for tag in lab.instance(rds, SHOP)["TagList"]]


def test_quotas_are_told_and_kept(aws, lab):
    rds = lab.client()
    quotas = {
        item["AccountQuotaName"]: item
        for item in rds.describe_account_attributes()["AccountQuotas"]
    }
    assert quotas["DBInstances"]["Max"] == 40
    assert quotas["DBInstances"]["Used"] >= 1
    aws.settings(quota={"DBInstances": quotas["DBInstances"]["Used"]})
    with pytest.raises(ClientError) as caught:
        rds.create_db_instance(DBInstanceIdentifier="toomany", **SMALL)
    assert code_of(caught) == "InstanceQuotaExceeded"


def test_long_lists_come_in_pages(lab):
    rds = lab.client()
    for number in range(25):
        rds.create_db_parameter_group(
            DBParameterGroupName=f"page-{number}",
            DBParameterGroupFamily="postgres15",
            Description="d",
        )
    first = rds.describe_db_parameter_groups(MaxRecords=20)
    assert len(first["DBParameterGroups"]) == 20
    found = rds.get_paginator("describe_db_parameter_groups").paginate(
        PaginationConfig={"PageSize": 20}
    )
    assert sum(len(page["DBParameterGroups"]) for page in found) >= 27
    for number in range(25):
        rds.delete_db_parameter_group(DBParameterGroupName=f"page-{number}")


def test_unknown_and_missing_parameters_are_refused(aws, lab):
    rds = lab.client()
    with pytest.raises(ClientError) as caught:
        rds.describe_db_instances(DBInstanceIdentifier="nobody")
    assert code_of(caught) == "DBInstanceNotFound"

    def add(request: Any, **ignored: Any) -> None:
        request.data = {**request.data, "DBInstanceIdentifer": "typo"}

    rds.meta.events.register("request-created.rds.DescribeDBInstances", add)
    with pytest.raises(ClientError, match="DBInstanceIdentifer"):
        rds.describe_db_instances()
