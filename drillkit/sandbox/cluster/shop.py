"""The demo shop: `web` calls `orders`; a cache and an agent on every node stand beside them.

`web` has what a service needs to survive the loss of a pod: three replicas over the zones, a
budget, a preStop that outlasts the propagation of its endpoints. `orders` has no preStop and no
budget, on purpose: a drill can find that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drillkit.sandbox.cluster.crds import chaos_experiments
from drillkit.sandbox.kube.objects import (
    BUDGETS,
    DAEMONSETS,
    DEPLOYMENTS,
    NAMESPACES,
    SERVICES,
    STATEFULSETS,
    Gvr,
    Object,
)

if TYPE_CHECKING:
    from drillkit.sandbox.kube.store import Store

NAMESPACE = "shop"
PORT = 8080
PRE_STOP_S = 1


def _container(name: str, **more: Any) -> Object:
    probe = {
        "httpGet": {"path": "/health", "port": "http"},
        "periodSeconds": 1,
        "failureThreshold": 2,
    }
    return {
        "name": name,
        "image": f"sandbox/{name}:1.0",
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": probe,
        "livenessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 3},
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        **more,
    }


def _workload(name: str, container: Object, *, grace_s: int = 10, **spec: Any) -> Object:
    labels = {"app": name}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": grace_s},
            },
            **spec,
        },
    }


def _service(name: str) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def manifests() -> list[tuple[Gvr, Object]]:
    """Everything in the namespace `shop`, in the order of creation."""
    calls = {"env": [{"name": "SANDBOX_CALLS", "value": "http://orders/"}]}
    pre_stop = {"lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_S}}}}
    surge = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    cache = _workload("cache", _container("cache"), grace_s=2, serviceName="cache", replicas=1)
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}}
    cache["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": storage}]
    budget = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
    return [
        (SERVICES, _service("web")),
        (SERVICES, _service("orders")),
        (SERVICES, _service("cache")),
        (
            DEPLOYMENTS,
            _workload("web", _container("web", **calls, **pre_stop), replicas=3, strategy=surge),
        ),
        (DEPLOYMENTS, _workload("orders", _container("orders"), replicas=2)),
        (BUDGETS, {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": budget}),
        (STATEFULSETS, cache),
        (DAEMONSETS, _workload("node-agent", _container("node-agent"), grace_s=2)),
    ]


def open_shop(store: Store) -> None:
    """Create the namespace and everything in it that is not there yet."""
    if store.get(NAMESPACES, "", NAMESPACE) is None:
        store.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    wanted = [
        *manifests(),
        *((("litmuschaos.io", "chaosexperiments"), each) for each in chaos_experiments()),
    ]
    for gvr, manifest in wanted:
        if store.get(gvr, NAMESPACE, manifest["metadata"]["name"]) is None:
            store.create(gvr, manifest, NAMESPACE)
