"""How objects go: grace, finalizers, preconditions, owners, namespaces."""

from __future__ import annotations

import pytest

from drillkit.sandbox.kube.objects import DEPLOYMENTS, PODS, REPLICASETS, owner_reference

PODS_PATH = "/api/v1/namespaces/shop/pods"
MAPS = "/api/v1/namespaces/shop/configmaps"
DEPLOYS = "/apis/apps/v1/namespaces/shop/deployments"


@pytest.fixture
def running(api, pod):
    """A pod that runs on a node, with a grace of 30 s."""
    api.made(PODS_PATH, pod())
    api.run_pod("web")
    return api


def meta(api, path=f"{PODS_PATH}/web"):
    return api.get(path).body["metadata"]


def test_a_running_pod_terminates_and_goes_when_its_kubelet_says_so(running):
    response = running.delete(f"{PODS_PATH}/web")
    assert (response.status, response.body["kind"]) == (200, "Pod")
    assert meta(running)["deletionTimestamp"] == "2026-01-01T00:00:30Z"
    assert meta(running)["deletionGracePeriodSeconds"] == 30
    running.store.finalize_pod("shop", "web", "another incarnation")
    assert running.get(f"{PODS_PATH}/web").status == 200
    running.store.finalize_pod("shop", "web", meta(running)["uid"])
    assert running.get(f"{PODS_PATH}/web").status == 404


def test_a_pod_that_is_not_being_deleted_is_never_finalized(running):
    running.store.finalize_pod("shop", "web", meta(running)["uid"])
    assert running.get(f"{PODS_PATH}/web").status == 200


def test_a_pod_without_a_node_goes_at_once(api, pod):
    api.made(PODS_PATH, pod())
    assert api.delete(f"{PODS_PATH}/web").body["kind"] == "Pod"
    assert api.get(f"{PODS_PATH}/web").status == 404


def test_a_pod_that_has_ended_goes_at_once(running):
    running.run_pod("web", phase="Succeeded", ready=False)
    running.delete(f"{PODS_PATH}/web")
    assert running.get(f"{PODS_PATH}/web").status == 404


@pytest.mark.parametrize("how", ["body", "query"])
def test_a_grace_of_zero_removes_a_pod_by_force(running, how):
    if how == "body":
        running.delete(f"{PODS_PATH}/web", {"gracePeriodSeconds": 0})
    else:
        running.delete(f"{PODS_PATH}/web", gracePeriodSeconds=0)
    assert running.get(f"{PODS_PATH}/web").status == 404


def test_a_grace_can_be_shortened_but_not_lengthened(running):
    running.delete(f"{PODS_PATH}/web")
    running.advance(2)
    running.delete(f"{PODS_PATH}/web", {"gracePeriodSeconds": 5})
    assert meta(running)["deletionTimestamp"] == "2026-01-01T00:00:07Z"
    version = meta(running)["resourceVersion"]
    running.delete(f"{PODS_PATH}/web", {"gracePeriodSeconds": 60})
    running.delete(f"{PODS_PATH}/web")
    assert meta(running)["resourceVersion"] == version, "nothing more happens"


@pytest.mark.parametrize("precondition", [{"uid": "another"}, {"resourceVersion": "1"}])
def test_a_precondition_that_fails_conflicts_and_deletes_nothing(running, precondition):
    response = running.delete(f"{PODS_PATH}/web", {"preconditions": precondition})
    assert (response.status, response.body["reason"]) == (409, "Conflict")
    assert "does not match" in response.body["message"]
    assert "deletionTimestamp" not in meta(running)


def test_preconditions_that_hold_let_the_deletion_happen(running):
    given = {"uid": meta(running)["uid"], "resourceVersion": meta(running)["resourceVersion"]}
    assert running.delete(f"{PODS_PATH}/web", {"preconditions": given}).status == 200
    assert "deletionTimestamp" in meta(running)


