"""What is refused, and how the refusal says so."""

from __future__ import annotations

import pytest

from drillkit.sandbox.kube.api import answer
from drillkit.sandbox.kube.objects import NAMESPACES
from drillkit.sandbox.kube.wire import Request

PODS_PATH = "/api/v1/namespaces/shop/pods"
DEPLOYS = "/apis/apps/v1/namespaces/shop/deployments"
MAPS = "/api/v1/namespaces/shop/configmaps"


def refused(response, field):
    assert (response.status, response.body["reason"]) == (422, "Invalid"), response.body
    fields = [cause["field"] for cause in response.body["details"]["causes"]]
    assert field in fields, fields
    return response.body["message"]


def test_a_body_of_another_version_or_kind_is_refused(api, pod):
    body = pod()
    response = api.post(PODS_PATH, {**body, "apiVersion": "v2"})
    assert response.status == 400
    assert (
        "API version in the data (v2) does not match the expected API version (v1)"
        in response.body["message"]
    )
    assert api.post(PODS_PATH, {**body, "kind": "Deployment"}).status == 400
    assert api.post(PODS_PATH, []).status == 400
    assert api.post(PODS_PATH, {**body, "spec": "text"}).status == 400
    assert (
        api.call("POST", PODS_PATH, "x", content_type="application/vnd.kubernetes.protobuf").status
        == 415
    )


