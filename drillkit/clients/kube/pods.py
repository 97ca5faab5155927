"""What a pod is: ready, going, whose, since when. Pure questions to a pod's JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from drillkit.clients.kube.resources import Object

MIRROR = "kubernetes.io/config.mirror"


def is_running(pod: Object) -> bool:
    """Phase Running and not being deleted."""
    return bool(_status(pod).get("phase") == "Running") and not is_going(pod)


def is_ready(pod: Object) -> bool:
    """Running, not being deleted, and its Ready condition is true: what a Service sends
    requests to.
    """
    return is_running(pod) and (condition(pod, "Ready") or {}).get("status") == "True"


def is_going(pod: Object) -> bool:
    """Being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_finished(pod: Object) -> bool:
    """Succeeded or Failed."""
    return _status(pod).get("phase") in ("Succeeded", "Failed")


def is_mirror(pod: Object) -> bool:
    """A static pod's image in the API: deleting it does nothing."""
    return MIRROR in (pod["metadata"].get("annotations") or {})


def node_of(pod: Object) -> str:
    """Name of its node, or '' while it has none."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def controller(obj: Object) -> Mapping[str, Any] | None:
    """The owner reference of what controls an object, or None for one that stands alone."""
    owners = obj["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def controller_kind(pod: Object) -> str:
    """`ReplicaSet`, `DaemonSet`, ... or '' for a pod that stands alone."""
    owner = controller(pod)
    return str(owner["kind"]) if owner else ""


def workload(pod: Object, replicaset: Callable[[str, str], Object | None]) -> tuple[str, str]:
    """(kind, name) of the workload at the end of the chain of controllers, ('', '') for a pod that
    stands alone.

    `replicaset` finds a ReplicaSet by name and namespace: a pod names its ReplicaSet, only that
    names the Deployment.
    """
    owner = controller(pod)
    if owner is None:
        return "", ""
    if owner["kind"] == "ReplicaSet":
        above = replicaset(owner["name"], pod["metadata"]["namespace"])
        top = controller(above) if above is not None else None
        if top is not None:
            return str(top["kind"]), str(top["name"])
    return str(owner["kind"]), str(owner["name"])


def condition(obj: Object, kind: str) -> Mapping[str, Any] | None:
    """A condition of its status."""
    return next((c for c in _status(obj).get("conditions") or [] if c.get("type") == kind), None)


def ready_since(pod: Object) -> datetime | None:
    """When it became ready, by the cluster's clock (whole seconds); None while it is not."""
    found = condition(pod, "Ready")
    if not is_ready(pod) or not found or not found.get("lastTransitionTime"):
        return None
    return datetime.fromisoformat(found["lastTransitionTime"])


def restarts(pod: Object) -> int:
    """How often its containers were started again, all together."""
    return sum(int(c.get("restartCount") or 0) for c in _status(pod).get("containerStatuses") or [])


def local_storage(pod: Object) -> list[str]:
    """Names of its emptyDir volumes: gone with the pod."""
    return [str(v["name"]) for v in (pod.get("spec") or {}).get("volumes") or [] if "emptyDir" in v]


def selector_of(workload: Object) -> str:
    """The label selector of a Deployment, StatefulSet, Service, ... as the API takes it.

    Raises ValueError for an expression it does not know, or for a selector that would
    match everything.
    """
    found = (workload.get("spec") or {}).get("selector") or {}
    if "matchLabels" in found or "matchExpressions" in found:
        terms = [f"{k}={v}" for k, v in sorted((found.get("matchLabels") or {}).items())]
        terms += [_expression(e) for e in found.get("matchExpressions") or []]
    else:
        terms = [f"{k}={v}" for k, v in sorted(found.items())]
    if not terms:
        raise ValueError(f"{workload['metadata']['name']}: expected a selector, found an empty one")
    return ",".join(terms)


def _expression(expression: Mapping[str, Any]) -> str:
    key, operator = expression["key"], expression["operator"]
    values = ",".join(expression.get("values") or [])
    match operator:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "Exists":
            return str(key)
        case "DoesNotExist":
            return f"!{key}"
    raise ValueError(f"unknown operator {operator} of a label selector")


def _status(obj: Object) -> Mapping[str, Any]:
    return obj.get("status") or {}
