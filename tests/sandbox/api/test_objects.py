"""Creating, reading, replacing: identity, versions, conflicts, dry runs."""

from __future__ import annotations

import re

import pytest

from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import DEPLOYMENTS, NODES, PODS

PODS_PATH = "/api/v1/namespaces/shop/pods"
MAPS = "/api/v1/namespaces/shop/configmaps"
DEPLOYS = "/apis/apps/v1/namespaces/shop/deployments"


def test_a_created_object_gets_its_identity_from_the_server(api, pod):
    body = pod()
    body["metadata"] |= {
        "uid": "mine",
        "creationTimestamp": "1999-01-01T00:00:00Z",
        "generation": 7,
        "ns": "unknown",
    }
    meta = api.made(PODS_PATH, body)["metadata"]
    assert meta["uid"].startswith("uid-")
    assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert "ns" not in meta, "an unknown field of metadata is dropped"
    assert api.get(f"{PODS_PATH}/web").body["metadata"] == meta


def test_the_same_seed_generates_the_same_names(another_api, pod):
    def names():
        api = another_api(seed=7)
        api.made("/api/v1/namespaces", {"metadata": {"name": "shop"}})
        body = pod()
        body["metadata"] = {"generateName": "web-"}
        return [api.made(PODS_PATH, body)["metadata"]["name"] for _ in range(3)]

    first = names()
    assert first == names()
    assert len(set(first)) == 3
    assert all(name.startswith("web-") and len(name) == 9 for name in first)


def test_a_name_can_be_taken_only_once(api, pod):
    api.made(PODS_PATH, pod())
    response = api.post(PODS_PATH, pod())
    assert response.status == 409
    assert response.body["reason"] == "AlreadyExists"
    assert response.body["message"] == 'pods "web" already exists'
    assert response.body["details"] == {"name": "web", "kind": "pods"}


def test_nothing_is_created_in_a_namespace_that_does_not_exist(api, pod):
    response = api.post("/api/v1/namespaces/nowhere/pods", pod())
    assert (response.status, response.body["message"]) == (404, 'namespaces "nowhere" not found')


def test_an_absent_object_is_named_in_the_answer(api):
    response = api.get(f"{DEPLOYS}/web")
    assert response.status == 404
    assert response.body["message"] == 'deployments.apps "web" not found'
    assert response.body["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


def test_a_stale_replacement_conflicts_and_changes_nothing(api):
    old = api.made(MAPS, {"metadata": {"name": "settings"}, "data": {"a": "1"}})
    assert api.put(f"{MAPS}/settings", {**old, "data": {"a": "2"}}).status == 200
    response = api.put(f"{MAPS}/settings", {**old, "data": {"a": "3"}})
    assert (response.status, response.body["reason"]) == (409, "Conflict")
    assert "the object has been modified" in response.body["message"]
    assert api.get(f"{MAPS}/settings").body["data"] == {"a": "2"}


def test_a_replacement_that_changes_nothing_keeps_the_version(api):
    old = api.made(MAPS, {"metadata": {"name": "settings"}, "data": {"a": "1"}})
    assert (
        api.put(f"{MAPS}/settings", old).body["metadata"]["resourceVersion"]
        == old["metadata"]["resourceVersion"]
    )


def test_a_replacement_of_another_incarnation_is_refused(api):
    old = api.made(MAPS, {"metadata": {"name": "settings"}})
    api.delete(f"{MAPS}/settings")
    api.made(MAPS, {"metadata": {"name": "settings"}})
    old["metadata"] = {"name": "settings", "uid": old["metadata"]["uid"]}
    assert api.put(f"{MAPS}/settings", old).status == 409


def test_what_the_server_owns_survives_a_replacement(api, workload):
    made = api.made(DEPLOYS, workload())
    api.store.patch(
        DEPLOYMENTS, "shop", "web", {"status": {"readyReplicas": 2}}, subresource="status"
    )
    body = workload(replicas=3)
    body["status"] = {"readyReplicas": 99}
    new = api.put(f"{DEPLOYS}/web", body).body
    assert new["metadata"]["uid"] == made["metadata"]["uid"]
    assert new["status"] == {"readyReplicas": 2}, "status is a subresource"
    assert new["metadata"]["generation"] == 2


def test_only_a_change_of_the_spec_moves_the_generation(api, workload):
    api.made(DEPLOYS, workload())
    assert (
        api.patch(f"{DEPLOYS}/web", {"metadata": {"labels": {"a": "b"}}}).body["metadata"][
            "generation"
        ]
        == 1
    )
    assert (
        api.patch(f"{DEPLOYS}/web/status", {"status": {"replicas": 1}}).body["metadata"][
            "generation"
        ]
        == 1
    )
    assert (
        api.patch(f"{DEPLOYS}/web", {"spec": {"replicas": 5}}).body["metadata"]["generation"] == 2
    )


def test_a_status_write_changes_nothing_but_the_status(api, workload):
    made = api.made(DEPLOYS, workload())
    made["spec"]["replicas"] = 9
    made["status"] = {"replicas": 4}
    new = api.put(f"{DEPLOYS}/web/status", made).body
    assert (new["spec"]["replicas"], new["status"]) == (2, {"replicas": 4})


def test_a_node_brings_its_status_along_at_birth(api):
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    api.store.create(NODES, {"metadata": {"name": "node-1"}, "spec": {}, "status": status})
    assert api.get("/api/v1/nodes/node-1").body["status"] == status


def test_a_pod_is_completed_with_what_clients_look_at(api, pod):
    made = api.made(PODS_PATH, pod())
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert made["spec"]["restartPolicy"] == "Always"


TOKEN_PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_a_pods_token_authority_and_namespace_are_mounted_in_every_container(api, pod):
    own = {"name": "mine", "mountPath": TOKEN_PLACE}
    containers = [
        {"name": "web", "image": "sandbox/web:1"},
        {"name": "other", "image": "sandbox/web:1", "volumeMounts": [own]},
    ]
    first = {"name": "first", "image": "sandbox/exec"}
    mine = {"name": "mine", "emptyDir": {}}
    given = pod(containers=containers, initContainers=[first], volumes=[mine])
    spec = api.made(PODS_PATH, given)["spec"]
    [kept, access] = spec["volumes"]
    assert kept["name"] == "mine"
    assert re.fullmatch(r"kube-api-access-[a-z0-9]{5}", access["name"])
    assert access["projected"] == {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {
                "configMap": {
                    "name": "kube-root-ca.crt",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }
            },
            {
                "downwardAPI": {
                    "items": [
                        {
                            "path": "namespace",
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                        }
                    ]
                }
            },
        ],
    }
    added = {"name": access["name"], "readOnly": True, "mountPath": TOKEN_PLACE}
    mounts = [each["volumeMounts"] for each in spec["initContainers"] + spec["containers"]]
    assert mounts == [[added], [added], [own]]


