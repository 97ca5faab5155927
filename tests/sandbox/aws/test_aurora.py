"""Aurora clusters: members, failover, snapshots and points in time, in the order Aurora wants."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

CLUSTER = "microservices-dev-aurora"


def test_a_failover_makes_the_reader_the_writer_and_breaks_connections(aws, lab):
    rds = lab.client()
    before = lab.cluster(rds, CLUSTER)
    assert len(before["DBClusterMembers"]) == 2
    writer = next(
        m["DBInstanceIdentifier"] for m in before["DBClusterMembers"] if m["IsClusterWriter"]
    )
    sql = lab.sql({"Address": before["Endpoint"], "Port": before["Port"]})
    assert sql("select count(*) from orders") == 5000
    assert (
        rds.failover_db_cluster(DBClusterIdentifier=CLUSTER)["DBCluster"]["Status"]
        == "failing-over"
    )
    with pytest.raises(Exception, match=r"(?i)network|connection|closed|reset"):
        for _ in range(200):
            sql("select 1")
            time.sleep(0.01)
    lab.until(lambda: lab.cluster(rds, CLUSTER)["Status"] == "available")
    now_writer = [
        m["DBInstanceIdentifier"]
        for m in lab.cluster(rds, CLUSTER)["DBClusterMembers"]
        if m["IsClusterWriter"]
    ]
    assert len(now_writer) == 1
    assert now_writer[0] != writer


@pytest.mark.slow
@pytest.mark.parametrize("how", ["snapshot", "point in time"])
def test_a_restored_cluster_answers_only_after_its_first_member_is_there(aws, lab, how):
    rds = lab.client()
    name = "copy-" + how.split()[0]
    if how == "snapshot":
        rds.create_db_cluster_snapshot(
            DBClusterIdentifier=CLUSTER, DBClusterSnapshotIdentifier="aurora-1"
        )

        def taken() -> bool:
            found = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="aurora-1")[
                "DBClusterSnapshots"
            ]
            return bool(found[0]["Status"] == "available")

        lab.until(taken)
        with pytest.raises(ClientError, match="between 1 and 35"):
            rds.modify_db_cluster(DBClusterIdentifier=CLUSTER, BackupRetentionPeriod=0)
        rds.restore_db_cluster_from_snapshot(
            DBClusterIdentifier=name,
            Engine="aurora-postgresql",
            SnapshotIdentifier="aurora-1",
            DeletionProtection=False,
            BackupRetentionPeriod=1,
            Tags=[{"Key": "ours", "Value": name}],
        )
    else:
        with pytest.raises(ClientError) as caught:
            rds.restore_db_cluster_to_point_in_time(
                DBClusterIdentifier=name, SourceDBClusterIdentifier=CLUSTER
            )
        assert caught.value.response["Error"]["Code"] == "InvalidParameterCombination"
        rds.restore_db_cluster_to_point_in_time(
            DBClusterIdentifier=name,
            SourceDBClusterIdentifier=CLUSTER,
            RestoreToTime=lab.cluster(rds, CLUSTER)["LatestRestorableTime"],
            DeletionProtection=False,
            Tags=[{"Key": "ours", "Value": name}],
        )
    member = {
        "DBInstanceIdentifier": f"{name}-1",
        "DBInstanceClass": "db.t4g.medium",
        "Engine": "aurora-postgresql",
    }
    with pytest.raises(ClientError) as caught:
        rds.create_db_instance(DBClusterIdentifier=name, **member)
    assert caught.value.response["Error"]["Code"] == "InvalidDBClusterStateFault"
    lab.until(lambda: lab.cluster(rds, name)["Status"] == "available")
    copy = lab.cluster(rds, name)
    assert copy["TagList"] == [{"Key": "ours", "Value": name}]
    endpoint = {"Address": copy["Endpoint"], "Port": copy["Port"]}
    with pytest.raises(Exception, match=r"(?i)can't create a connection|refused"):
        lab.sql(endpoint)
    rds.create_db_instance(DBClusterIdentifier=name, **member)
    assert lab.settled(rds, f"{name}-1")["Endpoint"]["Port"] == copy["Port"]
    with lab.sql(endpoint) as sql:
        assert sql("select count(*) from orders") == 5000
    with pytest.raises(ClientError, match="still contains DB instances"):
        rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    rds.delete_db_instance(DBInstanceIdentifier=f"{name}-1", SkipFinalSnapshot=True)
    rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    lab.until(
        lambda: (
            name not in [c["DBClusterIdentifier"] for c in rds.describe_db_clusters()["DBClusters"]]
        )
    )
    if how == "snapshot":
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="aurora-1")
