"""S3, STS, EC2's security groups and ElastiCache."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

GROUP = "microservices-dev-cache"


def command(endpoint: dict[str, object], *words: str) -> bytes:
    """One command to a cache, one answer."""
    with socket.create_connection(
        (str(endpoint["Address"]), int(str(endpoint["Port"]))), timeout=5
    ) as connection:
        connection.sendall((" ".join(words) + "\r\n").encode())
        return connection.recv(65536)


def test_the_account_is_told_by_sts(aws, lab):
    assert lab.client("sts").get_caller_identity()["Account"] == aws.account


@pytest.mark.slow
def test_objects_are_kept_and_presigned_urls_expire(aws, lab):
    s3 = lab.client("s3")
    s3.put_object(Bucket=aws.bucket, Key="a/b", Body=b"content")
    assert s3.get_object(Bucket=aws.bucket, Key="a/b")["Body"].read() == b"content"
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": aws.bucket, "Key": "a/b"}, ExpiresIn=2
    )
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"content"
    time.sleep(3.1)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url)


def test_a_conditional_put_takes_a_lock_only_once(aws, lab):
    s3 = lab.client("s3")
    s3.put_object(Bucket=aws.bucket, Key="lock", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=aws.bucket, Key="lock", Body=b"second", IfNoneMatch="*")
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"


@pytest.mark.slow
def test_the_drills_security_group_lets_nothing_out_in_either_region(aws, lab):
    for region in (aws.region, aws.dr_region):
        found = lab.client("ec2", region).describe_security_groups(GroupIds=[aws.security_group])[
            "SecurityGroups"
        ]
        assert found[0]["GroupName"] == "drillkit-drill"
        assert found[0]["IpPermissionsEgress"] == []


def group(cache, name=GROUP):
    return cache.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0]


def refuses(endpoint) -> bool:
    """Whether nobody takes connections there. One that was still taken is reset, not answered."""
    try:
        command(endpoint, "GET", "session")
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


def test_a_cache_failover_swaps_the_roles_and_refuses_connections_meanwhile(aws, lab):
    cache = lab.client("elasticache")
    lab.until(lambda: group(cache)["Status"] == "available")
    before = group(cache)["NodeGroups"][0]
    primary = next(
        m["CacheClusterId"] for m in before["NodeGroupMembers"] if m["CurrentRole"] == "primary"
    )
    assert command(before["PrimaryEndpoint"], "SET", "session", "1") == b"+OK\r\n"
    aws.settings(failover_s=1.5)
    cache.test_failover(ReplicationGroupId=GROUP, NodeGroupId="0001")
    assert group(cache)["Status"] == "modifying"
    lab.until(lambda: refuses(before["PrimaryEndpoint"]))
    lab.until(lambda: group(cache)["Status"] == "available")
    after = group(cache)["NodeGroups"][0]
    assert primary not in [
        m["CacheClusterId"] for m in after["NodeGroupMembers"] if m["CurrentRole"] == "primary"
    ]
    assert command(after["PrimaryEndpoint"], "GET", "session") == b"$1\r\n1\r\n"
    messages = [
        event["Message"] for event in cache.describe_events(SourceIdentifier=GROUP)["Events"]
    ]
    assert any("Failover from primary node" in message for message in messages)


def test_a_cache_snapshot_restores_into_a_new_group_with_its_keys(aws, lab):
    cache = lab.client("elasticache")
    lab.until(lambda: group(cache)["Status"] == "available")
    endpoint = group(cache)["NodeGroups"][0]["PrimaryEndpoint"]
    command(endpoint, "SET", "kept", "yes")
    cache.create_snapshot(
        ReplicationGroupId=GROUP, SnapshotName="c1", Tags=[{"Key": "a", "Value": "b"}]
    )
    lab.until(
        lambda: (
            cache.describe_snapshots(SnapshotName="c1")["Snapshots"][0]["SnapshotStatus"]
            == "available"
        )
    )
    command(endpoint, "DEL", "kept")
    made = cache.create_replication_group(
        ReplicationGroupId="copy",
        ReplicationGroupDescription="d",
        SnapshotName="c1",
        Tags=[{"Key": "x", "Value": "y"}],
    )["ReplicationGroup"]
    assert made["Status"] == "creating"
    lab.until(lambda: group(cache, "copy")["Status"] == "available")
    assert (
        command(group(cache, "copy")["NodeGroups"][0]["PrimaryEndpoint"], "GET", "kept")
        == b"$3\r\nyes\r\n"
    )
    assert cache.list_tags_for_resource(ResourceName=made["ARN"])["TagList"] == [
        {"Key": "x", "Value": "y"}
    ]
    cache.delete_replication_group(ReplicationGroupId="copy")
    lab.until(
        lambda: (
            "copy"
            not in [
                g["ReplicationGroupId"]
                for g in cache.describe_replication_groups()["ReplicationGroups"]
            ]
        )
    )
    with pytest.raises(ClientError, match="ReplicationGroupNotFoundFault"):
        group(cache, "copy")
    cache.delete_snapshot(SnapshotName="c1")
