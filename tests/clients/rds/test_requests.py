"""What is asked of RDS, as it leaves: every setting carried over, the network never, all of it
valid for the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from drillkit.clients.rds import (
    DeleteCluster,
    DeleteInstance,
    DeleteParameterGroup,
    DeleteSnapshot,
    Rds,
    plans,
)
from drillkit.clients.rds.groups import switched_off, user_values
from drillkit.clients.rds.plans import Network, Wishes
from drillkit.clients.rds.states import check_alive, is_usable
from drillkit.journal.book import Planned, planned_entry
from drillkit.model.effects import Effect
from drillkit.model.errors import NotOurs, Refused, StepFailed
from drillkit.model.records import Entry, encode
from drillkit.sandbox.aws.wire import Fault
from tests.clients.aws.wire import Wire, target
from tests.clients.rds.fake import FakeRds, source

REGION = "eu-central-1"
NETWORK = Network("drill", ("sg-drill",))


class Pages:
    """A book in memory."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        kind, data = encode(entry)
        self.records.append((kind, dict(data)))
        return len(self.records)

    def plan(self, effect: Effect) -> Planned[Any]:
        return Planned(self.append(planned_entry(effect)), effect, self)

    def confirmed(self) -> list[dict[str, Any]]:
        return [data for kind, data in self.records if kind == "effect.confirmed"]


@pytest.fixture
def world() -> FakeRds:
    return FakeRds()


@pytest.fixture
def wire(world: FakeRds) -> Wire:
    return Wire(world.answer)


@pytest.fixture
def rds(wire: Wire) -> Rds:
    return Rds(wire.connect())


def tags(call: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in call["Tags"]}


def test_everything_is_carried_over_to_a_restored_instance_and_the_network_is_the_drills(
    rds: Rds, wire: Wire
) -> None:
    settings = plans.instance_settings(source(), NETWORK, "prod-params", Wishes())
    plan = Pages().plan(DeleteInstance("dr-x", "run-1", REGION, "2026-01-02T00:00:00+00:00"))
    at = datetime(2026, 1, 1, 11, 59, 59, tzinfo=UTC)
    which = {"SourceDBInstanceIdentifier": "prod", "RestoreTime": at}
    rds.restore_to_point_in_time(plan, source=which, settings=settings)
    (call,) = wire.asked("RestoreDBInstanceToPointInTime")
    assert {**call, "Tags": tags(call)} == {
        "TargetDBInstanceIdentifier": "dr-x",
        "SourceDBInstanceIdentifier": "prod",
        "RestoreTime": at,
        "DBInstanceClass": "db.r6g.large",
        "MultiAZ": True,
        "Port": 6432,
        "OptionGroupName": "prod-options",
        "DBParameterGroupName": "prod-params",
        "AllocatedStorage": 500,
        "StorageType": "gp3",
        "Iops": 14000,
        "StorageThroughput": 600,
        "DedicatedLogVolume": True,
        "EnableIAMDatabaseAuthentication": True,
        "EnableCloudwatchLogsExports": ["postgresql", "upgrade"],
        "CACertificateIdentifier": "rds-ca-ecc384-g1",
        "AutoMinorVersionUpgrade": False,
        "NetworkType": "IPV4",
        "DBSubnetGroupName": "drill",
        "VpcSecurityGroupIds": ["sg-drill"],
        "PubliclyAccessible": False,
        "DeletionProtection": False,
        "BackupRetentionPeriod": 0,
        "CopyTagsToSnapshot": False,
        "Tags": {
            "drillkit:run": "run-1",
            "drillkit:of": "dr-x",
            "drillkit:expires": "2026-01-02T00:00:00+00:00",
        },
    }


def test_a_snapshots_restore_takes_the_same_settings(rds: Rds, wire: Wire, world: FakeRds) -> None:
    world.snapshots["rds:prod-1"] = {}
    settings = plans.instance_settings(
        source(), NETWORK, "prod-params", Wishes("db.t4g.small", multi_az=False)
    )
    rds.restore_from_snapshot(
        Pages().plan(DeleteInstance("dr-x", "run-1", REGION)),
        snapshot="rds:prod-1",
        settings=settings,
    )
    (call,) = wire.asked("RestoreDBInstanceFromDBSnapshot")
    assert call["DBSnapshotIdentifier"] == "rds:prod-1"
    assert (call["DBInstanceClass"], call["MultiAZ"]) == ("db.t4g.small", False)
    assert {**settings, "DBInstanceIdentifier": "dr-x"}.items() <= call.items()


