from __future__ import annotations

import pytest

from drillkit.sandbox.kube.objects import (
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    PODS,
    is_ready,
    is_terminating,
)
from drillkit.sandbox.kube.wire import Request
from tests.sandbox.cluster.virtual import VirtualCluster


class Bench:
    """A virtual cluster and short ways to ask it."""

    def __init__(self, **options):
        self.cluster = VirtualCluster(**options)
        self.store = self.cluster.store
        if self.store.get(NAMESPACES, "", "shop") is None:
            self.store.create(NAMESPACES, {"metadata": {"name": "shop"}})
        self.advance = self.cluster.advance
        self.settle = self.cluster.settle

    def pods(self, selector=""):
        return self.store.list(PODS, "shop", selector)

    def ready(self, selector=""):
        return [pod for pod in self.pods(selector) if is_ready(pod) and not is_terminating(pod)]

    def names(self, selector=""):
        return [pod["metadata"]["name"] for pod in self.pods(selector)]

    def get(self, gvr, name, namespace="shop"):
        return self.store.get(gvr, namespace, name)

    def status(self, gvr, name, namespace="shop"):
        return self.store.get(gvr, namespace, name).get("status") or {}

    def create(self, gvr, obj, namespace="shop"):
        made = self.store.create(gvr, obj, namespace)
        self.settle()
        return made

    def patch(self, gvr, name, patch, namespace="shop"):
        self.store.patch(gvr, namespace, name, patch)
        self.settle()

    def delete(self, gvr, name, namespace="shop", **options):
        self.store.delete(gvr, namespace, name, **options)
        self.settle()

    def evict(self, name):
        path = f"/api/v1/namespaces/shop/pods/{name}/eviction"
        body = (
            b'{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"%s"}}' % name.encode()
        )
        return self.cluster.handle(
            Request("POST", path, (), {"Content-Type": "application/json"}, body)
        )

    def reasons(self):
        return {event["reason"] for event in self.store.list(EVENTS, "shop")}

    def deployment(self, name="app", *, namespace="shop", annotations=None, pod=None, **spec):
        labels = {"app": name}
        containers = [{"name": name, "image": f"sandbox/{name}:1"}]
        meta = {"labels": labels, **({"annotations": annotations} if annotations else {})}
        template = {"metadata": meta, "spec": {"containers": containers, **(pod or {})}}
        body = {"selector": {"matchLabels": labels}, "template": template, **spec}
        return self.create(DEPLOYMENTS, {"metadata": {"name": name}, "spec": body}, namespace)


@pytest.fixture
def shop():
    """The demo shop, ready, on a virtual clock."""
    bench = Bench(shop=True)
    yield bench
    assert not bench.cluster.controllers.failures


@pytest.fixture
def bare():
    """A cluster with an empty namespace `shop`."""
    bench = Bench(shop=False)
    yield bench
    assert not bench.cluster.controllers.failures
