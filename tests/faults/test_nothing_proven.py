"""The ways in which a fault proves nothing: each is unknown, whatever the users saw meanwhile.

A fault without rows fails the test: whoever adds one says here how it can come to nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import pytest

import drillkit.faults
from drillkit.clients.chaostoolkit.faults import is_fault
from drillkit.clients.kube import Kube
from drillkit.faults.dns import fail_dns
from drillkit.faults.network import add_latency, add_loss
from drillkit.faults.nodes import drain_nodes, evacuate_zone
from drillkit.faults.pods import delete_pods
from drillkit.faults.stress import stress_cpu, stress_memory
from drillkit.faults.workloads import restart, scale_to_zero
from drillkit.judge import judge
from drillkit.model.codec import decode_evidence
from drillkit.model.errors import DrillError, StepFailed, StepUnknown
from drillkit.model.evidence import Activity, Check, Mark
from drillkit.model.verdict import Holds, Verdict
from drillkit.sandbox.kube.objects import BUDGETS, CRDS, DEPLOYMENTS, NODES, SERVICES, Gvr
from drillkit.steps.experiment.outcome import conclude
from tests.faults.conftest import Scene
from tests.judge.histories import Tape, drill

Call: TypeAlias = Callable[[], object]
Way: TypeAlias = Callable[[Scene, pytest.MonkeyPatch], Call]
"""Prepares the ground, and gives the call that comes to nothing."""
VIRTUAL: Gvr = ("networking.istio.io", "virtualservices")
NETWORK: Gvr = ("chaos-mesh.org", "networkchaos")
STRESS: Gvr = ("chaos-mesh.org", "stresschaos")
DNS: Gvr = ("chaos-mesh.org", "dnschaos")


# -- what goes wrong meanwhile ---------------------------------------------------------------------


def without(of: Gvr, call: Call) -> Way:
    """Its mechanism is not installed."""

    def way(scene: Scene, patch: pytest.MonkeyPatch) -> Call:
        name = f"{of[1]}.{of[0]}"
        scene.cluster.store.delete(CRDS, "", name)
        scene.changed = {f"customresourcedefinitions//{name}"}
        return call

    return way


def healed(of: Gvr, call: Call) -> Way:
    """Somebody deletes it while it should last."""

    def way(scene: Scene, patch: pytest.MonkeyPatch) -> Call:
        def delete() -> None:
            for made in scene.cluster.store.list(of):
                scene.cluster.store.delete(of, "shop", made["metadata"]["name"])

        scene.meanwhile(5, delete)
        return call

    return way


def plain(call: Call) -> Way:
    return lambda scene, patch: call


def routed(call: Call) -> Way:
    """There is a VirtualService."""

    def way(scene: Scene, patch: pytest.MonkeyPatch) -> Call:
        spec = {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web"}}]}]}
        scene.cluster.store.create(VIRTUAL, {"metadata": {"name": "web"}, "spec": spec}, "shop")
        scene.changed = {"virtualservices/shop/web"}
        return call

    return way


def behind_nothing(call: Call) -> Way:
    """No Service leads to its victims."""

    def way(scene: Scene, patch: pytest.MonkeyPatch) -> Call:
        for service in scene.cluster.store.list(SERVICES):
            name = service["metadata"]["name"]
            if service["metadata"]["namespace"] != "shop":
                continue
            scene.cluster.store.delete(SERVICES, "shop", name)
            scene.changed = {*scene.changed, f"services/shop/{name}"}
        scene.cluster.advance(1)
        before = scene.cluster.inventory()

        def after() -> None:
            now = scene.cluster.inventory()
            scene.changed |= {
                k
                for k in {*before, *now}
                if before.get(k) != now.get(k) and k.startswith(("deployments/", "replicasets/"))
            }

        patch.setattr(scene, "after", after, raising=False)
        return call

    return way


def gone_before(method: str, call: Call) -> Way:
    """Its victims go by themselves before it comes to them."""

    def way(scene: Scene, patch: pytest.MonkeyPatch) -> Call:
        patch.setattr(Kube, method, lambda self, planned: False)
        return call

    return way


def blocked(call: Call) -> Way:
    """A budget refuses every eviction of web."""

    def way(scene: Scene, patch: pytest.MonkeyPatch) -> Call:
        store, budget = scene.cluster.store, scene.cluster.store.get(BUDGETS, "shop", "web")
        assert budget is not None
        store.update(BUDGETS, {**budget, "spec": {**budget["spec"], "minAvailable": 3}})
        scene.cluster.advance(5)
        scene.changed = {"poddisruptionbudgets/shop/web"}
        return call

    return way


def emptied(call: Call) -> Way:
    """The zone has been evacuated already."""

    def way(scene: Scene, patch: pytest.MonkeyPatch) -> Call:
        evacuate_zone("local-a", hold="0s")
        scene.clean()
        scene.session.notes().touched.clear()
        return call

    return way


def cordoned(call: Call) -> Way:
    """Somebody else has cordoned every node but one."""

    def way(scene: Scene, patch: pytest.MonkeyPatch) -> Call:
        for name in ("node-1", "node-2", "node-3"):
            node = scene.cluster.store.get(NODES, "", name)
            assert node is not None
            spec = {**node["spec"], "unschedulable": True}
            scene.cluster.store.update(NODES, {**node, "spec": spec})
            scene.changed = {*scene.changed, f"nodes//{name}"}
        return call

    return way


def scaled(to: int, after_s: float, call: Call) -> Way:
    """Somebody sets the replicas of orders, at once or meanwhile."""

    def way(scene: Scene, patch: pytest.MonkeyPatch) -> Call:
        def scale() -> None:
            found = scene.cluster.store.get(DEPLOYMENTS, "shop", "orders")
            assert found is not None
            spec = {**found["spec"], "replicas": to}
            scene.cluster.store.update(DEPLOYMENTS, {**found, "spec": spec})

        patch.setattr(scene, "after", lambda: _scaled_back(scene), raising=False)
        if after_s:
            scene.meanwhile(after_s, scale)
        else:
            scale()
            scene.cluster.advance(30)
        return call

    return way


def _scaled_back(scene: Scene) -> None:
    found = scene.cluster.store.get(DEPLOYMENTS, "shop", "orders")
    assert found is not None
    scene.cluster.store.update(DEPLOYMENTS, {**found, "spec": {**found["spec"], "replicas": 2}})
    scene.cluster.advance(60)


# -- the table -------------------------------------------------------------------------------------


def of_chaos_mesh(
    of: Gvr, fault: Callable[..., object], weak: Mapping[str, Mapping[str, Any]], **given: Any
) -> dict[str, Way]:
    """The ways that all faults through Chaos Mesh have, and those `weak` values."""

    def call(**more: Any) -> Call:
        arguments = {"namespace": "shop", "selector": "app=web", "duration": "15s", **given}
        return lambda: fault(**{**arguments, **more})

    return {
        "not installed": without(of, call()),
        "healed meanwhile": healed(of, call()),
        "behind no Service": behind_nothing(call()),
        "no pod matches": plain(call(selector="app=nothing")),
        "no such namespace": plain(call(namespace="nowhere")),
        "none of them": plain(call(count=0)),
        "no time": plain(call(duration="0s")),
        **{name: plain(call(**values)) for name, values in weak.items()},
    }


WAYS: dict[str, dict[str, Way]] = {
    "add_latency": {
        **of_chaos_mesh(
            NETWORK, add_latency, {"no delay": {"latency": "0ms"}}, mechanism="chaos-mesh"
        ),
        "no virtual service": plain(lambda: add_latency("istio", "shop", virtual_service="web")),
        "of no request": routed(
            lambda: add_latency("istio", "shop", virtual_service="web", percent="0%")
        ),
    },
    "add_loss": of_chaos_mesh(
        NETWORK, add_loss, {"no loss": {"loss": "0%"}}, mechanism="chaos-mesh"
    ),
    "stress_cpu": of_chaos_mesh(
        STRESS, stress_cpu, {"no workers": {"workers": 0}, "no load": {"load_percent": 0}}
    ),
    "stress_memory": of_chaos_mesh(
        STRESS, stress_memory, {"no workers": {"workers": 0}, "no memory": {"size": "0MB"}}
    ),
    "fail_dns": of_chaos_mesh(
        DNS,
        fail_dns,
        {"no names": {"patterns": ""}, "blank": {"patterns": [""]}},
        patterns="orders*",
    ),
    "delete_pods": {
        "no pod matches": plain(lambda: delete_pods("shop", "app=nothing")),
        "no such namespace": plain(lambda: delete_pods("nowhere", "app=web")),
        "none of them": plain(lambda: delete_pods("shop", "app=web", count=0)),
        "behind no Service": behind_nothing(lambda: delete_pods("shop", "app=web")),
        "gone before": gone_before("delete_pod", lambda: delete_pods("shop", "app=web")),
    },
    "drain_nodes": {
        "no such node": plain(lambda: drain_nodes(node="nowhere")),
        "none of them": plain(lambda: drain_nodes(node_selector="kubernetes.io/os=linux", count=0)),
        "cordoned already": cordoned(lambda: drain_nodes(node="node-1")),
        "behind no Service": behind_nothing(lambda: drain_nodes(node="node-1")),
        "nobody on it": emptied(lambda: drain_nodes(node="node-1")),
        "gone before": gone_before("evict_pod", lambda: drain_nodes(node="node-1")),
        "blocked by a budget": blocked(
            lambda: drain_nodes(pod_namespace="shop", pod_selector="app=web", limit="20s")
        ),
    },
    "evacuate_zone": {
        "no such zone": plain(lambda: evacuate_zone("nowhere")),
        "the only one": cordoned(lambda: evacuate_zone("local-a")),
        "behind no Service": behind_nothing(lambda: evacuate_zone("local-a", hold="1s")),
        "a repeat": emptied(lambda: evacuate_zone("local-a")),
        "gone before": gone_before("evict_pod", lambda: evacuate_zone("local-a")),
        "blocked by a budget": blocked(lambda: evacuate_zone("local-a", limit="20s")),
    },
    "restart": {
        "no such workload": plain(lambda: restart("shop", "nothing")),
        "behind no Service": behind_nothing(lambda: restart("shop", "web")),
        "wants no pods": scaled(0, 0, lambda: restart("shop", "orders")),
    },
    "scale_to_zero": {
        "no such workload": plain(lambda: scale_to_zero("shop", "nothing")),
        "behind no Service": behind_nothing(lambda: scale_to_zero("shop", "orders", duration="5s")),
        "at zero already": scaled(0, 0, lambda: scale_to_zero("shop", "orders")),
        "scaled up meanwhile": scaled(
            1, 8, lambda: scale_to_zero("shop", "orders", duration="15s", limit="30s")
        ),
        "no time": plain(lambda: scale_to_zero("shop", "orders", duration="0s")),
    },
}


def faults() -> list[str]:
    """Every fault that ships."""
    found = []
    for info in pkgutil.iter_modules(drillkit.faults.__path__):
        module = importlib.import_module(f"drillkit.faults.{info.name}")
        found += [
            name
            for name, value in vars(module).items()
            if is_fault(value) and value.__module__ == module.__name__
        ]
    return found


def verdict_of(scene: Scene, call: Call) -> Verdict:
    """What a drill says whose only step is this fault, while users lose nothing."""
    before, began = len(scene.records()), scene.stage.clock.mono()
    outcome: Literal["succeeded", "unproven", "failed"] = "succeeded"
    error = ""
    try:
        call()
    except StepUnknown as why:
        outcome, error = "unproven", str(why)
    except DrillError as why:
        outcome, error = "failed", str(why)
    touched = scene.touched()
    activity = Activity(
        "act", "method", "action", outcome, len(touched), None, 1.0, error, tuple(touched)
    )
    took_s = scene.stage.clock.mono() - began
    tape = Tape(
        drill(
            probes={"web": {"http": "http://shop/health"}},
            hypothesis={"during": {"web": {"bad": 20}}},
            steps=[{"name": "kill", "uses": "chaostoolkit", "objectives": {"recovery": "10m"}}],
        )
    )
    for record in scene.records()[before:]:
        seen = decode_evidence(record.data) if record.kind == "evidence" else None
        if isinstance(seen, Mark):
            tape.see(6 + took_s, Mark(seen.moment, seen.at - began + 6), step="kill")
        elif isinstance(seen, Check):
            tape.see(6 + took_s, seen, step="kill")
    tape.see(6 + took_s, activity, step="kill")
    ended, why_ended = _ended(activity)
    until = 10 + took_s
    tape.phase("steps", 5, until).step("kill", 5, until, ended, why_ended)
    return judge(tape.probe("web", 0, until).closed(until + 1).history())


def _ended(activity: Activity) -> tuple[str, str]:
    """How the step ends, by its own code."""
    try:
        conclude("it", "completed", "", (activity,))
    except StepUnknown as why:
        return "unknown", str(why)
    except StepFailed as why:
        return "failed", str(why)
    return "ok", ""


def test_every_fault_has_its_ways_to_prove_nothing() -> None:
    assert sorted(WAYS) == sorted(faults())
    assert all(len(ways) > 1 for ways in WAYS.values())


@pytest.mark.parametrize(("name", "way"), [(n, w) for n, ways in WAYS.items() for w in ways])
def test_a_fault_that_came_to_nothing_is_unknown(
    scene: Scene, name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verdict_of(scene, WAYS[name][way](scene, monkeypatch))
    assert (found.holds, found.exit_code) == (Holds.UNKNOWN, 3), found.headline
    reasons = [judged for judged in found.findings if judged.holds is Holds.UNKNOWN]
    assert any(len(reason.observed) > 10 for reason in reasons), found.headline
    getattr(scene, "after", lambda: None)()


def test_a_fault_that_hit_is_believed_by_the_same_rules(scene: Scene) -> None:
    found = verdict_of(scene, lambda: delete_pods("shop", "app=web"))
    assert found.holds is Holds.MET, found.headline
