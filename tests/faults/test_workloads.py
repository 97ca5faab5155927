"""Restarting a workload, and taking all its pods away for a while."""

from __future__ import annotations

from copy import copy

import pytest

from drillkit.faults.pods import preview_delete
from drillkit.faults.probes import (
    all_pods_ready,
    count_ready_pods,
    count_schedulable_nodes,
    workload_ready,
)
from drillkit.faults.workloads import (
    _preview_restart,
    _preview_scale,
    restart,
    scale_to_zero,
)
from drillkit.model.errors import Refused, StepFailed, StepUnknown
from drillkit.model.evidence import Mark
from drillkit.model.units import format_duration
from drillkit.runner.session import differences
from drillkit.sandbox.kube.objects import DEPLOYMENTS, NODES, PODS
from tests.faults.conftest import Scene


def _replicas(scene: Scene, name: str = "orders") -> int:
    found = scene.cluster.store.get(DEPLOYMENTS, "shop", name)
    assert found is not None
    return int(found["spec"]["replicas"])


def _scale(scene: Scene, replicas: int, name: str = "orders") -> None:
    found = scene.cluster.store.get(DEPLOYMENTS, "shop", name)
    assert found is not None
    scene.cluster.store.update(
        DEPLOYMENTS, {**found, "spec": {**found["spec"], "replicas": replicas}}
    )


def test_a_restart_replaces_every_pod_and_waits_for_them(scene: Scene) -> None:
    before = {p["metadata"]["uid"] for p in scene.pods("web")}
    found = restart("shop", "web")
    ready = [p for p in scene.pods("web") if not p["metadata"].get("deletionTimestamp")]
    assert len(ready) == 3
    assert not before & {p["metadata"]["uid"] for p in ready}
    assert found["targets"] == ["deployment/shop/web"] == scene.touched()
    assert [c.found for c in scene.checks("step")] == [True]
    scene.changed = {
        k
        for k in scene.cluster.inventory()
        if "/shop/web" in k and k.startswith(("depl", "replicasets"))
    }


def _begin_rollout(scene: Scene) -> None:
    found = scene.cluster.store.get(DEPLOYMENTS, "shop", "web")
    assert found is not None
    template = dict(found["spec"]["template"])
    template["metadata"] = {**template["metadata"], "annotations": {"release": "2"}}
    scene.cluster.store.update(
        DEPLOYMENTS, {**found, "spec": {**found["spec"], "template": template}}
    )


@pytest.mark.parametrize("fault", ["restart", "scale", "delete"])
def test_a_rollout_that_begins_after_the_plan_is_told_at_the_hold(scene: Scene, fault: str) -> None:
    clients, what = copy(scene.session.clients), {"namespace": "shop", "name": "web"}
    clients.target = scene.session.target
    preview = {
        "restart": lambda: _preview_restart(clients, **what, kind="Deployment"),
        "scale": lambda: _preview_scale(clients, **what, kind="Deployment", duration="10s"),
        "delete": lambda: preview_delete(
            clients,
            namespace="shop",
            selector="app=web",
            count=1,
            order="alphabetic",
            seed=None,
            include_daemonsets=False,
        ),
    }[fault]
    planned = preview()
    assert differences(planned, preview()) == ()
    before = scene.cluster.inventory()
    _begin_rollout(scene)
    scene.stage.clock.sleep(0.2)
    told = differences(planned, preview())
    if fault == "delete":
        assert any(line.startswith("now: pod/shop/web-") for line in told), told
    else:
        assert "no more: deployment/shop/web: generation 1, revision 1, rolled out" in told
        assert any("generation 2" in line and "under way" in line for line in told), told
    scene.stage.clock.sleep(300)
    after = scene.cluster.inventory()
    scene.changed = {k for k in {*after, *before} if before.get(k) != after.get(k)}


def test_a_restart_that_does_not_get_on_fails(scene: Scene) -> None:
    old = {k for k in scene.cluster.inventory() if k.startswith("replicasets/shop/web")}
    for node in scene.cluster.store.list(NODES):
        scene.cluster.store.update(NODES, {**node, "spec": {**node["spec"], "unschedulable": True}})
    with pytest.raises(
        StepFailed, match="expected deployment/shop/web rolled out, found 3 of 3 pods ready"
    ):
        restart("shop", "web", limit="20s")
    assert [c.found for c in scene.checks("step")] == [False]
    new = {k for k in scene.cluster.inventory() if k.startswith("replicasets/shop/web")} - old
    scene.changed = {"deployments/shop/web", *new} | {f"nodes//node-{n}" for n in range(1, 5)}


