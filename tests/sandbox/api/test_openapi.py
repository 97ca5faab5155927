"""What the API says about itself to `kubectl explain` and to clients that validate."""

from __future__ import annotations

import json

import pytest

from drillkit.sandbox.kube import crds

DEPLOYMENT = {"group": "apps", "version": "v1", "kind": "Deployment"}


@pytest.mark.parametrize(
    ("place", "at", "schemas"),
    [
        ("/openapi/v2", "#/definitions/", ["definitions"]),
        ("/openapi/v3/apis/apps/v1", "#/components/schemas/", ["components", "schemas"]),
    ],
)
def test_every_kind_is_described_with_all_that_it_is_made_of(api, place, at, schemas):
    document = api.get(place).body
    found = document
    for each in schemas:
        found = found[each]
    kind = [DEPLOYMENT]
    (deployment,) = (s for s in found.values() if s.get("x-kubernetes-group-version-kind") == kind)
    assert "Deployment enables declarative updates" in deployment["description"]
    said = json.dumps(document)
    references = {part.partition('"')[0] for part in said.split(f'"$ref": "{at}')[1:]}
    assert references
    assert references <= found.keys()
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == DEPLOYMENT
    assert {"dryRun", "fieldValidation"} <= {each["name"] for each in patch["parameters"]}


def test_what_is_served_is_listed_and_what_is_not_is_not_found(api):
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"properties": {"spec": {"type": "object", "description": "What to break."}}}
    api.made(crd, crds.definition("example.com", "Fault", "faults", {"v1": schema}))
    paths = api.get("/openapi/v3").body["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/example.com/v1"} <= paths.keys()
    for each in paths.values():
        document = api.get(each["serverRelativeURL"]).body
        assert document["openapi"] == "3.0.0"
    own = api.get("/openapi/v3/apis/example.com/v1").body["components"]["schemas"]
    (fault,) = own.values()
    assert fault["properties"]["spec"]["description"] == "What to break."
    assert api.get("/openapi/v3/apis/nowhere.io/v1").status == 404
    assert api.get("/openapi/v1").status == 404