def test_a_body_that_is_no_json_is_refused(api):
    response = answer(
        api.store, Request("POST", MAPS, {}, {"Content-Type": "application/json"}, b"{")
    )
    assert (response.status, response.body["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("name", ["Web", "web_1", "-web", "web-", "we b", "x" * 254, "web/1"])
def test_a_bad_name_is_refused(api, pod, name):
    message = refused(api.post(PODS_PATH, pod(name)), "metadata.name")
    assert message.startswith(f'Pod "{name}" is invalid: metadata.name: Invalid value')


def test_a_missing_name_is_refused(api, pod):
    body = pod()
    del body["metadata"]["name"]
    assert "name or generateName is required" in refused(api.post(PODS_PATH, body), "metadata.name")


def test_a_namespace_is_named_like_a_dns_label(api):
    refused(api.post("/api/v1/namespaces", {"metadata": {"name": "a.b"}}), "metadata.name")
    assert api.post(MAPS, {"metadata": {"name": "a.b"}}).status == 201


def test_an_address_that_contradicts_the_url_is_refused(api, pod):
    body = pod()
    body["metadata"]["namespace"] = "other"
    assert api.post(PODS_PATH, body).status == 400
    api.made(MAPS, {"metadata": {"name": "a"}})
    assert api.put(f"{MAPS}/a", {"metadata": {"name": "b"}}).status == 400


def test_an_object_with_a_version_cannot_be_created(api):
    response = api.post(MAPS, {"metadata": {"name": "a", "resourceVersion": "7"}})
    assert (response.status, "should not be set" in response.body["message"]) == (400, True)


def test_labels_must_be_labels(api, pod):
    refused(api.post(PODS_PATH, pod(labels={"app": "no spaces"})), "metadata.labels")
    refused(api.post(PODS_PATH, pod(labels={"a/b/c": "x"})), "metadata.labels")
    assert api.post(PODS_PATH, pod(labels={"app": 7})).status == 400


@pytest.mark.parametrize(
    ("containers", "field"),
    [
        ([], "spec.containers"),
        ([{"image": "a"}], "spec.containers[0].name"),
        ([{"name": "a"}], "spec.containers[0].image"),
        ([{"name": "a", "image": "a"}, {"name": "a", "image": "b"}], "spec.containers[1].name"),
        ([{"name": "Bad_Name", "image": "a"}], "spec.containers[0].name"),
    ],
)
def test_a_pod_needs_proper_containers(api, pod, containers, field):
    refused(api.post(PODS_PATH, pod(containers=containers)), field)


def test_a_pods_spec_cannot_change_but_for_its_images(api, pod):
    api.made(PODS_PATH, pod())
    other = {"spec": {"containers": [{"name": "web", "image": "sandbox/web:2"}]}}
    assert api.patch(f"{PODS_PATH}/web", other, kind="strategic").status == 200
    refused(api.patch(f"{PODS_PATH}/web", {"spec": {"hostNetwork": True}}), "spec")
    api.run_pod("web", "node-1")
    refused(api.patch(f"{PODS_PATH}/web", {"spec": {"nodeName": "node-2"}}), "spec")


def test_a_workload_selects_its_own_pods_and_never_others(api, workload):
    body = workload()
    body["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    message = refused(api.post(DEPLOYS, body), "spec.template.metadata.labels")
    assert "`selector` does not match template `labels`" in message
    api.made(DEPLOYS, workload())
    changed = workload()
    changed["spec"]["selector"] = changed["spec"]["template"]["metadata"]["labels"] = {
        "app": "web",
        "v": "2",
    }
    changed["spec"]["selector"] = {"matchLabels": {"app": "web", "v": "2"}}
    assert "field is immutable" in refused(api.put(f"{DEPLOYS}/web", changed), "spec.selector")
    missing = workload("more")
    del missing["spec"]["selector"]
    refused(api.post(DEPLOYS, missing), "spec.selector")


def test_replicas_are_a_count(api, workload):
    refused(api.post(DEPLOYS, workload(replicas=-1)), "spec.replicas")
    response = api.post(DEPLOYS, workload(replicas="three"))
    assert (response.status, "cannot unmarshal string" in response.body["message"]) == (400, True)


def test_a_budget_has_one_bound(api):
    path = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets"
    refused(
        api.post(
            path, {"metadata": {"name": "a"}, "spec": {"minAvailable": 1, "maxUnavailable": 1}}
        ),
        "spec",
    )
    refused(
        api.post(path, {"metadata": {"name": "a"}, "spec": {"minAvailable": "half"}}),
        "spec.minAvailable",
    )


def test_a_job_says_what_happens_when_it_fails(api):
    template = {"spec": {"containers": [{"name": "a", "image": "b:1"}]}}
    body = {"metadata": {"name": "a"}, "spec": {"template": template}}
    response = api.post("/apis/batch/v1/namespaces/shop/jobs", body)
    refused(response, "spec.template.spec.restartPolicy")


def test_a_service_has_ports_and_keeps_its_address(api):
    path = "/api/v1/namespaces/shop/services"
    refused(api.post(path, {"metadata": {"name": "a"}, "spec": {}}), "spec.ports")
    made = api.made(path, {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
    assert made["spec"]["clusterIP"].startswith("10.96.")
    assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    kept = api.put(f"{path}/a", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 81}]}}).body
    assert kept["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    refused(api.patch(f"{path}/a", {"spec": {"clusterIP": "10.96.9.9"}}), "spec.clusterIPs[0]")


def test_a_lease_is_replaced_only_by_who_knows_its_version(api):
    path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
    made = api.made(
        path,
        {"metadata": {"name": "lock"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15}},
    )
    blind = {"metadata": {"name": "lock"}, "spec": {"holderIdentity": "b"}}
    refused(api.put(f"{path}/lock", blind), "metadata.resourceVersion")
    assert api.put(f"{path}/lock", {**made, "spec": {"holderIdentity": "b"}}).status == 200
    assert api.put(f"{path}/lock", {**made, "spec": {"holderIdentity": "c"}}).status == 409


def test_an_immutable_configmap_stays_as_it_is(api):
    api.made(MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}, "immutable": True})
    refused(api.patch(f"{MAPS}/a", {"data": {"x": "2"}}), "data")
    assert api.patch(f"{MAPS}/a", {"metadata": {"labels": {"l": "1"}}}).status == 200


TYPING_MISTAKES = [
    ("POST", MAPS, {"metadata": {"name": "a"}, "daata": {}}, "daata"),
    ("POST", MAPS, {"metadata": {"name": "a", "label": {}}}, "metadata.label"),
    ("PUT", f"{MAPS}/there", {"metadata": {"name": "there"}, "datum": 1}, "datum"),
    ("PATCH", f"{MAPS}/there", {"metadata": {"nam": "b"}}, "metadata.nam"),
    (
        "POST",
        PODS_PATH,
        {
            "metadata": {"name": "p", "labels": {"any": "label"}},
            "spec": {"containers": [{"name": "c", "image": "i", "prots": []}]},
        },
        "spec.containers[0].prots",
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "field"), TYPING_MISTAKES)
def test_a_field_that_its_kind_has_not_is_refused_under_strict_validation(
    api, method, path, body, field
):
    api.made(MAPS, {"metadata": {"name": "there"}, "data": {"any": "key"}})
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    asked = {"content_type": kind, "dryRun": "All"}
    response = api.call(method, path, body, fieldValidation="Strict", **asked)
    assert response.status == (422 if method == "PATCH" else 400), response.body
    assert f'strict decoding error: unknown field "{field}"' in response.body["message"]
    warned = api.call(method, path, body, fieldValidation="Warn", **asked)
    assert warned.status in (200, 201)
    assert field in warned.headers["Warning"]
    ignored = api.call(method, path, body, fieldValidation="Ignore", **asked)
    assert "Warning" not in ignored.headers
    assert api.call(method, path, body, fieldValidation="Sometimes", **asked).status == 422


