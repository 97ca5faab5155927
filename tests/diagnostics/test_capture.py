"""What is taken down when something failed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from drillkit.clients.kube import Kube
from drillkit.clock import Fence
from drillkit.diagnostics import capture
from drillkit.diagnostics.text import describe_pod, pod_state
from drillkit.model.errors import Unreachable
from drillkit.secrets import HIDDEN as GONE
from drillkit.secrets import Redactor
from tests.crash.world import Cluster, Fate, Stage

redact = Redactor().foreign


@pytest.fixture
def stage() -> Stage:
    return Stage.open(Cluster(), Fate(random.Random(1)))


def taken(
    stage: Stage, selector: str = "app=web", kube: Kube | None = None, **more: Any
) -> dict[str, str]:
    found: dict[str, str] = {}
    capture(
        kube or stage.kube,
        stage.clock,
        "shop",
        selector,
        lambda name, kind, content: found.update({name: content.decode()}),
        **more,
    )
    assert sorted(found) == [
        f"diagnostics-{part}.txt" for part in ("describe", "events", "logs", "pods", "top")
    ]
    return found


def test_a_capture_has_what_a_runbook_looks_at(stage: Stage) -> None:
    store = stage.cluster.store
    store.pod_log = lambda pod, container, previous, tail: f"{container} says hello\n"
    store.pod_metrics = lambda pod: {"web": (0.05, 32 << 20)}
    pod = stage.cluster.store.list(("", "pods"), "shop", "app=web")[0]
    for second, reason in ((5, "Late"), (1, "Early")):
        event = {
            "metadata": {"name": reason.lower()},
            "reason": reason,
            "message": "something\nhappened",
            "type": "Warning",
            "involvedObject": {
                "kind": "Pod",
                "name": pod["metadata"]["name"],
                "uid": pod["metadata"]["uid"],
                "namespace": "shop",
            },
            "lastTimestamp": f"2026-01-01T00:00:0{second}Z",
            "count": 3,
        }
        store.create(("", "events"), event, "shop")
    found = taken(stage)
    wide = found["diagnostics-pods.txt"].splitlines()
    assert wide[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert len(wide) == 4
    assert wide[1].split()[1:3] == ["1/1", "Running"]
    assert found["diagnostics-logs.txt"].count("web says hello") == 3
    events = found["diagnostics-events.txt"]
    assert events.index("Early") < events.index("Late")
    assert "(x3) something happened" in events
    assert "Controlled by:  ReplicaSet/web-" in found["diagnostics-describe.txt"]
    assert "(x3) something happened" in found["diagnostics-describe.txt"]
    assert found["diagnostics-top.txt"].splitlines()[1].split()[1] == "web"


def test_values_of_environment_variables_never_appear(stage: Stage) -> None:
    web = stage.cluster.get(("apps", "deployments"), "shop", "web")
    assert web is not None
    container = {**web["spec"]["template"]["spec"]["containers"][0]}
    container["env"] = [
        {"name": "DB_URL", "value": "sup3rs3cret-value"},
        {"name": "API_TOKEN", "value": "sup3rs3cret-4711"},
        {"name": "QUEUE", "value": "amqp://shop:sup3rs3cret-4712@queue/shop"},
        {"name": "MODE_TOKEN", "value": "optional"},
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    ]
    container["envFrom"] = [{"secretRef": {"name": "more"}}]
    web["spec"]["template"]["spec"]["containers"] = [container]
    stage.cluster.store.update(("apps", "deployments"), web)
    stage.cluster.advance(60)
    stage.cluster.store.pod_log = lambda *_: "optional: sup3rs3cret-4711 sup3rs3cret-4712 refused\n"
    found = taken(stage)
    told = found["diagnostics-describe.txt"]
    assert "sup3rs3cret" not in told + found["diagnostics-logs.txt"]
    assert "optional: [secret] [secret] refused" in found["diagnostics-logs.txt"]
    assert "DB_URL, API_TOKEN, QUEUE, MODE_TOKEN, DB_PASSWORD (from secretKey db)" in told
    assert "From:         secret more" in told


def test_what_cannot_be_read_says_why_in_its_place(stage: Stage) -> None:
    stage.cluster.store.policy = lambda access: (
        access.resource != "events" and access.subresource != "log"
    )
    found = taken(stage)
    assert "could not read" not in found["diagnostics-pods.txt"]
    assert (
        "could not read: cannot list events in shop: the test may not"
        in found["diagnostics-events.txt"]
    )
    assert "Events: could not read" in found["diagnostics-describe.txt"]
    assert (
        found["diagnostics-logs.txt"].count("could not read: cannot read the log of pod/shop/web-")
        == 3
    )
    assert "serves no metrics" in found["diagnostics-top.txt"]


def test_a_selector_that_matches_nothing_says_so(stage: Stage) -> None:
    found = taken(stage, "app=nobody")
    assert found["diagnostics-pods.txt"] == "no pods match 'app=nobody' in namespace shop\n"
    assert found["diagnostics-logs.txt"] == "no pods\n"


def test_a_cluster_that_is_gone_is_asked_once(stage: Stage) -> None:
    asked: list[str] = []

    class Dead:
        def send(self, method: str, path: str, *rest: object) -> object:
            asked.append(path)
            raise Unreachable("no connection")

    kube = Kube(Dead(), stage.clock, Fence())  # type: ignore[arg-type]
    found = taken(stage, kube=kube)
    assert set(found.values()) == {"could not read: no connection\n"}
    assert len(set(asked)) == 1


def test_nothing_is_asked_when_the_time_is_over(stage: Stage) -> None:
    found = taken(stage, limit_s=0.0)
    assert set(found.values()) == {"could not read: the time for looking was over\n"}


def test_a_flood_of_log_is_cut(stage: Stage) -> None:
    stage.cluster.store.pod_log = lambda pod, container, previous, tail: "x" * 70_000
    many = stage.cluster.get(("apps", "deployments"), "shop", "orders")
    assert many is not None
    many["spec"]["replicas"] = 30
    stage.cluster.store.update(("apps", "deployments"), many)
    stage.cluster.advance(60)
    logs = taken(stage, "app=orders")["diagnostics-logs.txt"]
    assert len(logs) <= 1024 * 1024 + 100
    assert len(taken(stage, "app=orders")["diagnostics-pods.txt"].splitlines()) == 31


def crashing() -> dict[str, object]:
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    ended = {
        "terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-01T00:00:00Z"}
    }
    status = {
        "name": "web",
        "ready": False,
        "restartCount": 4,
        "state": waiting,
        "lastState": ended,
    }
    return {
        "metadata": {
            "name": "web-1",
            "namespace": "shop",
            "uid": "u",
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{everything}",
                "note": "kept",
            },
        },
        "spec": {
            "containers": [{"name": "web", "image": "web:1"}],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [status],
            "conditions": [
                {
                    "type": "Ready",
                    "status": "False",
                    "reason": "ContainersNotReady",
                    "lastTransitionTime": "t",
                }
            ],
        },
    }


def test_a_crashing_pod_is_described_by_what_happened_to_it() -> None:
    told = describe_pod(crashing(), [], 0.0)
    assert pod_state(crashing()) == "CrashLoopBackOff"
    assert "State:        Waiting, CrashLoopBackOff, back-off 10s" in told
    assert "Last state:   Terminated, OOMKilled, exit code 137" in told
    assert "Ready=False since t ContainersNotReady" in told
    assert "tmp (emptyDir)" in told
    assert "note=kept" in told
    assert "everything" not in told


def test_the_previous_log_of_a_restarted_container_is_read_first(stage: Stage) -> None:
    store = stage.cluster.store
    store.pod_log = lambda pod, container, previous, tail: (
        "before the crash\n" if previous else "after it\n"
    )
    pod = store.list(("", "pods"), "shop", "app=cache")[0]
    states = [{**s, "restartCount": 1} for s in pod["status"]["containerStatuses"]]
    store.patch(
        ("", "pods"),
        "shop",
        pod["metadata"]["name"],
        {"status": {"containerStatuses": states}},
        subresource="status",
    )
    logs = taken(stage, "app=cache")["diagnostics-logs.txt"]
    assert logs.index("before the crash") < logs.index("after it")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("password=hunter2 next", "hunter2"),
        ('{"apiKey": "abc123", "n": 1}', "abc123"),
        ("DB_PASSWORD: hunter2", "hunter2"),
        ("connecting to postgres://app:hunter2@db:5432/shop", "hunter2"),
        ("Authorization: Bearer abcdefghijkl", "abcdefghijkl"),
        ("run --api-token abc123 --verbose", "abc123"),
        ("key AKIAABCDEFGHIJKLMNOP used", "AKIAABCDEFGHIJKLMNOP"),
        ("jwt eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ],
)
def test_what_looks_like_a_secret_is_redacted(text: str, hidden: str) -> None:
    assert hidden not in redact(text)
    assert GONE in redact(text)


@pytest.mark.parametrize(
    "text", ["author: bob", "GET /tokens 200 12ms", "http://web:8080/health", "keys: none"]
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text) == text
