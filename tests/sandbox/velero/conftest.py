"""A cluster's store, a bucket in memory and a Velero on a clock that only the test moves."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drillkit.sandbox.kube.objects import Gvr, Object
from drillkit.sandbox.kube.seed import seed
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.velero import VeleroController, install
from drillkit.sandbox.velero.blobs import MemoryBlobs
from drillkit.sandbox.velero.names import BACKUPS, RESTORES, download_key

DEPLOYMENTS: Gvr = ("apps", "deployments")
SHOP = "shop"


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


class World:
    """Everything a test of Velero touches."""

    def __init__(self) -> None:
        self.clock = Clock()
        numbers = iter(range(10**9))
        self.store = Store(
            now=self.clock, uid=lambda: f"uid-{next(numbers):06d}", random=random.Random(1)
        )
        seed(self.store)
        install(self.store)
        self.blobs = MemoryBlobs()
        self.velero = VeleroController(self.store, self.blobs, self.clock)
        self.knobs = self.velero.knobs
        self.velero.reconcile()

    def run(self, seconds: float = 0.0) -> None:
        """Lets Velero do all it can, then moves the clock in small steps, and again."""
        self.velero.reconcile()
        end = self.clock.time + timedelta(seconds=seconds)
        while self.clock.time < end:
            self.clock.time = min(end, self.clock.time + timedelta(seconds=max(0.1, seconds / 50)))
            self.velero.reconcile()
        assert not self.velero.errors

    def make(self, gvr: Gvr, name: str, namespace: str = "velero", **fields: Any) -> Object:
        meta = {"name": name, **fields.pop("metadata", {})}
        return self.store.create(gvr, {"metadata": meta, **fields}, namespace)

    def get(self, gvr: Gvr, name: str, namespace: str = "velero") -> Object | None:
        return self.store.get(gvr, namespace, name)

    def status(self, gvr: Gvr, name: str) -> Object:
        return self.store.need(gvr, "velero", name)["status"]

    def backup(self, name: str, **spec: Any) -> Object:
        """A backup of the shop, carried out; answers its status."""
        self.make(BACKUPS, name, spec={"includedNamespaces": [SHOP], **spec})
        self.run()
        return self.status(BACKUPS, name)

    def restore(self, name: str, **spec: Any) -> Object:
        self.make(RESTORES, name, spec=spec)
        self.run()
        return self.status(RESTORES, name)

    def file(self, kind: str, name: str) -> Any:
        """A zipped JSON file of a backup or restore."""
        return json.loads(gzip.decompress(self.blobs.objects[download_key(kind, name) or ""]))

    def delete_namespace(self, name: str) -> None:
        """Deletes a namespace and plays the kubelet that ends its pods."""
        self.store.delete(("", "namespaces"), "", name)
        for pod in self.store.list(("", "pods"), name):
            self.store.finalize_pod(name, pod["metadata"]["name"], pod["metadata"]["uid"])
        assert self.store.get(("", "namespaces"), "", name) is None


def owned_by(owner: Object) -> list[Object]:
    return [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
    ]


def furnish(world: World) -> None:
    """A small shop: deployment, its replica set and pod, service, settings, secret, schedule,
    volume, policy.
    """
    world.store.create(("", "namespaces"), {"metadata": {"name": SHOP, "labels": {"team": "web"}}})
    labels = {"app": "web"}
    pod_spec = {"containers": [{"name": "web", "image": "shop/web:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod_spec}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    web = world.make(DEPLOYMENTS, "web", SHOP, metadata={"labels": labels}, spec=spec)
    replicas = world.make(
        ("apps", "replicasets"),
        "web-1",
        SHOP,
        metadata={"labels": labels, "ownerReferences": owned_by(web)},
        spec=spec,
    )
    owners = {"labels": labels, "ownerReferences": owned_by(replicas)}
    world.make(("", "pods"), "web-1-a", SHOP, metadata=owners, spec=pod_spec)
    world.make(
        ("", "pods"),
        "bare",
        SHOP,
        metadata={"labels": {"app": "tool"}},
        spec={**pod_spec, "nodeName": "n1"},
    )
    ports = [{"port": 80, "targetPort": 8080, "nodePort": 30080}]
    world.make(
        ("", "services"),
        "web",
        SHOP,
        spec={"selector": labels, "type": "LoadBalancer", "ports": ports},
    )
    world.make(("", "configmaps"), "settings", SHOP, data={"colour": "blue"})
    world.make(("", "configmaps"), "canary", SHOP, data={"token": "a1b2"})
    job = {"template": {"spec": {"restartPolicy": "Never", **pod_spec}}}
    world.make(
        ("batch", "cronjobs"),
        "nightly",
        SHOP,
        spec={"schedule": "0 3 * * *", "jobTemplate": {"spec": job}},
    )
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "volumeName": "pv-1",
    }
    world.make(("", "persistentvolumeclaims"), "data", SHOP, spec=claim)
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Delete",
        "csi": {"driver": "sandbox.drillkit.dev", "volumeHandle": "disk-1"},
        "claimRef": {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": SHOP,
            "name": "data",
        },
    }
    kept = {"sandbox.drillkit.dev/data": json.dumps({"/data/orders": "5000"})}
    world.make(("", "persistentvolumes"), "pv-1", "", metadata={"annotations": kept}, spec=volume)


@pytest.fixture
def world() -> World:
    made = World()
    furnish(made)
    return made


@pytest.fixture
def phases(world: World) -> Callable[[Gvr, str], list[str]]:
    """Starts listening; called with a resource and a name it answers every phase the object
    went through.
    """
    seen: list[tuple[Gvr, str, str]] = []

    def hear(event: Any) -> None:
        phase = (event.object.get("status") or {}).get("phase", "")
        entry = (event.gvr, event.object["metadata"]["name"], phase)
        if entry not in seen:
            seen.append(entry)

    world.store.subscribe(hear)
    return lambda gvr, name: [
        phase for each, called, phase in seen if (each, called) == (gvr, name) and phase
    ]
