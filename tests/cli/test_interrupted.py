"""Ctrl-C in a command that changes something at a target: what was sent is waited for, what has not
begun is left, and what is said is what happened.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from drillkit.cli.group import cli
from drillkit.cli.stoppable import Interruption, stoppable
from drillkit.clock import Skipped

KEY = "a2V5"


class Cluster(ThreadingHTTPServer):
    """Keeps what is put, and has this process told Ctrl-C by its nth change, before it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        shop = {"metadata": {"name": "shop"}}
        self.objects: dict[str, Any] = {"/api/v1/namespaces/shop": shop, "/version": {}}
        self.changes: list[str] = []
        self.ctrl_c_at = 0
        self.heard = threading.Event()
        """The command knows of the Ctrl-C."""

    def changed(self, what: str) -> None:
        self.changes.append(what)
        if len(self.changes) == self.ctrl_c_at:
            os.kill(os.getpid(), signal.SIGINT)
            assert self.heard.wait(20)


class Answers(BaseHTTPRequestHandler):
    server: Cluster

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, code: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

    def do_GET(self) -> None:
        found = self.server.objects.get(self.path.split("?")[0])
        missing = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}
        self._answer(*((404, missing) if found is None else (200, found)))

    def do_POST(self) -> None:
        made = self._body()
        made["metadata"]["uid"] = made["kind"]
        self.server.objects[f"{self.path.split('?')[0]}/{made['metadata']['name']}"] = made
        self.server.changed(f"made {made['kind']}")
        self._answer(201, made)

    def do_PATCH(self) -> None:
        self._body()
        self.server.changed("patched")
        self._answer(200, self.server.objects[self.path.split("?")[0]])

    def do_DELETE(self) -> None:
        self._body()
        gone = self.server.objects.pop(self.path.split("?")[0])
        self.server.changed(f"removed {gone['kind']}")
        self._answer(200, {"kind": "Status", "status": "Success"})


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    server = Cluster()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    config = {
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "c",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    (tmp_path / "drillkit.yaml").write_text("")
    target = {"kubernetes": {"kubeconfig": str(tmp_path / "kubeconfig"), "context": "c"}}
    (tmp_path / "drills").mkdir()
    (tmp_path / "drills" / "targets.yaml").write_text(json.dumps({"dev": target}))
    monkeypatch.chdir(tmp_path)
    on_signal = Interruption.on_signal

    def heard(stop: Interruption, name: str) -> None:
        on_signal(stop, name)
        server.heard.set()

    monkeypatch.setattr(Interruption, "on_signal", heard)
    yield server
    server.shutdown()
    server.server_close()


def typed(line: str) -> Result:
    return CliRunner().invoke(cli, line.split(), standalone_mode=False)


INSTALL = "canary install -t dev -n shop --name orders --yes"
REMOVE = "canary remove -t dev -n shop --name orders --yes"


def test_an_interrupted_install_names_what_was_made_and_how_to_go_on(cluster: Cluster) -> None:
    cluster.ctrl_c_at = 2
    ran = typed(INSTALL)
    assert cluster.changes == ["made Secret", "made ServiceAccount"]
    assert ran.output.count(": made") == 2
    assert "no more than what stands above was made" in str(ran.exception)
    assert "drillkit canary install -n shop --name orders --target dev" in str(ran.exception)
    cluster.ctrl_c_at = 0
    again = typed(INSTALL)
    assert again.exception is None
    assert "it beats every minute" in again.output


def test_ctrl_c_while_the_last_part_is_made_leaves_nothing_to_go_on_with(cluster: Cluster) -> None:
    cluster.ctrl_c_at = 6
    ran = typed(INSTALL)
    assert cluster.changes[-1] == "made CronJob"
    assert ran.exception is None
    assert "it beats every minute" in ran.output


def test_an_interrupted_removal_names_what_was_removed(cluster: Cluster) -> None:
    typed(INSTALL)
    cluster.changes.clear()
    cluster.ctrl_c_at = 1
    ran = typed(REMOVE)
    assert cluster.changes == ["removed CronJob"]
    assert ran.output.count(": removed") == 1
    assert "no more than what stands above was removed" in str(ran.exception)


def test_an_interrupted_block_does_not_claim_to_outlast_the_run_that_ends(
    cluster: Cluster,
) -> None:
    lease = "/apis/coordination.k8s.io/v1/namespaces/drillkit/leases/drillkit"
    meta = {"name": "drillkit", "namespace": "drillkit", "resourceVersion": "1", "uid": "u"}
    cluster.objects[lease] = {"metadata": meta, "spec": {"holderIdentity": "r1"}}
    cluster.ctrl_c_at = 1
    ran = typed("block dev fire")
    assert "a drill runs there" in ran.output
    assert "is blocked" not in ran.output
    assert "the block may go with the drill that ends" in str(ran.exception)


def test_one_ctrl_c_is_told_once_and_ends_a_wait_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (
        pytest.raises(Skipped, match="interrupted: type it again"),
        stoppable("it ends", "type it again") as stop,
    ):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        stop.clock.sleep(600)
    assert capsys.readouterr().err.count("it ends") == 1