def test_the_small_volume_that_every_gp3_has_is_not_asked_for_since_rds_refuses_it() -> None:
    small = {**source(), "AllocatedStorage": 100, "Iops": 3000, "StorageThroughput": 125}
    settings = plans.instance_settings(small, NETWORK, "", Wishes())
    assert not {"Iops", "StorageThroughput"} & set(settings)
    provisioned = {**source(), "StorageType": "io2", "Iops": 3000, "StorageThroughput": 0}
    assert plans.instance_settings(provisioned, NETWORK, "", Wishes())["Iops"] == 3000


def test_in_another_region_the_option_group_stays_behind() -> None:
    assert "OptionGroupName" not in plans.instance_settings(
        source(), NETWORK, "", Wishes(), abroad=True
    )
    default = {**source(), "OptionGroupMemberships": [{"OptionGroupName": "default:postgres-16"}]}
    settings = plans.instance_settings(default, NETWORK, "", Wishes(), abroad=True)
    assert settings["OptionGroupName"] == "default:postgres-16"


def test_a_copy_without_a_drill_network_is_refused() -> None:
    assert plans.network(target(), REGION) == NETWORK
    assert plans.network(target(dr_kms_key="key"), "eu-west-1") == Network(
        "drill-dr", ("sg-drill-dr",), "key"
    )
    for gap in ({"subnet_group": None}, {"security_groups": ()}):
        with pytest.raises(Refused, match="never joins its original's network"):
            plans.network(target(**gap), REGION)
    with pytest.raises(Refused, match="dr_subnet_group"):
        plans.network(target(dr_subnet_group=None), "eu-west-1")


def test_what_only_a_modification_carries_over_is_asked_for_where_it_differs(
    rds: Rds, wire: Wire
) -> None:
    bare = {
        **source(),
        "MonitoringInterval": 0,
        "PerformanceInsightsEnabled": False,
        "PreferredMaintenanceWindow": "mon:00:00-mon:00:30",
    }
    changes = plans.later_changes(source(), bare)
    assert changes == {
        "MonitoringInterval": 30,
        "MonitoringRoleArn": "arn:aws:iam::123456789012:role/mon",
        "EnablePerformanceInsights": True,
        "PerformanceInsightsRetentionPeriod": 7,
        "PreferredMaintenanceWindow": "sun:03:00-sun:03:30",
    }
    assert plans.later_changes(source(), source()) == {}
    rds.modify(Pages().plan(DeleteInstance("prod", "run-1", REGION)), changes=changes)
    assert wire.asked("ModifyDBInstance")[0]["ApplyImmediately"] is True


def test_settings_that_drift_are_told_and_those_the_drill_forces_allowed() -> None:
    copy = {
        **source(),
        "DBInstanceIdentifier": "dr-x",
        "DeletionProtection": False,
        "BackupRetentionPeriod": 0,
        "PubliclyAccessible": False,
        "DBSubnetGroup": {"DBSubnetGroupName": "drill"},
        "MultiAZ": False,
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-drill"}],
    }
    found = plans.compare(source(), copy)
    assert {what for what, _, _ in found.differs} - set(found.allowed) == {"MultiAZ"}
    assert ("MultiAZ", "True", "False") in found.differs
    assert "MultiAZ" in plans.compare(source(), copy, ("MultiAZ",)).allowed


# Parameter groups


def test_schedulers_and_subscriptions_are_switched_off_and_nothing_else() -> None:
    def parameter(value: str, kind: str = "static", **more: Any) -> dict[str, Any]:
        return {"ParameterValue": value, "ApplyType": kind, "IsModifiable": True, **more}

    group = {
        "shared_preload_libraries": parameter("pg_stat_statements, pg_cron,pglogical"),
        "max_logical_replication_workers": parameter("4"),
        "rds.logical_replication": parameter("1"),
        "cron.max_running_jobs": parameter("5"),
        "event_scheduler": parameter("ON", "dynamic"),
        "work_mem": parameter("4096", "dynamic"),
    }
    found = {
        c["ParameterName"]: (c["ParameterValue"], c["ApplyMethod"]) for c in switched_off(group)
    }
    assert found == {
        "shared_preload_libraries": ("pg_stat_statements", "pending-reboot"),
        "max_logical_replication_workers": ("0", "pending-reboot"),
        "rds.logical_replication": ("0", "pending-reboot"),
        "cron.max_running_jobs": ("0", "pending-reboot"),
        "event_scheduler": ("OFF", "immediate"),
    }
    quiet = {"work_mem": parameter("4096"), "event_scheduler": parameter("OFF")}
    assert switched_off(quiet) == []
    assert user_values(
        {"work_mem": parameter("8192", Source="user"), "x": parameter("1", Source="system")}
    ) == {"work_mem": "8192"}
    abroad = {
        "work_mem": "8192",
        "shared_preload_libraries": "pg_cron,auto_explain",
        "unknown": "1",
    }
    off = {c["ParameterName"]: c["ParameterValue"] for c in switched_off(group, abroad)}
    assert off["work_mem"] == "8192"
    assert off["shared_preload_libraries"] == "auto_explain"
    assert "unknown" not in off


