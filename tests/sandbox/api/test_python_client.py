"""The official Python client against the API, models and all."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException

from drillkit.sandbox.kube import crds
from drillkit.sandbox.kube.objects import CRDS, PODS


@pytest.fixture
def connection(served):
    api = config.new_client_from_config(str(served.kubeconfig))
    yield api
    api.close()


def pod(name="web", **labels):
    container = client.V1Container(
        name="web", image="x:1", ports=[client.V1ContainerPort(container_port=8080)]
    )
    meta = client.V1ObjectMeta(name=name, labels=labels or {"app": "web"})
    return client.V1Pod(metadata=meta, spec=client.V1PodSpec(containers=[container]))


def test_pods_are_created_listed_patched_evicted_and_deleted(served, connection):
    core = client.CoreV1Api(connection)
    made = core.create_namespaced_pod("default", pod())
    assert made.status.phase == "Pending"
    assert [
        each.metadata.name
        for each in core.list_pod_for_all_namespaces(label_selector="app=web").items
    ] == ["web"]
    patched = core.patch_namespaced_pod("web", "default", {"metadata": {"labels": {"more": "yes"}}})
    assert patched.metadata.labels == {"app": "web", "more": "yes"}
    served.do(served.store.patch, PODS, "default", "web", {"spec": {"nodeName": "node-1"}})
    eviction = client.V1Eviction(
        metadata=client.V1ObjectMeta(name="web", namespace="default"),
        delete_options=client.V1DeleteOptions(grace_period_seconds=9),
    )
    core.create_namespaced_pod_eviction("web", "default", eviction)
    assert core.read_namespaced_pod("web", "default").metadata.deletion_grace_period_seconds == 9
    core.delete_namespaced_pod("web", "default", grace_period_seconds=0)
    with pytest.raises(ApiException) as caught:
        core.read_namespaced_pod("web", "default")
    assert (caught.value.status, caught.value.reason) == (404, "Not Found")


def test_a_stale_uid_precondition_conflicts(connection):
    core = client.CoreV1Api(connection)
    core.create_namespaced_pod("default", pod())
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    with pytest.raises(ApiException) as caught:
        core.delete_namespaced_pod("web", "default", body=options)
    assert caught.value.status == 409


def test_deployments_scale_and_keep_their_status_apart(connection):
    apps = client.AppsV1Api(connection)
    labels = {"app": "web"}
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=pod().spec
    )
    spec = client.V1DeploymentSpec(
        replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=template
    )
    body = client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)
    assert apps.create_namespaced_deployment("default", body).spec.strategy.type == "RollingUpdate"
    scale = apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 5}})
    assert scale.spec.replicas == 5
    assert apps.read_namespaced_deployment_status("web", "default").metadata.generation == 2
    stale = apps.read_namespaced_deployment("web", "default")
    apps.patch_namespaced_deployment("web", "default", {"metadata": {"annotations": {"a": "b"}}})
    with pytest.raises(ApiException) as caught:
        apps.replace_namespaced_deployment("web", "default", stale)
    assert caught.value.status == 409
    apps.delete_namespaced_deployment("web", "default")
    assert apps.list_namespaced_deployment("default").items == []


@pytest.mark.parametrize(
    "kind", ["nodes", "namespaces", "services", "budgets", "jobs", "leases", "slices", "events"]
)
def test_strict_models_accept_what_is_served(served, connection, kind):
    core, meta = client.CoreV1Api(connection), client.V1ObjectMeta(name="one")
    ports = [client.V1ServicePort(port=80)]
    selector = client.V1LabelSelector(match_labels={"app": "web"})
    template = client.V1PodTemplateSpec(
        spec=client.V1PodSpec(restart_policy="Never", containers=pod().spec.containers)
    )
    about = client.V1ObjectReference(kind="Pod", name="web", namespace="default")
    calls: dict[str, tuple[Any, Any]] = {
        "nodes": (
            lambda: core.create_node(client.V1Node(metadata=meta, spec=client.V1NodeSpec())),
            core.list_node,
        ),
        "namespaces": (
            lambda: core.create_namespace(client.V1Namespace(metadata=meta)),
            core.list_namespace,
        ),
        "services": (
            lambda: core.create_namespaced_service(
                "default", client.V1Service(metadata=meta, spec=client.V1ServiceSpec(ports=ports))
            ),
            core.list_service_for_all_namespaces,
        ),
        "budgets": (
            lambda: client.PolicyV1Api(connection).create_namespaced_pod_disruption_budget(
                "default",
                client.V1PodDisruptionBudget(
                    metadata=meta,
                    spec=client.V1PodDisruptionBudgetSpec(min_available=1, selector=selector),
                ),
            ),
            client.PolicyV1Api(connection).list_pod_disruption_budget_for_all_namespaces,
        ),
        "jobs": (
            lambda: client.BatchV1Api(connection).create_namespaced_job(
                "default", client.V1Job(metadata=meta, spec=client.V1JobSpec(template=template))
            ),
            client.BatchV1Api(connection).list_job_for_all_namespaces,
        ),
        "leases": (
            lambda: client.CoordinationV1Api(connection).create_namespaced_lease(
                "default",
                client.V1Lease(
                    metadata=meta,
                    spec=client.V1LeaseSpec(holder_identity="a", lease_duration_seconds=15),
                ),
            ),
            client.CoordinationV1Api(connection).list_lease_for_all_namespaces,
        ),
        "slices": (
            lambda: client.DiscoveryV1Api(connection).create_namespaced_endpoint_slice(
                "default", client.V1EndpointSlice(metadata=meta, address_type="IPv4", endpoints=[])
            ),
            client.DiscoveryV1Api(connection).list_endpoint_slice_for_all_namespaces,
        ),
        "events": (
            lambda: core.create_namespaced_event(
                "default",
                client.CoreV1Event(
                    metadata=client.V1ObjectMeta(name="one", namespace="default"),
                    involved_object=about,
                    reason="Drill",
                ),
            ),
            core.list_event_for_all_namespaces,
        ),
    }
    create, list_all = calls[kind]
    create()
    assert "one" in [item.metadata.name for item in list_all().items]


def test_a_watch_yields_typed_events_and_ends_when_asked(served, connection):
    core = client.CoreV1Api(connection)
    version = core.list_namespaced_pod("default").metadata.resource_version
    seen = []
    threading.Timer(0.1, lambda: core.create_namespaced_pod("default", pod("a"))).start()
    for event in watch.Watch().stream(
        core.list_namespaced_pod, "default", resource_version=version, timeout_seconds=5
    ):
        seen.append((event["type"], event["object"].metadata.name))
        break
    assert seen == [("ADDED", "a")]


def test_custom_objects_are_merged_and_their_status_written(served, connection):
    schema = {
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    }
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema["properties"]["status"] = status
    definition = crds.definition("example.com", "Fault", "faults", {"v1": schema}, status=True)
    served.do(served.store.create, CRDS, definition)
    custom = client.CustomObjectsApi(connection)
    body = {
        "apiVersion": "example.com/v1",
        "kind": "Fault",
        "metadata": {"name": "f"},
        "spec": {"a": 1},
    }
    where = ("example.com", "v1", "default", "faults")
    custom.create_namespaced_custom_object(*where, body)
    custom.patch_namespaced_custom_object(*where, "f", {"spec": {"b": 2}})
    custom.patch_namespaced_custom_object_status(*where, "f", {"status": {"phase": "on"}})
    found = custom.get_namespaced_custom_object(*where, "f")
    assert (found["spec"], found["status"]) == ({"a": 1, "b": 2}, {"phase": "on"})
    assert custom.delete_namespaced_custom_object(*where, "f")["status"] == "Success"


def test_the_dynamic_client_discovers_and_applies(served, connection, tmp_path):
    dynamic_client = dynamic.DynamicClient(connection, cache_file=str(tmp_path / "cache"))
    maps = dynamic_client.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1"}}
    applied = maps.server_side_apply(
        body=body, name="m", namespace="default", field_manager="drillkit"
    )
    assert applied.data.a == "1"


def test_access_is_reviewed(served, connection):
    served.store.policy = lambda access: access.verb == "get"
    api = client.AuthorizationV1Api(connection)

    def may(verb):
        attributes = client.V1ResourceAttributes(verb=verb, resource="pods", namespace="default")
        spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
        review = client.V1SelfSubjectAccessReview(spec=spec)
        return api.create_self_subject_access_review(review).status.allowed

    assert (may("get"), may("delete")) == (True, False)
