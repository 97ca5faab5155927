"""S3, STS, EC2's security groups and ElastiCache."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request

import pytest
import redis
from botocore.exceptions import ClientError
from redis.backoff import NoBackoff
from redis.retry import Retry

GROUP = "microservices-dev-cache"


def keys_of(endpoint: dict[str, object]) -> redis.Redis:
    """A client of a cache, which tries nothing again."""
    return redis.Redis(
        host=str(endpoint["Address"]),
        port=int(str(endpoint["Port"])),
        protocol=2,
        socket_timeout=5,
        retry=Retry(NoBackoff(), 0),
    )


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
    """Whether nobody takes connections there."""
    try:
        socket.create_connection((endpoint["Address"], endpoint["Port"]), timeout=5).close()
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
    keys = keys_of(before["PrimaryEndpoint"])
    assert keys.set("session", "1")
    aws.settings(failover_s=1.5)
    cache.test_failover(ReplicationGroupId=GROUP, NodeGroupId="0001")
    assert group(cache)["Status"] == "modifying"
    lab.until(lambda: refuses(before["PrimaryEndpoint"]))
    with pytest.raises(redis.ConnectionError):
        keys.get("session")
    lab.until(lambda: group(cache)["Status"] == "available")
    after = group(cache)["NodeGroups"][0]
    assert primary not in [
        m["CacheClusterId"] for m in after["NodeGroupMembers"] if m["CurrentRole"] == "primary"
    ]
    assert after["PrimaryEndpoint"] == before["PrimaryEndpoint"]
    assert keys.get("session") == b"1"
    messages = [
        event["Message"] for event in cache.describe_events(SourceIdentifier=GROUP)["Events"]
    ]
    assert any("Failover from primary node" in message for message in messages)


def test_a_cache_snapshot_restores_into_a_new_group_with_its_keys(aws, lab):
    cache = lab.client("elasticache")
    lab.until(lambda: group(cache)["Status"] == "available")
    endpoint = group(cache)["NodeGroups"][0]["PrimaryEndpoint"]
    keys_of(endpoint).set("kept", "yes")
    keys_of(endpoint).set("short", "lived", ex=600)
    cache.create_snapshot(
        ReplicationGroupId=GROUP, SnapshotName="c1", Tags=[{"Key": "a", "Value": "b"}]
    )
    lab.until(
        lambda: (
            cache.describe_snapshots(SnapshotName="c1")["Snapshots"][0]["SnapshotStatus"]
            == "available"
        )
    )
    assert keys_of(endpoint).delete("kept") == 1
    made = cache.create_replication_group(
        ReplicationGroupId="copy",
        ReplicationGroupDescription="d",
        SnapshotName="c1",
        Tags=[{"Key": "x", "Value": "y"}],
    )["ReplicationGroup"]
    assert made["Status"] == "creating"
    lab.until(lambda: group(cache, "copy")["Status"] == "available")
    copied = keys_of(group(cache, "copy")["NodeGroups"][0]["PrimaryEndpoint"])
    assert copied.get("kept") == b"yes"
    assert 500 < copied.ttl("short") <= 600
    assert copied.dbsize() == keys_of(endpoint).dbsize() + 1
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