def test_an_object_with_finalizers_stays_until_the_last_is_removed(api):
    api.made(MAPS, {"metadata": {"name": "held", "finalizers": ["a/one", "b/two"]}})
    assert api.delete(f"{MAPS}/held").body["kind"] == "ConfigMap"
    assert api.patch(f"{MAPS}/held", {"metadata": {"finalizers": ["b/two"]}}).status == 200
    response = api.patch(f"{MAPS}/held", {"metadata": {"finalizers": ["b/two", "c/new"]}})
    assert response.status == 422, "no new finalizer while it is being deleted"
    assert api.patch(f"{MAPS}/held", {"metadata": {"finalizers": None}}).status == 200
    assert api.get(f"{MAPS}/held").status == 404


def test_a_pod_with_a_finalizer_outlives_its_processes(api, pod):
    body = pod()
    body["metadata"]["finalizers"] = ["a/one"]
    uid = api.made(PODS_PATH, body)["metadata"]["uid"]
    api.run_pod("web")
    api.delete(f"{PODS_PATH}/web")
    api.store.finalize_pod("shop", "web", uid)
    assert meta(api)["deletionGracePeriodSeconds"] == 0
    api.patch(f"{PODS_PATH}/web", {"metadata": {"finalizers": []}})
    assert api.get(f"{PODS_PATH}/web").status == 404


def test_the_answer_to_a_deletion_names_what_went(api):
    uid = api.made(MAPS, {"metadata": {"name": "gone"}})["metadata"]["uid"]
    body = api.delete(f"{MAPS}/gone").body
    assert (body["status"], body["details"]) == (
        "Success",
        {"name": "gone", "kind": "configmaps", "uid": uid},
    )
    assert api.delete(f"{MAPS}/gone").status == 404


@pytest.fixture
def family(api, workload, pod):
    """A Deployment that owns a ReplicaSet that owns a running pod."""
    deployment = api.store.create(DEPLOYMENTS, workload(), "shop")
    replicas = workload("web-1", 1, "ReplicaSet")
    replicas["metadata"]["ownerReferences"] = [owner_reference(deployment)]
    replicas = api.store.create(REPLICASETS, replicas, "shop")
    body = pod("web-1-a")
    body["metadata"]["ownerReferences"] = [owner_reference(replicas)]
    api.store.create(PODS, body, "shop")
    api.run_pod("web-1-a")
    return api


def alive(api):
    return [len(api.store.list(gvr)) for gvr in (DEPLOYMENTS, REPLICASETS, PODS)]


def terminating(api):
    return [
        bool(obj["metadata"].get("deletionTimestamp"))
        for gvr in (DEPLOYMENTS, REPLICASETS, PODS)
        for obj in api.store.list(gvr)
    ]


def finish(api):
    pod = api.store.list(PODS)[0]["metadata"]
    api.store.finalize_pod("shop", pod["name"], pod["uid"])


@pytest.mark.parametrize(
    "options", [None, {"propagationPolicy": "Background"}, {"orphanDependents": False}]
)
def test_in_the_background_owners_go_first_and_take_along_what_they_own(family, options):
    family.delete(f"{DEPLOYS}/web", options)
    assert alive(family) == [0, 0, 1]
    assert terminating(family) == [True]
    finish(family)
    assert alive(family) == [0, 0, 0]


