"""What is sent to Velero fits Velero's own definitions, which a folder named by
DRILLKIT_CRDS holds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from drillkit.cleanup import open_undos
from drillkit.clients.velero import backup_undo
from drillkit.clients.velero.specs import backup_spec, restore_spec, safe_modifiers
from drillkit.model.units import parse_duration
from tests.clients.velero.conftest import World
from tests.crash.velero import back_up, restore
from tests.crash.world import recover

FOLDER = os.environ.get("DRILLKIT_CRDS", "")


def strict(schema: Any) -> Any:
    """A CRD's schema as JSON Schema that takes no unknown fields (the API server would drop them
    in silence).
    """
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items() if not key.startswith("x-")}
    open_ended = (
        schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    )
    if "properties" in schema and not open_ended:
        made["additionalProperties"] = False
    if schema.get("nullable") and "type" in schema:
        made["type"] = [schema["type"], "null"]
    return made


def definition(plural: str) -> Any:
    document = yaml.safe_load(
        (Path(FOLDER) / f"velero.io_{plural}.yaml").read_text(encoding="utf-8")
    )
    schema = strict(document["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


@pytest.mark.skipif(not FOLDER, reason="DRILLKIT_CRDS names no folder with Velero's definitions")
def test_every_object_that_is_made_fits_veleros_own_definition(world: World) -> None:
    import jsonschema

    restore(world.stage)
    back_up(world.stage)
    request = world.stage.book.plan(world.velero.request_undo("log", world.stage.run))
    world.velero.kube.create(request, {"spec": {"target": {"kind": "RestoreLog", "name": "r1"}}})
    recover(world.stage)
    seen = set()
    for obj in world.recorder.made:
        if obj.get("apiVersion") == "velero.io/v1":
            plural = f"{obj['kind'].lower()}s"
            jsonschema.validate(obj, definition(plural))
            seen.add(plural)
    assert seen == {"restores", "backups", "downloadrequests", "deletebackuprequests"}


@pytest.mark.skipif(not FOLDER, reason="DRILLKIT_CRDS names no folder with Velero's definitions")
def test_every_option_of_a_spec_fits_and_a_wrong_one_would_not() -> None:
    import jsonschema

    full = restore_spec(
        "b",
        {"shop": "dr"},
        more_kinds=["ingresses.networking.k8s.io"],
        modifiers="m",
        volumes=False,
        operations=parse_duration("1h"),
    )
    schema = definition("restores")["properties"]["spec"]
    jsonschema.validate(full, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**full, "namespaceMappings": {}}, schema)
    backup = backup_spec(["shop"], ttl=parse_duration("36h"), location="second", volumes=False)
    jsonschema.validate(backup, definition("backups")["properties"]["spec"])
    assert backup["ttl"] == "36h0m0s"


def test_a_restore_brings_core_apps_and_batch_and_nothing_that_reaches_out() -> None:
    spec = restore_spec("b", {"shop": "dr"}, more_kinds=["widgets.example.com", "secrets"])
    kinds = spec["includedResources"]
    assert {
        "deployments.apps",
        "cronjobs.batch",
        "persistentvolumeclaims",
        "widgets.example.com",
    } <= set(kinds)
    assert kinds.count("secrets") == 1
    assert not {
        "endpoints",
        "ingresses.networking.k8s.io",
        "networkpolicies.networking.k8s.io",
    } & set(kinds)
    assert spec["existingResourcePolicy"] == "none"
    assert "includeClusterResources" not in spec
    without = restore_spec("b", {"shop": "dr"}, volumes=False)
    assert without["restorePVs"] is False
    assert "persistentvolumes" not in without["includedResources"]


def test_a_copy_schedules_nothing_exposes_nothing_and_stays_off_the_nodes_network(
    world: World,
) -> None:
    labels = {"app": "tool"}
    pod = {"hostNetwork": True, "containers": [{"name": "tool", "image": "sandbox/tool:1"}]}
    job = {"template": {"spec": {"restartPolicy": "Never", **pod}}}
    store = world.store
    nightly = {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}
    store.create(("batch", "cronjobs"), {"metadata": {"name": "nightly"}, "spec": nightly}, "shop")
    public = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "selector": labels,
        "ports": [{"port": 80}],
    }
    store.create(("", "services"), {"metadata": {"name": "public"}, "spec": public}, "shop")
    template = {"metadata": {"labels": labels}, "spec": pod}
    tool = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    store.create(("apps", "deployments"), {"metadata": {"name": "tool"}, "spec": tool}, "shop")
    stage = world.stage
    world.velero.create_backup(
        stage.book.plan(backup_undo("b2", "velero", stage.run)),
        backup_spec(["shop"], ttl=parse_duration("1d")),
    )
    stage.clock.sleep(6)
    velero = world.velero
    velero.create_modifiers(
        stage.book.plan(velero.modifiers_undo("m", stage.run)), safe_modifiers()
    )
    body = {"metadata": {"name": "r2"}, "spec": restore_spec("b2", {"shop": "dr"}, modifiers="m")}
    store.create(("velero.io", "restores"), body, "velero")
    stage.clock.sleep(10)
    assert store.need(("velero.io", "restores"), "velero", "r2")["status"]["phase"] == "Completed"
    assert store.need(("batch", "cronjobs"), "dr", "nightly")["spec"]["suspend"] is True
    assert store.need(("", "services"), "dr", "public")["spec"]["type"] == "ClusterIP"
    assert store.need(("", "services"), "dr", "web")["spec"].get("type", "ClusterIP") == "ClusterIP"
    restored = store.need(("apps", "deployments"), "dr", "tool")["spec"]["template"]["spec"]
    assert not restored.get("hostNetwork")
    original = store.need(("apps", "deployments"), "shop", "tool")["spec"]["template"]["spec"]
    assert original["hostNetwork"] is True


def test_every_undo_of_velero_is_in_the_journal_before_its_object_is_made(world: World) -> None:
    restore(world.stage)
    from drillkit.journal.file import parse

    opens = open_undos(tuple(parse(world.stage.journal._disk.content())))
    assert [u.kind for u in opens] == [
        "velero.delete-scratch",
        "kube.delete-object",
        "velero.delete-restore",
    ]
    assert all(u.confirmed for u in opens)
    ranks = {u.kind: u.rank for u in opens}
    assert ranks["velero.delete-restore"] < ranks["velero.delete-scratch"]
