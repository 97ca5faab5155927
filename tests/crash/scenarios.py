"""What the campaign does to the world before it ends the process: every mutating call with an undo,
and more by need.

A scenario is a function of a `Stage`; registering it here is all it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drillkit.clients.kube import (
    ABSENT,
    DeleteFault,
    DeleteObject,
    DeletePod,
    EvictPod,
    ReleaseLease,
    changed,
    uncordon_of,
)
from drillkit.clients.kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NETWORK_CHAOS,
    NODES,
    PODS,
    VIRTUAL_SERVICES,
)
from tests.crash.world import Cluster, Stage

Act = Callable[[Stage], None]


@dataclass(frozen=True)
class Scenario:
    """One thing that a run may do."""

    name: str
    act: Act
    prepare: Callable[[Cluster], None] = lambda cluster: None
    lands: bool = True
    """Whether it changes the inventory when nothing goes wrong."""
    forgive: Callable[[dict[str, Any]], None] = lambda inventory: None
    """Takes out of an inventory what nothing takes back, as the fault itself says."""


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    name: str, prepare: Callable[[Cluster], None] = lambda cluster: None, *, lands: bool = True
) -> Callable[[Act], Act]:
    """Register a scenario."""

    def register(act: Act) -> Act:
        SCENARIOS[name] = Scenario(name, act, prepare, lands)
        return act

    return register


def _route(cluster: Cluster) -> None:
    http = [{"route": [{"destination": {"host": "orders"}}], "timeout": "5s"}]
    service = {"metadata": {"name": "orders"}, "spec": {"hosts": ["orders"], "http": http}}
    cluster.store.create(("networking.istio.io", "virtualservices"), service, "shop")


def _somebody_elses_fault(cluster: Cluster) -> None:
    body = {"metadata": {"name": "drill-latency", "labels": {"app": "theirs"}}, "spec": latency()}
    cluster.store.create(("chaos-mesh.org", "networkchaos"), body, "shop")
    cluster.advance(5)


def latency() -> dict[str, object]:
    """The spec of a NetworkChaos."""
    return {
        "action": "delay",
        "mode": "all",
        "selector": {"namespaces": ["shop"], "labelSelectors": {"app": "orders"}},
        "delay": {"latency": "150ms"},
        "duration": "10m",
    }


@scenario("cordon a node")
def cordon(stage: Stage) -> None:
    node = stage.kube.get(NODES, "node-2")
    stage.kube.cordon(stage.book.plan(uncordon_of(node, run=stage.run)))
    stage.clock.sleep(5)


@scenario("inject latency with Chaos Mesh")
def inject(stage: Stage) -> None:
    plan = stage.book.plan(DeleteFault(NETWORK_CHAOS, "drill-latency", stage.run, "shop"))
    stage.kube.create(plan, {"spec": latency()})
    stage.clock.sleep(5)


@scenario(
    "inject latency where somebody else has the name", prepare=_somebody_elses_fault, lands=False
)
def collide(stage: Stage) -> None:
    inject(stage)


@scenario("scale a deployment to zero")
def scale(stage: Stage) -> None:
    web = stage.kube.get(DEPLOYMENTS, "web", "shop")
    stage.kube.set_fields(
        stage.book.plan(changed(DEPLOYMENTS, web, {"/spec/replicas": 0}, run=stage.run))
    )
    stage.clock.sleep(5)


@scenario("fault a route of Istio", prepare=_route)
def fault_route(stage: Stage) -> None:
    route = stage.kube.get(VIRTUAL_SERVICES, "orders", "shop")
    delay = {"delay": {"fixedDelay": "2s", "percentage": {"value": 100}}}
    fields = {
        "/spec/http/0/fault": delay,
        "/spec/http/0/timeout": ABSENT,
        "/metadata/labels/drill": "on",
    }
    stage.kube.set_fields(stage.book.plan(changed(VIRTUAL_SERVICES, route, fields, run=stage.run)))
    stage.clock.sleep(5)


@scenario("make a namespace with things in it")
def furnish(stage: Stage) -> None:
    stage.kube.create(stage.book.plan(DeleteObject(NAMESPACES, "dr-copy", stage.run)), {})
    plan = stage.book.plan(DeleteObject(CONFIGMAPS, "settings", stage.run, "dr-copy"))
    stage.kube.create(plan, {"data": {"a": "1"}})
    container = {"name": "check", "image": "sandbox/job:1.0"}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    plan = stage.book.plan(DeleteObject(JOBS, "check", stage.run, "dr-copy"))
    stage.kube.create(plan, {"spec": {"template": template}})
    stage.clock.sleep(8)


@scenario("hold the lock")
def lock(stage: Stage) -> None:
    plan = stage.book.plan(ReleaseLease("drillkit", "drillkit", stage.run))
    stage.kube.acquire_lease(plan, holder="somebody", ttl_s=60)
    stage.clock.sleep(20)
    stage.kube.renew_lease(plan)


@scenario("delete one pod and evict another", lands=False)
def lose_pods(stage: Stage) -> None:
    web, orders = (
        stage.kube.list(PODS, "shop", selector=f"app={app}")[0]["metadata"]
        for app in ("web", "orders")
    )
    stage.kube.delete_pod(stage.book.plan(DeletePod(web["name"], "shop", web["uid"], grace_s=0)))
    stage.kube.evict_pod(stage.book.plan(EvictPod(orders["name"], "shop", orders["uid"])))
    stage.clock.sleep(5)


@scenario("several at once")
def everything(stage: Stage) -> None:
    lock(stage)
    cordon(stage)
    inject(stage)
    scale(stage)
