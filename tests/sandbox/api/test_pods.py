"""Evictions under budgets, bindings, logs, commands, metrics, access."""

from __future__ import annotations

import pytest

from drillkit.sandbox.kube.access import Access
from drillkit.sandbox.kube.objects import PODS
from drillkit.sandbox.kube.wire import Exec, LogFollow

PODS_PATH = "/api/v1/namespaces/shop/pods"
BUDGETS = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets"


def evict(api, name="web-0", options=None, **params):
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": "shop"},
    }
    if options is not None:
        body["deleteOptions"] = options
    return api.post(f"{PODS_PATH}/{name}/eviction", body, **params)


def budget(api, name="web", labels=None, **spec):
    selector = {"matchLabels": labels or {"app": "web"}}
    return api.made(BUDGETS, {"metadata": {"name": name}, "spec": {"selector": selector, **spec}})


@pytest.fixture
def web(api, pod, workload):
    """Three ready pods of a ReplicaSet that wants three."""
    owner = api.made("/apis/apps/v1/namespaces/shop/replicasets", workload("web", 3, "ReplicaSet"))[
        "metadata"
    ]
    reference = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web",
        "uid": owner["uid"],
        "controller": True,
    }
    for number in range(3):
        body = pod(f"web-{number}")
        body["metadata"]["ownerReferences"] = [reference]
        api.made(PODS_PATH, body)
        api.run_pod(f"web-{number}")
    return api


def test_an_eviction_without_a_budget_deletes_gracefully(web):
    response = evict(web, options={"gracePeriodSeconds": 7})
    assert (response.status, response.body["status"]) == (201, "Success")
    assert web.get(f"{PODS_PATH}/web-0").body["metadata"]["deletionGracePeriodSeconds"] == 7


def test_a_budget_refuses_and_is_named(web):
    budget(web, minAvailable=3)
    response = evict(web)
    assert (response.status, response.body["reason"]) == (429, "TooManyRequests")
    assert (
        response.body["message"]
        == "Cannot evict pod as it would violate the pod's disruption budget."
    )
    assert response.body["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget web needs 3 healthy pods and has 3 currently",
        }
    ]
    assert "Retry-After" not in response.headers, "as in Kubernetes"
    assert "deletionTimestamp" not in web.get(f"{PODS_PATH}/web-0").body["metadata"]


@pytest.mark.parametrize(
    "spec",
    [
        {"minAvailable": 2},
        {"minAvailable": "60%"},
        {"maxUnavailable": 1},
        {"maxUnavailable": "30%"},
    ],
)
def test_what_a_budget_allows_is_counted_live(web, spec):
    budget(web, **spec)
    assert evict(web, "web-0").status == 201
    assert evict(web, "web-1").status == 429, (
        "the evicted pod counts no more, though it still terminates"
    )


def test_a_percentage_counts_from_the_replicas_that_are_wanted(web):
    web.patch("/apis/apps/v1/namespaces/shop/replicasets/web/scale", {"spec": {"replicas": 6}})
    budget(web, minAvailable="50%")
    assert evict(web).status == 429


def test_unready_pods_do_not_count_and_may_go_while_the_budget_is_met(web):
    budget(web, minAvailable=2)
    web.run_pod("web-2", ready=False)
    assert evict(web, "web-0").status == 429
    assert evict(web, "web-2").status == 201


def test_an_unready_pod_is_protected_when_the_budget_is_not_met_unless_it_says_otherwise(web):
    made = budget(web, minAvailable=3)
    web.run_pod("web-2", ready=False)
    assert evict(web, "web-2").status == 429
    careless = {**made, "spec": {**made["spec"], "unhealthyPodEvictionPolicy": "AlwaysAllow"}}
    assert web.put(f"{BUDGETS}/web", careless).status == 200
    assert evict(web, "web-2").status == 201


def test_a_pod_that_has_not_begun_or_has_ended_goes_anyway(web, pod):
    budget(web, minAvailable="100%")
    web.made(PODS_PATH, pod("pending"))
    assert evict(web, "pending").status == 201
    web.run_pod("web-0", phase="Failed", ready=False)
    assert evict(web, "web-0").status == 201


def test_two_budgets_for_one_pod_are_an_error(web):
    budget(web, "one", minAvailable=0)
    budget(web, "two", minAvailable=0)
    response = evict(web)
    assert response.status == 500
    assert "more than one PodDisruptionBudget" in response.body["message"]


def test_an_eviction_honours_preconditions_dry_runs_and_absence(web):
    assert evict(web, options={"preconditions": {"uid": "another"}}).status == 409
    assert evict(web, options={"dryRun": ["All"]}).status == 201
    assert evict(web, dryRun="All").status == 201
    assert "deletionTimestamp" not in web.get(f"{PODS_PATH}/web-0").body["metadata"]
    assert evict(web, "absent").status == 404


