"""The official client refuses objects with missing fields; what the controllers write must
satisfy it.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.sandbox.cluster.virtual import VirtualCluster

KINDS = {
    ("", "pods"): "V1Pod",
    ("", "nodes"): "V1Node",
    ("", "namespaces"): "V1Namespace",
    ("", "services"): "V1Service",
    ("", "endpoints"): "V1Endpoints",
    ("", "events"): "CoreV1Event",
    ("", "persistentvolumeclaims"): "V1PersistentVolumeClaim",
    ("", "persistentvolumes"): "V1PersistentVolume",
    ("", "serviceaccounts"): "V1ServiceAccount",
    ("apps", "deployments"): "V1Deployment",
    ("apps", "replicasets"): "V1ReplicaSet",
    ("apps", "statefulsets"): "V1StatefulSet",
    ("apps", "daemonsets"): "V1DaemonSet",
    ("batch", "jobs"): "V1Job",
    ("batch", "cronjobs"): "V1CronJob",
    ("policy", "poddisruptionbudgets"): "V1PodDisruptionBudget",
    ("discovery.k8s.io", "endpointslices"): "V1EndpointSlice",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "V1CustomResourceDefinition",
}


def read(kind, obj):
    """The object as the installed client (pydantic models since 37) understands it."""
    from kubernetes import client

    model = getattr(client, kind)
    if hasattr(model, "from_dict"):
        return model.from_dict(obj)
    api: Any = client.ApiClient()
    return api.deserialize(SimpleNamespace(data=json.dumps(obj)), kind)


@pytest.fixture(scope="module")
def cluster():
    made = VirtualCluster()
    pod = {"restartPolicy": "Never", "containers": [{"name": "x", "image": "sandbox/exec"}]}
    work = {"template": {"spec": pod}}
    made.store.create(("batch", "jobs"), {"metadata": {"name": "work"}, "spec": work}, "shop")
    tick = {"schedule": "* * * * *", "jobTemplate": {"spec": work}}
    made.store.create(("batch", "cronjobs"), {"metadata": {"name": "tick"}, "spec": tick}, "shop")
    stuck = {
        "containers": [{"name": "x", "image": "registry/unknown"}],
        "nodeSelector": {"no": "where"},
    }
    made.store.create(("", "pods"), {"metadata": {"name": "stuck"}, "spec": stuck}, "shop")
    made.advance(90)
    return made


@pytest.mark.parametrize("gvr", KINDS, ids=KINDS.get)
def test_objects_are_complete_enough_for_the_official_client(cluster, gvr):
    objects = cluster.store.list(gvr)
    assert objects
    for obj in objects:
        assert read(KINDS[gvr], obj).metadata.name == obj["metadata"]["name"]
