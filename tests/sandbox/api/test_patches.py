"""The patch kinds and server-side apply."""

from __future__ import annotations

import pytest

from drillkit.sandbox.kube.patches import merge, operate, strategic

DEPLOYS = "/apis/apps/v1/namespaces/shop/deployments"
WEB = f"{DEPLOYS}/web"
MAPS = "/api/v1/namespaces/shop/configmaps"


def test_a_merge_patch_follows_the_examples_of_its_rfc():
    cases = [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]
    for target, patch, expected in cases:
        assert merge(target, patch) == expected


def test_json_operations_apply_in_order():
    operations = [
        {"op": "test", "path": "/a/0", "value": 1},
        {"op": "add", "path": "/a/1", "value": 9},
        {"op": "add", "path": "/a/-", "value": 3},
        {"op": "replace", "path": "/b~1c", "value": "new"},
        {"op": "copy", "from": "/a", "path": "/copy"},
        {"op": "move", "from": "/d", "path": "/e"},
        {"op": "remove", "path": "/a/0"},
    ]
    result = operate({"a": [1, 2], "b/c": "old", "d": True}, operations)
    assert result == {"a": [9, 2, 3], "b/c": "new", "copy": [1, 9, 2, 3], "e": True}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/labels/app", "value": "other"},
        {"op": "remove", "path": "/metadata/labels/absent"},
        {"op": "replace", "path": "/spec/absent/deep", "value": 1},
        {"op": "invent", "path": "/spec", "value": 1},
    ],
)
def test_json_operations_that_do_not_apply_change_nothing(api, workload, operation):
    body = workload()
    body["metadata"]["labels"] = {"app": "web"}
    api.made(DEPLOYS, body)
    before = api.get(WEB).body
    response = api.patch(
        WEB, [{"op": "replace", "path": "/spec/replicas", "value": 7}, operation], kind="json"
    )
    assert response.status == 422
    assert api.get(WEB).body == before


