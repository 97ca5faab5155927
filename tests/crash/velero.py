"""Velero in the campaign's world: its server beside the controllers, and what a run may do
with it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drillkit.clients.kube.resources import CONFIGMAPS
from drillkit.clients.velero import Velero, backup_undo, restore_undo, scratch_undo
from drillkit.clients.velero.specs import backup_spec, restore_spec, safe_modifiers
from drillkit.model.units import parse_duration
from drillkit.sandbox.kube.objects import NAMESPACES
from drillkit.sandbox.velero import VeleroController, install
from drillkit.sandbox.velero.blobs import MemoryBlobs
from drillkit.sandbox.velero.names import BACKUPS, VOLUMES
from tests.crash.scenarios import Scenario
from tests.crash.world import Cluster, Stage

COPY = "dr-copy"
SLOW = {
    "Restore.New": 1.0,
    "Restore.InProgress": 3.0,
    "Restore.Finalizing": 1.0,
    "Backup.InProgress": 3.0,
    "DeleteBackupRequest.InProgress": 1.0,
}


class Together:
    """The cluster's controllers and Velero's, as one."""

    def __init__(self, controllers: Any, velero: VeleroController) -> None:
        self._controllers, self.velero = controllers, velero

    def reconcile(self) -> None:
        self._controllers.reconcile()
        self.velero.reconcile()
        self._controllers.reconcile()

    def next_due(self) -> datetime | None:
        found = (self._controllers.next_due(), self.velero.next_due())
        return min((at for at in found if at is not None), default=None)

    @property
    def failures(self) -> list[Any]:
        return [*self._controllers.failures, *self.velero.errors]


def with_velero(cluster: Cluster) -> VeleroController:
    """Velero, with a backup `b1` of the shop whose volume is one that outlives its claim."""
    install(cluster.store)
    velero = VeleroController(cluster.store, MemoryBlobs())
    both: Any = Together(cluster.controllers, velero)
    cluster.controllers = both
    for volume in cluster.store.list(VOLUMES):
        policy = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
        cluster.store.patch(VOLUMES, "", volume["metadata"]["name"], policy)
    backup = {"metadata": {"name": "b1"}, "spec": {"includedNamespaces": ["shop"]}}
    cluster.store.create(BACKUPS, backup, "velero")
    cluster.advance(5)
    velero.knobs.slow_s.update(SLOW)
    return velero


def handles(stage: Stage) -> tuple[str, ...]:
    """The disks of the shop."""
    return tuple(v["spec"]["csi"]["volumeHandle"] for v in stage.cluster.store.list(VOLUMES))


def restore(stage: Stage, wait_s: float = 20.0) -> None:
    """What `velero.restore` does to the world, without its probes and files."""
    velero = Velero(stage.kube)
    plan = stage.book.plan(scratch_undo(COPY, stage.run, handles(stage), restores=("r1",)))
    velero.open_scratch(plan, ())
    velero.create_modifiers(
        stage.book.plan(velero.modifiers_undo("modifiers", stage.run)), safe_modifiers()
    )
    spec = restore_spec("b1", {"shop": COPY}, modifiers="modifiers")
    velero.create_restore(stage.book.plan(restore_undo("r1", "velero", stage.run)), spec)
    stage.clock.sleep(wait_s)


def interrupted(stage: Stage) -> None:
    """The run is over while the restore is at work."""
    restore(stage, 2.0)


def back_up(stage: Stage) -> None:
    """What `velero.backup` does to the world."""
    velero = Velero(stage.kube)
    plan = stage.book.plan(backup_undo("fresh", "velero", stage.run))
    velero.create_backup(plan, backup_spec(["shop"], ttl=parse_duration("1d")))
    stage.clock.sleep(6)


def back_up_and_restore(stage: Stage) -> None:
    """A backup just taken is restored: three things that must go in the right order."""
    back_up(stage)
    velero = Velero(stage.kube)
    velero.open_scratch(stage.book.plan(scratch_undo(COPY, stage.run, restores=("r1",))), ())
    spec = restore_spec("fresh", {"shop": COPY})
    velero.create_restore(stage.book.plan(restore_undo("r1", "velero", stage.run)), spec)
    stage.clock.sleep(6)


def _theirs(cluster: Cluster) -> None:
    """Somebody else has every name that the run would take."""
    with_velero(cluster)
    cluster.store.create(NAMESPACES, {"metadata": {"name": COPY}})
    cluster.store.create(
        ("", "configmaps"), {"metadata": {"name": "theirs"}, "data": {"a": "1"}}, COPY
    )
    claimed = {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "namespace": COPY,
        "name": "theirs",
    }
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": claimed,
        "csi": {"driver": "sandbox.drillkit.dev", "volumeHandle": "precious"},
    }
    cluster.store.create(VOLUMES, {"metadata": {"name": "theirs"}, "spec": volume})
    backup = {"metadata": {"name": "fresh"}, "spec": {"includedNamespaces": ["shop"]}}
    cluster.store.create(BACKUPS, backup, "velero")
    cluster.advance(10)


def collide(stage: Stage) -> None:
    """Restore to where somebody else is."""
    assert stage.kube.find(CONFIGMAPS, "theirs", COPY) is not None
    restore(stage)


def prepared(cluster: Cluster) -> None:
    with_velero(cluster)


SCENARIOS = {
    each.name: each
    for each in (
        Scenario("restore with Velero", restore, prepared),
        Scenario("restore with Velero, over while it runs", interrupted, prepared),
        Scenario("back up with Velero", back_up, prepared),
        Scenario("back up and restore with Velero", back_up_and_restore, prepared),
        Scenario("restore with Velero to where somebody else is", collide, _theirs, lands=False),
        Scenario("back up with Velero under somebody else's name", back_up, _theirs, lands=False),
    )
}
