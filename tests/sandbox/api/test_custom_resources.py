"""Definitions and what they bring: versions, schemas, columns, deletion."""

from __future__ import annotations

from typing import Any

import pytest

from drillkit.sandbox.kube import crds
from drillkit.sandbox.kube.objects import CRDS

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SPEC = {
    "type": "object",
    "required": ["mode"],
    "properties": {
        "mode": {"type": "string", "enum": ["one", "all"]},
        "count": {"type": "integer", "minimum": 1},
        "direction": {"type": "string", "default": "to"},
        "latency": {"type": "string", "pattern": "^[0-9]+ms$"},
        "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "targets": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    },
}
SCHEMA = {
    "properties": {
        "spec": SPEC,
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }
}
PATH = "/apis/example.com/v1/namespaces/shop/faults"


@pytest.fixture
def faults(api):
    """The API with a resource ``faults`` of example.com, served as v1 and v1beta1."""
    columns = [("mode", ".spec.mode")]
    schemas = {"v1": SCHEMA, "v1beta1": SCHEMA}
    more: dict[str, Any] = {"short": ("flt",), "status": True, "columns": columns}
    definition = crds.definition("example.com", "Fault", "faults", schemas, **more)
    made = api.made(CRD_PATH, definition)
    assert [each["type"] for each in made["status"]["conditions"]] == [
        "NamesAccepted",
        "Established",
    ]
    return api


def fault(**spec):
    head = {"apiVersion": "example.com/v1", "kind": "Fault", "metadata": {"name": "slow"}}
    return {**head, "spec": {"mode": "all", **spec}}


def test_a_definition_is_discovered(faults):
    group = next(
        group for group in faults.get("/apis").body["groups"] if group["name"] == "example.com"
    )
    assert [each["version"] for each in group["versions"]] == ["v1", "v1beta1"]
    listed = {each["name"]: each for each in faults.get("/apis/example.com/v1").body["resources"]}
    assert listed["faults"]["shortNames"] == ["flt"]
    assert "faults/status" in listed


def test_one_object_is_served_in_every_version(faults):
    faults.made(PATH, fault())
    old = faults.get("/apis/example.com/v1beta1/namespaces/shop/faults/slow").body
    assert old["apiVersion"] == "example.com/v1beta1"
    assert faults.get(f"{PATH}/slow").body["spec"] == old["spec"]
    changed = {**old, "spec": {"mode": "one"}}
    assert (
        faults.put("/apis/example.com/v1beta1/namespaces/shop/faults/slow", changed).status == 200
    )
    assert faults.get(f"{PATH}/slow").body["spec"] == {"mode": "one", "direction": "to"}
    body = faults.get("/apis/example.com/v1beta1/faults").body
    assert (body["kind"], body["items"][0]["apiVersion"]) == ("FaultList", "example.com/v1beta1")


def test_unknown_fields_are_pruned_and_defaults_filled_in(faults):
    made = faults.made(
        PATH, fault(unknown=1, anything={"kept": True}, targets=[{"name": "a", "extra": 1}])
    )
    assert made["spec"] == {
        "mode": "all",
        "direction": "to",
        "anything": {"kept": True},
        "targets": [{"name": "a"}],
    }


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"mode": "some"}, "spec.mode", 'supported values: "one", "all"'),
        ({"count": "many"}, "spec.count", "must be of type integer"),
        ({"count": 0}, "spec.count", "greater than or equal to 1"),
        ({"latency": "soon"}, "spec.latency", "should match"),
        ({"targets": [{"name": 7}]}, "spec.targets[0].name", "must be of type string"),
    ],
)
def test_a_value_against_the_schema_is_refused(faults, spec, field, words):
    response = faults.post(PATH, fault(**spec))
    assert (response.status, response.body["details"]["causes"][0]["field"]) == (422, field)
    assert words in response.body["message"]
    missing = fault()
    del missing["spec"]["mode"]
    assert "spec.mode: Required value" in faults.post(PATH, missing).body["message"]


def test_status_is_apart_and_moves_no_generation(faults):
    faults.made(PATH, {**fault(), "status": {"phase": "brought along"}})
    assert "status" not in faults.get(f"{PATH}/slow").body
    new = faults.patch(
        f"{PATH}/slow/status", {"status": {"phase": "Injected"}, "spec": {"mode": "one"}}
    ).body
    assert (new["status"], new["spec"]["mode"], new["metadata"]["generation"]) == (
        {"phase": "Injected"},
        "all",
        1,
    )
    assert (
        faults.patch(f"{PATH}/slow", {"spec": {"mode": "one"}}).body["metadata"]["generation"] == 2
    )


def test_a_custom_resource_knows_no_strategic_patch_and_no_blind_replacement(faults):
    faults.made(PATH, fault())
    assert faults.patch(f"{PATH}/slow", {}, kind="strategic").status == 415
    assert faults.put(f"{PATH}/slow", fault()).status == 422


def test_a_table_has_the_declared_columns(faults):
    faults.made(PATH, fault())
    table = faults.get(PATH, accept="application/json;as=Table;v=v1;g=meta.k8s.io").body
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "mode", "Age"]
    assert table["rows"][0]["cells"] == ["slow", "all", "0s"]


def test_a_definition_goes_after_its_objects(faults):
    held = fault()
    held["metadata"]["finalizers"] = ["example.com/held"]
    faults.made(PATH, held)
    faults.delete(f"{CRD_PATH}/faults.example.com")
    assert faults.get(f"{CRD_PATH}/faults.example.com").status == 200
    faults.patch(f"{PATH}/slow", {"metadata": {"finalizers": None}})
    assert faults.get(f"{CRD_PATH}/faults.example.com").status == 404
    assert faults.get(PATH).status == 404, "served no longer"


def test_a_definition_must_name_itself_properly(api):
    body = crds.definition("example.com", "Fault", "faults", {"v1": SCHEMA})
    body["metadata"]["name"] = "faults"
    response = api.post(CRD_PATH, body)
    assert (response.status, response.body["details"]["causes"][0]["field"]) == (
        422,
        "metadata.name",
    )


def test_veleros_definitions_are_accepted(api):
    for each in crds.velero():
        api.store.create(CRDS, each)
    made = api.made(
        "/apis/velero.io/v1/namespaces/shop/backups",
        {"metadata": {"name": "b"}, "spec": {"ttl": "1h"}},
    )
    assert made["spec"] == {"ttl": "1h"}
    storage = {"metadata": {"name": "default"}, "spec": {"provider": "aws"}}
    response = api.post("/apis/velero.io/v1/namespaces/shop/backupstoragelocations", storage)
    assert response.status == 422


def test_what_would_be_pruned_is_refused_under_strict_validation(faults):
    body = {"metadata": {"name": "a"}, "spec": {"mode": "one", "targets": [{"nmae": "x"}]}}
    response = faults.post(PATH, body, fieldValidation="Strict")
    assert response.status == 400
    assert 'unknown field "spec.targets[0].nmae"' in response.body["message"]
    body["spec"]["targets"] = [{"name": "x"}]
    faults.made(PATH, body, fieldValidation="Strict")
