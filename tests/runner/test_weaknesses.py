"""A run looks at what is fragile before it breaks anything, and nothing hangs on that look."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from drillkit.clients import Clients
from drillkit.clients.kube import Kube, Response
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


def looking(wire: Wire, target: Target = TARGET, touches: str = "pod/shop/web-0") -> WeaknessLook:
    of = drill(steps=[KILL])
    (step,) = of.steps
    assert isinstance(step, Step)
    given = (Permission("list", "pods", namespace="shop"), Permission("get", "nodes", name="n1"))
    prospect = Prospect(targets=("node/n1", touches), permissions=given)
    plan = Plan(of, target, (StepPlan(step, "", prospect),), ())
    clients = Clients(target, SystemClock(), Fence())
    clients.__dict__["kube"] = Kube(wire, clients.clock, clients.fence)
    return WeaknessLook(plan, clients, clients.clock)


def over(look: WeaknessLook) -> WeaknessesFound:
    """What it says when it is over."""
    assert look._thread is not None
    look._thread.join(20)
    found = look.end()
    assert found is not None
    return found


def test_it_asks_for_nothing_that_the_drill_does_not_need_itself() -> None:
    wire = Wire()
    wire.may_answer.set()
    look = looking(wire)
    look.start()
    found = over(look)
    assert wire.asked == ["GET /api/v1/namespaces/shop/pods"]
    assert {each.subject for each in found.found} == {"statefulset/shop/web"}
    assert "floating-tag" in {each.rule for each in found.found}
    whats = [text.partition(" of shop: the drill itself needs no")[0] for text in found.unread]
    assert whats == [
        "nodes under workloads",
        *("disruption budgets", "autoscalers", "services", "network policies"),
    ]


def test_a_cluster_that_does_not_answer_keeps_no_step_waiting() -> None:
    wire = Wire()
    look = looking(wire)
    look.start()
    found = look.end()
    wire.may_answer.set()
    assert found is not None
    assert found.found == ()
    assert "not over when the first step" in found.unread[0]
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
    assert look.end() is None
    assert wire.asked == []
