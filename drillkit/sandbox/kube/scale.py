"""The subresource ``scale``: a workload's number of replicas, by itself."""

from __future__ import annotations

import json

from drillkit.sandbox.kube.call import Call
from drillkit.sandbox.kube.causes import wrong
from drillkit.sandbox.kube.errors import invalid
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.patching import patched
from drillkit.sandbox.kube.selectors import selector_text
from drillkit.sandbox.kube.shapes import require, unfit
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.wire import Response

_SHAPE = {"metadata": {"resourceVersion": str, "uid": str}, "spec": {"replicas": int}}


def scale(store: Store, call: Call) -> Response:
    """Reads or changes it. Raises 409 for a stale resourceVersion, 422 for a negative number."""
    gvr = call.resource.gvr
    workload = store.need(gvr, call.namespace, call.name)
    current = _scale_of(workload)
    if call.request.method == "GET":
        return Response(200, current)
    wanted = _wanted(call, current)
    replicas = (wanted.get("spec") or {}).get("replicas") or 0
    if replicas < 0:
        why = wrong("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", call.name, [why])
    meta = {**workload["metadata"]}
    given = wanted.get("metadata") or {}
    for key in ("resourceVersion", "uid"):
        if given.get(key):
            meta[key] = given[key]
    new = {**workload, "metadata": meta, "spec": {**workload["spec"], "replicas": replicas}}
    return Response(200, _scale_of(store.update(gvr, new, dry_run=call.dry_run)))


def _wanted(call: Call, current: Object) -> Object:
    """The Scale as it shall be. Raises 400 for wrong types, 422 where a patch has made them."""
    if call.request.method == "PUT":
        wanted: Object = call.body()
        require(wanted, _SHAPE, "Scale")
        return wanted
    wanted = patched(call, current)
    told = unfit(wanted, _SHAPE, "Scale")
    if told:
        raise invalid("", "", "", [wrong("patch", json.dumps(wanted), told)])
    return wanted


def _scale_of(workload: Object) -> Object:
    meta = workload["metadata"]
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = workload["spec"].get("selector")
    status = {
        "replicas": (workload.get("status") or {}).get("replicas", 0),
        "selector": selector_text(selector),
    }
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in names},
        "spec": {"replicas": workload["spec"].get("replicas", 0)},
        "status": status,
    }
