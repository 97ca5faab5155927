"""metrics.k8s.io: what ``kubectl top pods`` reads, measured on demand by the cluster's hook."""

from __future__ import annotations

from drillkit.sandbox.kube.call import Call
from drillkit.sandbox.kube.errors import not_found
from drillkit.sandbox.kube.objects import PODS, Object, labels_of, rfc3339
from drillkit.sandbox.kube.selectors import labels_match
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.wire import Response


def usage(store: Store, call: Call) -> Response:
    """The metrics of pods, one or all. Raises 404 for one that wasn't measured."""
    matches = labels_match(call.query.get("labelSelector", ""))
    chosen = [
        obj
        for obj in store.list(PODS, call.namespace or None)
        if matches(labels_of(obj)) and call.name in ("", obj["metadata"]["name"])
    ]
    measured = [_pod(store, obj) for obj in chosen]
    items = [item for item in measured if item is not None]
    if call.name:
        if not items:
            raise not_found((call.resource.group, call.resource.plural), call.name)
        return Response(200, items[0])
    head = {
        "kind": f"{call.resource.kind}List",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {},
    }
    return Response(200, {**head, "items": items})


def _head(store: Store, kind: str, obj: Object) -> Object:
    meta = {
        key: obj["metadata"][key]
        for key in ("name", "namespace", "labels")
        if key in obj["metadata"]
    }
    now = rfc3339(store.now())
    meta["creationTimestamp"] = now
    return {
        "kind": kind,
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": meta,
        "timestamp": now,
        "window": "1s",
    }


def _quantities(cores: float, memory: int) -> Object:
    return {"cpu": f"{round(cores * 1e9)}n", "memory": f"{memory // 1024}Ki"}


def _pod(store: Store, pod: Object) -> Object | None:
    measured = store.pod_metrics(pod) if store.pod_metrics is not None else {}
    if not measured:
        return None
    containers = [{"name": name, "usage": _quantities(*used)} for name, used in measured.items()]
    return {**_head(store, "PodMetrics", pod), "containers": containers}
