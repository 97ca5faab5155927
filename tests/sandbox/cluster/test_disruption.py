"""Scheduling, cordons, drains and budgets on a virtual clock."""

from __future__ import annotations

import pytest

from drillkit.sandbox.kube.objects import BUDGETS, DEPLOYMENTS, NODES, PODS, condition, is_ready

ENDPOINTS = ("", "endpoints")
SLICES = ("discovery.k8s.io", "endpointslices")


def cordon(bench, node, on=True):
    bench.patch(NODES, node, {"spec": {"unschedulable": True if on else None}}, "")


def addresses(bench, service):
    return [
        a["targetRef"]["name"]
        for s in bench.get(ENDPOINTS, service)["subsets"]
        for a in s.get("addresses", [])
    ]


def budget(**spec):
    return {
        "metadata": {"name": "app"},
        "spec": {"selector": {"matchLabels": {"app": "app"}}, **spec},
    }


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ({"minAvailable": 2}, 2, 2),
        ({"minAvailable": "60%"}, 3, 1),
        ({"maxUnavailable": 1}, 3, 1),
        ({"maxUnavailable": "30%"}, 2, 2),
        ({"minAvailable": 5}, 5, 0),
    ],
)
def test_a_budget_counts_what_may_be_disrupted(bare, spec, desired, allowed):
    bare.deployment(replicas=4)
    bare.create(BUDGETS, budget(**spec))
    bare.advance(10)
    status = bare.status(BUDGETS, "app")
    assert (status["currentHealthy"], status["expectedPods"]) == (4, 4)
    assert (status["desiredHealthy"], status["disruptionsAllowed"]) == (desired, allowed)
    assert condition(bare.get(BUDGETS, "app"), "DisruptionAllowed")["status"] == (
        "True" if allowed else "False"
    )


def test_an_eviction_beyond_the_budget_is_refused_until_the_replacement_is_ready(shop):
    first, second, _ = shop.names("app=web")
    assert shop.evict(first).status == 201
    refused = shop.evict(second)
    assert refused.status == 429
    assert shop.status(BUDGETS, "web")["disruptionsAllowed"] == 0
    shop.advance(5)
    assert shop.status(BUDGETS, "web")["disruptionsAllowed"] == 1
    assert shop.evict(second).status == 201


def test_a_drained_node_keeps_only_what_daemon_sets_put_there(shop):
    cordon(shop, "node-1")
    for pod in shop.pods():
        if pod["spec"]["nodeName"] == "node-1" and not pod["metadata"]["name"].startswith(
            "node-agent"
        ):
            assert shop.evict(pod["metadata"]["name"]).status == 201
            shop.advance(5)
    shop.advance(10)
    left = [p["metadata"]["name"] for p in shop.pods() if p["spec"]["nodeName"] == "node-1"]
    assert len(left) == 1
    assert left[0].startswith("node-agent-")
    assert len(shop.ready("app=web")) == 3


def test_a_cordon_shows_as_a_taint_and_goes_with_it(shop):
    cordon(shop, "node-3")
    assert [t["key"] for t in shop.get(NODES, "node-3", "")["spec"]["taints"]] == [
        "node.kubernetes.io/unschedulable"
    ]
    cordon(shop, "node-3", on=False)
    assert "taints" not in shop.get(NODES, "node-3", "")["spec"]


def test_a_pod_that_fits_nowhere_says_why_and_is_bound_once_it_fits(bare):
    bare.deployment(replicas=1, pod={"nodeSelector": {"disk": "fast"}})
    [pod] = bare.pods()
    scheduled = condition(pod, "PodScheduled")
    assert scheduled["reason"] == "Unschedulable"
    assert (
        scheduled["message"]
        == "0/4 nodes are available: 4 node(s) didn't match Pod's node affinity/selector."
    )
    bare.patch(NODES, "node-4", {"metadata": {"labels": {"disk": "fast"}}}, "")
    bare.advance(5)
    assert [p["spec"]["nodeName"] for p in bare.ready()] == ["node-4"]


def test_required_affinity_to_a_zone_is_respected(bare):
    wanted = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["local-b"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
    affinity = {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    }
    bare.deployment(replicas=3, pod=affinity)
    assert {p["spec"]["nodeName"] for p in bare.pods()} == {"node-2"}


def test_taints_keep_pods_away_and_no_execute_drives_them_out(shop):
    on_node = [p for p in shop.pods("app=web") if p["spec"]["nodeName"] == "node-2"]
    assert on_node
    shop.patch(
        NODES, "node-2", {"spec": {"taints": [{"key": "broken", "effect": "NoExecute"}]}}, ""
    )
    shop.advance(20)
    assert {p["spec"]["nodeName"] for p in shop.ready("app=web")} <= {"node-1", "node-3", "node-4"}
    assert len(shop.ready("app=web")) == 3


def test_endpoints_follow_readiness_and_leave_out_pods_that_are_ending(shop):
    assert sorted(addresses(shop, "web")) == shop.names("app=web")
    victim = shop.names("app=web")[0]
    shop.delete(PODS, victim)
    assert victim not in addresses(shop, "web")
    [found] = [
        s for s in shop.store.list(SLICES, "shop") if s["metadata"]["labels"].get("app") == "web"
    ]
    ending = [e for e in found["endpoints"] if e["targetRef"]["name"] == victim]
    assert ending[0]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert {e["zone"] for e in found["endpoints"]} == {"local-a", "local-b", "local-c"}


def test_a_pod_that_never_gets_ready_is_listed_as_not_ready(bare):
    bare.deployment(replicas=1, annotations={"sandbox.drillkit.dev/never-ready": "true"})
    ports = [{"port": 80, "targetPort": 8080}]
    bare.create(
        ("", "services"),
        {"metadata": {"name": "app"}, "spec": {"selector": {"app": "app"}, "ports": ports}},
    )
    bare.advance(10)
    [subset] = bare.get(ENDPOINTS, "app")["subsets"]
    assert "addresses" not in subset
    assert len(subset["notReadyAddresses"]) == 1
    assert bare.status(DEPLOYMENTS, "app")["unavailableReplicas"] == 1
    assert not any(map(is_ready, bare.pods()))


def test_one_broken_object_does_not_stop_the_others(bare):
    pod = {"restartPolicy": "Never", "containers": [{"name": "x", "image": "sandbox/exec"}]}
    broken = {"schedule": "61 * * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}
    bare.create(("batch", "cronjobs"), {"metadata": {"name": "broken"}, "spec": broken})
    bare.deployment(replicas=1)
    bare.advance(10)
    assert len(bare.ready()) == 1
    failures = bare.cluster.controllers.failures
    assert {failure.controller for failure in failures} == {"cronjob"}
    failures.clear()


def test_the_same_seed_gives_the_same_cluster():
    from tests.sandbox.cluster.virtual import VirtualCluster

    one, other = VirtualCluster(seed=7), VirtualCluster(seed=7)
    assert one.store.list(PODS) == other.store.list(PODS)
    assert one.store.list(PODS) != VirtualCluster(seed=8).store.list(PODS)


def test_a_fork_goes_its_own_way(shop):
    fork = shop.cluster.fork()
    name = shop.names("app=web")[0]
    fork.store.delete(PODS, "shop", name)
    fork.advance(10)
    assert fork.store.get(PODS, "shop", name) is None
    assert len([p for p in fork.store.list(PODS, "shop", "app=web") if is_ready(p)]) == 3
    assert shop.get(PODS, name) is not None
    assert fork.time > shop.cluster.time
    shop.delete(PODS, name)
    shop.advance(10)
    assert shop.store.list(PODS) == fork.store.list(PODS)
