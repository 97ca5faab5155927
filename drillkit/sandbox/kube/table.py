"""Tables: the columns ``kubectl get`` prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from drillkit.sandbox.kube.objects import Object, is_terminating, parse_time
from drillkit.sandbox.kube.resources import Resource
from drillkit.sandbox.kube.selectors import selector_text

Cell = Callable[[Object, datetime], Any]
Column = tuple[str, str, int, Cell]
"""(title, type, priority, value); priority 1 is shown with ``-o wide`` only."""


def table(
    resource: Resource,
    version: str,
    items: Iterable[Object],
    now: datetime,
    *,
    meta: Object,
    include: str = "Metadata",
) -> Object:
    """The objects as a ``Table``.

    Args:
        version: the served version, for the columns of custom resources.
        now: for ages.
        meta: the list's metadata.
        include: what each row carries: ``None``, ``Metadata`` or ``Object``.
    """
    columns = _columns(resource, version)
    name = {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}
    heads = [
        {"name": t, "type": k, "format": "", "description": "", "priority": p}
        for t, k, p, _ in columns
    ]
    rows = []
    for obj in items:
        row: Object = {
            "cells": [
                obj["metadata"]["name"],
                *(_cell(cell, obj, now) for _, _, _, cell in columns),
            ]
        }
        if include == "Object":
            row["object"] = obj
        elif include != "None":
            row["object"] = partial(obj)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [name, *heads],
        "rows": rows,
    }


def partial(obj: Object) -> Object:
    """The object's metadata alone."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def _cell(cell: Cell, obj: Object, now: datetime) -> Any:
    try:
        value = cell(obj, now)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ):  # one odd object must not spoil the list
        return "<invalid>"
    return "<none>" if value is None or value == "" else value