def test_what_is_there_and_known_passes_strict_validation(api, pod):
    api.made(PODS_PATH, pod(), fieldValidation="Strict")
    labels = {"metadata": {"labels": {"app": "other"}}}
    patched = api.patch(f"{PODS_PATH}/web", labels, fieldValidation="Strict")
    assert patched.status == 200, patched.body
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": "shop"},
        "reason": "Seen",
    }
    api.made("/api/v1/namespaces/shop/events", event, fieldValidation="Strict")


EVENTS = "/api/v1/namespaces/shop/events"
NEWER = {
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingComponent": "drillkit.dev/x",
    "reportingInstance": "one",
    "action": "Drill",
    "reason": "Starts",
}


def event(about, place="shop", **more):
    meta = {"name": "told", "namespace": place}
    return {"metadata": meta, "involvedObject": {"kind": "Pod", "name": "web", **about}, **more}


@pytest.mark.parametrize(
    ("place", "about", "more"),
    [
        ("shop", {"namespace": "other"}, {}),
        ("shop", {}, {}),
        ("default", {"namespace": "shop"}, {}),
        ("shop", {}, NEWER),
    ],
)
def test_an_event_about_something_in_another_namespace_is_refused(api, place, about, more):
    api.store.create(NAMESPACES, {"metadata": {"name": "default"}})
    answered = api.post(f"/api/v1/namespaces/{place}/events", event(about, place, **more))
    named = about.get("namespace", "")
    told = f'involvedObject.namespace: Invalid value: "{named}": does not match event.namespace'
    message = refused(answered, "involvedObject.namespace")
    assert message == f'Event "told" is invalid: {told}'


@pytest.mark.parametrize(
    ("place", "about", "more"),
    [
        ("shop", {"namespace": "shop"}, {}),
        ("default", {}, {}),
        ("kube-system", {}, NEWER),
        ("shop", {"namespace": "shop"}, NEWER),
    ],
)
def test_an_event_lies_where_what_it_is_about_lies(api, place, about, more):
    for name in ("default", "kube-system"):
        api.store.create(NAMESPACES, {"metadata": {"name": name}})
    made = api.made(f"/api/v1/namespaces/{place}/events", event(about, place, **more))
    assert made["metadata"]["namespace"] == place


def test_an_event_cannot_come_to_be_about_something_elsewhere(api):
    api.made(EVENTS, event({"namespace": "shop"}))
    moved = api.patch(f"{EVENTS}/told", {"involvedObject": {"namespace": "elsewhere"}})
    refused(moved, "involvedObject.namespace")


def test_an_event_that_names_its_time_says_who_reports_what(api):
    answered = api.post(EVENTS, event({"namespace": "shop"}, eventTime=NEWER["eventTime"]))
    fields = [each["field"] for each in answered.body["details"]["causes"]]
    assert fields == ["reportingController", "reportingInstance", "action", "reason"]


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("configmaps", {"data": {"a": "x" * MIB}}, "[]"),
        ("configmaps", {"data": {"a": "x"}, "binaryData": {"b": "eHh4" * (MIB // 3 + 1)}}, "[]"),
        ("secrets", {"data": {"a": "eHh4" * (MIB // 3 + 1)}}, "data"),
        ("secrets", {"stringData": {"a": "x" * MIB}}, "data"),
        ("configmaps", {"metadata": {"name": "a", "annotations": {"n": "x" * MIB}}}, None),
    ],
)
def test_what_is_too_large_for_an_object_is_refused(api, kind, body, field):
    path = f"/api/v1/namespaces/shop/{kind}"
    response = api.post(path, {"metadata": {"name": "a"}, **body})
    told = refused(response, field or "metadata.annotations")
    assert f"Too long: may not be more than {MIB if field else MIB // 4} bytes" in told
    api.made(path, {"metadata": {"name": "b"}, "data": {"a": "x" * 1000}})
