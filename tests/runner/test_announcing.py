"""Silences and annotations: what is left of them when answers are lost, and what a real
Alertmanager makes of them.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from drillkit.clients import Clients
from drillkit.clients.alertmanager import Alertmanager, ExpireSilence, open_alertmanager
from drillkit.clients.grafana import CloseRegion, Grafana
from drillkit.clients.http_get import fetch
from drillkit.clients.http_post import post_json
from drillkit.clients.kube import open_kube
from drillkit.clients.kube.resources import EVENTS
from drillkit.clients.prometheus import open_prometheus
from drillkit.clients.prometheus.promql import named_alert
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.clock import Deadline, Fence, SystemClock
from drillkit.journal.book import Planned
from drillkit.journal.runs import JOURNAL
from drillkit.model.effects import Undone
from drillkit.model.errors import Absent, CallError, Denied, DrillError, Refused, Unanswered
from drillkit.model.records import EffectConfirmed, Entry, UndoEnded
from drillkit.model.target import KubernetesTarget, PrometheusTarget, Target
from tests.conftest import CommandLine, Sandbox

RUN = "20261101-030000-abcd"
ENDS = 2_000_000_000.0


class Clock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.at = ENDS - 3600

    def now(self) -> float:
        return self.at

    def mono(self) -> float:
        return self.at

    def sleep(self, seconds: float, wake: object = None) -> bool:
        self.at += seconds
        return False


@dataclass
class Service:
    """An Alertmanager and a Grafana in memory, whose answers to changes may be lost."""

    fates: list[str] = field(default_factory=list)
    """What becomes of each change: `lost` before it lands, `landed` without an answer, `denied`."""
    silences: dict[str, dict[str, Any]] = field(default_factory=dict)
    annotations: dict[str, dict[str, Any]] = field(default_factory=dict)
    where = "http://there"

    def get(self, path: str, query: Mapping[str, Any], asked: str) -> bytes:
        kept = self.silences if "silences" in path else self.annotations
        return json.dumps(list(kept.values())).encode()

    def _change(self, method: str, path: str, data: Any, asked: str) -> bytes:
        fate = self.fates.pop(0) if self.fates else ""
        if fate == "lost":
            raise Unanswered("lost on the way")
        if fate == "denied":
            raise Denied("401")
        answer = self._take(method, path, data)
        if fate == "landed":
            raise Unanswered("the answer was lost")
        return json.dumps(answer).encode()

    def _take(self, method: str, path: str, data: Any) -> dict[str, Any]:
        _, _, last = path.rpartition("/")
        if method == "DELETE":
            if last not in self.silences:
                raise Absent("404")
            self.silences[last]["status"] = {"state": "expired"}
            return {}
        if method == "PATCH":
            if last not in self.annotations:
                raise Absent("404")
            self.annotations[last].update(data)
            return {}
        made = f"{len(self.silences) + len(self.annotations) + 7}"
        if last == "silences":
            self.silences[made] = {**data, "id": made, "status": {"state": "active"}}
            return {"silenceID": made}
        self.annotations[made] = {**data, "id": int(made)}
        return {"message": "Annotation added", "id": int(made)}

    @property
    def active(self) -> list[dict[str, Any]]:
        return [s for s in self.silences.values() if s["status"]["state"] != "expired"]


@dataclass
class Stage:
    """One run's client of a service, and its undo."""

    service: Service
    clock: Clock = field(default_factory=Clock)
    written: list[Entry] = field(default_factory=list)

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        self.written.append(entry)
        return len(self.written)

    def plan(self, effect: Any) -> Planned[Any]:
        return Planned(1, effect, self)

    @property
    def alertmanager(self) -> Alertmanager:
        return Alertmanager(self.service, self.clock, Fence())  # type: ignore[arg-type]

    @property
    def grafana(self) -> Grafana:
        return Grafana(self.service, "uid-1", self.clock, Fence())  # type: ignore[arg-type]

    def silence(self) -> UndoAction:
        undo = ExpireSilence('alertname="PodNotReady",namespace=~"shop|web"', RUN, ENDS)
        self.alertmanager.silence(self.plan(undo), comment="a drill")
        return undo

    def region(self) -> UndoAction:
        undo = CloseRegion(RUN, ENDS)
        self.grafana.open_region(self.plan(undo), text="a drill", tags=("pod-delete", "prod"))
        return undo

    def undo(self, undo: UndoAction) -> Undone:
        confirmed = [e for e in self.written if isinstance(e, EffectConfirmed)]
        context = UndoContext(
            self.clock,
            Deadline.after(600, self.clock),
            self.clock.mono(),
            bool(confirmed),
            confirmed[0].identity if confirmed else {},
        )
        return undo.apply(self, context)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fates", "outcome"),
    [
        ([], "undone"),
        (["landed"], "undone"),
        (["lost", "landed", "lost"], "undone"),
        (["lost", "lost", "lost"], "never-happened"),
    ],
)
def test_whatever_became_of_the_answers_one_silence_is_made_at_most_and_none_is_left(
    fates: list[str], outcome: str
) -> None:
    stage = Stage(Service(list(fates)))
    theirs = {
        "id": "1",
        "createdBy": "maria",
        "matchers": [{"name": "alertname", "value": "PodNotReady", "isRegex": False}],
        "status": {"state": "active"},
    }
    stage.service.silences["1"] = theirs
    try:
        undo = stage.silence()
    except CallError:
        undo = ExpireSilence('alertname="PodNotReady",namespace=~"shop|web"', RUN, ENDS)
    assert len(stage.service.active) == (2 if outcome == "undone" else 1)
    stage.service.fates = []
    assert stage.undo(undo).outcome == outcome
    assert stage.service.active == [theirs]


