"""A run looks at what is fragile before it breaks anything, and nothing hangs on that look."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from drillkit.clients import Clients
from drillkit.clients.kube import Kube, Response
from drillkit.clients.kube.permissions import of_weaknesses
from drillkit.clock import Fence, SystemClock
from drillkit.model.drill import Step
from drillkit.model.permissions import Permission
from drillkit.model.prospect import Prospect
from drillkit.model.records import WeaknessesFound
from drillkit.model.target import KubernetesTarget, Target
from drillkit.plan import Plan, StepPlan
from drillkit.runner.weaknesses import WeaknessLook
from tests.clients.kube.conftest import said
from tests.judge.histories import KILL, drill

TARGET = Target(name="t", kubernetes=KubernetesTarget())
POD = {
    "metadata": {
        "name": "web-0",
        "namespace": "shop",
        "labels": {"app": "web", "statefulset.kubernetes.io/pod-name": "web-0"},
        "ownerReferences": [{"kind": "StatefulSet", "name": "web", "controller": True}],
    },
    "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "web:latest"}]},
    "status": {"phase": "Running"},
}


class Wire:
    """A transport that answers every list with a pod, once it may."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.bug: Exception | None = None

    def send(self, method: str, path: str, query: Any, *args: Any, **more: Any) -> Response:
        self.asked.append(f"{method} {path}")
        assert self.may_answer.wait(20)
        if self.bug is not None:
            raise self.bug
        return said(200, {"metadata": {}, "items": [POD]})


def looking(
    wire: Wire,
    target: Target = TARGET,
    touches: str = "pod/shop/web-0",
    denied: frozenset[Permission] = frozenset(),
) -> WeaknessLook:
    of = drill(steps=[KILL])
    (step,) = of.steps
    assert isinstance(step, Step)
    given = (Permission("list", "pods", namespace="shop"), Permission("get", "nodes", name="n1"))
    prospect = Prospect(targets=("node/n1", touches), permissions=given)
    plan = Plan(of, target, (StepPlan(step, "", prospect),), (), denied=denied)
    clients = Clients(target, SystemClock(), Fence())
    clients.__dict__["kube"] = Kube(wire, clients.clock, clients.fence)
    return WeaknessLook(plan, clients, clients.clock)


def over(look: WeaknessLook) -> WeaknessesFound:
    """What it says when it is over."""
    assert look._thread is not None
    look._thread.join(20)
    look.wait()
    found = look.found()
    assert found is not None
    return found


def test_it_asks_for_nothing_but_what_the_drill_needs_or_wishes_for() -> None:
    wire = Wire()
    wire.may_answer.set()
    look = looking(wire)
    look.start()
    found = over(look)
    within = ("/api/v1/namespaces/shop", "/apis/policy/v1/namespaces/shop")
    assert wire.asked == [
        f"GET {within[0]}/pods",
        f"GET {within[1]}/poddisruptionbudgets",
        "GET /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
        f"GET {within[0]}/services",
        "GET /apis/networking.k8s.io/v1/namespaces/shop/networkpolicies",
    ]
    assert {each.subject for each in found.found} == {"statefulset/shop/web"}
    assert "floating-tag" in {each.rule for each in found.found}
    assert found.unread == (
        "nodes under workloads of shop: the drill itself needs no permission to list them",
    )


def test_what_is_wished_for_and_not_allowed_is_not_asked_for_and_told() -> None:
    wire = Wire()
    wire.may_answer.set()
    look = looking(wire, denied=frozenset(of_weaknesses("shop")))
    look.start()
    found = over(look)
    assert wire.asked == ["GET /api/v1/namespaces/shop/pods"]
    why = "not allowed to list them; `drillkit permissions` has that as optional"
    whats = ("disruption budgets", "autoscalers", "services", "network policies")
    assert found.unread[1:] == tuple(f"{what} of shop: {why}" for what in whats)


def test_a_cluster_that_does_not_answer_keeps_no_step_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drillkit.runner.weaknesses.PATIENCE_S", 0.01)
    wire = Wire()
    look = looking(wire)
    look.start()
    look.wait()
    wire.may_answer.set()
    look._thread.join(20)
    found = look.found()
    assert found is not None
    assert found.found == ()
    assert "had not answered 0.01 s after the first effect was to begin" in found.unread[0]
    over(look)


@pytest.mark.parametrize("bug", [KeyError("items"), RuntimeError("closed")])
def test_a_fault_of_the_look_is_said_and_fails_nothing(bug: Exception) -> None:
    wire = Wire()
    wire.bug = bug
    wire.may_answer.set()
    look = looking(wire)
    look.start()
    found = over(look)
    assert found.found == ()
    assert type(bug).__name__ in found.unread[0]


@pytest.mark.parametrize(
    ("target", "touches"), [(Target(name="aws"), "pod/shop/web-0"), (TARGET, "rds/orders-db")]
)
def test_where_no_workload_is_touched_nobody_looks(target: Target, touches: str) -> None:
    wire = Wire()
    look = looking(wire, target, touches)
    look.start()
    look.wait()
    assert look.found() is None
    assert wire.asked == []


def test_no_effect_begins_before_it_has_been_read() -> None:
    wire = Wire()
    look = looking(wire)
    look.start()
    fence = Fence()
    fence.ask(look.wait)
    effect = threading.Thread(target=fence.check)
    effect.start()
    effect.join(0.05)
    assert effect.is_alive()
    wire.may_answer.set()
    effect.join(20)
    found = look.found()
    assert found is not None
    assert found.found


def test_what_is_read_after_the_first_effect_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drillkit.runner.weaknesses.PATIENCE_S", 0.01)
    wire = Wire()
    look = looking(wire)
    look.start()
    look.wait()
    wire.may_answer.set()
    assert look._thread is not None
    look._thread.join(20)
    found = look.found()
    assert found is not None
    assert not found.found
