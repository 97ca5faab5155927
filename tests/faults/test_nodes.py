"""Draining: kubectl's rules, budgets with patience, and only our own cordons taken back."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from drillkit.clients.kube.resources import PODS as POD_RESOURCE
from drillkit.faults.drain import DrainFlags, sort_pods
from drillkit.faults.nodes import _preview_drain, drain_nodes, evacuate_zone
from drillkit.judge.evidence import judge_evidence
from drillkit.judge.run_history import At
from drillkit.model.errors import Refused, StepFailed
from drillkit.model.prospect import Prospect
from drillkit.model.verdict import Holds
from drillkit.sandbox.kube.objects import BUDGETS, DEPLOYMENTS, NODES, PODS, REPLICASETS
from tests.faults.conftest import Scene


def _node_of(scene: Scene, app: str) -> str:
    return str(scene.pods(app)[0]["spec"]["nodeName"])


def _cordoned(scene: Scene) -> list[str]:
    return [
        n["metadata"]["name"]
        for n in scene.cluster.store.list(NODES)
        if n["spec"].get("unschedulable")
    ]


def test_a_drained_node_is_empty_its_pods_are_elsewhere_and_it_comes_back(scene: Scene) -> None:
    name = _node_of(scene, "web")
    found = drain_nodes(pod_namespace="shop", pod_selector="app=web", order="alphabetic")
    drained = found["targets"][0].removeprefix("node/")
    assert _cordoned(scene) == [drained]
    left = [p for p in scene.cluster.store.list(PODS) if p["spec"].get("nodeName") == drained]
    assert {(p["metadata"]["labels"] or {}).get("app") for p in left} == {"node-agent"}
    assert len(scene.pods("web")) == 3
    assert set(scene.touched()) == {*found["targets"], *found["evicted"]}
    assert scene.moments() == ["disrupted", "recovered"]
    assert [u.undone.outcome for u in scene.clean().ended] == ["undone"]
    assert _cordoned(scene) == []
    assert name


def test_a_budget_that_blocks_for_a_while_is_waited_for(scene: Scene) -> None:
    web = scene.pods("web")
    budget = scene.cluster.store.get(BUDGETS, "shop", "web")
    assert budget is not None
    store = scene.cluster.store
    store.update(BUDGETS, {**budget, "spec": {**budget["spec"], "minAvailable": 3}})
    scene.cluster.advance(5)
    current = store.get(BUDGETS, "shop", "web")
    assert current is not None
    scene.meanwhile(
        10,
        lambda: store.update(BUDGETS, {**current, "spec": budget["spec"]}),
    )
    found = drain_nodes(node=str(web[0]["spec"]["nodeName"]))
    assert f"pod/shop/{web[0]['metadata']['name']}" in found["evicted"]
    said = [str(r.data.get("text")) for r in scene.records() if r.kind == "progress"]
    assert any("wait for a PodDisruptionBudget" in text and "web" in text for text in said)


@pytest.mark.parametrize("blocked", ["unknown", "violated"])
def test_a_budget_that_blocks_for_ever_is_named(scene: Scene, blocked: str) -> None:
    store, budget = scene.cluster.store, scene.cluster.store.get(BUDGETS, "shop", "web")
    assert budget is not None
    store.update(BUDGETS, {**budget, "spec": {**budget["spec"], "minAvailable": 3}})
    scene.cluster.advance(5)
    node = _node_of(scene, "web")
    with pytest.raises(
        StepFailed,
        match=r"pod/shop/web-\S+ could not be evicted within 20 s: .*disruption budget web",
    ):
        drain_nodes(node=node, limit="20s", blocked=blocked)
    assert _cordoned(scene) == [node]
    purpose = "step" if blocked == "violated" else "prerequisite"
    (check,) = [c for c in scene.checks(purpose) if "disruption budgets" in c.name]
    assert isinstance(check.found, int)
    assert check.expected == check.found + 1
    assert re.search(r"pod/shop/web-\S+ could not be evicted .*disruption budget web", check.why)
    assert scene.moments() == []
    found, _ = judge_evidence("drain", [At(1, 1.0, 1.0, "drain", check)])
    assert [f.holds for f in found] == ([Holds.VIOLATED] if blocked == "violated" else [])
    scene.clean()
    assert _cordoned(scene) == []
    scene.changed = {"poddisruptionbudgets/shop/web"}


def test_another_word_for_what_a_blocked_eviction_is_is_refused(scene: Scene) -> None:
    said = "blocked: expected unknown or violated, found 'met'"
    with pytest.raises(Refused, match=said):
        drain_nodes(node="node-1", blocked="met")
    with pytest.raises(Refused, match=said):
        evacuate_zone("local-a", blocked="met")
    assert _cordoned(scene) == []


def test_a_zone_is_not_drained_twice_nor_is_a_node_that_nobody_leaves(scene: Scene) -> None:
    evacuate_zone("local-a", hold="1s")
    scene.clean()
    for drain in (lambda: evacuate_zone("local-a"), lambda: drain_nodes(node="node-1")):
        with pytest.raises(StepFailed, match=r"expected pods to evict on node-1.*found none"):
            drain()
    assert _cordoned(scene) == []


def test_pods_that_went_by_themselves_were_not_drained(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube = scene.session.clients.kube
    monkeypatch.setattr(type(kube), "evict_pod", lambda self, planned: False)
    with pytest.raises(StepFailed, match="were gone before they could be evicted"):
        drain_nodes(node="node-1")


def test_one_way_to_choose_nodes_is_needed_and_only_one(scene: Scene) -> None:
    ways: tuple[dict[str, Any], ...] = (
        {},
        {"node": "node-1", "node_selector": "a=b"},
        {"pod_selector": "app=web"},
    )
    for given in ways:
        with pytest.raises(Refused, match="expected one of"):
            drain_nodes(**given)
    with pytest.raises(StepFailed, match="expected a schedulable node nowhere, found none"):
        drain_nodes(node="nowhere")
    assert _cordoned(scene) == []


def test_caps_and_the_last_node_are_respected(scene: Scene) -> None:
    scene.caps(nodes="1")
    with pytest.raises(
        Refused, match="2 of 4 schedulable nodes are more than target `world` allows"
    ):
        drain_nodes(node_selector="kubernetes.io/os=linux", count=2)
    scene.caps(nodes="100%")
    with pytest.raises(Refused, match="nothing could take their pods"):
        drain_nodes(node_selector="kubernetes.io/os=linux", count="100%")
    assert _cordoned(scene) == []


def test_a_node_that_somebody_else_cordoned_is_not_drained_nor_uncordoned(scene: Scene) -> None:
    node = scene.cluster.store.get(NODES, "", "node-1")
    assert node is not None
    scene.cluster.store.update(NODES, {**node, "spec": {**node["spec"], "unschedulable": True}})
    with pytest.raises(StepFailed, match="cordoned or not ready"):
        drain_nodes(node="node-1")
    scene.clean()
    assert _cordoned(scene) == ["node-1"]
    scene.changed = {"nodes//node-1"}


def test_pods_in_the_way_stop_the_drain_before_anything_is_touched(scene: Scene) -> None:
    spec = {
        "containers": [{"name": "c", "image": "sandbox/web:1.0"}],
        "nodeName": "node-3",
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }
    scene.cluster.store.create(PODS, {"metadata": {"name": "alone"}, "spec": spec}, "shop")
    scene.cluster.advance(10)
    with pytest.raises(Refused, match=r"pod/shop/alone stands alone.*set force"):
        drain_nodes(node="node-3")
    with pytest.raises(
        Refused, match=r"pod/shop/alone has emptyDir data .*scratch .set delete_emptydir_data"
    ):
        drain_nodes(node="node-3", force=True)
    assert _cordoned(scene) == []
    assert not [r for r in scene.records() if r.kind in ("undo.planned", "effect.irreversible")]
    found = drain_nodes(node="node-3", force=True, delete_emptydir_data=True)
    assert "pod/shop/alone" in found["evicted"]
    scene.clean()
    scene.changed = {"ready pods"} & scene.changed


def test_a_zone_is_emptied_and_held_empty(scene: Scene) -> None:
    began = scene.stage.clock.mono()
    found = evacuate_zone("local-a", hold="30s")
    assert found["targets"] == ["node/node-1", "node/node-4"]
    assert scene.stage.clock.mono() - began >= 30
    assert _cordoned(scene) == ["node-1", "node-4"]
    assert {p["spec"]["nodeName"] for p in scene.pods("web")} <= {"node-2", "node-3"}
    scene.clean()
    assert _cordoned(scene) == []


def test_a_zone_that_is_the_only_one_or_none_is_refused(scene: Scene) -> None:
    with pytest.raises(StepFailed, match="zones: local-a, local-b, local-c"):
        evacuate_zone("local-z")
    for name in ("node-2", "node-3"):
        node = scene.cluster.store.get(NODES, "", name)
        assert node is not None
        scene.cluster.store.update(NODES, {**node, "spec": {**node["spec"], "unschedulable": True}})
    with pytest.raises(Refused, match="only one with schedulable nodes"):
        evacuate_zone("local-a")
    scene.changed = {"nodes//node-2", "nodes//node-3"}


def _pod(name: str, owner: str = "ReplicaSet", **more: Any) -> dict[str, Any]:
    owners = [{"kind": owner, "name": "o", "uid": "u", "controller": True}] if owner else []
    metadata = {
        "name": name,
        "namespace": "n",
        "ownerReferences": owners,
        **dict(more.pop("metadata", {})),
    }
    return {"metadata": metadata, "spec": {}, "status": {"phase": "Running"}, **more}


def test_each_pod_is_sorted_by_kubectls_rules() -> None:
    pods = [
        _pod("plain"),
        _pod("agent", "DaemonSet"),
        _pod("alone", ""),
        _pod("static", "Node", metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}),
        _pod("going", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        _pod("scratch", spec={"volumes": [{"name": "tmp", "emptyDir": {}}]}),
        _pod(
            "done",
            "",
            status={"phase": "Succeeded"},
            spec={"volumes": [{"name": "tmp", "emptyDir": {}}]},
        ),
    ]

    def names(found: list[dict[str, object]]) -> list[str]:
        return [str(pod["metadata"]["name"]) for pod in found]

    careful = sort_pods(pods, DrainFlags(), lambda pod: "")
    assert (names(careful.evict), names(careful.leave)) == (
        ["plain", "done"],
        ["agent", "static", "going"],
    )
    assert [why.split(" ")[0] for why in careful.in_the_way] == ["pod/n/alone", "pod/n/scratch"]
    careless = sort_pods(pods, DrainFlags(True, True, False), lambda pod: "")
    assert names(careless.evict) == ["plain", "alone", "scratch", "done"]
    assert careless.in_the_way == ["pod/n/agent belongs to a DaemonSet (set ignore_daemonsets)"]
    needed = sort_pods([_pod("plain")], DrainFlags(), lambda pod: "the drill needs it")
    assert needed.in_the_way == ["the drill needs it"]
    assert POD_RESOURCE.said("plain", "n") == "pod/n/plain"


# -- what a plan foresees, and what then happens ---------------------------------------------------


def _foreseen(scene: Scene, **arguments: Any) -> Prospect:
    defaults = {
        name: each.default for name, each in inspect.signature(drain_nodes).parameters.items()
    }
    return _preview_drain(scene.session.clients, **{**defaults, **arguments})


def _keep_apart(scene: Scene, replicas: int) -> None:
    """Let web's pods stand on different nodes, so many of them."""
    store = scene.cluster.store
    web = store.get(DEPLOYMENTS, "shop", "web")
    assert web is not None
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": web["spec"]["selector"]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    spec = {**web["spec"]["template"]["spec"], "affinity": {"podAntiAffinity": required}}
    template = {**web["spec"]["template"], "spec": spec}
    changed = {"replicas": replicas, "template": template, "strategy": {"type": "Recreate"}}
    store.update(DEPLOYMENTS, {**web, "spec": {**web["spec"], **changed}})
    scene.cluster.advance(120)
    assert len(scene.pods("web")) == replicas
    made = {f"replicasets/shop/{each['metadata']['name']}" for each in store.list(REPLICASETS)}
    scene.changed = {"deployments/shop/web", *(each for each in made if "/web-" in each)}
    scene.changed |= {"ready pods"} if replicas != 3 else set()