def test_in_the_foreground_owners_wait_for_what_they_own(family):
    response = family.delete(f"{DEPLOYS}/web", {"propagationPolicy": "Foreground"})
    assert response.body["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert (alive(family), terminating(family)) == ([1, 1, 1], [True, True, True])
    finish(family)
    assert alive(family) == [0, 0, 0]


def test_orphans_stay_without_an_owner(family):
    family.delete(f"{DEPLOYS}/web", {"propagationPolicy": "Orphan"})
    assert alive(family) == [0, 1, 1]
    assert "ownerReferences" not in family.store.list(REPLICASETS)[0]["metadata"]
    assert "ownerReferences" in family.store.list(PODS)[0]["metadata"]


def test_what_has_two_owners_stays_while_one_of_them_does(api):
    owners = [
        api.store.create(("", "configmaps"), {"metadata": {"name": name}}, "shop")
        for name in ("a", "b")
    ]
    body = {
        "metadata": {
            "name": "child",
            "ownerReferences": [owner_reference(owner) for owner in owners],
        }
    }
    api.made(MAPS, body)
    api.delete(f"{MAPS}/a")
    assert [owner["name"] for owner in meta(api, f"{MAPS}/child")["ownerReferences"]] == ["b"]
    api.delete(f"{MAPS}/b")
    assert api.get(f"{MAPS}/child").status == 404


def test_jobs_orphan_their_pods_unless_told_otherwise(api, pod):
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b:1"}]}}
    jobs = "/apis/batch/v1/namespaces/shop/jobs"
    for name, options, left in (
        ("kept", None, 1),
        ("swept", {"propagationPolicy": "Background"}, 0),
    ):
        job = api.made(jobs, {"metadata": {"name": name}, "spec": {"template": template}})
        body = pod(f"{name}-pod")
        body["metadata"]["ownerReferences"] = [owner_reference(job)]
        api.made(PODS_PATH, body)
        api.delete(f"{jobs}/{name}", options)
        assert len([each for each in api.names(PODS_PATH) if each.startswith(name)]) == left


def test_a_namespace_waits_for_its_pods_and_accepts_nothing_new(running):
    body = running.delete("/api/v1/namespaces/shop").body
    assert (body["kind"], body["status"]["phase"]) == ("Namespace", "Terminating")
    assert "deletionTimestamp" in meta(running)
    response = running.post(MAPS, {"metadata": {"name": "late"}})
    assert (response.status, response.body["reason"]) == (403, "Forbidden")
    assert "because it is being terminated" in response.body["message"]
    running.store.finalize_pod("shop", "web", meta(running)["uid"])
    assert running.get("/api/v1/namespaces/shop").status == 404


def test_an_empty_namespace_goes_at_once_but_is_answered_as_terminating(api):
    assert api.delete("/api/v1/namespaces/shop").body["status"]["phase"] == "Terminating"
    assert api.get("/api/v1/namespaces/shop").status == 404


def test_a_namespace_takes_everything_along_and_only_its_own(api):
    api.made("/api/v1/namespaces", {"metadata": {"name": "other"}})
    api.made(MAPS, {"metadata": {"name": "a", "finalizers": ["held/up"]}})
    api.made("/api/v1/namespaces/other/configmaps", {"metadata": {"name": "b"}})
    api.delete("/api/v1/namespaces/shop")
    assert api.get("/api/v1/namespaces/shop").body["status"]["phase"] == "Terminating"
    api.patch(f"{MAPS}/a", {"metadata": {"finalizers": None}})
    assert api.get("/api/v1/namespaces/shop").status == 404
    assert api.names("/api/v1/configmaps") == ["b"]


def test_the_namespaces_of_the_system_may_not_be_deleted(api):
    api.made("/api/v1/namespaces", {"metadata": {"name": "kube-system"}})
    assert api.delete("/api/v1/namespaces/kube-system").status == 403


@pytest.mark.parametrize(
    "options",
    [
        {"propagationPolicy": "Sideways"},
        {"gracePeriodSeconds": "soon"},
        {"propagationPolicy": "Orphan", "orphanDependents": True},
        {"kind": "Pod", "apiVersion": "v1"},
    ],
)
def test_options_that_make_no_sense_are_refused(running, options):
    assert running.delete(f"{PODS_PATH}/web", options).status in (400, 422)
    assert "deletionTimestamp" not in meta(running)


def test_a_negative_grace_is_one_second(running):
    running.delete(f"{PODS_PATH}/web", {"gracePeriodSeconds": -5})
    assert meta(running)["deletionGracePeriodSeconds"] == 1
