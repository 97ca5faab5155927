"""Loopback is asked directly, whatever the environment says; what went through a proxy says so."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drillkit.clients.aws.aws import Aws
from drillkit.clients.http_get import download, fetch
from drillkit.clients.http_post import post_json
from drillkit.clients.identity import Identity
from drillkit.clients.prometheus import open_prometheus
from drillkit.clients.proxies import proxy_of, via
from drillkit.clients.velero import files
from drillkit.clock import Fence, SystemClock
from drillkit.model.errors import CallError
from drillkit.model.target import AwsTarget, PrometheusTarget

PROXY = "http://me:word@127.0.0.1:9"
SAID = "through the proxy 127.0.0.1:9"


LOGINS: list[str] = []
"""What each request to the server proved itself by."""


@pytest.fixture
def server() -> Iterator[str]:
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            LOGINS.append(self.headers.get("Authorization", ""))
            body = b'{"status": "success", "data": {"resultType": "vector", "result": []}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=found.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture(autouse=True)
def _behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, PROXY)
        monkeypatch.setenv(name.upper(), PROXY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def prometheus(url: str) -> object:
    target = PrometheusTarget(url=url)
    return open_prometheus(target, SystemClock()).instant("up", 1.0)


def aws(url: str) -> object:
    target = AwsTarget(account="123456789012", region="eu-central-1", endpoint_url=url)
    return Aws(target, SystemClock(), Fence(), Identity()).check_account()


CLIENTS: dict[str, Callable[[str], object]] = {
    "http": lambda url: fetch(url, 3.0),
    "prometheus": prometheus,
    "velero": files._get,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_loopback_is_asked_directly(client: str, server: str) -> None:
    CLIENTS[client](server)


@pytest.mark.parametrize("client", CLIENTS)
def test_an_error_through_a_proxy_says_so_and_hides_its_password(client: str) -> None:
    with pytest.raises(CallError) as caught:
        CLIENTS[client]("http://shop.invalid")
    assert SAID in str(caught.value)
    assert "word" not in str(caught.value)


def test_aws_on_loopback_is_asked_directly_too(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(CallError, match="no answer of AWS") as caught:
        aws(server)
    assert "proxy URL" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    ["localhost", "a.localhost", "127.0.0.1", "127.8.9.1", "[::1]", "localhost.", "LOCALHOST"],
)
def test_every_name_of_this_machine_is_loopback(host: str) -> None:
    assert proxy_of(urlsplit(f"http://{host}:8080/x")) is None
    assert via(f"http://{host}/") == ""


@pytest.mark.parametrize("host", ["localhost.example.com", "127.0.0.1.example.com", "shop.example"])
def test_a_name_that_only_begins_like_it_is_none(host: str) -> None:
    assert proxy_of(urlsplit(f"http://{host}/")) == PROXY


def test_what_no_proxy_names_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", ".example")
    assert proxy_of(urlsplit("https://shop.example/")) is None


@pytest.mark.parametrize(
    ("client", "login"),
    [
        (lambda url: fetch(url, 3.0, headers={"Authorization": "Bearer ours"}), "Bearer ours"),
        (lambda url: fetch(url, 3.0), ""),
        (lambda url: fetch(url.replace("//", "//a:b@"), 3.0), "Basic YTpi"),
        (lambda url: download(url, 3.0, 1 << 20, {}, SystemClock()), ""),
        (lambda url: post_json(url, {}, headers={"Authorization": "Bearer ours"}), "Bearer ours"),
        (prometheus, ""),
    ],
)
def test_what_stands_in_netrc_takes_no_place_of_what_we_are_told(
    client: Callable[[str], object],
    login: str,
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login operator password theirs\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    LOGINS.clear()
    client(server)
    assert [login] == LOGINS
