"""Binds pods to nodes: filters as Kubernetes' default scheduler does, then spreads over zones
and nodes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drillkit.sandbox.cluster.values import (
    controller_of,
    is_active,
    is_finished,
    matches,
    quantity,
    requests_of,
    set_condition,
)
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import NODES, PODS, Gvr, Object, condition, is_terminating

ZONE = "topology.kubernetes.io/zone"
UNSCHEDULABLE_TAINT = "node.kubernetes.io/unschedulable"


@dataclass(frozen=True)
class Scheduler:
    """One pod at a time, each seeing those bound before it."""

    name: str = "scheduler"
    gvr: Gvr = PODS
    watches: frozenset[Gvr] = frozenset({PODS, NODES})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if obj["spec"].get("nodeName") or is_terminating(obj) or is_finished(obj):
            return None
        if obj["spec"].get("schedulingGates"):
            return None
        nodes = view.all(NODES)
        peers = [
            pod for pod in view.all(PODS) if pod["spec"].get("nodeName") and not is_finished(pod)
        ]
        refusals = {node["metadata"]["name"]: why_not(obj, node, nodes, peers) for node in nodes}
        fitting = [node for node in nodes if refusals[node["metadata"]["name"]] is None]
        if fitting:
            self._bind(view, obj, best(obj, fitting, peers))
        else:
            self._refuse(view, obj, [why for why in refusals.values() if why])
        return None

    def _bind(self, view: View, pod: Object, node: str) -> None:
        view.patch(PODS, pod, {"spec": {"nodeName": node}})
        meta = pod["metadata"]
        bound = view.store.get(PODS, meta["namespace"], meta["name"])
        if bound is None:
            return
        status = bound.get("status") or {}
        conditions = set_condition(
            status.get("conditions") or [], "PodScheduled", True, "", "", view.now()
        )
        view.write_status(PODS, bound, {**status, "conditions": conditions})
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        view.event(pod, "Scheduled", message, component="default-scheduler")

    def _refuse(self, view: View, pod: Object, reasons: list[str]) -> None:
        told = ", ".join(f"{count} {why}" for why, count in sorted(Counter(reasons).items()))
        message = f"0/{len(reasons)} nodes are available: {told}."
        old = condition(pod, "PodScheduled")
        if old is not None and old.get("message") == message:
            return
        status = pod.get("status") or {}
        conditions = set_condition(
            status.get("conditions") or [],
            "PodScheduled",
            False,
            "Unschedulable",
            message,
            view.now(),
        )
        view.write_status(PODS, pod, {**status, "phase": "Pending", "conditions": conditions})
        view.event(pod, "FailedScheduling", message, warning=True, component="default-scheduler")


def why_not(pod: Object, node: Object, nodes: list[Object], peers: list[Object]) -> str | None:
    """Why a pod cannot run on a node, in the scheduler's words; None if it can."""
    spec = pod["spec"]
    tolerations = spec.get("tolerations") or []
    if node["spec"].get("unschedulable") and not tolerates(
        tolerations, {"key": UNSCHEDULABLE_TAINT, "effect": "NoSchedule"}
    ):
        return "node(s) were unschedulable"
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    if not node_is_ready(node):
        return "node(s) were not ready"
    if not is_chosen(pod, node):
        return "node(s) didn't match Pod's node affinity/selector"
    here = [peer for peer in peers if peer["spec"]["nodeName"] == node["metadata"]["name"]]
    if short := _short(pod, node, here):
        return short
    if any(_has_peer(pod, term, node, nodes, peers) for term in _anti(pod)):
        return "node(s) didn't match pod anti-affinity rules"
    if any(
        _has_peer(peer, term, node, nodes, [_at(pod, peer)])
        for peer in peers
        for term in _anti(peer)
    ):
        return "node(s) didn't satisfy existing pods anti-affinity rules"
    if any(
        _too_skewed(pod, spread, node, nodes, peers)
        for spread in spec.get("topologySpreadConstraints") or []
    ):
        return "node(s) didn't match pod topology spread constraints"
    return None


def is_chosen(pod: Object, node: Object) -> bool:
    """Whether the pod's node selector and required node affinity select the node."""
    labels = node["metadata"].get("labels") or {}
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    required = _required(pod, "nodeAffinity")
    terms = required["nodeSelectorTerms"] if required else []
    return not required or any(term_matches(term, node) for term in terms)


def _required(pod: Object, kind: str) -> Any:
    affinity = (pod["spec"].get("affinity") or {}).get(kind) or {}
    return affinity.get("requiredDuringSchedulingIgnoredDuringExecution")


def _anti(pod: Object) -> list[Object]:
    return _required(pod, "podAntiAffinity") or []


