"""Bodies with something of a wrong type anywhere are answered, whatever it is, and what is stored
stays readable.
"""

from __future__ import annotations

import copy
import random

import pytest

from drillkit.sandbox.kube import crds

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
CONTAINER = {
    "name": "web",
    "image": "x:1",
    "ports": [{"containerPort": 80}],
    "env": [{"name": "A", "value": "b"}],
    "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
    "resources": {"limits": {"cpu": "1"}},
}
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"restartPolicy": "Never", "containers": [CONTAINER]},
}
SELECTOR = {
    "matchLabels": {"app": "web"},
    "matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}],
}
META = {
    "name": "one",
    "labels": {"a": "b"},
    "finalizers": ["a/b"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u"}],
}
SHOP = "namespaces/shop"
SCHEMA = {
    "properties": {
        "spec": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "n": {"type": "integer"}},
        }
    }
}
BODIES = {
    f"/api/v1/{SHOP}/pods": {"metadata": META, "spec": TEMPLATE["spec"]},
    f"/apis/apps/v1/{SHOP}/deployments": {
        "metadata": META,
        "spec": {
            "replicas": 2,
            "selector": SELECTOR,
            "template": TEMPLATE,
            "strategy": {"type": "Recreate"},
        },
    },
    f"/apis/batch/v1/{SHOP}/jobs": {"metadata": META, "spec": {"template": TEMPLATE}},
    f"/apis/batch/v1/{SHOP}/cronjobs": {
        "metadata": META,
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}},
    },
    f"/apis/policy/v1/{SHOP}/poddisruptionbudgets": {
        "metadata": META,
        "spec": {"minAvailable": "50%", "selector": SELECTOR},
    },
    f"/api/v1/{SHOP}/services": {
        "metadata": META,
        "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]},
    },
    f"/api/v1/{SHOP}/secrets": {"metadata": META, "stringData": {"a": "b"}},
    f"/api/v1/{SHOP}/events": {
        "metadata": META,
        "involvedObject": {"kind": "Pod"},
        "message": "x",
    },
    f"/apis/discovery.k8s.io/v1/{SHOP}/endpointslices": {
        "metadata": META,
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"port": 1}],
    },
    "/api/v1/nodes": {"metadata": META, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}},
    f"/apis/example.com/v1/{SHOP}/faults": {"metadata": META, "spec": {"a": "x", "n": 1}},
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": crds.definition(
        "e.com", "F", "fs", {"v1": SCHEMA}
    ),
}
ODD = [None, 0, -1, 1.5, True, "", "x", [], {}, [None], ["x"], {"a": None}, [[]], {"a": {"b": 1}}]


def spoil(chance, body):
    """A copy of ``body`` with an odd value at a random place."""
    body = copy.deepcopy(body)
    places = []

    def visit(value, parent, key):
        places.append((parent, key))
        if isinstance(value, dict | list):
            for inner in value if isinstance(value, dict) else range(len(value)):
                visit(value[inner], value, inner)

    visit(body, None, None)
    parent, key = chance.choice(places)
    if parent is None:
        return chance.choice(ODD)
    parent[key] = chance.choice(ODD)
    return body


def refusal(response):
    """The status. Kubernetes itself answers 500 where a field is applied that a kind has not."""
    told = (response.body or {}).get("message", "")
    return 400 if told.startswith("failed to create typed patch object") else response.status


@pytest.mark.parametrize("path", BODIES)
def test_whatever_is_sent_is_answered(another_api, path):
    chance = random.Random(path)
    body = BODIES[path]
    definition = crds.definition("example.com", "Fault", "faults", {"v1": SCHEMA})
    answers = set()
    for number in range(30):
        api = another_api(number)
        api.made("/api/v1/namespaces", {"metadata": {"name": "shop"}})
        api.made("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        answers.add(api.post(path, spoil(chance, body)).status)
        api.post(path, body)
        target = f"{path}/{body['metadata']['name']}"
        answers.add(api.put(target, spoil(chance, body)).status)
        for kind in ("merge", "strategic", "apply"):
            patched = api.patch(target, spoil(chance, body), kind=kind, fieldManager="x")
            answers.add(refusal(patched))
        answers.add(api.patch(f"{target}/status", {"status": chance.choice(ODD)}).status)
        answers.add(api.delete(target, {"preconditions": chance.choice(ODD)}).status)
        assert api.get(path).status == 200
        assert api.get(path, accept=TABLE).status == 200
    assert answers <= {200, 201, 400, 404, 409, 415, 422}
    assert answers & {400, 422}
