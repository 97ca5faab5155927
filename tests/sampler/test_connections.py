"""New connections by default, kept ones on request; names, headers and secrets on the way."""

from __future__ import annotations

import errno
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients.probe import aim_at
from drillkit.clock import SYSTEM_CLOCK
from drillkit.model.drill import Probe
from drillkit.model.units import Rate
from drillkit.sampler import resolver
from drillkit.sampler.connection import OURS, cause_of_errno
from drillkit.sampler.probe_schedule import ProbeSchedule

pytestmark = pytest.mark.realtime

OFTEN = Rate(50)


def test_each_probe_opens_a_connection_of_its_own(own_service: Any, watcher: Any) -> None:
    with watcher({"web": Probe(http=own_service.url(), rate=OFTEN)}) as watch:
        time.sleep(0.3)
    assert own_service.connections == watch.total("web").good >= 12


def test_a_kept_connection_carries_all_probes(own_service: Any, watcher: Any) -> None:
    with watcher({"web": Probe(http=own_service.url(), rate=OFTEN, fresh=False)}) as watch:
        time.sleep(0.3)
    assert watch.total("web").good == watch.total("web").sent >= 12
    assert own_service.connections == 1


def test_a_kept_connection_that_the_server_ends_is_replaced_without_a_failure(
    own_service: Any, watcher: Any
) -> None:
    with watcher({"web": Probe(http=own_service.url("/last"), rate=OFTEN, fresh=False)}) as watch:
        time.sleep(0.2)
        first = own_service.connections
    assert first > 1
    with watcher({"web": Probe(http=own_service.url("/ok"), rate=OFTEN, fresh=False)}) as watch:
        time.sleep(0.2)
        for sock in list(own_service._open):
            sock.shutdown(2)  # as a server does with one that was idle for too long
        time.sleep(0.2)
    total = watch.total("web")
    assert sum(total.bad.values()) <= 1  # the one that was under way, if there was one
    assert total.good >= total.sent - 1 >= 15


def test_kept_connections_are_as_many_as_are_needed_at_once(own_service: Any, watcher: Any) -> None:
    with watcher({"web": Probe(http=own_service.url("/lag"), rate=OFTEN, fresh=False)}) as watch:
        time.sleep(0.5)
    assert watch.total("web").bad == {}
    assert own_service.connections >= 7  # 50/s x 0.15 s


def test_a_secret_reaches_the_server_and_nothing_else(
    own_service: Any, watcher: Any, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("from-a-file-9183\n")
    probe = Probe(
        http=own_service.url("/ok?q=ü x"),
        rate=OFTEN,
        headers={
            "authorization": "env:PROBE_TOKEN",
            "X-Key": f"file:{tmp_path}/key",
            "host": "shop.example",
        },
    )
    with watcher({"web": probe}, env={"PROBE_TOKEN": "Bearer from-the-environment-4711"}) as watch:
        time.sleep(0.2)
        command = Path(f"/proc/{watch.sampler.pid}/cmdline").read_bytes()
    lines = own_service.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /ok?q=%C3%BC%20x HTTP/1.1"
    assert {"authorization: Bearer from-the-environment-4711", "X-Key: from-a-file-9183"} <= set(
        lines
    )
    assert [line for line in lines if line.lower().startswith("host:")] == ["Host: shop.example"]
    written = b"".join(watch.lines) + command + watch.sampler.last_words().encode()
    assert b"4711" not in written
    assert b"9183" not in written


def test_a_client_tries_the_next_address_of_a_name(
    own_service: Any, monkeypatch: pytest.MonkeyPatch, loop_of: Any
) -> None:
    live = resolver.resolve("127.0.0.1", own_service.port)
    dead = resolver.resolve("127.0.0.2", own_service.port)  # nobody listens there
    monkeypatch.setattr(resolver, "resolve", lambda *_: dead + live)
    sample = loop_of(Probe(http=own_service.url(host="two.addresses"), rate=OFTEN), 0.2)
    assert sample.good == sample.sent > 5


def test_a_resolver_that_hangs_is_the_failure_of_the_name(
    monkeypatch: pytest.MonkeyPatch, loop_of: Any
) -> None:
    monkeypatch.setattr(resolver, "resolve", lambda *_: time.sleep(0.6) or ())
    probe = Probe(http="http://slow.name/", rate=Rate(20), timeout=timedelta(milliseconds=200))
    sample = loop_of(probe, 0.3)
    assert sample.bad == {"dns": sample.sent}
    assert sample.sent > 3


def test_a_name_that_waits_for_our_own_threads_is_dropped(
    monkeypatch: pytest.MonkeyPatch, loop_of: Any
) -> None:
    monkeypatch.setattr(resolver, "_MOST_THREADS", 1)
    monkeypatch.setattr(resolver, "resolve", lambda *_: time.sleep(0.3) or ())
    probe = Probe(http="http://slow.name/", rate=Rate(20), timeout=timedelta(seconds=2))
    sample = loop_of(probe, 0.2)
    assert sample.bad == {"dns": 1}
    assert sample.dropped >= 2


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (errno.EMFILE, OURS),
        (errno.EADDRNOTAVAIL, OURS),
        (errno.ECONNREFUSED, "refused"),
        (errno.EPIPE, "reset"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.ETIMEDOUT, "timeout"),
    ],
)
def test_a_shortage_of_our_own_is_not_the_services_fault(code: int, cause: str) -> None:
    assert cause_of_errno(code) == cause


def test_a_lane_says_when_it_is_out_of_files(
    service: Any, monkeypatch: pytest.MonkeyPatch, loop_of: Any
) -> None:
    def none_left(*_: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr("drillkit.sampler.connection.socket.socket", none_left)
    sample = loop_of(Probe(http=service.url(), rate=OFTEN), 0.1)
    assert (sample.sent, sample.bad) == (0, {})
    assert sample.dropped >= 4


@pytest.fixture
def loop_of() -> Any:
    """A lane driven by a small loop in this process, so that its surroundings can be bent; its
    one sample.
    """
    import selectors

    def run(probe: Probe, seconds: float) -> Any:
        live = resolver.Resolver(SYSTEM_CLOCK)
        with selectors.DefaultSelector() as selector:
            selector.register(live, selectors.EVENT_READ, lambda _: live.collect())
            lane = ProbeSchedule(aim_at("web", probe), selector, live, SYSTEM_CLOCK)
            start = time.monotonic()
            lane.begin(start, 0.0)
            while lane.pending or lane.due < start + 10:
                if (now := time.monotonic()) > start + seconds:
                    lane.stop()
                if lane.due <= now:
                    lane.send()
                for key, events in selector.select(0.005):
                    key.data(events)
                lane.expire(time.monotonic())
            (sample,) = [s for s in lane.rest() if s.sent or s.dropped]
            lane.close()
        time.sleep(0.01)
        return sample

    return run
