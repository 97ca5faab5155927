"""Questions to a pod's JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from drillkit.clients.kube import pods
from drillkit.clients.kube.resources import DEPLOYMENTS, PODS, REPLICASETS
from tests.crash.world import Stage


def pod(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {},
        "status": {"phase": "Running", **status},
    }


READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def test_a_running_pod_is_not_a_ready_one() -> None:
    assert pods.is_running(pod())
    assert not pods.is_ready(pod())
    assert pods.is_ready(pod(conditions=[READY]))
    assert pods.ready_since(pod(conditions=[READY])) == datetime(2026, 1, 1, tzinfo=UTC)
    assert pods.ready_since(pod()) is None


def test_a_pod_that_is_being_deleted_is_neither() -> None:
    going = pod(conditions=[READY])
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert pods.is_going(going)
    assert not pods.is_running(going)
    assert not pods.is_ready(going)


def test_finished_mirror_and_crashing_pods_are_told_apart() -> None:
    assert pods.is_finished({**pod(), "status": {"phase": "Succeeded"}})
    mirror = pod()
    mirror["metadata"]["annotations"] = {pods.MIRROR: "abc"}
    assert pods.is_mirror(mirror)
    assert not pods.is_mirror(pod())
    assert pods.restarts(pod(containerStatuses=[{"restartCount": 2}, {"restartCount": 3}, {}])) == 5


def test_the_workload_is_at_the_end_of_the_chain_of_controllers(stage: Stage) -> None:
    def replicaset(name: str, namespace: str) -> Any:
        return stage.kube.find(REPLICASETS, name, namespace)

    found = {pods.workload(p, replicaset) for p in stage.kube.list(PODS, "shop")}
    assert found == {
        ("Deployment", "web"),
        ("Deployment", "orders"),
        ("StatefulSet", "cache"),
        ("DaemonSet", "node-agent"),
    }
    one = stage.kube.list(PODS, "shop", selector="app=web")[0]
    assert pods.controller_kind(one) == "ReplicaSet"
    assert pods.node_of(one).startswith("node-")
    assert pods.workload(pod(), replicaset) == ("", "")
    assert pods.workload(one, lambda name, namespace: None)[0] == "ReplicaSet"


def test_a_workloads_selector_finds_its_pods_and_never_everything(stage: Stage) -> None:
    assert pods.selector_of(stage.kube.get(DEPLOYMENTS, "web", "shop")) == "app=web"
    several = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["x", "y"]},
            {"key": "d", "operator": "NotIn", "values": ["z"]},
            {"key": "e", "operator": "Exists"},
            {"key": "f", "operator": "DoesNotExist"},
        ],
    }
    selector = pods.selector_of({"metadata": {"name": "x"}, "spec": {"selector": several}})
    assert selector == "a=1,b=2,c in (x,y),d notin (z),e,!f"
    with pytest.raises(ValueError, match="found an empty one"):
        pods.selector_of({"metadata": {"name": "x"}, "spec": {"selector": {}}})


def test_volumes_that_go_with_the_pod_are_named() -> None:
    one = pod()
    one["spec"] = {
        "volumes": [{"name": "cache", "emptyDir": {}}, {"name": "conf", "configMap": {}}]
    }
    assert pods.local_storage(one) == ["cache"]
    assert pods.local_storage(pod()) == []