def test_a_drain_that_fits_is_foreseen_and_happens(scene: Scene) -> None:
    _keep_apart(scene, 3)
    (cache,) = scene.pods("cache")
    on = {str(each["spec"]["nodeName"]) for each in scene.pods("web")}
    node = min(on - {cache["spec"]["nodeName"]})
    foreseen = _foreseen(scene, node=node)
    assert (foreseen.problems, foreseen.fails) == ((), ())
    assert "the other nodes hold all that is displaced" in "\n".join(foreseen.notes)
    assert drain_nodes(node=node)["evicted"]


def test_a_drain_that_cannot_be_held_is_foreseen_and_fails(scene: Scene) -> None:
    _keep_apart(scene, 4)
    node = _node_of(scene, "web")
    foreseen = _foreseen(scene, node=node)
    (why,) = foreseen.problems
    assert re.search(r"pod/shop/web-\S+ finds no other node: 3 nodes are beside a pod", why)
    assert _cordoned(scene) == []
    with pytest.raises(StepFailed, match=r"expected .* ready pods of the workloads"):
        drain_nodes(node=node, limit="60s")


@pytest.mark.parametrize("blocked", ["unknown", "violated"])
def test_a_budget_that_lets_nobody_go_is_foreseen(scene: Scene, blocked: str) -> None:
    store, budget = scene.cluster.store, scene.cluster.store.get(BUDGETS, "shop", "web")
    assert budget is not None
    store.update(BUDGETS, {**budget, "spec": {**budget["spec"], "minAvailable": 3}})
    scene.cluster.advance(5)
    foreseen = _foreseen(scene, node=_node_of(scene, "web"), blocked=blocked)
    # Who calls it a weakness wants to find it: then it may start.
    told = foreseen.fails if blocked == "violated" else foreseen.problems
    assert "poddisruptionbudget/shop/web wants 3 of 3 pods healthy" in told[0]
    assert len((*foreseen.fails, *foreseen.problems)) == 1
    scene.changed = {"poddisruptionbudgets/shop/web"}
