"""The API over HTTPS: authentication, streams, commands, faults, and that nothing kills it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import stat
import threading
import time

import pytest

from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.faults import Fault
from drillkit.sandbox.kube.objects import NAMESPACES, PODS

MAPS = "/api/v1/namespaces/default/configmaps"


def named(name):
    return {"metadata": {"name": name}}


def test_it_answers_only_to_its_token(served):
    status, body, _ = served.ask("GET", "/api/v1/namespaces", token="another")
    assert (status, body["kind"], body["reason"]) == (401, "Status", "Unauthorized")
    assert served.ask("GET", "/api/v1/namespaces")[0] == 200
    assert served.ask("GET", "/readyz", token="another")[:2] == (200, "ok")


def test_it_listens_on_loopback_with_a_certificate_that_holds_under_strict_verification(served):
    host, port = served.server.url.removeprefix("https://").split(":")
    assert host == "127.0.0.1"
    with (
        socket.create_connection((host, int(port)), 5) as raw,
        served.context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        assert tls.version() in ("TLSv1.2", "TLSv1.3")
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        socket.create_connection((host, int(port)), 5) as raw,
    ):
        ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")


def test_its_secrets_are_readable_only_by_their_owner(served):
    for name in ("kubeconfig", "server.key"):
        assert stat.S_IMODE((served.folder / name).stat().st_mode) == 0o600


def test_a_request_that_makes_no_sense_is_refused_and_the_next_one_is_answered(served):
    assert served.ask("POST", MAPS, ["no", "object"])[0] == 400
    assert served.ask("POST", MAPS, named("x" * 10_000_000))[0] == 413
    with socket.create_connection(
        ("127.0.0.1", int(served.server.url.rpartition(":")[2])), 5
    ) as raw:
        raw.sendall(b"not tls at all\r\n\r\n")
    assert served.ask("POST", MAPS, named("fine"))[0] == 201


def test_an_error_inside_is_told_and_survived(served):
    def broken(access):
        raise RuntimeError("a broken policy")

    good, served.store.policy = served.store.policy, broken
    status, body, _ = served.ask("GET", MAPS)
    assert (status, body["reason"]) == (500, "InternalError")
    assert "a broken policy" in body["message"]
    served.store.policy = good
    assert served.ask("GET", MAPS)[0] == 200


class Watching:
    """The lines of a watch, read in a thread."""

    def __init__(self, served, path):
        self.lines = []
        self.ended = threading.Event()
        self._connection = served.connection(20)
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {served.token}"})
        self._response = self._connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while line := self._response.readline():
                self.lines.append(json.loads(line))
        except (OSError, ValueError, http.client.HTTPException):
            pass
        finally:
            self.ended.set()

    def until(self, count):
        deadline = time.monotonic() + 5
        while len(self.lines) < count and time.monotonic() < deadline:
            time.sleep(0.005)
        return [(line["type"], line["object"]["metadata"].get("name")) for line in self.lines]

    def leave(self):
        """Breaks the connection from the client's side."""
        self._connection.sock.shutdown(socket.SHUT_RDWR)
        assert self.ended.wait(5)
        self._connection.close()


def test_a_watch_streams_changes_as_they_happen_and_ends_in_time(served):
    version = served.ask("GET", MAPS)[1]["metadata"]["resourceVersion"]
    watch = Watching(
        served,
        f"{MAPS}?watch=1&resourceVersion={version}&timeoutSeconds=1&allowWatchBookmarks=true",
    )
    served.ask("POST", MAPS, named("a"))
    assert watch.until(1) == [("ADDED", "a")]
    served.ask("DELETE", f"{MAPS}/a")
    assert watch.until(2)[1:] == [("DELETED", "a")]
    assert watch.ended.wait(5)
    assert watch.lines[-1]["type"] == "BOOKMARK"


def test_watchers_that_left_are_forgotten(served):
    watch = Watching(served, f"{MAPS}?watch=1")
    served.ask("POST", MAPS, named("a"))
    watch.until(1)
    watch.leave()
    deadline = time.monotonic() + 5
    while served.server._wakers and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not served.server._wakers


def test_stopping_ends_open_watches(served):
    watch = Watching(served, f"{MAPS}?watch=1")
    served.ask("POST", MAPS, named("a"))
    watch.until(1)
    served.run(served.server.stop())
    assert watch.ended.wait(5)


@pytest.fixture
def running(served):
    """A pod that says it runs; its log is a list to be appended to."""

    def make():
        spec = {"containers": [{"name": "web", "image": "x:1"}], "nodeName": "node-1"}
        served.store.create(PODS, {"metadata": {"name": "web"}, "spec": spec}, "default")
        served.store.patch(
            PODS, "default", "web", {"status": {"phase": "Running"}}, subresource="status"
        )

    served.do(make)
    served.log = ["one\n", "two\n"]
    served.store.pod_log = lambda pod, container, previous, tail: "".join(
        served.log[-tail:] if tail else served.log
    )
    return served


