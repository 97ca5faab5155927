"""Certificates of our own, and alerts that come from an Alertmanager."""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from drillkit.clients.prometheus import open_prometheus
from drillkit.clients.prometheus.alerts import selected
from drillkit.clients.prometheus.errors import HalfAnswer, NotPrometheus
from drillkit.clients.prometheus.promql import matchers_of
from drillkit.clock import SystemClock
from drillkit.model.drill import PrometheusTarget
from drillkit.model.errors import CallError, Unreachable

from .conftest import vector

NOW = dt.datetime.now(dt.UTC)


def certificate(
    folder: Path,
    name: str,
    signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
):
    """A certificate and key of that name under `folder`, signed by `signer` or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(minutes=5))
        .not_valid_after(NOW + dt.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .sign(signer[1] if signer else key, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made, key


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[str]:
    """The URL of a server that wants a certificate of its clients."""
    authority = certificate(tmp_path, "ca")
    certificate(tmp_path, "server", authority)
    certificate(tmp_path, "client", authority)

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
