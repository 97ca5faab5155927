"""From a target to a connection: every kubeconfig that somebody may have, and every network
in between.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drillkit.clients import Clients
from drillkit.clients.kube import Kube, open_kube
from drillkit.clients.kube import config as configuring
from drillkit.clients.kube.resources import NAMESPACES
from drillkit.clients.kube.wire import PoolTransport
from drillkit.clock import Fence, SystemClock
from drillkit.model.errors import Denied, Refused, TargetError, Unanswered, Unreachable
from drillkit.model.target import KubernetesTarget, Target
from drillkit.sandbox.kube.faults import Fault
from drillkit.secrets import KNOWN, resolve
from tests.clients.kube.conftest import Served, Ticks


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", *PROXIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


PROXIES = [n for p in ("http", "https", "all", "no") for n in (f"{p}_proxy", f"{p.upper()}_PROXY")]


def opened(path: Path | str | None = None, context: str | None = None, clock: Any = None) -> Kube:
    target = KubernetesTarget(kubeconfig=None if path is None else str(path), context=context)
    return open_kube(target, clock or SystemClock(), Fence())


def written(
    path: Path, server: str, user: dict[str, Any], name: str = "prod", **cluster: Any
) -> Path:
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": name, "cluster": {"server": server, **cluster}}],
                "users": [{"name": f"{name}-admin", "user": user}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": f"{name}-admin"}}],
                "current-context": name,
            }
        )
    )
    return path


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def plugin(command: Path) -> dict[str, Any]:
    exec_ = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(command),
        "interactiveMode": "Never",
    }
    return {"exec": exec_}


# What a kubeconfig can have wrong


def test_a_missing_kubeconfig_says_where_it_was_expected_and_why(
    tmp_path: Path, monkeypatch
) -> None:
    with pytest.raises(
        TargetError, match=r"kubeconfig at .*/nope \(from the target's `kubeconfig`\)"
    ):
        opened(tmp_path / "nope")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nope"))
    with pytest.raises(TargetError, match="from KUBECONFIG"):
        opened()
    monkeypatch.delenv("KUBECONFIG")
    with pytest.raises(TargetError, match="this is no pod"):
        opened()


def test_a_misspelt_context_gets_a_suggestion(tmp_path: Path) -> None:
    path = written(tmp_path / "k", "https://127.0.0.1:1", {"token": "t"}, name="production")
    with pytest.raises(
        TargetError, match="expected a context `prodution`, found none; did you mean `production`"
    ):
        opened(path, "prodution")
    with pytest.raises(TargetError, match="it has production"):
        opened(path, "xyz")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "expected a kubeconfig, found list"),
        ("{", "no kubeconfig that can be used"),
        ("{}", "no current-context"),
        ('{"current-context": "a", "contexts": [{"name": "a"}]}', "no kubeconfig that can be used"),
        (
            '{"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "b"}}]}',
            "expected a cluster `b`, found none",
        ),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "k"
    path.write_text(text)
    with pytest.raises(TargetError, match=told):
        opened(path)


def test_an_exec_plugin_that_is_not_installed_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "k", "https://127.0.0.1:1", plugin(tmp_path / "aws-iam"))
    with pytest.raises(TargetError, match=r"expected the exec plugin `.*aws-iam`.*install it"):
        opened(path)


def test_an_exec_plugin_that_fails_tells_what_it_said(tmp_path: Path) -> None:
    command = script(tmp_path / "sso", "echo 'the SSO session has expired' >&2; exit 1")
    path = written(tmp_path / "k", "https://127.0.0.1:1", plugin(command))
    with pytest.raises(
        TargetError, match=r"gave no credentials: .*the SSO session has expired.*Log in"
    ):
        opened(path)


def test_an_exec_plugin_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("drillkit.clients.kube.official_loader.PLUGIN_S", 0.2)
    command = script(tmp_path / "hang", "exec sleep 1")
    path = written(tmp_path / "k", "https://127.0.0.1:1", plugin(command))
    with pytest.raises(TargetError, match="it hangs"):
        opened(path)


def test_an_exec_plugin_gives_the_token(tmp_path: Path, served: Served) -> None:
    status = {"token": served.token}
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": status,
    }
    command = script(tmp_path / "login", f"echo '{json.dumps(credential)}'")
    authority = tmp_path / "ca.crt"
    authority.write_bytes(served.authority)
    path = written(
        tmp_path / "k", served.url, plugin(command), **{"certificate-authority": str(authority)}
    )
    assert opened(path).cluster_uid()


def test_an_exec_plugin_inherits_no_secret_of_the_drills(
    tmp_path: Path, served: Served, monkeypatch
) -> None:
    for name in ("OF_THE_DRILL", "BOTH_NAME", "AWS_ITS_KEY", "OF_NOBODY"):
        monkeypatch.setenv(name, f"canary-{name}")
    for name in ("OF_THE_DRILL", "BOTH_NAME", "AWS_ITS_KEY"):
        resolve(f"env:{name}", "it")
    user = plugin(script(tmp_path / "login", f"env > {tmp_path}/seen; exit 1"))
    user["exec"]["env"] = [{"name": "BOTH_NAME", "value": "its own"}]
    with pytest.raises(TargetError, match="gave no credentials"):
        opened(written(tmp_path / "k", served.url, user))
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    assert (seen["OF_THE_DRILL"], seen["BOTH_NAME"]) == ("", "its own")
    assert (seen["AWS_ITS_KEY"], seen["OF_NOBODY"]) == ("canary-AWS_ITS_KEY", "canary-OF_NOBODY")


def test_several_kubeconfigs_are_joined_and_the_first_current_context_counts(
    tmp_path: Path, served: Served, monkeypatch
) -> None:
    other = written(tmp_path / "other", "https://127.0.0.1:1", {"token": "t"}, name="other")
    monkeypatch.setenv(
        "KUBECONFIG", os.pathsep.join((str(served.kubeconfig), str(tmp_path / "gone"), str(other)))
    )
    assert opened().cluster_uid()
    assert opened(context="other").who == "user other-admin (context other)"


def test_in_a_pod_the_service_account_is_used(tmp_path: Path, served: Served, monkeypatch) -> None:
    from kubernetes.config import incluster_config

    (tmp_path / "token").write_text(served.token)
    (tmp_path / "ca").write_bytes(served.authority)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", served.url.rpartition(":")[2])
    assert opened().cluster_uid()
    with pytest.raises(TargetError, match="has no contexts"):
        opened(context="prod")


def test_two_targets_at_once_do_not_share_configuration(tmp_path: Path, served: Served) -> None:
    from kubernetes.client import Configuration

    mine = opened(served.kubeconfig)
    opened(written(tmp_path / "k", "https://127.0.0.1:1", {"token": "t"}))
    assert mine.cluster_uid()
    assert Configuration.get_default_copy().host in ("", "http://localhost")


# Tokens: sent as kubectl would, refused where they cannot be, and never shown


@pytest.mark.parametrize("official", [False, True])
def test_white_space_around_the_token_of_a_file_is_none_of_it(
    tmp_path: Path, served: Served, official: bool
) -> None:
    (tmp_path / "token").write_text(f"{served.token}\n")
    authority = tmp_path / "ca.crt"
    authority.write_bytes(served.authority)
    user = {"tokenFile": "token", **({"as": ""} if official else {})}
    path = written(tmp_path / "k", served.url, user, **{"certificate-authority": str(authority)})
    imports = configuring.imports_of(KubernetesTarget(kubeconfig=str(path)))
    assert ("kubernetes.config" in imports) == official
    assert opened(path).cluster_uid()


def test_a_token_that_was_renewed_in_its_file_is_the_one_that_is_sent(
    tmp_path: Path, served: Served
) -> None:
    (tmp_path / "token").write_text("expired-token\n")
    authority = tmp_path / "ca.crt"
    authority.write_bytes(served.authority)
    user = {"tokenFile": "token"}
    path = written(tmp_path / "k", served.url, user, **{"certificate-authority": str(authority)})
    kube = opened(path)
    with pytest.raises(Denied):
        kube.cluster_uid()
    (tmp_path / "token").write_text(served.token)
    assert kube.cluster_uid()


@pytest.mark.parametrize("extra", [{}, {"as": ""}], ids=["plain", "official"])
@pytest.mark.parametrize("token", ["CANARY47bea\n", "CANARY 47bea\x00", "CANARY47b\u00e9a"])
def test_a_token_that_cannot_be_sent_is_refused_without_being_shown(
    tmp_path: Path, token: str, extra: dict[str, str]
) -> None:
    path = written(tmp_path / "k", "https://127.0.0.1:1", {"token": token, **extra})
    with pytest.raises(Denied, match="expected one line of printable ASCII") as told:
        opened(path).cluster_uid()
    assert "CANARY" not in str(told.value)
    assert "CANARY" not in str(told.value.__cause__)


def test_what_an_exec_plugin_says_does_not_show_its_token(tmp_path: Path) -> None:
    said = "got token=CANARY47bea9c, id CANARY47bea9c1234; the SSO session has expired"
    command = script(tmp_path / "sso", f"echo '{said}' >&2; exit 1")
    path = written(tmp_path / "k", "https://127.0.0.1:1", plugin(command))
    with pytest.raises(TargetError, match="the SSO session has expired") as told:
        opened(path)
    assert "CANARY" not in str(told.value)


def test_a_token_is_known_once_it_was_sent(tmp_path: Path) -> None:
    path = written(tmp_path / "k", "https://127.0.0.1:1", {"token": "CANARY47bea"})
    with pytest.raises(Unreachable):
        opened(path).cluster_uid()
    assert KNOWN.text("the token CANARY47bea is wrong") == "the token [secret] is wrong"


# What the network can have wrong


def test_a_cluster_answers_over_tls(served: Served) -> None:
    kube = opened(served.kubeconfig)
    assert {"default", "kube-system"} <= {n["metadata"]["name"] for n in kube.list(NAMESPACES)}


def test_an_expired_token_says_to_log_in_again_and_does_not_show_it(
    tmp_path: Path, served: Served
) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_bytes(served.authority)
    path = written(
        tmp_path / "k", served.url, {"token": "s3cr3t"}, **{"certificate-authority": str(authority)}
    )
    with pytest.raises(Denied, match=r"user prod-admin \(context prod\).*Log in again") as told:
        opened(path).cluster_uid()
    assert "s3cr3t" not in str(told.value)


def test_a_certificate_of_another_authority_is_not_trusted(tmp_path: Path, served: Served) -> None:
    from drillkit.sandbox.kube.tls import issue

    (tmp_path / "other").mkdir()
    authority = tmp_path / "ca.crt"
    authority.write_bytes(issue(tmp_path / "other").authority_pem)
    path = written(
        tmp_path / "k", served.url, {"token": "t"}, **{"certificate-authority": str(authority)}
    )
    with pytest.raises(Unreachable, match="its certificate is not trusted"):
        opened(path, clock=Ticks()).cluster_uid()


def test_a_refused_connection_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match="Connection refused; is the cluster up"):
        opened(written(tmp_path / "k", f"http://127.0.0.1:{port}", {}), clock=Ticks()).cluster_uid()


def test_a_name_that_does_not_resolve_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="does not resolve"):
        opened(written(tmp_path / "k", "http://nowhere.invalid", {}), clock=Ticks()).cluster_uid()


@pytest.fixture
def mute(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that takes connections and then hangs, or hangs up once it has read the request."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()
    taken: list[socket.socket] = []

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            taken.append(connection)
            if request.param == "breaks":
                connection.recv(65536)
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    over.set()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for connection in taken:
        connection.close()
    thread.join(5)


@pytest.mark.parametrize(
    ("mute", "told"),
    [("hangs", "no answer within 0.2 s"), ("breaks", "broke before an answer")],
    indirect=["mute"],
)
def test_a_request_that_left_and_got_no_answer_is_unanswered(
    tmp_path: Path, mute: str, told: str
) -> None:
    kube = opened(written(tmp_path / "k", mute, {}))
    transport = vars(kube._transport)["_inner"]
    assert isinstance(transport, PoolTransport)
    with pytest.raises(Unanswered, match=told):
        transport.send("DELETE", "/api/v1/namespaces/shop/pods/web-1", {}, timeout_s=0.2)


def test_a_change_is_sent_once_by_the_library_however_it_fails(served: Served) -> None:
    fault = served.faults.add(Fault(method="DELETE", times=-1, drop="before"))
    transport = opened(served.kubeconfig)._transport
    with pytest.raises(Unanswered):
        transport.send("DELETE", "/api/v1/namespaces/default/pods/web-1", {})
    assert fault.hits == 1


def test_a_change_that_took_effect_without_an_answer_is_found_done_on_the_next_attempt(
    served: Served,
) -> None:
    """The first answer is lost, the second attempt finds the name taken by our own."""
    from drillkit.clients.kube import DeleteObject
    from drillkit.clients.kube.resources import CONFIGMAPS

    served.faults.add(Fault(method="POST", times=1, drop="after"))
    kube = opened(served.kubeconfig)
    confirmed: list[Any] = []

    class Receipt:
        undo = DeleteObject(CONFIGMAPS, "mine", "run-1", "default")
        n = 1

        def must_be_open(self) -> None:
            pass

        def confirm(self, **identity: str) -> None:
            confirmed.append(identity)

    made = kube.create(Receipt(), {"data": {}})  # type: ignore[arg-type]
    assert made["metadata"]["name"] == "mine"
    assert confirmed == []


def test_a_proxy_of_the_environment_is_used_but_never_for_loopback(
    tmp_path: Path, served: Served, monkeypatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert opened(served.kubeconfig).cluster_uid()
    path = written(tmp_path / "k", "https://cluster.invalid", {"token": "t"})
    with pytest.raises(Unreachable, match="through the proxy"):
        opened(path, clock=Ticks()).cluster_uid()
    monkeypatch.setenv("NO_PROXY", ".invalid")
    with pytest.raises(Unreachable, match=r"invalid: the name does not resolve"):
        opened(path, clock=Ticks()).cluster_uid()


def test_a_proxy_of_the_kubeconfig_wins(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = {"proxy-url": f"http://127.0.0.1:{port}"}
    path = written(tmp_path / "k", "https://127.0.0.1:1", {"token": "t"}, **proxy)
    with pytest.raises(Unreachable, match="through the proxy: Connection refused"):
        opened(path, clock=Ticks()).cluster_uid()


def test_connecting_imports_the_official_client_only_when_it_is_opened() -> None:
    import subprocess
    import sys

    heavy = "('kubernetes', 'urllib3', 'tenacity', 'yaml')"
    code = (
        "import sys, drillkit.clients.kube, drillkit.cleanup; print([m for m in sys.modules if m "
        f"in {heavy}])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert found.stdout.strip() == "[]"


# Kubeconfigs that need nothing of the official client

AUTHORITY = base64.b64encode(
    b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
).decode()


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        ({"token": "t"}, {}),
        ({"token": "t"}, {"certificate-authority-data": AUTHORITY}),
        ({}, {"certificate-authority": "ca.crt", "tls-server-name": "kubernetes"}),
        (
            {"client-certificate": "me.crt", "client-key": "me.key"},
            {"certificate-authority": "ca.crt"},
        ),
        ({"token": "t"}, {"insecure-skip-tls-verify": True}),
    ],
)
def test_a_plain_kubeconfig_means_what_the_official_client_makes_of_it(
    tmp_path: Path, monkeypatch, user: dict[str, Any], cluster: dict[str, Any]
) -> None:
    for name in ("ca.crt", "me.crt", "me.key"):
        (tmp_path / name).write_text("PEM")
    target = KubernetesTarget(
        kubeconfig=str(written(tmp_path / "k", "https://127.0.0.1:1/", user, **cluster))
    )
    assert "kubernetes.config" not in configuring.imports_of(target)
    ours = configuring.connect(target)
    monkeypatch.setattr(configuring, "_plainly", lambda files, context: None)
    theirs = configuring.connect(target)
    assert (ours.host, ours.who) == (theirs.host, theirs.who)
    assert {k.lower(): v for k, v in ours.credentials().items()} == theirs.credentials()
    assert _trust(ours.pool) == _trust(theirs.pool)


def _trust(pool: Any) -> dict[str, Any]:
    """What decides whom a connection trusts and who it says it is."""
    said = pool.connection_pool_kw
    files = {key: said.get(key) for key in ("cert_file", "key_file")}
    authority = said.get("ca_cert_data") or (
        Path(said["ca_certs"]).read_text() if said.get("ca_certs") else None
    )
    required = said.get("cert_reqs") in (ssl.CERT_REQUIRED, "CERT_REQUIRED")
    return {
        **files,
        "authority": authority,
        "required": required,
        "name": said.get("server_hostname"),
    }


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        ({"exec": {"command": "true"}}, {}),
        ({"auth-provider": {"name": "oidc"}}, {}),
        ({"username": "a", "password": "b"}, {}),
        ({"tokenFile": "nowhere"}, {}),
        ({"client-certificate-data": AUTHORITY, "client-key-data": AUTHORITY}, {}),
        ({"client-certificate": "nowhere.crt"}, {}),
        ({"token": 7}, {}),
        ({"token": "t"}, {"proxy-url": "http://127.0.0.1:1"}),
        ({"token": "t"}, {"certificate-authority-data": "%"}),
        ({"token": "t"}, {"server": "http://127.0.0.1:1"}),
        ({"token": "t", "as": "somebody"}, {}),
    ],
)
def test_any_other_kubeconfig_is_left_to_the_official_client(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any]
) -> None:
    path = written(tmp_path / "k", **{"server": "https://127.0.0.1:1", "user": user, **cluster})
    assert "kubernetes.config" in configuring.imports_of(KubernetesTarget(kubeconfig=str(path)))


def test_a_proxy_of_the_environment_is_left_to_the_official_client(
    tmp_path: Path, monkeypatch
) -> None:
    target = KubernetesTarget(
        kubeconfig=str(written(tmp_path / "k", "https://cluster.invalid", {"token": "t"}))
    )
    assert "kubernetes.config" not in configuring.imports_of(target)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert "kubernetes.config" in configuring.imports_of(target)


def test_two_gates_share_one_connection_to_a_cluster(served: Served) -> None:
    closed, target = (
        Fence(),
        Target(name="t", kubernetes=KubernetesTarget(kubeconfig=str(served.kubeconfig))),
    )
    closed.close("the run is over")
    clients = Clients(target, SystemClock(), closed)
    others = clients.behind(Fence())
    assert others.kube._transport is clients.kube._transport
    others.kube.fence.check()
    with pytest.raises(Refused, match="the run is over"):
        clients.kube.fence.check()
