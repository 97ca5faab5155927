"""What can be broken on purpose, and what was asked of the API."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

SHOP = "microservices-dev-db"


def test_calls_are_throttled_as_often_as_asked_and_then_served(aws, lab):
    rds = lab.client()
    aws.rule("throttle", action="Describe*", times=2)
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            rds.describe_db_instances()
        assert caught.value.response["Error"]["Code"] == "Throttling"
    assert rds.describe_db_instances()["DBInstances"]


def test_an_error_can_be_aimed_at_an_action_after_some_calls(aws, lab):
    rds = lab.client()
    aws.rule("error", action="DescribeDBInstances", skip=1, code="AccessDenied", status=403)
    lab.instance(rds, SHOP)
    with pytest.raises(ClientError, match="AccessDenied"):
        lab.instance(rds, SHOP)
    lab.instance(rds, SHOP)


def test_an_answer_can_be_lost_after_the_effect(aws, lab):
    rds = lab.client()
    group = {"DBParameterGroupFamily": "postgres15", "Description": "d"}
    aws.rule("drop-answer", action="CreateDBParameterGroup")
    with pytest.raises((ConnectionError, HTTPClientError)):
        rds.create_db_parameter_group(DBParameterGroupName="unheard", **group)
    rds.delete_db_parameter_group(DBParameterGroupName="unheard")


def test_resources_can_be_hidden_for_a_while(aws, lab):
    rds = lab.client()
    aws.hide(SHOP, 60)
    assert SHOP not in [
        item["DBInstanceIdentifier"] for item in rds.describe_db_instances()["DBInstances"]
    ]
    with pytest.raises(ClientError, match="DBInstanceNotFound"):
        lab.instance(rds, SHOP)
    aws.reset()
    assert lab.instance(rds, SHOP)
    aws.hide(SHOP, 0.1)
    lab.until(
        lambda: (
            SHOP
            in [item["DBInstanceIdentifier"] for item in rds.describe_db_instances()["DBInstances"]]
        )
    )


@pytest.mark.parametrize(
    "status", ["incompatible-network", "insufficient-capacity", "restore-error"]
)
def test_a_restore_can_be_made_to_fail_in_any_state(aws, lab, status):
    rds = lab.client()
    aws.fail_next(status, match="willfail")
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=SHOP,
        TargetDBInstanceIdentifier="willfail",
        UseLatestRestorableTime=True,
    )
    assert lab.settled(rds, "willfail")["DBInstanceStatus"] == status
    lab.gone(rds, "willfail")


def test_a_state_can_be_made_to_last(aws, lab):
    rds = lab.client()
    aws.settings(slow_s={"snapshot.creating": 2})
    rds.create_db_snapshot(DBSnapshotIdentifier="slow", DBInstanceIdentifier=SHOP)
    started = time.monotonic()
    with pytest.raises(ClientError, match="InvalidDBSnapshotState"):
        rds.delete_db_snapshot(DBSnapshotIdentifier="slow")
    lab.until(
        lambda: (
            rds.describe_db_snapshots(DBSnapshotIdentifier="slow")["DBSnapshots"][0]["Status"]
            == "available"
        )
    )
    assert time.monotonic() - started > 1
    lab.settled(rds, SHOP)
    rds.delete_db_snapshot(DBSnapshotIdentifier="slow")


def test_foreign_credentials_are_refused(aws, lab):
    key, aws.access_key = aws.access_key, "AKIANOTTHESANDBOX"
    try:
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            lab.client().describe_db_instances()
    finally:
        aws.access_key = key


def test_the_call_log_shows_what_was_sent_and_no_password(aws, lab):
    rds = lab.client()
    last = aws.calls()[-1]["number"]
    with pytest.raises(ClientError):
        rds.create_db_instance(
            DBInstanceIdentifier=SHOP,
            Engine="postgres",
            DBInstanceClass="db.t4g.micro",
            MasterUserPassword="secret-1",
            Tags=[{"Key": "run", "Value": "7"}],
        )
    (call,) = aws.calls(after=last)
    assert (call["service"], call["action"], call["region"]) == (
        "rds",
        "CreateDBInstance",
        aws.region,
    )
    assert call["params"]["Tags.Tag.1.Key"] == "run"
    assert "secret-1" not in str(call)


def test_a_knob_that_does_not_exist_is_refused_with_the_names_of_those_that_do(aws):
    with pytest.raises(ValueError, match=r"no setting 'slow'; there are .*slow_s"):
        aws.settings(slow={})
    with pytest.raises(ValueError, match="CallRule has no 'acton'"):
        aws.rule("throttle", acton="x")
    with pytest.raises(ValueError, match="effect must be one of"):
        aws.rule("explode")
    with pytest.raises(ValueError, match="there is no GET /nothing"):
        aws.control("GET", "/nothing")


def test_the_private_path_wants_its_token(aws):
    token, aws.token = aws.token, "guess"
    try:
        with pytest.raises(ValueError, match="X-Sandbox-Token"):
            aws.calls()
    finally:
        aws.token = token
