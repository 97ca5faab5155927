"""The sampler's process: how it starts, what it refuses, and that it is always gone afterwards."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients.probe import aim_at, parse_statuses
from drillkit.model.drill import Probe
from drillkit.model.errors import UsageError
from drillkit.model.units import Rate
from drillkit.sampler import __main__ as child
from drillkit.sampler.process import Sampler


def gone(pid: int, within_s: float = 3.0) -> bool:
    """Whether the process ends in time. A zombie has ended."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def started(probes: dict[str, Probe], **more: Any) -> tuple[Sampler, socket.socket]:
    """A sampler and our end of its journal."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            return Sampler.start(probes, theirs.fileno(), **more), ours
        except BaseException:
            ours.close()
            raise


@pytest.mark.realtime
def test_stop_waits_for_what_is_in_flight_and_leaves_no_process(service: Any) -> None:
    sampler, ours = started({"web": Probe(http=service.url("/lag"), rate=Rate(50))})
    with ours:
        assert sampler.alive
        time.sleep(0.3)
        began = time.monotonic()
        assert sampler.stop()
        assert 0.05 < time.monotonic() - began < 1.0
        assert not sampler.alive
        assert gone(sampler.pid)
        assert b'"Sample"' in ours.recv(1 << 16)
        assert sampler.last_words() == ""


@pytest.mark.realtime
def test_stop_has_a_limit(service: Any) -> None:
    sampler, ours = started(
        {"web": Probe(http=service.url("/never"), timeout=timedelta(minutes=1))}
    )
    with ours:
        time.sleep(0.1)
        assert not sampler.stop(timeout_s=0.2)
        assert gone(sampler.pid)


@pytest.mark.parametrize("end", ["commands", "journal"])
def test_it_ends_when_either_pipe_does(service: Any, end: str) -> None:
    sampler, ours = started(
        {"web": Probe(http=service.url("/never"), timeout=timedelta(minutes=1))}
    )
    with ours:
        if end == "journal":
            ours.shutdown(socket.SHUT_RDWR)
            ours.close()
        else:
            assert sampler._process.stdin is not None
            sampler._process.stdin.close()
        assert gone(sampler.pid)
        sampler.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_the_runners_to_handle(service: Any, number: int) -> None:
    sampler, ours = started({"web": Probe(http=service.url())})
    with ours:
        assert os.getsid(sampler.pid) == sampler.pid  # a terminal's Ctrl-C does not even reach it
        os.kill(sampler.pid, number)
        time.sleep(0.2)
        assert sampler.alive
        assert sampler.stop()


def test_a_runner_that_is_killed_leaves_no_sampler(service: Any) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, service.url()],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with runner:
        assert runner.stdout is not None
        pid = int(runner.stdout.readline())
        runner.kill()
        assert gone(pid, within_s=1.0)


RUNNER = """
import socket, sys, time
from drillkit.model.drill import (Probe)
from drillkit.sampler.process import Sampler
ours, theirs = socket.socketpair()
sampler = Sampler.start({"web": Probe(http=sys.argv[1])}, theirs.fileno())
print(sampler.pid, flush=True)
time.sleep(30)
"""


def test_it_is_not_fooled_by_modules_in_the_current_folder(
    service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "socket.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    sampler, ours = started({"web": Probe(http=service.url())})
    with ours:
        assert sampler.stop()


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        (
            Probe(http="ftp://host/"),
            "expected http://host/path or https://host/path, found 'ftp://host/'",
        ),
        (Probe(http="http:///path"), "expected http://host/path"),
        (Probe(http="http://host:99999/"), "expected a URL, found one that does not parse"),
        (Probe(http="http://ho st/"), "expected the name of a host, found 'ho st'"),
        (Probe(tcp="host"), "expected host:port, found 'host'"),
        (Probe(tcp="host:0"), "expected host:port, found 'host:0'"),
        (
            Probe(http="http://h/", expect="2x"),
            "expected a status such as 200, 2xx or 2xx,301, found '2x'",
        ),
        (
            Probe(http="http://h/", headers={"a b": "c"}),
            "expected the name of a header, found 'a b'",
        ),
        (Probe(http="http://h/", timeout=timedelta()), "expected a timeout above zero"),
    ],
)
def test_a_probe_that_cannot_be_is_refused_before_anything_starts(probe: Probe, says: str) -> None:
    with pytest.raises(UsageError, match="probe web: ") as refusal:
        aim_at("web", probe)
    assert says in str(refusal.value)


def test_a_password_in_a_url_is_refused_without_being_repeated() -> None:
    with pytest.raises(UsageError, match="must not hold a password") as refusal:
        aim_at("web", Probe(http="https://me:hunter2@host/"))
    assert "hunter2" not in str(refusal.value)


def test_addresses_are_taken_apart() -> None:
    aim = aim_at("web", Probe(http="https://[::1]:8443/a b?x=1#here"))
    assert (aim.host, aim.port, aim.path, aim.secure, aim.authority) == (
        "::1",
        8443,
        "/a%20b?x=1",
        True,
        "[::1]:8443",
    )
    aim = aim_at("web", Probe(http="http://bücher.example"))
    assert (aim.host, aim.port, aim.path, aim.authority) == (
        "xn--bcher-kva.example",
        80,
        "/",
        "xn--bcher-kva.example",
    )
    aim = aim_at("web", Probe(tcp="[::1]:5432"))
    assert (aim.host, aim.port, aim.path) == ("::1", 5432, None)
    assert parse_statuses("", "200, 3xx") == ((200, 200), (300, 399))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"headers": {"X": "env:NOT_THERE"}},
            "header `X`: expected a value in the environment variable NOT_THERE",
        ),
        (
            {"headers": {"X": "env:TWO_LINES"}},
            "header `X`: expected one line of printable characters",
        ),
        (
            {"headers": {"X": "file:/does/not/exist"}},
            "header `X`: /does/not/exist cannot be read",
        ),
        (
            {"http": "https://127.0.0.1/", "ca_file": "/does/not/exist"},
            "expected certificates (PEM) in /does/not",
        ),
        ({"http": "https://127.0.0.1/", "ca_file": __file__}, "expected certificates (PEM) in "),
    ],
)
def test_a_secret_or_certificate_that_cannot_be_read_stops_the_start(
    more: dict[str, Any], says: str
) -> None:
    probe = Probe(**{"http": "http://127.0.0.1/", **more})
    with pytest.raises(UsageError) as refusal:
        started({"web": probe}, env={"TWO_LINES": "hunter2\r\nEvil: 1"})
    assert says in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_more_connections_than_files_may_be_open_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    aim = aim_at("web", Probe(http="http://h/", rate=Rate(1000), timeout=timedelta(seconds=10)))
    with pytest.raises(UsageError, match="lower a rate or a timeout, or raise `ulimit -n`"):
        child._make_room([aim])


def test_without_a_runner_it_says_how_it_is_meant_to_start() -> None:
    alone = subprocess.run(
        [sys.executable, "-m", "drillkit.sampler", str(os.getpid())],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert alone.returncode == 2
    assert "drillkit run" in alone.stdout


def test_a_process_that_dies_is_seen_as_blindness(service: Any) -> None:
    sampler, ours = started({"web": Probe(http=service.url())})
    with ours:
        os.kill(sampler.pid, signal.SIGKILL)
        assert gone(sampler.pid)
        assert not sampler.alive
        assert not sampler.stop()
        with contextlib.suppress(ConnectionResetError):
            assert ours.recv(1) == b""
