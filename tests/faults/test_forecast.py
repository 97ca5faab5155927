"""Forecasts of drains: what is said for sure holds for every choice that a scheduler has, in a
small model that tries them all by the rules of the sandbox's scheduler.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from drillkit.faults.forecast import Displaced, Forecast, Room, blocked_by, forecast
from drillkit.faults.forecast.requests import quantity, requests_of
from drillkit.sandbox.cluster.controllers.scheduler import why_not

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
GONE = "n0"
Pod = dict[str, Any]


def node(name: str, zone: str, cpu: int = 4, pods: int = 9, **spec: Any) -> dict[str, Any]:
    labels = {ZONE: zone, HOST: name}
    ready = [{"type": "Ready", "status": "True"}]
    room = {"cpu": str(cpu), "memory": "8Gi", "pods": str(pods)}
    status = {"allocatable": room, "conditions": ready}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


def pod(name: str, on: str, app: str = "web", cpu: int = 1, **spec: Any) -> Pod:
    owner = {"kind": "ReplicaSet", "name": app, "uid": app, "controller": True}
    metadata = {"name": name, "namespace": "shop", "uid": name, "labels": {"app": app}}
    container = {"name": "c", "resources": {"requests": {"cpu": str(cpu)}}}
    return {
        "metadata": {**metadata, "ownerReferences": [owner]},
        "spec": {"containers": [container], **({"nodeName": on} if on else {}), **spec},
        "status": {"phase": "Running" if on else "Pending"},
    }


def apart(app: str, by: str = HOST) -> dict[str, Any]:
    term = {"topologyKey": by, "labelSelector": {"matchLabels": {"app": app}}}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return {"affinity": {"podAntiAffinity": required}}


def spread(app: str, by: str = ZONE, skew: int = 1) -> dict[str, Any]:
    constraint = {
        "topologyKey": by,
        "maxSkew": skew,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": app}},
    }
    return {"topologySpreadConstraints": [constraint]}


def foreseen(
    nodes: Sequence[dict[str, Any]], pods: Sequence[Pod], volumes: Sequence[Any] = ()
) -> Forecast:
    """Of draining the node that is called GONE."""
    leaving = [Displaced(each, volumes) for each in pods if each["spec"].get("nodeName") == GONE]
    room = Room({each["metadata"]["name"]: each for each in nodes}, frozenset({GONE}), leaving)
    for each in pods:
        room.add(each)
    return forecast(room)


# -- a model that tries everything -----------------------------------------------------------------


def outcomes(nodes: Sequence[dict[str, Any]], pods: Sequence[Pod]) -> set[bool]:
    """Whether all that were displaced find a place, over every order and every choice of nodes; the
    pods that were pending come in between, in any order, too.
    """
    drained = [
        {**n, "spec": {**n["spec"], "unschedulable": True}} if n["metadata"]["name"] == GONE else n
        for n in nodes
    ]
    left = [p for p in pods if p["spec"].get("nodeName") not in (GONE, None)]
    coming = [p for p in pods if p["spec"].get("nodeName") in (GONE, None)]
    must = {p["metadata"]["name"] for p in coming if p["spec"].get("nodeName")}
    waiting = [
        {**p, "spec": {k: v for k, v in p["spec"].items() if k != "nodeName"}} for p in coming
    ]
    return set(_play(drained, left, waiting, must, {}))


def _play(
    nodes: list[Any], placed: list[Pod], waiting: list[Pod], must: set[str], seen: dict[Any, Any]
) -> Iterator[bool]:
    key = tuple(sorted((p["metadata"]["name"], p["spec"]["nodeName"]) for p in placed))
    if key in seen:
        return
    seen[key] = True
    moved = False
    for each in waiting:
        for on in nodes:
            if why_not(each, on, nodes, placed) is None:
                moved = True
                bound = {**each, "spec": {**each["spec"], "nodeName": on["metadata"]["name"]}}
                rest = [p for p in waiting if p is not each]
                yield from _play(nodes, [*placed, bound], rest, must, seen)
    if not moved:
        yield not any(p["metadata"]["name"] in must for p in waiting)


RULES = st.sampled_from(
    [
        {},
        {},
        apart("web"),
        apart("web", ZONE),
        apart("db"),
        spread("web"),
        spread("web", ZONE, 2),
        spread("web", HOST),
        {"nodeSelector": {ZONE: "a"}},
        {"nodeSelector": {ZONE: "b"}},
        {"tolerations": [{"key": "own", "operator": "Exists"}]},
        {"tolerations": [{"operator": "Exists"}]},
    ]
)
TAINTS = st.sampled_from([{}, {}, {}, {"taints": [{"key": "own", "effect": "NoSchedule"}]}])


@st.composite
def worlds(draw: Any) -> tuple[list[dict[str, Any]], list[Pod]]:
    names = [GONE, "n1", "n2", "n3"][: draw(st.integers(2, 4))]
    zones = st.sampled_from("ab")
    nodes = [
        node(name, draw(zones), draw(st.integers(1, 4)), draw(st.integers(1, 4)), **draw(TAINTS))
        for name in names
    ]
    rules = {"web": draw(RULES), "db": draw(RULES)}
    pods: list[Pod] = []
    for number in range(draw(st.integers(1, 5))):
        app, on = draw(st.sampled_from(["web", "web", "db"])), draw(st.sampled_from([*names, GONE]))
        on = "" if number and draw(st.integers(0, 9)) == 0 else on
        pods.append(pod(f"p{number}", on, app, draw(st.integers(1, 2)), **rules[app]))
    return nodes, pods


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_what_is_said_for_sure_holds_for_every_choice_of_the_scheduler(world: Any) -> None:
    nodes, pods = world
    found, possible = foreseen(nodes, pods), outcomes(nodes, pods)
    if found.cannot:
        event("cannot")
        assert possible == {False}, found.cannot
    elif not found.unsure:
        event("fits")
        assert possible == {True}
    else:
        event("unsure")


# -- cases that have a name ------------------------------------------------------------------------

THREE = [node("n0", "a"), node("n1", "b"), node("n2", "c")]
EACH = [("p0", "n0"), ("p1", "n1"), ("p2", "n2")]
LOCAL = {"metadata": {"name": "v", "labels": {ZONE: "a"}}, "spec": {}}


@pytest.mark.parametrize(
    ("nodes", "pods", "why"),
    [
        (THREE, [pod(n, on, **apart("web")) for n, on in EACH], "beside a pod that it must not"),
        (THREE, [pod(n, on, **spread("web")) for n, on in EACH], "against its topology spread"),
        (THREE[:2], [pod("p0", "n0", cpu=3), pod("p1", "n1", cpu=2)], "short of cpu"),
        (
            [*THREE[:1], *(node(f"n{i}", "b", cpu=3) for i in (1, 2))],
            [pod(f"p{i}", "n0", cpu=2) for i in range(3)],
            "3 are displaced and the other nodes have room for 2",
        ),
        (THREE, [pod("p0", "n0", nodeSelector={ZONE: "a"})], "not chosen by its node selector"),
        (
            [THREE[0], node("n1", "b", taints=[{"key": "gpu", "effect": "NoSchedule"}])],
            [pod("p0", "n0")],
            "tainted gpu",
        ),
        ([THREE[0], node("n1", "b", unschedulable=True)], [pod("p0", "n0")], "1 node is cordoned"),
        (
            [*THREE[:1], node("n1", "b")],
            [pod(f"p{i}", "n0", **apart("web")) for i in range(2)],
            "2 are displaced and 1 places are free",
        ),
    ],
)
def test_what_certainly_fails_is_told_with_its_reason(
    nodes: list[Any], pods: list[Pod], why: str
) -> None:
    assert outcomes(nodes, pods) == {False}
    assert [each for each in foreseen(nodes, pods).cannot if why in each]


def test_a_volume_stays_in_its_zone() -> None:
    (why,) = foreseen(THREE, [pod("p0", "n0")], [LOCAL]).cannot
    assert "2 nodes are out of reach of its volume" in why


def test_a_port_of_the_node_is_taken_at_its_address_and_by_sidecars_too() -> None:
    def asks(name: str, on: str, where: str = "containers", **port: Any) -> Pod:
        sidecar = {"restartPolicy": "Always"} if where == "initContainers" else {}
        containers = [{"name": "c", "ports": [{"hostPort": 80, **port}], **sidecar}]
        more: dict[str, Any] = {where: containers}
        return pod(name, on, **more)

    two = THREE[:2]
    for where in ("containers", "initContainers"):
        (why,) = foreseen(two, [asks("p0", "n0", where), asks("p1", "n1")]).cannot
        assert "1 node is without a free host port" in why
        (why,) = foreseen(two, [asks("p0", "n0", where)]).unsure
        assert "it takes a port of its node" in why
    apart_ = [asks("p0", "n0", hostIP="10.0.0.1"), asks("p1", "n1", hostIP="10.0.0.2")]
    assert foreseen(two, apart_).cannot == ()
    (why,) = foreseen(two, [asks("p0", "n0"), asks("p1", "n1", hostIP="10.0.0.2")]).cannot
    assert "without a free host port" in why


@pytest.mark.parametrize("sort", ["persistentVolumeClaim", "ephemeral", "csi", "iscsi"])
def test_volumes_of_which_nodes_take_a_number_leave_it_open(sort: str) -> None:
    (why,) = foreseen(THREE, [pod("p0", "n0", volumes=[{"name": "v", sort: {}}])]).unsure
    assert "nodes take a limited number of volumes, which is not looked at" in why


def test_room_for_all_is_room_whatever_the_order() -> None:
    pods = [pod(f"p{number}", "n0", cpu=1) for number in range(3)]
    assert foreseen(THREE, pods) == Forecast()
    assert foreseen(THREE, [*pods, pod("late", "", cpu=2)]) == Forecast()
    (why,) = foreseen(THREE, [*pods, pod("late", "", cpu=4), pod("x", "n1", cpu=1)]).unsure
    assert "others may take the room" in why


def test_where_nodes_may_be_added_nothing_is_certain() -> None:
    grown = node("n1", "b", cpu=1)
    grown["metadata"]["labels"]["karpenter.sh/nodepool"] = "default"
    found = foreseen([THREE[0], grown], [pod("p0", "n0", cpu=2)])
    assert found.cannot == ()
    assert "Karpenter may add a node" in found.unsure[0]


def test_pods_that_end_or_are_less_important_are_no_certain_hindrance() -> None:
    busy = pod("job", "n1", "job", cpu=4)
    busy["metadata"]["ownerReferences"][0]["kind"] = "Job"
    for other in (busy, pod("low", "n1", "low", cpu=4)):
        found = foreseen(THREE[:2], [pod("p0", "n0", priority=10), other])
        assert found.cannot == ()
        assert found.unsure


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [("250m", 250), ("1", 1000), ("1.5Gi", 1610612736000), ("2k", 2000000), ("1e3", 1000000)],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str, thousandths: int) -> None:
    assert quantity(text) == thousandths


def test_a_pod_asks_for_its_containers_or_its_largest_start() -> None:
    def one(cpu: str, **more: Any) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [one("1"), {"resources": {"limits": {"cpu": "500m"}}}],
        "initContainers": [one("200m", restartPolicy="Always"), one("3")],
        "overhead": {"cpu": "100m"},
    }
    assert requests_of({"spec": spec}) == {"cpu": 3300, "pods": 1000}


# -- budgets ---------------------------------------------------------------------------------------


def budget(name: str, wants: int, there: int, healthy: int, **more: Any) -> dict[str, Any]:
    status = {
        "desiredHealthy": wants,
        "expectedPods": there,
        "currentHealthy": healthy,
        "disruptionsAllowed": max(0, healthy - wants),
        "observedGeneration": more.pop("seen", 1),
    }
    metadata = {"name": name, "namespace": "shop", "generation": 1}
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": metadata, "spec": {"selector": selector, **more}, "status": status}


def ready(name: str, on: str = "n0") -> Pod:
    made = pod(name, on)
    made["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return made


@pytest.mark.parametrize(
    ("budgets", "cannot", "unsure"),
    [
        ([], "", ""),
        ([budget("b", 1, 3, 3)], "", ""),
        ([budget("b", 3, 3, 3)], "so that none may be evicted", ""),
        ([budget("b", 2, 3, 3)], "", "it lets 1 go now, 2 are to go"),
        ([budget("b", 3, 3, 3, seen=0)], "", "has not been counted yet"),
        ([budget("b", 1, 3, 3), budget("c", 1, 3, 3)], "more than one PodDisruptionBudget", ""),
    ],
)
def test_budgets_that_never_let_go_are_told_apart_from_those_that_make_wait(
    budgets: list[Any], cannot: str, unsure: str
) -> None:
    found = blocked_by([ready("p0"), ready("p1")], budgets)
    assert bool(cannot) == bool(found.cannot)
    assert all(cannot in each for each in found.cannot)
    assert bool(unsure) == bool(found.unsure)
    assert all(unsure in each for each in found.unsure)