@pytest.mark.parametrize(
    ("of_account", "of_pod", "mounted"),
    [
        (None, None, True),
        (None, False, False),
        (False, None, False),
        (False, True, True),
        (True, False, False),
    ],
)
def test_a_token_is_not_mounted_where_pod_or_account_say_so(api, pod, of_account, of_pod, mounted):
    account = {"metadata": {"name": "worker"}, "automountServiceAccountToken": of_account}
    api.made("/api/v1/namespaces/shop/serviceaccounts", account)
    given = pod(serviceAccountName="worker", automountServiceAccountToken=of_pod)
    spec = api.made(PODS_PATH, given)["spec"]
    assert (bool(spec.get("volumes")), "volumeMounts" in spec["containers"][0]) == (mounted,) * 2


def test_a_pod_of_an_account_that_does_not_exist_is_refused(api, pod):
    refused = api.post(PODS_PATH, pod(serviceAccountName="nobody"))
    assert (refused.status, refused.body["message"]) == (
        403,
        'pods "web" is forbidden: error looking up service account shop/nobody: '
        'serviceaccount "nobody" not found',
    )


def test_a_secret_given_as_text_is_kept_as_data(api):
    made = api.made(
        "/api/v1/namespaces/shop/secrets",
        {"metadata": {"name": "s"}, "stringData": {"key": "value"}},
    )
    assert made["data"] == {"key": "dmFsdWU="}
    assert "stringData" not in made


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_dry_run_answers_as_if_and_changes_nothing(api, method):
    if method != "POST":
        api.made(MAPS, {"metadata": {"name": "settings"}, "data": {"a": "1"}})
    before = api.store.log.last
    body = {"metadata": {"name": "settings"}, "data": {"a": "2"}}
    path = MAPS if method == "POST" else f"{MAPS}/settings"
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    response = api.call(
        method, path, None if method == "DELETE" else body, content_type=kind, dryRun="All"
    )
    assert response.status in (200, 201)
    if method != "DELETE":
        assert response.body["data"] == {"a": "2"}
    assert api.store.log.last == before


def test_an_unknown_kind_of_dry_run_is_refused(api, pod):
    assert api.post(PODS_PATH, pod(), dryRun="Some").status == 422


def test_objects_handed_out_are_snapshots(api, pod):
    api.made(PODS_PATH, pod())
    before = api.store.get(PODS, "shop", "web")
    api.patch(f"{PODS_PATH}/web", {"metadata": {"labels": {"app": "other"}}})
    assert before["metadata"]["labels"] == {"app": "web"}


def test_objects_handed_in_are_copied(api, pod):
    body = pod()
    api.store.create(PODS, body, "shop")
    body["metadata"]["labels"]["app"] = "changed afterwards"
    assert api.store.get(PODS, "shop", "web")["metadata"]["labels"] == {"app": "web"}