def test_a_strategic_patch_merges_lists_by_their_keys(api, workload):
    api.made(DEPLOYS, workload())
    containers = [{"name": "side", "image": "side:1"}, {"name": "web", "image": "web:2"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    new = api.patch(WEB, patch, kind="strategic").body
    images = {each["name"]: each["image"] for each in new["spec"]["template"]["spec"]["containers"]}
    assert images == {"web": "web:2", "side": "side:1"}
    gone = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    left = api.patch(WEB, gone, kind="strategic").body["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in left] == ["web"]


def test_a_merge_patch_replaces_lists_as_a_whole(api, workload):
    api.made(DEPLOYS, workload())
    patch = {
        "spec": {"template": {"spec": {"containers": [{"name": "other", "image": "other:1"}]}}}
    }
    new = api.patch(WEB, patch).body["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in new] == ["other"]


def test_the_directives_of_a_strategic_patch():
    assert strategic({"a": 1, "b": 2}, {"$patch": "replace", "c": 3}) == {"c": 3}
    retained = {"s": {"$retainKeys": ["type"], "type": "X"}}
    assert strategic({"s": {"type": "R", "r": 1}}, retained) == {"s": {"type": "X"}}
    target = {"finalizers": ["a", "b"]}
    assert strategic(target, {"$deleteFromPrimitiveList/finalizers": ["a"]}) == {
        "finalizers": ["b"]
    }
    assert strategic(target, {"finalizers": ["c"]}) == {"finalizers": ["a", "b", "c"]}
    env = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    order = {
        "$setElementOrder/env": [{"name": "B"}, {"name": "A"}],
        "env": [{"name": "A", "value": "9"}],
    }
    assert strategic(env, order) == {
        "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "9"}]
    }
    assert strategic(env, {"env": [{"$patch": "replace"}, {"name": "C"}]}) == {
        "env": [{"name": "C"}]
    }


def test_a_patch_that_names_a_version_conflicts_when_it_is_stale(api):
    old = api.made(MAPS, {"metadata": {"name": "settings"}})["metadata"]["resourceVersion"]
    assert (
        api.patch(
            f"{MAPS}/settings", {"metadata": {"resourceVersion": old}, "data": {"a": "1"}}
        ).status
        == 200
    )
    response = api.patch(
        f"{MAPS}/settings", {"metadata": {"resourceVersion": old}, "data": {"a": "2"}}
    )
    assert response.status == 409


def test_a_patch_of_an_unknown_kind_or_of_nothing_is_refused(api):
    api.made(MAPS, {"metadata": {"name": "settings"}})
    assert api.call("PATCH", f"{MAPS}/settings", {}, content_type="application/json").status == 415
    assert api.patch(f"{MAPS}/absent", {}).status == 404
    assert api.patch(f"{MAPS}/settings", {"metadata": {"name": "other"}}).status == 400


WRONG_TYPES = [
    {"spec": {"replicas": "many"}},
    {"spec": {"replicas": True}},
    {"spec": []},
    {"spec": {"template": {"spec": {"containers": {}}}}},
    {"metadata": {"labels": {"a": 1}}},
]


@pytest.mark.parametrize("kind", ["merge", "strategic"])
@pytest.mark.parametrize("patch", WRONG_TYPES)
def test_a_patch_that_makes_wrong_types_is_blamed_for_them(api, workload, kind, patch):
    api.made(DEPLOYS, workload())
    blamed(api.patch(WEB, patch, kind=kind))


def test_so_are_operations_and_a_patch_of_the_scale(api, workload):
    api.made(DEPLOYS, workload())
    change = [{"op": "replace", "path": "/spec/replicas", "value": "x"}]
    blamed(api.patch(WEB, change, kind="json"))
    blamed(api.patch(f"{WEB}/scale", {"spec": {"replicas": "x"}}))
    assert api.put(f"{WEB}/scale", {"spec": {"replicas": "x"}}).status == 400


def blamed(response):
    assert (response.status, response.body["reason"]) == (422, "Invalid"), response.body
    assert response.body["message"].startswith(' "" is invalid: patch: Invalid value: "')
    assert "json: cannot unmarshal" in response.body["message"]
    assert [each["field"] for each in response.body["details"]["causes"]] == ["patch"]


@pytest.mark.parametrize(
    ("kind", "options", "field"),
    [
        ("merge", {"force": "true"}, "force"),
        ("merge", {"fieldManager": "m" * 129}, "fieldManager"),
        ("apply", {"fieldManager": "m" * 129}, "fieldManager"),
        ("apply", {}, "fieldManager"),
    ],
)
def test_a_patch_takes_only_the_options_of_its_kind(api, kind, options, field):
    api.made(MAPS, {"metadata": {"name": "settings"}})
    config = {"apiVersion": "v1", "kind": "ConfigMap"}
    response = api.patch(f"{MAPS}/settings", config, kind=kind, **options)
    assert response.status == 422
    assert response.body["message"].startswith('PatchOptions.meta.k8s.io "" is invalid: ')
    assert [each["field"] for each in response.body["details"]["causes"]] == [field]


def apply(api, data, manager="drillkit", force=False, name="settings"):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    return api.patch(
        f"{MAPS}/{name}", config, kind="apply", fieldManager=manager, force=str(force).lower()
    )


def test_an_apply_creates_then_changes_then_takes_back_what_it_gave_up(api):
    assert apply(api, {"a": "1", "b": "2"}).status == 201
    assert apply(api, {"a": "9"}).body["data"] == {"a": "9"}
    owners = apply(api, {"a": "9"}).body["metadata"]["managedFields"]
    assert [(each["manager"], each["operation"]) for each in owners] == [("drillkit", "Apply")]
    assert owners[0]["fieldsV1"] == {"f:data": {"f:a": {}}}


def test_an_apply_takes_no_field_that_its_kind_has_not(api):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    path, asked = f"{MAPS}/settings", {"kind": "apply", "fieldManager": "me"}
    told = "failed to create typed patch object (shop/settings; /v1, Kind=ConfigMap): "
    one = api.patch(path, {**config, "daata": {}}, **asked)
    assert (one.status, one.body["message"]) == (500, f"{told}.daata: field not declared in schema")
    two = api.patch(path, {**config, "daata": {}, "immutabel": True}, **asked)
    assert two.body["message"].startswith(f"{told}errors:\n  .daata: field not")


def test_applying_the_same_again_changes_nothing(api):
    first = apply(api, {"a": "1"}).body
    api.advance(60)
    assert (
        apply(api, {"a": "1"}).body["metadata"]["resourceVersion"]
        == first["metadata"]["resourceVersion"]
    )


def test_an_apply_conflicts_with_another_owner_unless_forced(api):
    apply(api, {"a": "1"}, manager="alice")
    response = apply(api, {"a": "2"}, manager="bob")
    assert (response.status, response.body["reason"]) == (409, "Conflict")
    assert response.body["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "alice" using v1',
            "field": ".data.a",
        }
    ]
    assert apply(api, {"a": "2"}, manager="bob", force=True).body["data"] == {"a": "2"}
    assert apply(api, {"a": "1"}, manager="alice").status == 409, "bob owns it now"


def test_owners_that_agree_share_a_field_and_it_stays_until_the_last_gives_it_up(api):
    apply(api, {"a": "1"}, manager="alice")
    assert apply(api, {"a": "1"}, manager="bob").status == 200
    assert apply(api, {}, manager="alice").body["data"] == {"a": "1"}
    assert "a" not in apply(api, {}, manager="bob").body.get("data", {})


def test_a_plain_write_takes_ownership_and_an_apply_then_conflicts(api):
    apply(api, {"a": "1"})
    api.patch(
        f"{MAPS}/settings", {"data": {"a": "2"}}, agent="kubectl/v1.31", fieldManager="kubectl-edit"
    )
    response = apply(api, {"a": "1"})
    assert response.status == 409
    assert 'conflict with "kubectl-edit"' in response.body["message"]


def test_an_apply_merges_containers_and_leaves_the_fields_of_others(api, workload):
    config = workload()
    assert api.patch(WEB, config, kind="apply", fieldManager="gitops").status == 201
    api.patch(f"{WEB}/scale", {"spec": {"replicas": 7}})
    side = {"name": "side", "image": "side:1"}
    partial = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [side]}}},
    }
    new = api.patch(WEB, partial, kind="apply", fieldManager="mesh").body
    assert [each["name"] for each in new["spec"]["template"]["spec"]["containers"]] == [
        "web",
        "side",
    ]
    assert new["spec"]["replicas"] == 7


def test_an_apply_needs_a_manager_and_a_complete_address(api):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    assert api.patch(f"{MAPS}/settings", config, kind="apply").status == 422
    assert (
        api.patch(f"{MAPS}/settings", {"metadata": {}}, kind="apply", fieldManager="x").status
        == 400
    )
    other = {**config, "metadata": {"name": "other"}}
    assert api.patch(f"{MAPS}/settings", other, kind="apply", fieldManager="x").status == 400
