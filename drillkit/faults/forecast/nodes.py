"""Which nodes a pod may run on, by what stands in its spec and in the node's. Pure.

Source: Kubernetes' documentation, "Assigning Pods to Nodes" and "Taints and Tolerations".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drillkit.clients.kube.pods import condition
from drillkit.clients.kube.resources import Object
from drillkit.clients.kube.selectors import selects

CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
OWN_TAINTS = "node.kubernetes.io/"
"""Taints that the cluster sets and takes back by itself: such as `not-ready`."""
ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")


def name_of(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def labels_of(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def is_ready(node: Object) -> bool:
    return (condition(node, "Ready") or {}).get("status") == "True"


def for_good(pod: Object, node: Object, gone: frozenset[str], volumes: Iterable[Object]) -> str:
    """Why a pod cannot run on a node whatever else happens there, or ''. `gone`: nodes that are
    cordoned now or will be.
    """
    if (name_of(node) in gone or (node.get("spec") or {}).get("unschedulable")) and not _tolerated(
        pod, CORDON
    ):
        return "cordoned"
    for taint in (node.get("spec") or {}).get("taints") or ():
        own = str(taint.get("key", "")).startswith(OWN_TAINTS)
        hard = taint.get("effect") in ("NoSchedule", "NoExecute")
        if hard and not own and not _tolerated(pod, taint):
            return f"tainted {taint.get('key')}, which it does not tolerate"
    if not chosen(pod, node):
        return "not chosen by its node selector or affinity"
    if any(not holds(volume, node) for volume in volumes):
        return "out of reach of its volume"
    return ""


def for_now(pod: Object, node: Object) -> bool:
    """Whether a node takes no pods now, and may again by itself."""
    taints = (node.get("spec") or {}).get("taints") or ()
    return not is_ready(node) or any(
        str(taint.get("key", "")).startswith(OWN_TAINTS)
        and taint.get("key") != CORDON["key"]
        and taint.get("effect") in ("NoSchedule", "NoExecute")
        and not _tolerated(pod, taint)
        for taint in taints
    )


def tolerates_cordon(pod: Object) -> bool:
    return _tolerated(pod, CORDON)


def chosen(pod: Object, node: Object) -> bool:
    """By its node selector and its required node affinity."""
    spec, labels = pod.get("spec") or {}, labels_of(node)
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return required is None or _any_term(required, node)


def holds(volume: Object, node: Object) -> bool:
    """Whether a PersistentVolume can be reached from a node."""
    labels = labels_of(node)
    for key in ZONES:
        zones = labels_of(volume).get(key)
        if zones and labels.get(key) not in zones.split("__"):
            return False
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return required is None or _any_term(required, node)


def _any_term(required: Mapping[str, Any], node: Object) -> bool:
    return any(_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def _term(term: Mapping[str, Any], node: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False  # an empty term selects no node
    return all(_expression(each, labels_of(node)) for each in expressions) and all(
        _expression(each, {"metadata.name": name_of(node)}) for each in fields
    )


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    operator, key = expression.get("operator"), str(expression.get("key"))
    if operator not in ("Gt", "Lt"):
        return selects({"matchExpressions": [expression]}, labels)
    try:
        found, bound = int(labels[key]), int((expression.get("values") or [""])[0])
    except (KeyError, ValueError):
        return False
    return found > bound if operator == "Gt" else found < bound


def _tolerated(pod: Object, taint: Mapping[str, Any]) -> bool:
    return any(_covers(each, taint) for each in (pod.get("spec") or {}).get("tolerations") or ())


def _covers(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    exists = toleration.get("operator") == "Exists"
    if toleration.get("key") in (None, ""):
        return exists  # without a key only `Exists` is allowed, and covers all
    if toleration["key"] != taint.get("key"):
        return False
    return exists or (toleration.get("value") or "") == (taint.get("value") or "")
