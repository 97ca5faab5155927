"""The four emulated nodes in their three zones, and the namespaces every cluster has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillkit.sandbox.kube.objects import NAMESPACES, NODES, Object, rfc3339

if TYPE_CHECKING:
    from drillkit.sandbox.kube.store import Store

ZONES = ("local-a", "local-b", "local-c")
NODE_COUNT = 4
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
VERSION = "v1.31.0"


def node(number: int, at: str) -> Object:
    """Node `number` (from 1), with everything strict clients look for."""
    name, zone = f"node-{number}", ZONES[(number - 1) % len(ZONES)]
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "50Gi"}
    healthy = [
        ("MemoryPressure", "False"),
        ("DiskPressure", "False"),
        ("PIDPressure", "False"),
        ("Ready", "True"),
    ]
    return {
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "node.kubernetes.io/instance-type": "sandbox",
                "topology.kubernetes.io/region": "local",
                "topology.kubernetes.io/zone": zone,
            },
        },
        "spec": {"podCIDR": f"10.244.{number}.0/24", "providerID": f"sandbox:///{zone}/{name}"},
        "status": {
            "capacity": amounts,
            "allocatable": dict(amounts),
            "addresses": [
                {"type": "InternalIP", "address": f"10.10.0.{number}"},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": "KubeletReady" if kind == "Ready" else f"KubeletHasNo{kind}",
                    "message": "emulated",
                    "lastHeartbeatTime": at,
                    "lastTransitionTime": at,
                }
                for kind, status in healthy
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": f"boot-{name}",
                "containerRuntimeVersion": "sandbox://1",
                "kernelVersion": "emulated",
                "kubeProxyVersion": VERSION,
                "kubeletVersion": VERSION,
                "machineID": f"machine-{name}",
                "operatingSystem": "linux",
                "osImage": "drillkit sandbox",
                "systemUUID": f"system-{name}",
            },
            "images": [],
        },
    }


def furnish(store: Store) -> None:
    """Create nodes and system namespaces that are not there yet."""
    for name in SYSTEM_NAMESPACES:
        if store.get(NAMESPACES, "", name) is None:
            store.create(NAMESPACES, {"metadata": {"name": name}})
    for number in range(1, NODE_COUNT + 1):
        made = node(number, rfc3339(store.now()))
        if store.get(NODES, "", made["metadata"]["name"]) is None:
            store.create(NODES, made)
