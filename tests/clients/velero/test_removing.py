"""Undos of Velero: what they wait for, what they leave alone, what they say when it does not go."""

from __future__ import annotations

from typing import Any

import pytest

from drillkit.clients.undo import UndoContext
from drillkit.clients.velero import DeleteRestore, backup_undo, restore_undo, scratch_undo
from drillkit.clients.velero.specs import backup_spec, restore_spec
from drillkit.clock import Deadline, DeadlineOver
from drillkit.model.errors import Unavailable
from drillkit.model.units import parse_duration
from drillkit.sandbox.velero.names import BACKUPS, RESTORES, VOLUMES
from tests.clients.velero.conftest import World
from tests.crash.velero import COPY, handles, restore


def context(world: World, limit_s: float = 120.0, **identity: str) -> UndoContext:
    clock = world.stage.clock
    return UndoContext(clock, Deadline.after(limit_s, clock), clock.mono(), True, identity)


def uid(world: World, gvr: Any, namespace: str, name: str) -> str:
    return str(world.store.need(gvr, namespace, name)["metadata"]["uid"])


def test_a_restore_that_waits_is_withdrawn_before_it_begins(world: World) -> None:
    world.server.knobs.slow_s["Restore.New"] = 600.0
    restore(world.stage, 1.0)
    undone = restore_undo("r1", "velero", world.stage.run).apply(
        world.stage.clients, context(world)
    )
    assert undone.outcome == "undone"
    assert world.store.get(RESTORES, "velero", "r1") is None


def test_a_restore_that_runs_is_waited_for_and_the_deadline_says_why_it_stays(world: World) -> None:
    world.server.knobs.slow_s["Restore.InProgress"] = 600.0
    restore(world.stage, 5.0)
    with pytest.raises(DeadlineOver, match="blocks all later ones"):
        restore_undo("r1", "velero", world.stage.run).apply(
            world.stage.clients, context(world, 30.0)
        )
    assert world.store.need(RESTORES, "velero", "r1")["metadata"].get("deletionTimestamp") is None


def test_a_restore_whose_location_is_away_stays_and_says_so(world: World) -> None:
    restore(world.stage)
    world.server.knobs.location_unavailable = "no such bucket"
    world.stage.cluster.advance(1)
    with pytest.raises(DeadlineOver, match=r"on its way out|storage location"):
        restore_undo("r1", "velero", world.stage.run).apply(
            world.stage.clients, context(world, 20.0)
        )


def test_a_restore_of_the_same_name_that_is_not_ours_is_left_alone(world: World) -> None:
    body = {
        "metadata": {"name": "r1", "labels": {"drillkit.dev/run": "other"}},
        "spec": {"backupName": "b1"},
    }
    world.store.create(RESTORES, body, "velero")
    undone = DeleteRestore(*_fields(restore_undo("r1", "velero", world.stage.run))).apply(
        world.stage.clients, context(world)
    )
    assert undone.outcome == "not-ours"
    assert world.store.get(RESTORES, "velero", "r1") is not None


def _fields(undo: DeleteRestore) -> tuple[Any, ...]:
    return undo.of, undo.name, undo.run, undo.namespace


def test_a_backup_that_velero_will_not_delete_is_told_in_its_own_words(world: World) -> None:
    stage = world.stage
    world.velero.create_backup(
        stage.book.plan(backup_undo("fresh", "velero", stage.run)),
        backup_spec(["shop"], ttl=parse_duration("1d")),
    )
    stage.clock.sleep(6)
    world.server.knobs.location_unavailable = "no such bucket"
    stage.cluster.advance(1)
    undo = backup_undo("fresh", "velero", stage.run)
    with pytest.raises(Unavailable, match="Unavailable status"):
        undo.apply(stage.clients, context(world))
    world.server.knobs.location_unavailable = ""
    stage.cluster.advance(2)
    assert undo.apply(stage.clients, context(world)).outcome == "undone"
    assert world.store.get(BACKUPS, "velero", "fresh") is None
    assert not world.server._context.blobs.list("backups/fresh/")


def test_disks_of_a_copy_go_with_its_namespace_though_velero_retained_them(world: World) -> None:
    stage = world.stage
    restore(stage)
    copies = [v for v in world.store.list(VOLUMES) if v["spec"]["claimRef"]["namespace"] == COPY]
    assert {v["spec"]["persistentVolumeReclaimPolicy"] for v in copies} == {"Retain"}
    undo = scratch_undo(COPY, stage.run, handles(stage)[:1])
    restore_undo("r1", "velero", stage.run).apply(stage.clients, context(world))
    ended = undo.apply(stage.clients, context(world, uid=uid(world, ("", "namespaces"), "", COPY)))
    assert ended.outcome == "undone"
    assert f"persistentvolume/{copies[0]['metadata']['name']}" in ended.detail
    assert not [v for v in world.store.list(VOLUMES) if v["spec"]["claimRef"]["namespace"] == COPY]
    assert [v for v in world.store.list(VOLUMES) if v["spec"]["claimRef"]["namespace"] == "shop"]


def test_the_originals_own_disk_is_let_go_and_never_deleted(world: World) -> None:
    stage = world.stage
    plan = stage.book.plan(scratch_undo(COPY, stage.run, ("precious",)))
    world.velero.open_scratch(plan, ())
    claim = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": COPY, "name": "data"}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Delete",
        "claimRef": claim,
        "csi": {"driver": "sandbox.drillkit.dev", "volumeHandle": "precious"},
    }
    world.store.create(VOLUMES, {"metadata": {"name": "same-disk"}, "spec": {**spec}})
    size = {"requests": {"storage": "1Gi"}}
    request = {"accessModes": ["ReadWriteOnce"], "resources": size, "volumeName": "same-disk"}
    world.store.create(
        ("", "persistentvolumeclaims"), {"metadata": {"name": "data"}, "spec": request}, COPY
    )
    policies: list[str] = []
    world.store.subscribe(
        lambda event: (
            policies.append(event.object["spec"]["persistentVolumeReclaimPolicy"])
            if event.gvr == VOLUMES and event.object["metadata"]["name"] == "same-disk"
            else None
        )
    )
    ended = plan.undo.apply(stage.clients, context(world))
    assert ended.outcome == "undone"
    assert "its disk is the original's and stays" in ended.detail
    assert policies[-1] == "Retain"
    assert world.store.get(VOLUMES, "", "same-disk") is None


def test_a_second_look_finds_what_the_first_left_behind(world: World) -> None:
    """The process ended after the namespace was gone and before its volumes were; nothing
    was confirmed.
    """
    stage = world.stage
    restore(stage)
    undo = scratch_undo(COPY, stage.run, handles(stage)[:1])
    restore_undo("r1", "velero", stage.run).apply(stage.clients, context(world))
    with pytest.raises(DeadlineOver):
        undo.apply(stage.clients, context(world, 0.05))
    stage.cluster.advance(60)
    undone = undo.apply(stage.clients, context(world))
    assert undone.outcome in ("undone", "already-undone", "never-happened")
    assert not [v for v in world.store.list(VOLUMES) if v["spec"]["claimRef"]["namespace"] == COPY]


def test_the_spec_of_a_restore_names_one_backup_and_no_schedule() -> None:
    spec = restore_spec("b1", {"shop": "dr"})
    assert spec["backupName"] == "b1"
    assert "scheduleName" not in spec
