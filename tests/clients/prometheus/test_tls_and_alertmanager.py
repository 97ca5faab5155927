"""Certificates of our own, and alerts that come from an Alertmanager."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from drillkit.clients.prometheus import open_prometheus
from drillkit.clients.prometheus.alerts import selected
from drillkit.clients.prometheus.errors import HalfAnswer, NotPrometheus
from drillkit.clients.prometheus.promql import matchers_of
from drillkit.clock import SystemClock
from drillkit.model.errors import CallError, Unreachable
from drillkit.model.target import PrometheusTarget

from .conftest import vector


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[str]:
    """The URL of a server that wants a certificate of its clients."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    for name, address in (("server", "127.0.0.1"), ("client", "client.example.com")):
        issued = authority.issue_cert(address)
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.crt")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.dumps(vector("7")).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_private_authority_and_a_client_certificate_are_used(secured, tmp_path, monkeypatch):
    monkeypatch.setenv(
        "REQUESTS_CA_BUNDLE",
        ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt",
    )
    target = PrometheusTarget(
        url=secured,
        ca_file=f"{tmp_path}/ca.crt",
        client_cert=f"{tmp_path}/client.crt",
        client_key=f"{tmp_path}/client.key",
    )

    assert open_prometheus(target, SystemClock()).instant("up", 1.0).series[0].samples == (
        (1.0, 7.0),
    )


def test_an_unknown_authority_is_told_with_the_field_to_set(secured):
    with pytest.raises(Unreachable, match=r"TLS failed .*`ca_file` of the target"):
        open_prometheus(PrometheusTarget(url=secured), SystemClock()).instant("up", 1.0)


def test_a_server_that_wants_a_client_certificate_gives_no_answer_without_one(secured, tmp_path):
    with pytest.raises(CallError):
        open_prometheus(
            PrometheusTarget(url=secured, ca_file=f"{tmp_path}/ca.crt"), SystemClock()
        ).instant("up", 1.0)


def entry(name: str, state: str = "active", severity: str = "critical") -> dict[str, object]:
    labels = {"alertname": name, "severity": severity}
    return {
        "labels": labels,
        "startsAt": "2026-11-01T03:00:00.123456789Z",
        "status": {"state": state},
    }


def test_alerts_of_an_alertmanager_that_reach_somebody_are_firing(scripted):
    server = scripted(
        body=[entry("A"), entry("B", state="suppressed"), entry("C", severity="none")]
    )

    found = server.client(alertmanager=f"{server.url}/am").firing()

    assert [alert.name for alert in found] == ["A", "C"]
    assert found[0].since.isoformat() == "2026-11-01T03:00:00.123456+00:00"
    assert server.seen[0][1].startswith("/am/api/v2/alerts?active=true")
    assert [alert.name for alert in selected(found, matchers_of('severity="critical"'))] == ["A"]


def test_without_matchers_nothing_is_selected(scripted):
    found = scripted(body=[entry("Watchdog")])

    assert selected(found.client(alertmanager=found.url).firing(), ()) == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[{", HalfAnswer),
        (b"<html>", NotPrometheus),
        (b'[{"labels": {}}]', NotPrometheus),
        (b'"x"', NotPrometheus),
    ],
)
def test_what_is_no_list_of_alerts_is_no_silence(scripted, body, kind):
    server = scripted(body=body)

    with pytest.raises(kind):
        server.client(alertmanager=server.url).firing()