def test_listeners_hear_of_changes_in_order_even_when_they_change_the_store_themselves(api, pod):
    heard = []

    def label(event):
        if event.type == "ADDED" and event.gvr == PODS:
            meta = event.object["metadata"]
            api.store.patch(
                PODS, meta["namespace"], meta["name"], {"metadata": {"labels": {"seen": "yes"}}}
            )

    api.store.subscribe(label)
    end = api.store.subscribe(lambda event: heard.append((event.type, event.resource_version)))
    api.made(PODS_PATH, pod())
    assert [kind for kind, _ in heard] == ["ADDED", "MODIFIED"]
    assert [version for _, version in heard] == sorted(version for _, version in heard)
    end()
    api.delete(f"{PODS_PATH}/web")
    assert len(heard) == 2


def test_a_listener_that_fails_does_not_keep_the_others_from_hearing(api, pod):
    heard = []

    def fail(event):
        raise RuntimeError("a broken controller")

    api.store.subscribe(fail)
    api.store.subscribe(heard.append)
    with pytest.raises(RuntimeError, match="a broken controller"):
        api.store.create(PODS, pod(), "shop")
    assert [event.type for event in heard] == ["ADDED"]
    assert api.store.get(PODS, "shop", "web") is not None


def test_a_replacement_in_process_conflicts_like_one_from_outside(api, pod):
    old = api.store.create(PODS, pod(), "shop")
    api.run_pod("web")
    with pytest.raises(ApiError, match="the object has been modified") as caught:
        api.store.update(PODS, old)
    assert caught.value.code == 409


def test_scale_reads_and_writes_only_the_replicas(api, workload):
    made = api.made(DEPLOYS, workload())
    scale = api.get(f"{DEPLOYS}/web/scale").body
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 2},
        {"replicas": 0, "selector": "app=web"},
    )
    assert api.patch(f"{DEPLOYS}/web/scale", {"spec": {"replicas": 0}}).body["spec"] == {
        "replicas": 0
    }
    assert api.get(f"{DEPLOYS}/web").body["spec"]["template"] == made["spec"]["template"]
    assert api.put(f"{DEPLOYS}/web/scale", scale).status == 409, "its resourceVersion has passed"
    assert api.patch(f"{DEPLOYS}/web/scale", {"spec": {"replicas": -1}}).status == 422


def test_an_event_can_be_read_in_both_of_its_groups(api):
    body = {
        "metadata": {"name": "told", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": "shop"},
        "message": "drill begins",
        "reason": "Drill",
        "reportingComponent": "drillkit",
    }
    api.made("/api/v1/namespaces/shop/events", body)
    path = "/apis/events.k8s.io/v1/namespaces/shop/events"
    new = api.get(path, fieldSelector="regarding.name=web").body["items"][0]
    assert (new["apiVersion"], new["note"]) == ("events.k8s.io/v1", "drill begins")
    assert (new["regarding"]["name"], new["reportingController"]) == ("web", "drillkit")
    assert api.get(path, fieldSelector="regarding.name=db").body["items"] == []
    assert api.post(path, new).status == 405
    assert api.delete(f"{path}/told").status == 405


def test_discovery_lists_what_is_served(api):
    groups = {group["name"]: group for group in api.get("/apis").body["groups"]}
    assert {
        "apps",
        "batch",
        "policy",
        "events.k8s.io",
        "discovery.k8s.io",
        "coordination.k8s.io",
    } <= groups.keys()
    assert "metrics.k8s.io" not in groups, "nothing measures the pods"
    assert groups["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    core = {each["name"]: each for each in api.get("/api/v1").body["resources"]}
    assert core["pods"]["shortNames"] == ["po"]
    assert core["pods/eviction"] == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "kind": "Eviction",
        "verbs": ["create"],
        "group": "policy",
        "version": "v1",
    }
    assert api.get("/version").body["minor"] == "31"
    assert api.get("/readyz").body == "ok"
    assert api.get("/openapi/v2").body["swagger"] == "2.0"


@pytest.mark.parametrize(
    "path",
    [
        "/apis/nope/v1",
        "/apis/apps/v9/deployments",
        "/api/v1/unicorns",
        "/api/v1/namespaces/shop/nodes",
        "/nope",
        "/api/v1/pods/web",
        "/api/v1/namespaces/shop/pods/web/unknown",
        "/apis/apps/v1beta1/namespaces/shop/deployments",
    ],
)
def test_nothing_else_is_served(api, path):
    assert api.get(path).status == 404


def test_a_method_that_makes_no_sense_is_refused(api, pod):
    assert api.post("/api/v1/pods", pod()).status == 405
    assert api.put(PODS_PATH, pod()).status == 405
    assert api.get("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").status == 405