def test_a_workload_at_zero_comes_back_as_it_was(scene: Scene) -> None:
    counted: list[int] = []
    scene.meanwhile(8, lambda: counted.append(len(scene.pods("orders"))))
    names = [p["metadata"]["name"] for p in scene.pods("orders")]
    found = scale_to_zero("shop", "orders", duration="15s")
    assert counted == [0]
    assert found["targets"] == [f"pod/shop/{name}" for name in names] == scene.touched()
    assert _replicas(scene) == 2
    assert count_ready_pods("shop", "app=orders") == 2
    assert scene.moments() == ["disrupted", "released", "recovered"]
    _, released, recovered = (mark.at for mark in scene.evidence(Mark))
    assert found["recovered_after"] == format_duration(recovered - released)
    assert scene.clean().ended == ()


def test_a_workload_that_somebody_scales_up_meanwhile_proves_nothing_and_is_left_alone(
    scene: Scene,
) -> None:
    scene.meanwhile(8, lambda: _scale(scene, 1))
    with pytest.raises(StepUnknown, match="somebody set it to 1"):
        scale_to_zero("shop", "orders", duration="15s", limit="30s")
    assert [c.found for c in scene.checks("in-effect")] == [True, False]
    scene.clean()
    assert _replicas(scene) == 1
    _scale(scene, 2)


def test_an_abort_in_between_is_undone_by_the_journal(scene: Scene) -> None:
    scene.meanwhile(8, lambda: scene.session.fence.close("Ctrl-C"))
    with pytest.raises(Refused, match="Ctrl-C"):
        scale_to_zero("shop", "orders", duration="15s")
    assert _replicas(scene) == 0
    assert [s.undone.outcome for s in scene.clean().ended] == ["undone"]
    assert _replicas(scene) == 2


def test_what_is_not_there_or_may_not_be_is_refused(scene: Scene) -> None:
    with pytest.raises(StepFailed, match="expected deployment/shop/nothing, found none"):
        scale_to_zero("shop", "nothing")
    with pytest.raises(Refused, match="expected one of Deployment"):
        restart("shop", "web", kind="Pod")
    with pytest.raises(Refused, match="DaemonSet has no number of replicas"):
        scale_to_zero("shop", "node-agent", kind="DaemonSet")
    scene.caps(pods="50%")
    with pytest.raises(Refused, match="2 of 2 pods of deployment/shop/orders are more than"):
        scale_to_zero("shop", "orders")
    _scale(scene, 0)
    with pytest.raises(StepFailed, match="expected pods to take away, found that it wants none"):
        scale_to_zero("shop", "orders")
    with pytest.raises(StepFailed, match="found that it wants none"):
        restart("shop", "orders")
    _scale(scene, 2)
    assert scene.touched() == []


def test_probes_look_at_readiness_and_take_nothing_for_no_success(scene: Scene) -> None:
    assert count_ready_pods("shop", "app=web") == 3
    assert all_pods_ready("shop", "app=web")
    assert not all_pods_ready("shop", "app=web", at_least=4)
    assert not all_pods_ready("shop", "app=nothing")
    assert workload_ready("shop", "web")
    assert workload_ready("shop", "cache", kind="StatefulSet")
    assert workload_ready("shop", "node-agent", kind="DaemonSet")
    assert count_schedulable_nodes() == 4
    with pytest.raises(StepFailed, match="expected nodes of a=b, found none"):
        count_schedulable_nodes("a=b")
    with pytest.raises(Refused):
        all_pods_ready("", "app=web")
    _scale(scene, 0)
    scene.cluster.advance(30)
    assert not workload_ready("shop", "orders")
    _scale(scene, 2)
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeSelector": {"no": "such-node"}}
    scene.cluster.store.create(
        PODS, {"metadata": {"name": "p", "labels": {"app": "web"}}, "spec": spec}, "shop"
    )
    assert not all_pods_ready("shop", "app=web")
    scene.cluster.store.delete(PODS, "shop", "p")
    scene.cluster.advance(60)
