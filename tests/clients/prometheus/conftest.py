"""A tiny exporter that a test sets, a real Prometheus that scrapes it every second, and a server
that obeys.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from drillkit.clients.prometheus import Prometheus, open_prometheus
from drillkit.clock import SystemClock
from drillkit.model.target import PrometheusTarget


class _Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass


@dataclass
class Exporter:
    """Serves whatever `lines` says; counters by their series text."""

    values: dict[str, float] = field(default_factory=dict)
    up: bool = True
    port: int = 0

    def add(self, series: str, by: float) -> None:
        self.values[series] = self.values.get(series, 0.0) + by

    def text(self) -> bytes:
        return "".join(f"{name} {value}\n" for name, value in list(self.values.items())).encode()


def serve(handler: type[http.server.BaseHTTPRequestHandler]) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    found = Exporter()

    class Handler(_Quiet):
        def do_GET(self) -> None:
            body = found.text()
            self.send_response(200 if found.up else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = serve(Handler)
    found.port = server.server_address[1]
    yield found
    server.shutdown()
    server.server_close()


RULES = {
    "groups": [
        {
            "name": "tests",
            "rules": [
                {"alert": "Watchdog", "expr": "vector(1)", "labels": {"severity": "none"}},
                {"alert": "Broken", "expr": "broken > 0", "labels": {"severity": "critical"}},
                {
                    "alert": "Slow",
                    "expr": "slow > 0",
                    "for": "2s",
                    "labels": {"severity": "warning"},
                },
            ],
        }
    ]
}


@dataclass
class Running:
    """A Prometheus that runs."""

    url: str
    process: subprocess.Popen[bytes]

    def client(self, total_s: float = 10.0) -> Prometheus:
        target = PrometheusTarget(url=self.url, scrape_interval=timedelta(seconds=1))
        return open_prometheus(target, SystemClock(), total_s)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, exporter: Exporter) -> Iterator[Running]:
    tmp_path = tmp_path_factory.mktemp("prometheus")
    (tmp_path / "rules.yml").write_text(json.dumps(RULES))
    scrape = {"job_name": "tests", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": every, "rule_files": ["rules.yml"], "scrape_configs": [scrape]}
    with running(tmp_path, config) as found:
        yield found


@contextlib.contextmanager
def running(folder: Path, config: object) -> Iterator[Running]:
    """A Prometheus whose configuration and data are in a folder."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("the program `prometheus` is not installed")
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        binary,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), 20)
        yield Running(f"http://127.0.0.1:{port}", process)
    finally:
        process.kill()
        process.wait(5)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def wait(until: Callable[[], bool], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not until():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


@dataclass
class Scripted:
    """A server that answers every request as told; `seen` are (method, path, headers, body)."""

    reply: Callable[[http.server.BaseHTTPRequestHandler], None]
    url: str = ""
    seen: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)

    def client(self, total_s: float = 2.0, **more: object) -> Prometheus:
        return open_prometheus(PrometheusTarget(url=self.url, **more), SystemClock(), total_s)  # type: ignore[arg-type]


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    servers: list[http.server.ThreadingHTTPServer] = []

    def make(
        status: int = 200,
        body: object = None,
        headers: dict[str, str] | None = None,
        raw: object = None,
    ) -> Scripted:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()

        def reply(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(content)

        made = Scripted(raw or reply)  # type: ignore[arg-type]

        class Handler(_Quiet):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                made.seen.append(
                    (self.command, self.path, dict(self.headers), self.rfile.read(length).decode())
                )
                self.close_connection = True
                made.reply(self)

            do_GET = do_POST

        server = serve(Handler)
        servers.append(server)
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        return made

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def vector(*values: str, labels: dict[str, str] | None = None) -> dict[str, object]:
    """An answer with one series per value."""
    given: dict[str, str] = labels or {}
    result = [{"metric": {"i": str(i)} | given, "value": [1.0, v]} for i, v in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}