def test_a_group_of_ones_own_is_copied_and_a_default_one_made_anew(rds: Rds, wire: Wire) -> None:
    plan = Pages().plan(DeleteParameterGroup("dr-pg", "run-1", REGION))
    rds.copy_parameter_group(plan, source="prod-params", family="")
    (copied,) = wire.asked("CopyDBParameterGroup")
    assert copied["SourceDBParameterGroupIdentifier"] == "prod-params"
    assert tags(copied) == {"drillkit:run": "run-1", "drillkit:of": "dr-pg"}
    plan = Pages().plan(DeleteParameterGroup("dr-pg2", "run-1", REGION))
    rds.copy_parameter_group(plan, source="default.postgres16", family="postgres16")
    (made,) = wire.asked("CreateDBParameterGroup")
    assert (made["DBParameterGroupName"], made["DBParameterGroupFamily"]) == (
        "dr-pg2",
        "postgres16",
    )
    assert tags(made) == {"drillkit:run": "run-1", "drillkit:of": "dr-pg2"}


# Copies, clusters, capacity


def test_a_snapshot_is_copied_in_the_destination_with_its_source_region_and_key() -> None:
    sent: dict[str, Any] = {}

    def answer(region: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        sent.update(params, region=region)
        return {"DBSnapshot": {"DBSnapshotIdentifier": "dr-copy"}}

    rds = Rds(Wire(answer).connect()).at("eu-west-1")
    arn = "arn:aws:rds:eu-central-1:123456789012:snapshot:rds:prod-1"
    plan = Pages().plan(DeleteSnapshot("dr-copy", "run-1", "eu-west-1"))
    rds.copy_snapshot(
        plan,
        source_arn=arn,
        source_region=REGION,
        kms_key="arn:aws:kms:eu-west-1:123456789012:key/k",
    )
    assert sent["region"] == "eu-west-1"
    assert sent["SourceDBSnapshotIdentifier"] == arn
    assert sent["KmsKeyId"].endswith(":key/k")
    # botocore turns SourceRegion into the signed URL that RDS wants, signed for the
    # source's region.
    assert "SourceRegion" not in sent
    assert "eu-central-1" in sent["PreSignedUrl"]
    assert "DestinationRegion=eu-west-1" in sent["PreSignedUrl"]


def test_a_cluster_keeps_one_day_of_backups_since_aurora_takes_no_less(
    rds: Rds, wire: Wire
) -> None:
    cluster = {
        "DBClusterIdentifier": "prod",
        "Engine": "aurora-postgresql",
        "EngineVersion": "16.3",
        "Port": 6432,
        "KmsKeyId": "k",
        "IAMDatabaseAuthenticationEnabled": True,
        "EnabledCloudwatchLogsExports": ["postgresql"],
        "StorageType": "aurora-iopt1",
        "NetworkType": "IPV4",
        "EngineMode": "provisioned",
        "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 8.0, "Extra": 1},
    }
    exact = plans.cluster_settings(cluster, NETWORK, "dr-cpg", point_in_time=True)
    plan = Pages().plan(DeleteCluster("dr-c", "run-1", REGION))
    rds.restore_cluster_to_point_in_time(
        plan,
        source={"SourceDBClusterIdentifier": "prod", "UseLatestRestorableTime": True},
        settings=exact,
    )
    (call,) = wire.asked("RestoreDBClusterToPointInTime")
    assert {**call, "Tags": tags(call)} == {
        "DBClusterIdentifier": "dr-c",
        "SourceDBClusterIdentifier": "prod",
        "UseLatestRestorableTime": True,
        "RestoreType": "full-copy",
        "DBSubnetGroupName": "drill",
        "VpcSecurityGroupIds": ["sg-drill"],
        "DBClusterParameterGroupName": "dr-cpg",
        "Port": 6432,
        "KmsKeyId": "k",
        "StorageType": "aurora-iopt1",
        "EnableIAMDatabaseAuthentication": True,
        "EnableCloudwatchLogsExports": ["postgresql"],
        "NetworkType": "IPV4",
        "EngineMode": "provisioned",
        "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 8.0},
        "DeletionProtection": False,
        "CopyTagsToSnapshot": False,
        "BackupRetentionPeriod": 1,
        "Tags": {"drillkit:run": "run-1", "drillkit:of": "dr-c"},
    }
    snapshot = plans.cluster_settings(cluster, NETWORK, "", point_in_time=False)
    assert (snapshot["Engine"], snapshot["EngineVersion"]) == ("aurora-postgresql", "16.3")
    member = plans.member_settings(source(), "aurora-postgresql", "", Wishes())
    assert member == {
        "Engine": "aurora-postgresql",
        "DBInstanceClass": "db.r6g.large",
        "CACertificateIdentifier": "rds-ca-ecc384-g1",
        "AutoMinorVersionUpgrade": False,
        "PubliclyAccessible": False,
        "CopyTagsToSnapshot": False,
    }


def test_where_there_is_no_capacity_every_zone_is_tried_within_the_one_plan(world: FakeRds) -> None:
    def answer(region: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if action.startswith("Restore") and params.get("AvailabilityZone") != "eu-central-1c":
            raise Fault("InsufficientDBInstanceCapacity", "none left")
        return world.answer(region, action, params)

    wire, book = Wire(answer), Pages()
    rds = Rds(wire.connect())
    rds.restore_to_point_in_time(
        book.plan(DeleteInstance("dr-x", "run-1", REGION)),
        settings={},
        source={"SourceDBInstanceIdentifier": "prod", "UseLatestRestorableTime": True},
        zones=["eu-central-1a", "eu-central-1b", "eu-central-1c"],
    )
    zones = [call.get("AvailabilityZone") for call in wire.asked("RestoreDBInstanceToPointInTime")]
    assert zones == [None, "eu-central-1a", "eu-central-1b", "eu-central-1c"]
    (confirmed,) = book.confirmed()
    assert confirmed["uid"] == world.instances["dr-x"]["DbiResourceId"]
    assert confirmed["request"]


def test_a_name_of_our_own_run_is_adopted_and_anybody_elses_refused(
    rds: Rds, world: FakeRds
) -> None:
    latest = {"SourceDBInstanceIdentifier": "prod", "UseLatestRestorableTime": True}
    plan = DeleteInstance("dr-x", "run-1", REGION)
    first = rds.restore_to_point_in_time(Pages().plan(plan), source=latest, settings={})
    again = rds.restore_to_point_in_time(Pages().plan(plan), source=latest, settings={})
    assert again["DbiResourceId"] == first["DbiResourceId"]
    other = DeleteInstance("dr-x", "run-2", REGION)
    with pytest.raises(NotOurs, match="found one that this run did not make"):
        rds.restore_to_point_in_time(Pages().plan(other), source=latest, settings={})
    # Inherited tags are another's: the run's id alone does not make it ours.
    world.instances["dr-y"] = {**world.instances["dr-x"], "DBInstanceIdentifier": "dr-y"}
    with pytest.raises(NotOurs):
        rds.restore_to_point_in_time(
            Pages().plan(DeleteInstance("dr-y", "run-1", REGION)), source=latest, settings={}
        )


def test_no_more_instances_than_the_cap_are_let_in_even_when_several_ask_at_once(
    rds: Rds, world: FakeRds
) -> None:
    rds.admit(["dr-1"], 2)
    world.instances["theirs"] = {
        **source(),
        "DBInstanceIdentifier": "theirs",
        "TagList": [{"Key": "drillkit:run", "Value": "another"}],
    }
    rds.admit(["dr-1"], 2)
    with pytest.raises(
        Refused, match=r"allows 2 restored instances at once .* 2 are there \(dr-1, theirs\)"
    ):
        rds.admit(["dr-2"], 2)


@pytest.mark.parametrize("status", ["available", "storage-optimization"])
def test_what_serves_is_usable(status: str) -> None:
    assert is_usable(status)
    check_alive(status, "rds instance/x")


@pytest.mark.parametrize(
    "status",
    [
        "failed",
        "restore-error",
        "incompatible-network",
        "incompatible-parameters",
        "incompatible-option-group",
        "incompatible-restore",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
        "insufficient-capacity",
        "storage-full",
    ],
)
def test_a_status_that_ends_all_hope_fails_at_once_with_advice(status: str) -> None:
    with pytest.raises(StepFailed, match=f"rds instance/x is {status}: .+"):
        check_alive(status, "rds instance/x")


def test_a_parked_copy_is_waited_for(world: FakeRds) -> None:
    for status in (
        "creating",
        "backing-up",
        "modifying",
        "configuring-enhanced-monitoring",
        "rebooting",
    ):
        check_alive(status, "rds instance/x")
        assert not is_usable(status)
