"""A metrics server that is down, slow, wrong or refuses: each told apart, no secret in
any message.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from drillkit.clients.prometheus import open_prometheus
from drillkit.clients.prometheus.errors import HalfAnswer, NotPrometheus, QueryRejected
from drillkit.clock import SystemClock
from drillkit.model.errors import (
    Absent,
    CallError,
    Denied,
    Throttled,
    Unanswered,
    Unavailable,
    Unreachable,
    UsageError,
)
from drillkit.model.target import PrometheusTarget

from .conftest import vector

REJECTED = {
    "status": "error",
    "errorType": "execution",
    "error": "query would load too many samples into memory",
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, b"no", Denied, "not authenticated"),
        (403, b"no", Denied, "may this account read this tenant"),
        (404, b"nothing", Absent, "without `/api/v1`"),
        (
            400,
            {"status": "error", "errorType": "bad_data", "error": "parse error"},
            QueryRejected,
            "parse error",
        ),
        (422, REJECTED, QueryRejected, "too many samples"),
        (429, b"slow down", Throttled, "too many queries"),
        (500, b"oops", Unavailable, "in trouble"),
        (503, b"<html>no upstream</html>", Unavailable, "not there or overloaded"),
        (302, b"", NotPrometheus, "redirects are not followed"),
        (418, b"teapot", NotPrometheus, "status 418"),
        (200, b"<!doctype html><title>Sign in</title>", NotPrometheus, "a page of HTML"),
        (200, b"OK", NotPrometheus, "expected JSON"),
        (200, {"hello": "world"}, NotPrometheus, "other JSON"),
        (200, {"status": "error", "error": "no luck"}, QueryRejected, "no luck"),
        (200, b'{"status":"success","data":{"resultType":"vec', HalfAnswer, "broke off after"),
        (
            200,
            {"status": "success", "data": {"resultType": "streams", "result": []}},
            NotPrometheus,
            "unknown shape",
        ),
        (200, {"status": "success", "data": None}, NotPrometheus, "unknown shape"),
    ],
)
def test_each_bad_answer_is_an_error_that_says_what_came_instead(
    scripted, status, body, kind, words
):
    server = scripted(status, body)

    with pytest.raises(kind, match=words) as caught:
        server.client().instant("up", 1.0)

    assert type(caught.value) is kind
    assert server.url in str(caught.value)
    assert len(server.seen) == 1, "nothing is retried behind the caller's back"


def test_a_server_that_is_down_is_unreachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(Unreachable, match="Connection refused; is it up"):
        open_prometheus(PrometheusTarget(url=url), SystemClock()).instant("up", 1.0)


@pytest.mark.realtime
def test_a_server_that_says_nothing_is_given_up_at_the_deadline(scripted):
    server = scripted(raw=lambda handler: time.sleep(1.2))
    began = time.monotonic()

    with pytest.raises(Unanswered, match=r"no answer within 0.3 s"):
        server.client(0.3).instant("up", 1.0)

    assert time.monotonic() - began < 1.0


@pytest.mark.realtime
def test_a_server_that_drips_is_given_up_at_the_deadline(scripted):
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)

    began = time.monotonic()
    with pytest.raises(Unanswered, match=r"not complete in 0.4 s"):
        scripted(raw=drip).client(0.4).instant("up", 1.0)

    assert time.monotonic() - began < 1.2


def test_a_connection_that_breaks_in_the_middle_is_half_an_answer(scripted):
    def half(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"status":"success"')

    with pytest.raises(HalfAnswer):
        scripted(raw=half).client().instant("up", 1.0)


def test_a_secret_that_the_server_repeats_is_not_in_the_message(scripted, monkeypatch):
    monkeypatch.setenv("TOKEN_OF_THE_TEST", "s3cr3t-t0ken")
    server = scripted(401, b"the token s3cr3t-t0ken has expired")

    with pytest.raises(Denied) as caught:
        server.client(bearer="env:TOKEN_OF_THE_TEST").instant("up", 1.0)

    assert "s3cr3t" not in str(caught.value)
    assert "[secret]" in str(caught.value)
    assert server.seen[0][2]["Authorization"] == "Bearer s3cr3t-t0ken"


def test_basic_credentials_and_tenants_headers_are_sent(scripted, tmp_path: Path):
    (tmp_path / "login").write_text("ann:pass word\n")
    server = scripted(body=vector("1"))

    server.client(basic=f"file:{tmp_path}/login", headers={"X-Scope-OrgID": "team-a"}).instant(
        "up", 1.0
    )

    method, path, headers, body = server.seen[0]
    assert (method, path) == ("POST", "/api/v1/query")
    assert headers["Authorization"] == "Basic YW5uOnBhc3Mgd29yZA=="
    assert headers["X-Scope-OrgID"] == "team-a"
    assert body == "query=up&time=1.000&timeout=2s"


def test_requests_for_amazon_managed_prometheus_are_signed(scripted, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-session")
    server = scripted(body=vector("1"))

    server.client(sigv4_region="eu-central-1").instant("up", 1.0)

    headers = server.seen[0][2]
    assert "/eu-central-1/aps/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "the-session"
    assert "the-secret-key" not in str(server.seen)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"bearer": "env:NOT_THERE_AT_ALL"},
            "the environment variable NOT_THERE_AT_ALL, found none",
        ),
        ({"basic": "env:WITHOUT_COLON"}, "expected `user:password`"),
        ({"bearer": "env:TWO_LINES"}, "one line of printable ASCII"),
        (
            {"bearer": "env:WITHOUT_COLON", "basic": "env:WITHOUT_COLON"},
            "one of `bearer` and `basic`",
        ),
    ],
)
def test_credentials_that_cannot_be_used_are_refused_without_showing_them(monkeypatch, more, words):
    monkeypatch.setenv("WITHOUT_COLON", "hushhush")
    monkeypatch.setenv("TWO_LINES", "hush\nhush")

    with pytest.raises(UsageError, match=words) as caught:
        open_prometheus(PrometheusTarget(url="http://127.0.0.1:1", **more), SystemClock())

    assert "hush" not in str(caught.value)


def test_a_password_in_the_url_is_refused():
    with pytest.raises(UsageError, match="must not stand in a URL") as caught:
        open_prometheus(PrometheusTarget(url="http://ann:hush@127.0.0.1:1"), SystemClock())

    assert "hush" not in str(caught.value)


def test_a_certificate_authority_that_is_not_there_is_said(scripted):
    server = scripted(body=vector("1"))
    client = open_prometheus(
        PrometheusTarget(url=server.url.replace("http:", "https:"), ca_file="/nowhere/ca.pem"),
        SystemClock(),
    )

    with pytest.raises(CallError, match="ca_file"):
        client.instant("up", 1.0)


def test_warnings_of_the_server_come_with_the_answer(scripted):
    server = scripted(body={**vector("1"), "warnings": ["some store gateways are down"]})

    assert server.client().instant("up", 1.0).warnings == ("some store gateways are down",)
