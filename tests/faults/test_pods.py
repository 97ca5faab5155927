"""Deleting pods: exact victims, no accident, replacements awaited."""

from __future__ import annotations

import pytest

from drillkit.faults.pods import delete_pods
from drillkit.model.errors import Refused, StepFailed
from drillkit.sandbox.kube.objects import DEPLOYMENTS, NODES, PODS
from tests.faults.conftest import Scene


def test_one_pod_is_deleted_and_its_replacement_awaited(scene: Scene) -> None:
    first = scene.pods("web")[0]["metadata"]
    found = delete_pods("shop", "app=web")
    assert found["targets"] == [f"pod/shop/{first['name']}"] == scene.touched()
    assert len(found["replacements"]) == 1
    assert first["uid"] not in {p["metadata"]["uid"] for p in scene.pods("web")}
    assert scene.moments() == ["disrupted", "recovered"]
    (check,) = scene.checks("step")
    assert (check.expected, check.op, check.found) == (3, ">=", 3)
    planned = [r.data for r in scene.records() if r.kind == "effect.irreversible"]
    assert [(p["effect"], p["args"]["uid"]) for p in planned] == [("kube.delete-pod", first["uid"])]


@pytest.mark.parametrize(("count", "hit"), [(2, 2), ("2", 2), ("50%", 1), ("100%", 3), ("1%", 1)])
def test_how_many_is_a_number_or_a_percentage(scene: Scene, count: int | str, hit: int) -> None:
    assert len(delete_pods("shop", "app=web", count=count)["targets"]) == hit


@pytest.mark.parametrize("count", ["0", "-1", "150%", "half", ""])
def test_a_count_that_says_nothing_is_refused(scene: Scene, count: str) -> None:
    with pytest.raises(Refused, match="count: expected"):
        delete_pods("shop", "app=web", count=count)
    assert not [r for r in scene.records() if r.kind == "effect.irreversible"]


def test_the_targets_cap_holds(scene: Scene) -> None:
    scene.caps(pods="50%")
    with pytest.raises(
        Refused,
        match=r"2 of 3 pods of app=web in shop are more than target `world` allows .* is 1\)",
    ):
        delete_pods("shop", "app=web", count=2)
    assert scene.touched() == []


def test_nothing_that_matches_is_a_failure_and_says_what_there_is(scene: Scene) -> None:
    with pytest.raises(StepFailed, match="no pod matches; check the labels"):
        delete_pods("shop", "app=nothing")
    with pytest.raises(
        StepFailed, match="expected namespace nowhere, the cluster has none of that name"
    ):
        delete_pods("nowhere", "app=web")
    with pytest.raises(StepFailed, match=r"4 of a DaemonSet \(not asked for\)"):
        delete_pods("shop", "app=node-agent")
    with pytest.raises(Refused, match="never hits everything"):
        delete_pods("shop", "")
    with pytest.raises(
        StepFailed, match="expected 4 pods of app=web in shop, found 3 that are ready"
    ):
        delete_pods("shop", "app=web", count=4)
    assert scene.touched() == []


def test_a_pod_of_a_daemonset_is_deleted_when_asked_for(scene: Scene) -> None:
    assert len(delete_pods("shop", "app=node-agent", include_daemonsets=True)["targets"]) == 1


def test_pods_that_are_not_ready_or_going_are_left_alone(scene: Scene) -> None:
    store, (going, *_) = scene.cluster.store, scene.pods("web")
    store.delete(PODS, "shop", going["metadata"]["name"])
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeSelector": {"no": "such-node"}}
    store.create(
        PODS, {"metadata": {"name": "pending", "labels": {"app": "web"}}, "spec": spec}, "shop"
    )
    found = delete_pods("shop", "app=web", count="100%")
    assert not {"pending", going["metadata"]["name"]} & {t.split("/")[-1] for t in found["targets"]}
    store.delete(PODS, "shop", "pending", grace_s=0)


def test_a_random_choice_can_be_repeated(scene: Scene) -> None:
    with pytest.raises(Refused, match="needs a `seed`"):
        delete_pods("shop", "app=web", order="random")
    with pytest.raises(Refused, match="expected one of alphabetic, oldest, random"):
        delete_pods("shop", "app=web", order="newest")
    names = sorted(p["metadata"]["name"] for p in scene.pods("web"))
    import random

    shuffled = list(names)
    random.Random(7).shuffle(shuffled)
    assert delete_pods("shop", "app=web", order="random", seed=7)["targets"] == [
        f"pod/shop/{shuffled[0]}"
    ]
    assert any("seed 7" in str(r.data.get("text")) for r in scene.records())


def test_replacements_that_do_not_come_fail_the_action_and_are_counted(scene: Scene) -> None:
    for node in scene.cluster.store.list(NODES):
        scene.cluster.store.update(NODES, {**node, "spec": {**node["spec"], "unschedulable": True}})
    with pytest.raises(StepFailed, match="expected 3 ready pods of app=web in shop, found 1"):
        delete_pods("shop", "app=web", count=2, recovery_limit="20s")
    (check,) = scene.checks("step")
    assert (check.found, check.expected) == (1, 3)
    assert scene.moments() == ["disrupted"]
    assert len(scene.touched()) == 2
    scene.changed = {
        "ready pods",
        *(f"nodes//{node['metadata']['name']}" for node in scene.cluster.store.list(NODES)),
    }


def test_a_pod_that_is_the_drills_own_tool_is_refused(scene: Scene) -> None:
    web = scene.cluster.store.get(DEPLOYMENTS, "shop", "web")
    assert web is not None
    labels = {"app": "web", "app.kubernetes.io/name": "velero"}
    template = {**web["spec"]["template"], "metadata": {"labels": labels}}
    scene.cluster.store.update(DEPLOYMENTS, {**web, "spec": {**web["spec"], "template": template}})
    scene.cluster.advance(60)
    with pytest.raises(Refused, match="Velero restores backups"):
        delete_pods("shop", "app=web")
    scene.changed = {
        k
        for k in scene.cluster.inventory()
        if k.startswith(("deployments/shop/web", "replicasets/shop/web"))
    }