def test_a_silence_says_who_made_it_until_when_and_of_what() -> None:
    stage = Stage(Service())
    undo = stage.silence()
    (made,) = stage.service.active
    assert made["createdBy"] == f"drillkit {RUN}"
    assert made["endsAt"] == "2033-05-18T03:33:20.000Z"
    assert made["matchers"] == [
        {"name": "alertname", "value": "PodNotReady", "isRegex": False, "isEqual": True},
        {"name": "namespace", "value": "shop|web", "isRegex": True, "isEqual": True},
    ]
    stage.service.get = lambda *_: (_ for _ in ()).throw(Unanswered("it hangs"))  # type: ignore
    with pytest.raises(Unanswered):
        stage.undo(undo)
    stage.clock.at = ENDS + 61
    assert stage.undo(undo).outcome == "already-undone", "it has expired by itself"


def test_what_is_refused_for_good_is_written_down_as_never_having_been() -> None:
    for make in (Stage.silence, Stage.region):
        stage = Stage(Service(["denied"]))
        with pytest.raises(Denied):
            make(stage)
        (ended,) = stage.written
        assert isinstance(ended, UndoEnded)
        assert ended.outcome == "never-happened"


@pytest.mark.parametrize("fates", [[], ["landed"], ["lost", "landed"]])
def test_a_region_ends_when_the_run_does_and_is_made_once(fates: list[str]) -> None:
    stage = Stage(Service(list(fates)))
    try:
        undo = stage.region()
    except CallError:
        undo = CloseRegion(RUN, ENDS)
    (made,) = stage.service.annotations.values()
    assert made["timeEnd"] == ENDS * 1000, "it ends by itself"
    assert made["tags"] == ["drillkit", RUN, "pod-delete", "prod"]
    assert made["dashboardUID"] == "uid-1"
    stage.clock.at += 300
    assert stage.undo(undo).outcome == "undone"
    assert made["timeEnd"] == round(stage.clock.now() * 1000) < ENDS * 1000
    stage.service.annotations.clear()
    if not fates:
        assert stage.undo(undo).outcome == "already-undone"


def test_an_annotation_of_somebody_else_with_the_same_number_is_left_alone() -> None:
    stage = Stage(Service())
    undo = stage.region()
    (number,) = stage.service.annotations
    theirs = {"id": int(number), "tags": ["release"], "timeEnd": 4711}
    stage.service.annotations[number] = dict(theirs)
    assert stage.undo(undo).outcome == "already-undone"
    assert stage.service.annotations[number] == theirs