def test_a_log_is_followed_until_its_pod_is_gone(running):
    connection = running.connection()
    path = "/api/v1/namespaces/default/pods/web/log?follow=true&tailLines=1"
    connection.request("GET", path, headers={"Authorization": f"Bearer {running.token}"})
    response = connection.getresponse()
    assert response.readline() == b"two\n"
    running.log.append("three\n")
    assert response.readline() == b"three\n"
    running.log.append("last words\n")
    running.do(running.store.delete, PODS, "default", "web", grace_s=0)
    assert response.read() == b"last words\n"
    connection.close()


def execute(served, *words, stdin=None):
    """(channels, result) of a command through the official client's websocket."""
    from kubernetes import client, config
    from kubernetes.stream import stream

    api = client.CoreV1Api(config.new_client_from_config(str(served.kubeconfig)))
    answer = stream(
        api.connect_get_namespaced_pod_exec,
        "web",
        "default",
        command=list(words),
        stdin=stdin is not None,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )
    if stdin is not None:
        answer.write_stdin(stdin)
    answer.run_forever(timeout=5)
    return answer.read_stdout(timeout=0), answer.read_stderr(timeout=0), answer.returncode


def test_a_command_gets_input_and_answers_output_and_exit_code(running):
    async def run(command, io):
        await io.write(1, " ".join(command.command).encode())
        await io.write(2, await io.read() if command.stdin else b"")
        return 3

    running.store.pod_exec = run
    assert execute(running, "echo", "a b", stdin="hello") == ("echo a b", "hello", 3)


def websocket_to(served, query):
    import websocket

    path = f"/api/v1/namespaces/default/pods/web/exec?{query}"
    return websocket.create_connection(
        served.server.url.replace("https", "wss") + path,
        header=[f"Authorization: Bearer {served.token}"],
        subprotocols=["v5.channel.k8s.io"],
        sslopt={"context": served.context},
        timeout=5,
    )


def test_a_command_that_cannot_start_says_why(running):
    async def run(command, io):
        raise ApiError(400, "BadRequest", "no such program")

    running.store.pod_exec = run
    assert running.ask("GET", "/api/v1/namespaces/default/pods/web/exec?command=ls")[0] == 400, (
        "no upgrade"
    )
    link = websocket_to(running, "command=ls&stdout=1")
    frame = link.recv()
    link.close()
    assert (frame[0], json.loads(frame[1:])["message"]) == (3, "no such program")


def test_a_command_learns_the_end_of_its_input(running):
    async def run(command, io):
        told = b""
        while data := await io.read():
            told += data
        await io.write(1, told.upper())
        return 0

    running.store.pod_exec = run
    link = websocket_to(running, "command=cat&stdin=1&stdout=1")
    link.send_binary(b"\x00hello")
    link.send_binary(b"\xff\x00")
    assert link.recv() == b"\x01HELLO"
    assert json.loads(link.recv()[1:])["status"] == "Success"
    link.close()


def test_a_command_is_cancelled_when_the_client_leaves(running):
    cancelled = threading.Event()

    async def run(command, io):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return 0

    running.store.pod_exec = run
    link = websocket_to(running, "command=sleep&stdout=1")
    assert link.subprotocol == "v5.channel.k8s.io"
    link.close()
    assert cancelled.wait(5)


@pytest.mark.parametrize(("when", "happened"), [("before", 404), ("after", 200)])
def test_a_fault_breaks_the_connection_before_or_after_the_effect(served, when, happened):
    fault = served.server.faults.add(Fault(method="POST", drop=when))
    with pytest.raises((ConnectionError, http.client.HTTPException, ssl.SSLError)):
        served.ask("POST", MAPS, named("a"))
    assert served.ask("GET", f"{MAPS}/a")[0] == happened
    assert fault.hits == 1


def test_a_fault_delays_or_hangs(served):
    served.server.faults.add(Fault(delay_s=0.2))
    begin = time.monotonic()
    assert served.ask("GET", "/api/v1/namespaces")[0] == 200
    assert time.monotonic() - begin >= 0.2
    served.server.faults.add(Fault(hang_s=30))
    with pytest.raises(TimeoutError):
        served.ask("GET", "/api/v1/namespaces", timeout=0.3)
    assert served.ask("GET", "/api/v1/namespaces")[0] == 200


def test_the_clusters_uid_is_that_of_kube_system(served):
    uid = served.do(served.store.need, NAMESPACES, "", "kube-system")["metadata"]["uid"]
    assert served.ask("GET", "/api/v1/namespaces/kube-system")[1]["metadata"]["uid"] == uid
