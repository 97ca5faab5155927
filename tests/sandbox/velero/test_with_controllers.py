"""Velero beside the cluster's own controllers: what it restores comes to life."""

from __future__ import annotations

import json
from datetime import timedelta

from drillkit.sandbox.cluster import nodes
from drillkit.sandbox.cluster.controllers.loop import Controllers
from drillkit.sandbox.cluster.kubelet.instant import InstantKubelet
from drillkit.sandbox.kube.objects import is_ready
from drillkit.sandbox.velero.names import BACKUPS, RESTORES

NAMESPACES = ("", "namespaces")


def test_a_shop_is_backed_up_lost_and_serves_again_with_its_volume(world):
    nodes.furnish(world.store)
    controllers = Controllers(world.store, InstantKubelet, now=world.clock)

    def live(seconds: int) -> None:
        for _ in range(seconds):
            world.clock.time += timedelta(seconds=1)
            controllers.reconcile()
            world.velero.reconcile()
        assert not controllers.failures
        assert not world.velero.errors

    def ready_pods(namespace: str) -> int:
        pods = world.store.list(("", "pods"), namespace, selector="app=web")
        return sum(is_ready(pod) for pod in pods)

    live(20)
    assert ready_pods("shop") == 2
    world.make(BACKUPS, "b1", spec={"includedNamespaces": ["shop"]})
    live(5)
    world.store.delete(NAMESPACES, "", "shop")
    live(40)
    assert world.store.get(NAMESPACES, "", "shop") is None
    world.make(RESTORES, "r1", spec={"backupName": "b1", "namespaceMapping": {"shop": "dr"}})
    live(30)
    assert world.status(RESTORES, "r1")["phase"] == "Completed"
    assert ready_pods("dr") == 2
    claim = world.get(("", "persistentvolumeclaims"), "data", "dr")
    assert claim["status"]["phase"] == "Bound"
    volume = world.get(("", "persistentvolumes"), claim["spec"]["volumeName"], "")
    assert json.loads(volume["metadata"]["annotations"]["sandbox.drillkit.dev/data"]) == {
        "/data/orders": "5000"
    }
    controllers.close()