def test_a_log_comes_from_the_clusters_hook(api, pod):
    api.made(PODS_PATH, pod())
    asked = []

    def read(pod, container, previous, tail):
        asked.append((pod["metadata"]["name"], container, previous, tail))
        return "line 1\nline 2\n"

    api.store.pod_log = read
    waiting = api.get(f"{PODS_PATH}/web/log")
    assert (waiting.status, "waiting to start" in waiting.body["message"]) == (400, True)
    api.run_pod("web")
    assert (
        api.get(f"{PODS_PATH}/web/log", tailLines=200, previous="true").body == "line 1\nline 2\n"
    )
    assert asked == [("web", "web", True, 200)]
    assert api.get(f"{PODS_PATH}/web/log", limitBytes=6).encode() == b"line 1"
    follow = api.get(f"{PODS_PATH}/web/log", follow="true", tailLines=1).upgrade
    assert isinstance(follow, LogFollow)
    assert (follow.container, follow.tail_lines) == ("web", 1)


def test_a_container_must_be_named_where_there_are_several(api, pod):
    api.made(
        PODS_PATH, pod(containers=[{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}])
    )
    api.run_pod("web")
    api.store.pod_log = lambda pod, container, previous, tail: container
    response = api.get(f"{PODS_PATH}/web/log")
    assert (response.status, "choose one of: [a b]" in response.body["message"]) == (400, True)
    assert api.get(f"{PODS_PATH}/web/log", container="b").body == "b"
    assert api.get(f"{PODS_PATH}/web/log", container="c").status == 400


def test_a_command_is_described_for_whoever_drives_it(api, pod):
    api.made(PODS_PATH, pod())
    api.run_pod("web")
    assert api.get(f"{PODS_PATH}/web/exec", command="ls").status == 404, "no kubelet runs commands"
    api.store.pod_exec = lambda command, io: None
    query = [("command", "sh"), ("command", "-c"), ("command", "exit 3"), ("stdout", "true")]
    response = api.get(f"{PODS_PATH}/web/exec", query=query)
    command = response.upgrade
    assert isinstance(command, Exec)
    assert (response.status, command.command) == (101, ("sh", "-c", "exit 3"))
    assert (command.stdout, command.stdin) == (True, False)
    assert api.get(f"{PODS_PATH}/web/exec").status == 400


def test_metrics_are_served_once_something_measures(api, pod):
    for name in ("a", "b"):
        api.made(PODS_PATH, pod(name))
        api.run_pod(name)
    path = "/apis/metrics.k8s.io/v1beta1"
    assert api.get(f"{path}/pods").status == 404
    api.store.pod_metrics = lambda pod: (
        {"web": (0.25, 10 * 1024 * 1024)} if pod["metadata"]["name"] == "a" else {}
    )
    items = api.get(f"{path}/namespaces/shop/pods").body["items"]
    assert [(item["metadata"]["name"], item["containers"]) for item in items] == [
        ("a", [{"name": "web", "usage": {"cpu": "250000000n", "memory": "10240Ki"}}])
    ]
    assert api.get(f"{path}/namespaces/shop/pods/b").status == 404
    assert api.post(f"{path}/namespaces/shop/pods", {}).status == 405


def test_the_policy_answers_reviews_and_is_enforced(api, pod):
    api.store.policy = lambda access: access.verb != "delete" or access.resource != "pods"
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def may(**attributes):
        return api.post(reviews, {"spec": {"resourceAttributes": attributes}}).body["status"][
            "allowed"
        ]

    assert may(verb="list", resource="pods", namespace="shop")
    assert not may(verb="delete", resource="pods", namespace="shop")
    api.made(PODS_PATH, pod())
    response = api.delete(f"{PODS_PATH}/web")
    assert (response.status, response.body["reason"]) == (403, "Forbidden")
    assert (
        'cannot delete resource "pods" in API group "" in the namespace "shop"'
        in response.body["message"]
    )
    assert api.store.get(PODS, "shop", "web") is not None


def test_the_policy_sees_the_whole_request(api):
    asked = []
    api.store.policy = lambda access: asked.append(access) or True
    api.get("/apis/apps/v1/deployments", watch="1")
    api.get(f"{PODS_PATH}/web/log")
    api.delete(PODS_PATH)
    assert asked == [
        Access("watch", "apps", "deployments"),
        Access("get", "", "pods", "log", "shop", "web"),
        Access("deletecollection", "", "pods", namespace="shop"),
    ]


def test_one_learns_who_one_is(api):
    made = api.made("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert made["status"]["userInfo"]["username"] == "drillkit-sandbox"