def test_a_grafana_that_does_not_take_the_end_keeps_nobody_waiting() -> None:
    stage = Stage(Service())
    undo = stage.region()
    stage.service.fates = ["lost"] * 9
    undone = stage.undo(undo)
    assert undone.outcome == "kept"
    assert "ends by itself at 2033-05-18 03:33 UTC" in undone.detail
    assert len(stage.service.fates) >= 6, "a few attempts, no more"


@dataclass
class Real:
    """Debian's Alertmanager."""

    url: str
    target: Target

    def alert(self, name: str) -> None:
        starts = datetime.now(UTC).isoformat()
        labels = {"alertname": name, "namespace": "shop"}
        post_json(f"{self.url}/api/v2/alerts", [{"labels": labels, "startsAt": starts}])

    def firing(self, *silenced: str) -> list[str]:
        assert self.target.prometheus is not None
        server = open_prometheus(self.target.prometheus, SystemClock())
        return sorted(a.name for a in server.firing(tuple(map(named_alert, silenced))))


def wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    found = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if found is None:
        pytest.skip("no Alertmanager is installed (Debian: prometheus-alertmanager)")
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yaml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            found,
            f"--config.file={folder}/config.yaml",
            f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return fetch(f"{url}/-/ready", 1.0).status == 200
        except DrillError:
            return False

    try:
        wait(ready)
        server = PrometheusTarget(url=url, alertmanager=url)
        yield Real(url, Target(name="t", prometheus=server))
    finally:
        process.kill()
        process.wait()


def test_a_real_alertmanager_takes_and_loses_the_silence_and_guards_see_the_alert_all_the_same(
    real: Real,
) -> None:
    clock = SystemClock()
    clients = Clients(real.target, clock, Fence())
    stage = Stage(Service())
    undo = ExpireSilence('alertname="PodNotReady",namespace="shop"', RUN, clock.now() + 600)
    for name in ("PodNotReady", "Else"):
        real.alert(name)
    wait(lambda: real.firing() == ["Else", "PodNotReady"])

    open_alertmanager(real.target, clock, Fence()).silence(stage.plan(undo), comment="a drill")

    (confirmed,) = stage.written
    assert isinstance(confirmed, EffectConfirmed)
    wait(lambda: real.firing() == ["Else"])
    assert real.firing("PodNotReady") == ["Else", "PodNotReady"]
    assert real.firing("Another") == ["Else"]
    context = UndoContext(
        clock, Deadline.after(30, clock), clock.mono(), True, dict(confirmed.identity)
    )
    assert undo.apply(clients, context).outcome == "undone"
    assert clients.alertmanager.found(undo) is None
    wait(lambda: real.firing() == ["Else", "PodNotReady"])


def test_nothing_is_silenced_behind_a_closed_fence(real: Real) -> None:
    fence = Fence()
    fence.close("the run is over")
    undo = ExpireSilence("PodNotReady", RUN, time.time() + 600)
    closed = open_alertmanager(real.target, SystemClock(), fence)
    with pytest.raises(Refused):
        closed.silence(Stage(Service()).plan(undo), comment="a drill")
    assert closed.found(undo) is None


DRILL = """
drill: loud
owner: sre@example.com
target: sandbox
announce:
  event: true
  grafana: true
  silence: ['alertname="PodNotReady",namespace="shop"']
steps:
  - uses: wait
    with: {for: 60s}
"""