def dig(obj: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for step in path.split("."):
        obj = obj.get(step) if isinstance(obj, dict) else None
    return obj


def duration_text(seconds: float) -> str:
    """A duration as kubectl shortens it: 5s, 3m7s, 4h, 2d."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    return f"{hours}h" if hours < 48 else f"{days}d"


def _since(path: str) -> Cell:
    def cell(obj: Object, now: datetime) -> str:
        moment = dig(obj, path)
        return duration_text((now - parse_time(moment)).total_seconds()) if moment else "<unknown>"

    return cell


def _at(path: str, default: Any = None) -> Cell:
    def cell(obj: Object, now: datetime) -> Any:
        value = dig(obj, path)
        return default if value is None else value

    return cell


def _count(path: str) -> Cell:
    return lambda obj, now: len(dig(obj, path) or ())


def _of(wanted: str, have: str) -> Cell:
    return lambda obj, now: f"{dig(obj, have) or 0}/{dig(obj, wanted) or 0}"


def _statuses(pod: Object) -> list[Object]:
    return dig(pod, "status.containerStatuses") or []


def _pod_ready(pod: Object, now: datetime) -> str:
    ready = sum(1 for each in _statuses(pod) if each.get("ready"))
    return f"{ready}/{len(pod['spec'].get('containers') or [])}"


def _pod_status(pod: Object, now: datetime) -> str:
    if is_terminating(pod):
        return "Terminating"
    text = dig(pod, "status.reason") or dig(pod, "status.phase") or "Unknown"
    for each in _statuses(pod):
        state = each.get("state") or {}
        for kind in ("waiting", "terminated"):
            reason = (state.get(kind) or {}).get("reason")
            if reason:
                text = reason
    return str(text)


def _pod_restarts(pod: Object, now: datetime) -> str:
    count = sum(each.get("restartCount") or 0 for each in _statuses(pod))
    ends = [dig(each, "lastState.terminated.finishedAt") for each in _statuses(pod)]
    last = max((end for end in ends if end), default=None)
    if not count or last is None:
        return str(count)
    return f"{count} ({duration_text((now - parse_time(last)).total_seconds())} ago)"


def _node_status(node: Object, now: datetime) -> str:
    conditions = dig(node, "status.conditions") or []
    ready = next(
        (each.get("status") for each in conditions if each.get("type") == "Ready"), "Unknown"
    )
    text = {"True": "Ready", "False": "NotReady"}.get(str(ready), "Unknown")
    return text + (",SchedulingDisabled" if dig(node, "spec.unschedulable") else "")


def _node_roles(node: Object, now: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix)))


def _service_ports(service: Object, now: datetime) -> str:
    ports = dig(service, "spec.ports") or []
    nodes = [f":{port['nodePort']}" if port.get("nodePort") else "" for port in ports]
    return ",".join(
        f"{p['port']}{node}/{p.get('protocol', 'TCP')}"
        for p, node in zip(ports, nodes, strict=True)
    )


def _endpoints(obj: Object, now: datetime) -> str:
    pairs = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or []
        for address in subset.get("addresses") or []
        for port in subset.get("ports") or []
    ]
    more = f" + {len(pairs) - 3} more..." if len(pairs) > 3 else ""
    return ",".join(pairs[:3]) + more


def _slice_endpoints(obj: Object, now: datetime) -> str:
    return ",".join(
        address for each in obj.get("endpoints") or [] for address in each.get("addresses") or []
    )


def _slice_ports(obj: Object, now: datetime) -> str:
    return ",".join(str(port.get("port")) for port in obj.get("ports") or [])


def _images(path: str) -> Cell:
    return lambda obj, now: ",".join(str(each.get("image")) for each in dig(obj, path) or [])


def _names(path: str) -> Cell:
    return lambda obj, now: ",".join(str(each.get("name")) for each in dig(obj, path) or [])


def _selector(obj: Object, now: datetime) -> str:
    selector = dig(obj, "spec.selector") or {}
    if "matchLabels" in selector or "matchExpressions" in selector:
        return selector_text(selector)
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))


def _job_duration(job: Object, now: datetime) -> str:
    begun, ended = dig(job, "status.startTime"), dig(job, "status.completionTime")
    if not begun:
        return ""
    return duration_text(
        ((parse_time(ended) if ended else now) - parse_time(begun)).total_seconds()
    )


def _job_status(job: Object, now: datetime) -> str:
    conditions = dig(job, "status.conditions") or []
    done = [each["type"] for each in conditions if each.get("status") == "True"]
    told = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")
    return next((kind for kind in told if kind in done), "Running")


def _suspended(obj: Object, now: datetime) -> str:
    return str(bool(dig(obj, "spec.suspend")))


def _event_object(event: Object, now: datetime) -> str:
    about = event.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _event_age(event: Object, now: datetime) -> str:
    moment = (
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )
    return duration_text((now - parse_time(moment)).total_seconds()) if moment else "<unknown>"


def _string(title: str, cell: Cell, priority: int = 0) -> Column:
    return title, "string", priority, cell


_AGE = _string("Age", _since("metadata.creationTimestamp"))
_TEMPLATE = "spec.template.spec.containers"
_WIDE_TEMPLATE = (
    _string("Containers", _names(_TEMPLATE), 1),
    _string("Images", _images(_TEMPLATE), 1),
    _string("Selector", _selector, 1),
)
_COLUMNS: dict[str, tuple[Column, ...]] = {
    "Pod": (
        _string("Ready", _pod_ready),
        _string("Status", _pod_status),
        _string("Restarts", _pod_restarts),
        _AGE,
        _string("IP", _at("status.podIP"), 1),
        _string("Node", _at("spec.nodeName"), 1),
        _string("Nominated Node", _at("status.nominatedNodeName"), 1),
        _string("Readiness Gates", _at("none"), 1),
    ),
    "Node": (
        _string("Status", _node_status),
        _string("Roles", _node_roles),
        _AGE,
        _string("Version", _at("status.nodeInfo.kubeletVersion")),
        _string("OS-Image", _at("status.nodeInfo.osImage"), 1),
        _string("Container-Runtime", _at("status.nodeInfo.containerRuntimeVersion"), 1),
    ),
    "Namespace": (_string("Status", _at("status.phase")), _AGE),
    "Deployment": (
        _string("Ready", _of("spec.replicas", "status.readyReplicas")),
        _string("Up-to-date", _at("status.updatedReplicas", 0)),
        _string("Available", _at("status.availableReplicas", 0)),
        _AGE,
        *_WIDE_TEMPLATE,
    ),
    "ReplicaSet": (
        _string("Desired", _at("spec.replicas", 0)),
        _string("Current", _at("status.replicas", 0)),
        _string("Ready", _at("status.readyReplicas", 0)),
        _AGE,
        *_WIDE_TEMPLATE,
    ),
    "StatefulSet": (
        _string("Ready", _of("spec.replicas", "status.readyReplicas")),
        _AGE,
        *_WIDE_TEMPLATE[:2],
    ),
    "DaemonSet": (
        _string("Desired", _at("status.desiredNumberScheduled", 0)),
        _string("Current", _at("status.currentNumberScheduled", 0)),
        _string("Ready", _at("status.numberReady", 0)),
        _string("Up-to-date", _at("status.updatedNumberScheduled", 0)),
        _string("Available", _at("status.numberAvailable", 0)),
        _AGE,
        *_WIDE_TEMPLATE,
    ),
    "Job": (
        _string("Status", _job_status),
        _string("Completions", _of("spec.completions", "status.succeeded")),
        _string("Duration", _job_duration),
        _AGE,
    ),
    "CronJob": (
        _string("Schedule", _at("spec.schedule")),
        _string("Suspend", _suspended),
        _string("Active", _count("status.active")),
        _string("Last Schedule", _since("status.lastScheduleTime")),
        _AGE,
    ),
    "Service": (
        _string("Type", _at("spec.type")),
        _string("Cluster-IP", _at("spec.clusterIP")),
        _string("External-IP", _at("none")),
        _string("Port(s)", _service_ports),
        _AGE,
        _string("Selector", _selector, 1),
    ),
    "Endpoints": (_string("Endpoints", _endpoints), _AGE),
    "EndpointSlice": (
        _string("AddressType", _at("addressType")),
        _string("Ports", _slice_ports),
        _string("Endpoints", _slice_endpoints),
        _AGE,
    ),
    "ConfigMap": (_string("Data", _count("data")), _AGE),
    "Secret": (_string("Type", _at("type")), _string("Data", _count("data")), _AGE),
    "ServiceAccount": (_string("Secrets", _count("secrets")), _AGE),
    "Event": (
        _string("Last Seen", _event_age),
        _string("Type", _at("type")),
        _string("Reason", _at("reason")),
        _string("Object", _event_object),
        _string("Message", _at("message")),
    ),
    "PodDisruptionBudget": (
        _string("Min Available", _at("spec.minAvailable", "N/A")),
        _string("Max Unavailable", _at("spec.maxUnavailable", "N/A")),
        _string("Allowed Disruptions", _at("status.disruptionsAllowed", 0)),
        _AGE,
    ),
    "PersistentVolumeClaim": (
        _string("Status", _at("status.phase")),
        _string("Volume", _at("spec.volumeName")),
        _string("Capacity", _at("status.capacity.storage")),
        _string("StorageClass", _at("spec.storageClassName")),
        _AGE,
    ),
    "Lease": (_string("Holder", _at("spec.holderIdentity")), _AGE),
    "StorageClass": (
        _string("Provisioner", _at("provisioner")),
        _string("ReclaimPolicy", _at("reclaimPolicy")),
        _AGE,
    ),
    "Ingress": (_string("Class", _at("spec.ingressClassName")), _AGE),
    "CustomResourceDefinition": (_string("Created At", _at("metadata.creationTimestamp")),),
}


def _columns(resource: Resource, version: str) -> list[Column]:
    if not resource.custom:
        return list(_COLUMNS.get(resource.kind, (_AGE,)))
    declared = resource.columns.get(version) or []
    columns = [
        _string(
            str(each["name"]),
            _json_path(each["jsonPath"], each.get("type", "string")),
            each.get("priority", 0),
        )
        for each in declared
    ]
    return (
        columns
        if any(each["jsonPath"] == ".metadata.creationTimestamp" for each in declared)
        else [*columns, _AGE]
    )


def _json_path(path: str, kind: str) -> Cell:
    """A printer column's JSONPath, of which plain steps, indices and ``[?(@.key=="value")]``
    are understood.
    """
    steps = re.findall(
        r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\[\?\(@\.(\w+)\s*==\s*[\"']([^\"']*)[\"']\)\]", path
    )

    def cell(obj: Object, now: datetime) -> Any:
        value: Any = obj
        for field, index, key, wanted in steps:
            if field:
                value = value.get(field) if isinstance(value, dict) else None
            elif not isinstance(value, list):
                value = None
            elif index:
                value = value[int(index)] if int(index) < len(value) else None
            else:
                value = next(
                    (item for item in value if isinstance(item, dict) and item.get(key) == wanted),
                    None,
                )
        if kind == "date" and isinstance(value, str):
            return duration_text((now - parse_time(value)).total_seconds())
        return value if value is None or isinstance(value, int | float | str) else str(value)

    return cell
