"""What a cluster's refusals are called, and what they tell to do."""

from __future__ import annotations

import json

import pytest

from drillkit.clients.kube import Response
from drillkit.clients.kube.errors import NotServed, refusal
from drillkit.model.errors import (
    Absent,
    Blocked,
    CallError,
    Conflict,
    Denied,
    Invalid,
    Throttled,
    Unavailable,
)
from tests.clients.kube.conftest import refused, said

BUDGET = {
    "causes": [
        {"reason": "DisruptionBudget", "message": "budget web needs 2 healthy pods and has 2"}
    ]
}
FIELDS = {"causes": [{"field": "spec.action", "message": 'Unsupported value: "dely"'}]}


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (refused(401, "Unauthorized"), Denied, "has expired. Log in again"),
        (
            refused(403, 'User "ann" cannot delete'),
            Denied,
            'user ann may not (403: User "ann" cannot delete)',
        ),
        (
            refused(403, "it's in a namespace because it is being terminated"),
            Conflict,
            "being terminated",
        ),
        (refused(404, 'pods "web-1" not found'), Absent, 'pods "web-1" not found'),
        (refused(409, "the object has been modified"), Conflict, "has been modified"),
        (refused(410, "too old"), Conflict, "too old"),
        (
            refused(422, "invalid", details=FIELDS),
            Invalid,
            'spec.action: Unsupported value: "dely"',
        ),
        (
            refused(429, "Cannot evict pod", details=BUDGET),
            Blocked,
            "budget web needs 2 healthy pods and has 2",
        ),
        (
            refused(429, "it would violate the pod's disruption budget."),
            Blocked,
            "disruption budget",
        ),
        (
            refused(500, "does not support more than one PodDisruptionBudget"),
            Blocked,
            "more than one",
        ),
        (refused(429, "too many requests"), Throttled, "too many calls"),
        (refused(503, "etcd leader changed"), Unavailable, "503: etcd leader changed"),
        (said(302, {}, location="https://login"), Invalid, "redirected to https://login"),
    ],
)
def test_a_refusal_says_what_was_asked_why_not_and_what_to_do(
    answer, kind: type[CallError], told: str
) -> None:
    error = refusal(answer, "delete pod/shop/web-1", "user ann")
    assert type(error) is kind
    assert "cannot delete pod/shop/web-1" in str(error)
    assert told in str(error)


def test_throttling_carries_the_servers_wish() -> None:
    error = refusal(refused(429, "busy", retry_after="7"), "list pods", "user ann")
    assert isinstance(error, Throttled)
    assert error.retry_after_s == 7.0


def test_an_api_group_that_nobody_serves_is_answered_in_plain_text() -> None:
    answer = Response(404, {"content-type": "text/plain"}, b"404 page not found\n")
    error = refusal(answer, "create networkchaos/shop/slow", "user ann")
    assert type(error) is NotServed
    assert "is its CRD installed?" in str(error)


def test_a_page_of_some_proxy_is_no_proof_that_an_object_is_gone() -> None:
    answer = Response(404, {"content-type": "text/html"}, b"<h1>no such site</h1>")
    error = refusal(answer, "get pod/shop/web-1", "user ann")
    assert type(error) is Unavailable
    assert "is it the API server that answers" in str(error)


def test_a_refusal_without_json_is_told_as_it_is() -> None:
    error = refusal(Response(502, {}, b"<h1>Bad gateway</h1>"), "list pods", "user ann")
    assert isinstance(error, Unavailable)
    assert "Bad gateway" in str(error)


def test_of_an_object_that_a_patch_made_wrong_only_the_reason_is_repeated() -> None:
    secret = json.dumps({"kind": "Secret", "data": {"key": "aHVudGVyMg==" * 200}})
    why = "json: cannot unmarshal number into Go struct field Secret.data of type []uint8"
    cause = {"field": "patch", "message": f"Invalid value: {json.dumps(secret)}: {why}"}
    answer = refused(422, f' "" is invalid: {cause["message"]}', details={"causes": [cause]})
    told = str(refusal(answer, "patch secret/shop/a", "drill"))
    assert "aHVudGVyMg" not in told
    assert told.endswith(f"patch: Invalid value of {len(json.dumps(secret)):,} characters: {why}")
