"""Every way a probe can end, against a real service, all at the same time."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from drillkit.model.drill import Probe
from drillkit.model.units import Rate

pytestmark = pytest.mark.realtime

OFTEN = Rate(10)
# Long enough that no busy machine makes a good answer one that came too late.
TIMEOUT = timedelta(seconds=3)
GOOD: dict[str, dict[str, Any]] = {
    "ok": {},
    "chunked": {"body": "well d"},
    "until-the-end": {"body": "well"},
    "empty": {},
    "interim": {"body": "well"},
    "big": {"body": "needle"},
    "404": {"expect": 404},
    "302": {"expect": "2xx,3xx"},
    "lag": {"slow": TIMEOUT},
}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "500": ({}, "5xx"),
    "503": ({}, "5xx"),
    "404": ({}, "4xx"),
    "403": ({}, "throttled"),
    "429": ({}, "throttled"),
    "302": ({}, "status"),
    "garbage": ({}, "body"),
    "half": ({}, "reset"),
    "nothing": ({}, "reset"),
    "reset": ({}, "reset"),
    "trickle": ({}, "timeout"),
    "never": ({}, "timeout"),
    "ok": ({"body": "absent"}, "body"),
    "lag": ({"slow": timedelta(milliseconds=50)}, "slow"),
}


def _closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def seen(service: Any, secure_service: Any, certificates: Any, watcher: Any) -> Any:
    probes = {f"good {p}": Probe(http=service.url(f"/{p}"), **more) for p, more in GOOD.items()}
    probes |= {f"bad {p}": Probe(http=service.url(f"/{p}"), **more) for p, (more, _) in BAD.items()}
    probes |= {
        "by name": Probe(http=service.url("/ok", host="localhost")),
        "no such name": Probe(http="http://service.invalid/"),
        "refused": Probe(http=f"http://127.0.0.1:{_closed_port()}/"),
        "tcp": Probe(tcp=f"127.0.0.1:{service.port}"),
        "tcp refused": Probe(tcp=f"127.0.0.1:{_closed_port()}"),
        "tls": Probe(http=secure_service.url("/big"), body="needle", ca_file=certificates.ca_file),
        "tls kept": Probe(http=secure_service.url(), ca_file=certificates.ca_file, fresh=False),
        "tls of somebody else": Probe(
            http=secure_service.url(host="localhost"), ca_file=certificates.ca_file
        ),
        "tls without trust": Probe(http=secure_service.url()),
        "tls to plain http": Probe(http=service.url().replace("http:", "https:")),
        "tls reset": Probe(http=secure_service.url("/reset"), ca_file=certificates.ca_file),
    }
    with watcher(
        {name: replace(p, rate=OFTEN, timeout=TIMEOUT) for name, p in probes.items()}
    ) as watch:
        time.sleep(0.6)
    return watch


@pytest.mark.parametrize(
    "name", [*(f"good {p}" for p in GOOD), "by name", "tcp", "tls", "tls kept"]
)
def test_a_service_that_answers_as_expected_is_good(seen: Any, name: str) -> None:
    total = seen.total(name)
    assert total.sent >= 5
    assert (total.good, total.bad, total.dropped) == (total.sent, {}, 0)
    assert sum(total.latency_us.values()) == total.sent


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        *((f"bad {p}", cause) for p, (_, cause) in BAD.items()),
        ("no such name", "dns"),
        ("refused", "refused"),
        ("tcp refused", "refused"),
        ("tls of somebody else", "tls"),
        ("tls without trust", "tls"),
        ("tls to plain http", "tls"),
        ("tls reset", "reset"),
    ],
)
def test_a_probe_that_fails_says_why(seen: Any, name: str, cause: str) -> None:
    total = seen.total(name)
    assert total.sent >= 5
    assert (total.good, total.bad, total.dropped) == (0, {cause: total.sent}, 0)


def test_a_slow_answer_is_bad_and_has_its_latency_while_a_failure_has_none(seen: Any) -> None:
    assert sum(seen.total("bad lag").latency_us.values()) == seen.total("bad lag").sent
    assert min(seen.total("bad lag").latency_us) > 150_000
    assert seen.total("bad 500").latency_us == {}
    assert seen.total("bad never").latency_us == {}