@contextlib.contextmanager
def grafana_at(service: Service) -> Iterator[str]:
    """A Grafana's API over HTTP, as far as annotations go. Without its token it is 401."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            data = json.loads(self.rfile.read(size)) if size else None
            path, _, query = self.path.partition("?")
            allowed = self.headers.get("Authorization") == "Bearer the-token"
            if not allowed:
                said, status = b"{}", 401
            elif self.command == "GET":
                assert parse_qs(query)["tags"][0] == "drillkit"
                said, status = service.get(path, {}, ""), 200
            else:
                said, status = service._change(self.command, path, data, ""), 200
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PATCH = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def project(drillkit: CommandLine, alertmanager: str, grafana: str) -> None:
    (drillkit.folder / "drillkit.yaml").write_text("")
    drills = drillkit.folder / "drills"
    drills.mkdir()
    (drills / "loud.yaml").write_text(DRILL)
    (drills / "targets.yaml").write_text(
        "sandbox:\n  launch: {module: drillkit.sandbox}\n"
        f"  prometheus: {{url: 'http://127.0.0.1:9', alertmanager: '{alertmanager}'}}\n"
        f"  grafana: {{url: '{grafana}', bearer: 'env:GRAFANA'}}\n"
    )


@pytest.mark.slow
def test_a_run_announces_itself_and_after_a_kill_recover_takes_it_back(
    drillkit: CommandLine, sandbox: Sandbox, real: Real
) -> None:
    clock, service = SystemClock(), Service()
    alerts = open_alertmanager(real.target, clock, Fence())
    kube = open_kube(KubernetesTarget(kubeconfig=str(sandbox.kubeconfig)), clock, Fence())
    with grafana_at(service) as grafana:
        project(drillkit, real.url, grafana)
        env = {"GRAFANA": "the-token"}
        needs = drillkit("plan", "loud", env=env).out
        assert "create events in namespace drillkit" in needs
        process = drillkit.start("run", "loud", "--yes", env=env)
        try:
            wait(lambda: bool(service.annotations))
            run = drillkit.run_folder("loud").name
            undo = ExpireSilence('alertname="PodNotReady",namespace="shop"', run, 0.0)
            silence = alerts.found(undo)
            assert silence is not None
            assert f"drillkit abort {run}" in silence["comment"]
            (event,) = kube.list(EVENTS, "drillkit")
            assert event["involvedObject"]["kind"] == "Lease"
            assert event["reason"] == "DrillStarts"
            assert "annotate lease drillkit drillkit.dev/stop=WHY" in event["message"]
            wait(lambda: "step.started" in (drillkit.run_folder("loud") / JOURNAL).read_text())
        finally:
            process.kill()
            process.communicate()
        recovered = drillkit("recover", env=env)
        assert recovered.code == 0, recovered.said
    assert alerts.found(undo) is None
    (annotation,) = service.annotations.values()
    assert annotation["tags"] == ["drillkit", run, "loud", "sandbox"]
    assert annotation["time"] < annotation["timeEnd"] <= clock.now() * 1000
    assert "the-token" not in (drillkit.run_folder("loud") / JOURNAL).read_text()


@pytest.mark.slow
def test_what_cannot_be_silenced_keeps_a_drill_from_starting_and_a_dead_grafana_does_not(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    env = {"GRAFANA": "the-token"}
    dead = "http://127.0.0.1:9"
    project(drillkit, dead, dead)
    ran = drillkit("run", "loud", "--yes", env=env)
    assert ran.code == 4, ran.said
    assert "cannot be silenced, so it might page somebody" in ran.said
    drill = drillkit.folder / "drills" / "loud.yaml"
    drill.write_text(DRILL.replace("60s", "1s").replace("  silence", "  # silence"))
    ran = drillkit("run", "loud", "--yes", env=env)
    assert ran.code == 3, "nothing is measured, and nothing is dirty"
    assert "warning: annotation in Grafana was not told `announced`" in ran.said
    report = (drillkit.run_folder("loud") / "report.md").read_text()
    told = report.partition("## Who was told")[2].partition("\n## ")[0]
    assert re.search(r"annotation in Grafana \| tags loud, sandbox \| NOT accepted: ", told), told


def test_what_is_expected_to_fire_is_never_silenced(drillkit: CommandLine) -> None:
    project(drillkit, "http://127.0.0.1:9", "http://127.0.0.1:9")
    drill = drillkit.folder / "drills" / "loud.yaml"
    drill.write_text(
        DRILL.replace("]\n", ", Noticed, 'severity=\"critical\"']\n")
        + "guards: {expected_alerts: [PodNotReady, Noticed]}\n"
    )
    said = drillkit("validate", "loud").out
    for i in range(2):
        assert f"announce.silence[{i}]: " in said
    assert said.count("is expected to fire") == 2
    assert 'announce.silence[2]: expected the name of an alert, or matchers with `alertname="' in (
        said
    )
    drill.write_text(DRILL)
    targets = drillkit.folder / "drills" / "targets.yaml"
    targets.write_text("bare: {aws: {account: '123456789012', region: eu-central-1}}\n")
    said = drillkit("plan", "loud", "--target", "bare").out
    for key in ("event", "grafana", "silence"):
        assert f"`announce.{key}` needs" in said
