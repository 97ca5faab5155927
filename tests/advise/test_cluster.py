"""What `advise` says of a cluster: of small shops in the style of well-known ones, of a hardened
workload, and of manifests that are odd.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from drillkit.advise.cluster import Cluster, read_cluster, read_touched
from drillkit.advise.of_cluster import ClusterNow
from drillkit.advise.rule import Advice
from drillkit.advise.survey import TABLES, Known, survey
from drillkit.advise.touched_workloads import survey_touched
from drillkit.clients import Clients
from drillkit.clients.kube import Kube, Response
from drillkit.clients.kube.selectors import parse_selector, selects
from drillkit.clock import Fence, SystemClock
from drillkit.model.target import KubernetesTarget, Target
from tests.clients.kube.conftest import refused, said

ZONES = ("eu-central-1a", "eu-central-1b")


def node(name: str, zone: str, group: str = "apps", kind: str = "m7g.large") -> Any:
    labels = {
        "topology.kubernetes.io/zone": zone,
        "eks.amazonaws.com/nodegroup": group,
        "node.kubernetes.io/instance-type": kind,
    }
    return {"metadata": {"name": name, "labels": labels}}


def deployment(name: str, replicas: int, pod: Any, namespace: str = "shop") -> Any:
    labels = {"app": name}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def pod_of(name: str, n: int, on: str, namespace: str = "shop") -> Any:
    return {
        "metadata": {
            "name": f"{name}-5d9c-{n}",
            "namespace": namespace,
            "labels": {"app": name, "pod-template-hash": "5d9c"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{name}-5d9c", "controller": True}],
        },
        "spec": {"nodeName": on},
        "status": {"phase": "Running"},
    }


def service(name: str, namespace: str = "shop") -> Any:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}},
    }


HARD = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone"}],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [
        {
            "name": "web",
            "image": "registry.example.com/web:1.4.2@sha256:" + "a" * 64,
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
            "securityContext": {"readOnlyRootFilesystem": True},
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
            "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}},
        }
    ],
}
BUDGET = {
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
}


class Shelf:
    """A transport that answers lists from a shelf, a page of two at a time."""

    def __init__(self, **objects: list[Any]) -> None:
        self.objects = objects
        self.denied: set[str] = set()
        self.held = 0

    def send(
        self,
        method: str,
        path: str,
        query: Any,
        body: Any = None,
        content_type: str = "",
        timeout_s: float = 1.0,
    ) -> Response:
        assert method == "GET"
        if path == "/version":
            return said(200, {}, date=format_datetime(datetime.now(UTC)))
        if path.endswith("/namespaces/kube-system"):
            return said(200, {"metadata": {"uid": "u-1"}})
        plural = path.rsplit("/", 1)[-1]
        if plural in ("v1", "v2") or plural not in (*self.objects, *_BUILTIN):
            return Response(404, {}, b"404 page not found")
        if plural in self.denied:
            return refused(403, f"{plural} is forbidden")
        all_of_them = self.objects.get(plural, [])
        begin = int(query.get("continue", 0))
        page = all_of_them[begin : begin + 2]
        self.held = max(self.held, len(page))
        more = {"continue": str(begin + 2)} if begin + 2 < len(all_of_them) else {}
        return said(200, {"metadata": more, "items": page})


_BUILTIN = (
    *("nodes", "pods", "services", "deployments", "statefulsets", "daemonsets"),
    *("poddisruptionbudgets", "horizontalpodautoscalers", "networkpolicies"),
)


def look(shelf: Shelf, namespace: str = "") -> tuple[Advice, ...]:
    return looked(shelf, namespace).advice


def looked(shelf: Shelf, namespace: str = "") -> Any:
    clients = Clients(Target(name="t", kubernetes=KubernetesTarget()), SystemClock(), Fence())
    clients.__dict__["kube"] = Kube(shelf, clients.clock, clients.fence)
    return survey(clients, Known(), namespace)


def rules(advice: tuple[Advice, ...], subject: str) -> set[str]:
    return {each.rule for each in advice if each.subject == subject}


def hardened() -> Shelf:
    return Shelf(
        nodes=[node("n1", ZONES[0]), node("n2", ZONES[1])],
        deployments=[deployment("web", 3, HARD)],
        pods=[pod_of("web", n, f"n{n % 2 + 1}") for n in range(3)],
        services=[service("web")],
        poddisruptionbudgets=[BUDGET],
        networkpolicies=[{"metadata": {"name": "deny", "namespace": "shop"}}],
    )


def test_a_hardened_workload_is_left_in_peace() -> None:
    found = looked(hardened())
    assert [each.rule for each in found.advice] == ["no-velero"]
    assert found.unread == ()


# In the style of a shop of microservices: a cache with its carts in an emptyDir, one pod of each.
CART = {
    "containers": [
        {
            "name": "redis",
            "image": "redis:alpine",
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 5},
            "livenessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 5},
        }
    ],
    "volumes": [{"name": "data", "emptyDir": {}}],
}
# In the style of a shop of many languages: no probes, no requests, floating images.
PLAIN = {
    "containers": [{"name": "user", "image": "example/user", "ports": [{"containerPort": 80}]}]
}


def test_demo_shops_are_told_what_is_fragile() -> None:
    advice = look(
        Shelf(
            nodes=[node("n1", ZONES[0]), node("n2", ZONES[1])],
            deployments=[deployment("redis-cart", 1, CART), deployment("user", 2, PLAIN)],
            pods=[pod_of("redis-cart", 1, "n1"), pod_of("user", 1, "n1"), pod_of("user", 2, "n1")],
            services=[service("redis-cart"), service("user")],
        )
    )
    cart = rules(advice, "deployment/shop/redis-cart")
    assert {"one-replica", "data-in-emptydir", "same-probes", "root-user", "no-requests"} <= cart
    assert "no-budget" not in cart
    user = rules(advice, "deployment/shop/user")
    wanted = {"no-budget", "no-readiness", "no-liveness", "floating-tag", "one-node", "no-spread"}
    assert wanted <= user
    assert "one-zone" not in user  # one node says it already
    assert rules(advice, "namespace/shop") == {"no-network-policy"}
    first = next(each for each in advice if each.rule == "no-budget")
    assert "kind: PodDisruptionBudget" in first.mend
    assert first.proves == "node-drain --set namespace=shop --set selector=app=user"
    assert [each.rank for each in advice] == sorted(each.rank for each in advice)


def with_change(**changes: Any) -> Shelf:
    shelf = hardened()
    shelf.objects.update(changes)
    return shelf


def scaler(least: int | None, conditions: Any = ()) -> Any:
    spec: dict[str, Any] = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}
    if least is not None:
        spec["minReplicas"] = least
    return {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": spec,
        "status": {"conditions": list(conditions)},
    }


def budget(name: str = "web", **spec: Any) -> Any:
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"selector": selector, **spec}}


def web(**container: Any) -> Any:
    pod = copy.deepcopy(HARD)
    pod["containers"][0].update(container)
    return [deployment("web", 3, pod)]


SAME = {"httpGet": {"path": "/h", "port": 1}, "periodSeconds": 5}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"horizontalpodautoscalers": [scaler(None)]}, "hpa-minimum"),
        ({"horizontalpodautoscalers": [scaler(2)]}, None),
        (
            {"horizontalpodautoscalers": [scaler(2)], "deployments": [deployment("web", 1, HARD)]},
            None,
        ),
        (
            {
                "horizontalpodautoscalers": [
                    scaler(2, [{"type": "ScalingActive", "status": "False", "reason": "NoMetrics"}])
                ]
            },
            "hpa-blind",
        ),
        ({"poddisruptionbudgets": [budget(maxUnavailable=0)]}, "budget-allows-nothing"),
        ({"poddisruptionbudgets": [budget(minAvailable=3)]}, "budget-allows-nothing"),
        ({"poddisruptionbudgets": [budget(minAvailable="100%")]}, "budget-allows-nothing"),
        ({"poddisruptionbudgets": [budget(maxUnavailable="1%")]}, None),
        ({"poddisruptionbudgets": [budget(minAvailable="50%")]}, None),
        ({"poddisruptionbudgets": [BUDGET, budget("more", maxUnavailable=1)]}, "two-budgets"),
        ({"deployments": web(readinessProbe=None)}, "no-readiness"),
        ({"deployments": web(readinessProbe=None), "services": []}, None),
        ({"deployments": web(readinessProbe=SAME, livenessProbe=SAME)}, "same-probes"),
        (
            {
                "deployments": web(
                    readinessProbe=SAME, livenessProbe={**SAME, "failureThreshold": 9}
                )
            },
            None,
        ),
        ({"deployments": web(securityContext={"readOnlyRootFilesystem": False})}, "writable-root"),
        (
            {"deployments": web(securityContext={"runAsUser": 0, "readOnlyRootFilesystem": True})},
            "root-user",
        ),
        ({"deployments": web(resources={"requests": {"cpu": "1"}})}, "no-requests"),
        ({"deployments": web(resources={"limits": {"cpu": "1", "memory": "1Gi"}})}, None),
        ({"deployments": web(image="host:5000/web")}, "floating-tag"),
        ({"deployments": web(image="host:5000/web:1.2")}, None),
        ({"deployments": web(image="web:latest")}, "floating-tag"),
        ({"nodes": [node("n1", ZONES[0]), node("n2", ZONES[0])]}, "nodes-in-one-zone"),
        (
            {"nodes": [*hardened().objects["nodes"], node("n3", ZONES[0], "gpu", "g5.xlarge")]},
            "group-in-one-zone",
        ),
        (
            {
                "nodes": [
                    *hardened().objects["nodes"],
                    node("n3", ZONES[0], "gpu-a", "g5.xlarge"),
                    node("n4", ZONES[1], "gpu-b", "g5.xlarge"),
                ]
            },
            None,
        ),
        (
            {
                "nodes": [*hardened().objects["nodes"], node("n3", ZONES[0])],
                "pods": [pod_of("web", 1, "n1"), pod_of("web", 2, "n3")],
            },
            "one-zone",
        ),
        ({"networkpolicies": []}, "no-network-policy"),
        (
            {
                "pods": [
                    {
                        "metadata": {"name": "debug", "namespace": "shop"},
                        "spec": {"nodeName": "n1"},
                        "status": {"phase": "Running"},
                    }
                ]
            },
            "bare-pod",
        ),
    ],
)
def test_each_weakness_is_found_and_its_neighbour_is_not(changes: Any, rule: str | None) -> None:
    found = {each.rule for each in look(with_change(**changes))} - {"no-velero"}
    assert found == ({rule} if rule else set())


def test_what_may_not_be_read_is_said_and_nothing_is_concluded_from_it() -> None:
    shelf = with_change(networkpolicies=[], poddisruptionbudgets=[])
    shelf.denied = {"networkpolicies", "poddisruptionbudgets"}
    found = looked(shelf)
    assert {each.rule for each in found.advice} == {"no-velero"}
    assert [text.partition(":")[0] for text in found.unread] == ["budgets", "policies"]


def of_owner(pod: Any, spec: Any, **labels: str) -> Any:
    """A running pod of a workload, with what is to be seen of it."""
    meta = {**pod["metadata"], "labels": {**pod["metadata"]["labels"], **labels}}
    return {**pod, "metadata": meta, "spec": {**spec, **pod["spec"]}}


LOOSE = {"containers": [{"name": "web", "image": "web:latest"}]}


def test_what_a_drill_touches_is_read_off_its_pods_and_nothing_else_is_asked() -> None:
    shelf = hardened()
    shelf.objects["pods"] = [
        *(of_owner(pod_of("web", n, "n1"), LOOSE) for n in range(2)),
        *(of_owner(pod_of("beside", n, "n1"), LOOSE) for n in range(2)),
        {
            **of_owner(pod_of("bare", 0, "n1"), LOOSE),
            "metadata": {"name": "b", "namespace": "shop"},
        },
    ]
    allowed = {"pods", "nodes", "services"}
    shelf.denied = {*_BUILTIN} - allowed

    def refusal(resource: Any, namespace: str) -> str:
        assert namespace == ("" if resource.plural == "nodes" else "shop")
        return "" if resource.plural in allowed else "not allowed"

    kube = Kube(shelf, SystemClock(), Fence())
    found = survey_touched([read_touched(kube, "shop", {("pod", "web-5d9c-1")}, refusal)])
    assert {each.subject for each in found.advice} == {"deployment/shop/web"}
    assert rules(found.advice, "deployment/shop/web") == {
        *("one-node", "no-spread", "no-readiness", "no-liveness", "root-user"),
        *("writable-root", "no-requests", "floating-tag"),
    }
    assert found.unread == tuple(
        f"{what} of shop: not allowed"
        for what in ("disruption budgets", "autoscalers", "network policies")
    )
    (mend,) = (each.mend for each in found.advice if each.rule == "no-spread")
    assert '"matchLabels": {"app": "web"}' in mend
    named = survey_touched([read_touched(kube, "shop", {("deployment", "beside")}, refusal)])
    assert {each.subject for each in named.advice} == {"deployment/shop/beside"}
    alone = survey_touched([read_touched(kube, "shop", {("pod", "b")}, refusal)])
    assert [(each.rule, each.subject) for each in alone.advice] == [("bare-pod", "pods/shop")]


def test_a_drill_that_may_list_no_pods_learns_nothing_and_says_so() -> None:
    kube = Kube(hardened(), SystemClock(), Fence())
    touched = {("deployment", "web")}
    cluster = read_touched(kube, "shop", touched, lambda resource, namespace: "no")
    found = survey_touched([cluster])
    assert found.advice == ()
    assert "workloads of shop: no" in found.unread


def test_the_clusters_own_namespaces_are_looked_at_only_when_asked_for() -> None:
    dns = deployment("coredns", 1, PLAIN, "kube-system")
    shelf = with_change(deployments=[dns], pods=[], services=[], poddisruptionbudgets=[])
    assert rules(look(shelf), "deployment/kube-system/coredns") == set()
    assert "one-replica" in rules(look(shelf, "kube-system"), "deployment/kube-system/coredns")


def test_pods_are_reduced_as_their_pages_arrive() -> None:
    shelf = with_change(pods=[pod_of("web", n, f"n{n % 2 + 1}") for n in range(999)])
    clock = SystemClock()
    cluster = read_cluster(Kube(shelf, clock, Fence()))
    (place,) = cluster.placements.values()
    assert (place.pods, shelf.held) == (999, 2)
    assert len(place.nodes) == len(place.zones) == 2


def test_a_list_that_begins_anew_counts_nothing_twice() -> None:
    class Expiring(Shelf):
        asked = 0

        def send(self, method: str, path: str, query: Any, *more: Any, **less: Any) -> Response:
            if path.endswith("/pods") and "continue" in query:
                self.asked += 1
                if self.asked == 1:
                    return refused(410, "the provided continue parameter is too old")
            return super().send(method, path, query, *more, **less)

    shelf = Expiring(**hardened().objects)
    (place,) = read_cluster(Kube(shelf, SystemClock(), Fence())).placements.values()
    assert place.pods == 3


ODD = some.recursive(
    some.none() | some.booleans() | some.integers(-1, 3) | some.sampled_from(["", "web", "100%"]),
    lambda inner: (
        some.lists(inner, max_size=2)
        | some.dictionaries(some.sampled_from(["name", "matchLabels", "app"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(some.data())
def test_no_manifest_is_too_odd(data: some.DataObject) -> None:
    """Anything may stand anywhere in a manifest; rules pass it over."""
    shelf = hardened()
    shelf.objects["horizontalpodautoscalers"] = [scaler(1)]
    for kind in sorted(shelf.objects):
        for obj in (copied := copy.deepcopy(shelf.objects[kind])):
            place = data.draw(some.sampled_from(_places(obj)))
            _put(obj, place, data.draw(ODD))
        shelf.objects[kind] = copied
    looked(shelf)


def _places(value: Any, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [trail] if trail else []
    items = value.items() if isinstance(value, dict) else ()
    for key, inner in [*items, *(enumerate(value) if isinstance(value, list) else ())]:
        found += _places(inner, (*trail, key))
    return found


def _put(obj: Any, place: tuple[Any, ...], value: Any) -> None:
    for key in place[:-1]:
        obj = obj[key]
    obj[place[-1]] = value


def test_certificates_near_their_end_are_told() -> None:
    from drillkit.advise.of_cluster import CERTIFICATES

    facts = ClusterNow(Cluster(), datetime(2026, 1, 1, tzinfo=UTC))

    def found(**status: Any) -> list[str]:
        return [a.severity for a in CERTIFICATES.judge({"status": status}, "certificate/x", facts)]

    assert found(notAfter="2026-03-01T00:00:00Z") == []
    assert found(notAfter="2026-01-09T00:00:00Z") == ["high"]
    assert found(notAfter="2026-01-02T00:00:00Z") == ["critical"]
    assert found(conditions=[{"type": "Ready", "status": "False", "message": "x"}]) == ["high"]


def test_rules_of_one_table_have_names_of_their_own_and_a_line_for_people() -> None:
    for table in TABLES:
        names = [rule.id for rule in table.rules]
        assert len(set(names)) == len(names)
        assert all(rule.summary != rule.id and rule.why for rule in table.rules)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("app=web", {"app": "web"}, True),
        ("app==web,tier!=test", {"app": "web", "tier": "test"}, False),
        ("app==web,tier!=test", {"app": "web"}, True),
        ("env in (a, b),!old", {"env": "b"}, True),
        ("env notin (a,b)", {"env": "b"}, False),
        ("env", {}, False),
    ],
)
def test_selectors_are_read_as_kubectl_reads_them(
    text: str, labels: dict[str, str], matches: bool
) -> None:
    assert selects(parse_selector(text), labels) is matches