def _at(pod: Object, peer: Object) -> Object:
    """The pod as if it ran beside a peer."""
    return {**pod, "spec": {**pod["spec"], "nodeName": peer["spec"]["nodeName"]}}


def _short(pod: Object, node: Object, peers: list[Object]) -> str | None:
    """What of a node's allocatable resources does not suffice."""
    room = (node.get("status") or {}).get("allocatable") or {}
    wanted, used = requests_of(pod), Counter[str]()
    for peer in peers:
        used.update(requests_of(peer))
    for key, amount in wanted.items():
        if used[key] + amount > quantity(room.get(key, 0)):
            return "Too many pods" if key == "pods" else f"Insufficient {key}"
    return None


def node_is_ready(node: Object) -> bool:
    """Whether the node's condition Ready is not false."""
    ready = condition(node, "Ready")
    return ready is None or ready["status"] == "True"


def tolerates(tolerations: list[Object], taint: Object) -> bool:
    """Whether one of the tolerations covers the taint."""
    for toleration in tolerations:
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        if toleration.get("key") not in (None, "", taint["key"]):
            continue
        if toleration.get("operator", "Equal") == "Exists" or toleration.get(
            "value", ""
        ) == taint.get("value", ""):
            return True
    return False


def term_matches(term: Object, node: Object) -> bool:
    """Whether a node selector term selects a node; an empty term selects none."""
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    requirements = [(labels, each) for each in term.get("matchExpressions") or []]
    requirements += [(fields, each) for each in term.get("matchFields") or []]
    return bool(requirements) and all(
        _requirement_holds(values, each) for values, each in requirements
    )


def _requirement_holds(values: dict[str, str], requirement: Object) -> bool:
    value, wanted = values.get(requirement["key"]), requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and value.isdigit() and int(value) > int(wanted[0])
        case "Lt":
            return value is not None and value.isdigit() and int(value) < int(wanted[0])
    return False


def _domain(nodes: list[Object], key: str) -> dict[str, str]:
    """Node name to the value of its topology label."""
    found = {
        node["metadata"]["name"]: (node["metadata"].get("labels") or {}).get(key) for node in nodes
    }
    return {name: value for name, value in found.items() if value is not None}


def _has_peer(
    pod: Object, term: Object, node: Object, nodes: list[Object], peers: list[Object]
) -> bool:
    domain = _domain(nodes, term["topologyKey"])
    here = domain.get(node["metadata"]["name"])
    spaces = term.get("namespaces") or [pod["metadata"]["namespace"]]
    return here is not None and any(
        domain.get(peer["spec"]["nodeName"]) == here
        and peer["metadata"]["namespace"] in spaces
        and matches(term.get("labelSelector"), peer)
        for peer in peers
    )


def _too_skewed(
    pod: Object, spread: Object, node: Object, nodes: list[Object], peers: list[Object]
) -> bool:
    if spread.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
        return False
    domain = _domain(nodes, spread["topologyKey"])
    here = domain.get(node["metadata"]["name"])
    if here is None:
        return True
    if spread.get("nodeAffinityPolicy", "Honor") == "Honor":
        domain = {
            n["metadata"]["name"]: domain[n["metadata"]["name"]]
            for n in nodes
            if n["metadata"]["name"] in domain and is_chosen(pod, n)
        }
    counts = dict.fromkeys(domain.values(), 0)
    for peer in peers:
        same = peer["metadata"]["namespace"] == pod["metadata"]["namespace"] and not is_terminating(
            peer
        )
        where = domain.get(peer["spec"]["nodeName"])
        if same and where is not None and matches(spread.get("labelSelector"), peer):
            counts[where] += 1
    own = int(matches(spread.get("labelSelector"), pod))
    return counts[here] + own - min(counts.values()) > int(spread["maxSkew"])


def best(pod: Object, nodes: list[Object], peers: list[Object]) -> str:
    """The node whose zone, then which itself, has fewest pods of the same controller, then
    fewest pods.
    """
    owner = (controller_of(pod) or {}).get("uid")
    zones = _domain(nodes, ZONE)
    siblings = [
        p for p in peers if owner and (controller_of(p) or {}).get("uid") == owner and is_active(p)
    ]
    in_zone = Counter(zones.get(p["spec"]["nodeName"]) for p in siblings)
    on_node = Counter(p["spec"]["nodeName"] for p in siblings)
    load = Counter(p["spec"]["nodeName"] for p in peers)
    names: list[str] = sorted(node["metadata"]["name"] for node in nodes)
    return min(names, key=lambda name: (in_zone[zones.get(name)], on_node[name], load[name]))
