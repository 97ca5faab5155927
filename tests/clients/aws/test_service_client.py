"""One request, once, behind the fence; and what its errors are called."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from drillkit.clients.aws import Exists, NoCapacity, NoKey, NotRestorable, Quota, WrongState
from drillkit.clients.aws.describe_cache import SharedLook
from drillkit.clients.aws.errors import refusal, transport_error
from drillkit.clock import Fence, SystemClock
from drillkit.model.errors import (
    Absent,
    CallError,
    Denied,
    Invalid,
    Refused,
    TargetError,
    Throttled,
    Unanswered,
    Unavailable,
    Unreachable,
)
from drillkit.sandbox.aws.wire import Fault
from tests.clients.aws.wire import Sent, Wire


def nothing(region: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


def test_a_closed_gate_lets_looks_through_and_stops_changes_before_they_leave() -> None:
    wire, fence = Wire(nothing), Fence()
    service = wire.connect(fence=fence).service("rds")
    fence.close("aborted")
    service.read("DescribeDBInstances", "look")
    with pytest.raises(Refused, match="aborted"):
        service._send("DeleteDBInstance", "delete it", DBInstanceIdentifier="x")
    assert [sent.action for sent in wire.sent] == ["DescribeDBInstances"]


def test_every_attempt_passes_the_gate_so_that_a_retry_after_an_abort_never_leaves() -> None:
    fence = Fence()

    def trouble(sent: Sent) -> None:
        fence.close("aborted meanwhile")
        raise Fault("InternalFailure", "later", 503)

    wire = Wire(nothing, before=trouble)
    service = wire.connect(fence=fence).service("rds")
    with pytest.raises(Refused):
        service._change("ModifyDBInstance", "change it", DBInstanceIdentifier="x")
    assert len(wire.sent) == 1


def test_the_library_never_tries_again_by_itself() -> None:
    def trouble(sent: Sent) -> None:
        raise Fault("InternalFailure", "later", 500)

    wire = Wire(nothing, before=trouble)
    with pytest.raises(Unavailable):
        wire.connect().service("rds")._send(
            "DeleteDBInstance", "delete it", DBInstanceIdentifier="x"
        )
    assert len(wire.sent) == 1


def test_another_account_than_the_pinned_one_is_refused_before_anything_else_is_asked() -> None:
    wire = Wire(nothing, account="999999999999")
    with pytest.raises(
        TargetError, match="pinned to AWS account 123456789012, but these credentials lead to 9999"
    ):
        wire.connect().service("rds")
    assert wire.sent == []


def test_a_request_that_the_service_model_does_not_take_never_leaves() -> None:
    wire = Wire(nothing)
    with pytest.raises(Invalid, match="makes no sense"):
        wire.connect().service("rds")._send("DeleteDBInstance", "delete it", DBInstance="x")
    assert wire.sent == []


@pytest.mark.parametrize(
    ("code", "status", "kind", "advice"),
    [
        ("Throttling", 400, Throttled, "Too many calls"),
        ("RequestLimitExceeded", 503, Throttled, ""),
        ("ServiceUnavailable", 503, Unavailable, ""),
        ("InternalFailure", 500, Unavailable, ""),
        ("InternalFailure", 501, Invalid, "does not serve it"),
        ("InstanceQuotaExceeded", 400, Quota, "Service Quotas"),
        ("SnapshotQuotaExceeded", 400, Quota, ""),
        ("DBClusterQuotaExceededFault", 403, Quota, ""),
        ("StorageQuotaExceeded", 400, Quota, ""),
        ("NodeQuotaForCustomerExceeded", 400, Quota, ""),
        ("KMSKeyNotAccessibleFault", 400, NoKey, "CreateGrant"),
        ("InvalidRestoreFault", 400, NotRestorable, "restore window"),
        ("PointInTimeRestoreNotEnabled", 400, NotRestorable, "retention"),
        ("InsufficientDBInstanceCapacity", 400, NoCapacity, "another zone"),
        ("InsufficientCacheClusterCapacity", 400, NoCapacity, ""),
        ("InvalidSubnet", 400, Invalid, "subnet_group"),
        ("InvalidVPCNetworkStateFault", 400, WrongState, "subnet_group"),
        ("AccessDenied", 403, Denied, "Grant that action"),
        ("ExpiredToken", 403, Denied, "log in again"),
        ("InvalidClientTokenId", 403, Denied, "profile"),
        ("SignatureDoesNotMatch", 403, Denied, "clock"),
        ("DBInstanceAlreadyExists", 400, Exists, ""),
        ("DBSnapshotAlreadyExists", 400, Exists, ""),
        ("DBParameterGroupAlreadyExists", 400, Exists, ""),
        ("ReplicationGroupAlreadyExists", 400, Exists, ""),
        ("InvalidDBInstanceState", 400, WrongState, ""),
        ("InvalidDBClusterStateFault", 400, WrongState, ""),
        ("InvalidDBParameterGroupState", 400, WrongState, ""),
        ("InvalidReplicationGroupState", 400, WrongState, ""),
        ("DBInstanceNotFound", 404, Absent, ""),
        ("DBClusterNotFoundFault", 404, Absent, ""),
        ("DBParameterGroupNotFound", 404, Absent, ""),
        ("InvalidParameterCombination", 400, Invalid, ""),
        ("SomethingNew", 400, Invalid, ""),
    ],
)
def test_refusals_are_told_apart_and_say_what_to_do(
    code: str, status: int, kind: type[CallError], advice: str
) -> None:
    meta = {"HTTPStatusCode": status, "RequestId": "r-1"}
    error = refusal(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": meta}, "restore it"
    )
    assert type(error) is kind
    assert str(error).startswith(f"cannot restore it: no ({code}, request r-1)")
    assert advice.lower() in str(error).lower()


def test_a_request_without_an_answer_is_told_by_whether_it_can_have_arrived() -> None:
    url = {"endpoint_url": "https://rds"}
    for error, kind in (
        (ConnectTimeoutError(**url), Unreachable),
        (EndpointConnectionError(**url), Unreachable),
        (ReadTimeoutError(**url), Unanswered),
        (NoCredentialsError(), Denied),
    ):
        assert type(transport_error(error, "restore it", "rds")) is kind


def test_fifty_who_wait_ask_with_one_call_and_each_gets_his_own() -> None:
    fetched: list[frozenset[str]] = []
    gone = threading.Barrier(50)

    def fetch(names: frozenset[str]) -> dict[str, dict[str, str]]:
        fetched.append(names)
        return {name: {"name": name} for name in names}

    shared = SharedLook(fetch, SystemClock())
    found: dict[str, Any] = {}

    def one(name: str) -> None:
        with shared.watching(name):
            gone.wait(10)
            found[name] = shared.look(name, fresh_s=5.0)
            gone.wait(10)

    threads = [threading.Thread(target=one, args=(f"db-{n}",)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {name: value["name"] for name, value in found.items()} == {
        f"db-{n}": f"db-{n}" for n in range(50)
    }
    assert len(fetched) == 1


def test_a_look_that_fails_fails_for_whoever_asked_and_the_next_one_asks_again() -> None:
    answers: list[Any] = [Unavailable("down"), {"x": {"a": 1}}]

    def fetch(names: frozenset[str]) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    shared = SharedLook(fetch, SystemClock())
    with pytest.raises(Unavailable):
        shared.look("x")
    assert shared.look("x") == {"a": 1}
    assert shared.look("x", fresh_s=60.0) == {"a": 1}
