"""Calls of other Chaos Toolkit extensions that do more than they seem to, and their safe forms.

Found by running them (chaosk8s 0.39): without arguments `drain_nodes` drains every node, and
`terminate_pods` picks among all pods of `default`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Arguments = Mapping[str, Any]


def _nothing(arguments: Arguments, *keys: str) -> bool:
    return not any(arguments.get(key) for key in keys)


def _terminate_pods(arguments: Arguments) -> str:
    if _nothing(arguments, "label_selector", "name_pattern"):
        return "without `label_selector` it picks among all pods of the namespace"
    if not arguments.get("ns"):
        return "without `ns` it looks into the namespace `default`"
    if arguments.get("all") is True:
        return "with `all` it deletes every pod that matches at once"
    return ""


def _drain_nodes(arguments: Arguments) -> str:
    if arguments.get("pod_label_selector") and not arguments.get("pod_namespace"):
        return "`pod_label_selector` without `pod_namespace` is ignored: it drains every node"
    if _nothing(arguments, "name", "label_selector", "pod_label_selector"):
        return "without a node or a selector it cordons and drains every node"
    return ""


def _all_nodes(arguments: Arguments) -> str:
    if _nothing(arguments, "name", "label_selector"):
        return "without a node or a selector it takes every node, also those that others cordoned"
    return ""


def _any_node(arguments: Arguments) -> str:
    if _nothing(arguments, "label_selector", "pod_label_selector"):
        return "without a selector it picks among all nodes"
    return ""


def _delete_pods(arguments: Arguments) -> str:
    if _nothing(arguments, "name", "label_selector"):
        return "without a name or a selector it deletes every pod of the namespace"
    return _scale(arguments)


def _scale(arguments: Arguments) -> str:
    return "" if arguments.get("ns") else "without `ns` it looks into the namespace `default`"


def _permanent(arguments: Arguments) -> str:
    return "it sets no duration, and no rollback deletes it: the fault stays for ever"


_PODS, _NODES = "drillkit.faults.pods.delete_pods", "drillkit.faults.nodes.drain_nodes"
_SCALED, _NETWORK = "drillkit.faults.workloads.scale_to_zero", "drillkit.faults.network"
_CALLS: Mapping[tuple[str, str], tuple[Callable[[Arguments], str], str]] = {
    ("chaosk8s.pod.actions", "terminate_pods"): (_terminate_pods, _PODS),
    ("chaosk8s.pod.actions", "delete_pods"): (_delete_pods, _PODS),
    ("chaosk8s.node.actions", "drain_nodes"): (_drain_nodes, _NODES),
    ("chaosk8s.node.actions", "cordon_node"): (_all_nodes, _NODES),
    ("chaosk8s.node.actions", "uncordon_node"): (_all_nodes, _NODES),
    ("chaosk8s.node.actions", "delete_nodes"): (_any_node, _NODES),
    ("chaosk8s.deployment.actions", "scale_deployment"): (_scale, _SCALED),
    ("chaosk8s.deployment.actions", "delete_deployment"): (_scale, _SCALED),
    **{
        ("chaosk8s.chaosmesh.network.actions", func): (_permanent, _NETWORK)
        for func in (
            *("add_latency", "set_loss", "duplicate_packets", "reorder_packets"),
            *("corrupt_packets", "set_bandwidth"),
        )
    },
}
"""(module, function) of a call: what is dangerous about its arguments, and the safe form."""


def danger(provider: Mapping[str, Any], undone: frozenset[str] = frozenset()) -> str:
    """Why a Python activity with these arguments is refused, with the safe form; '' for others.

    `undone`: functions that the experiment's rollbacks call.
    """
    if provider.get("type") != "python":
        return ""
    known = _CALLS.get((str(provider.get("module")), str(provider.get("func"))))
    if known is None:
        return ""
    check, safe = known
    if check is _permanent and "delete_network_fault" in undone:
        return ""
    arguments = provider.get("arguments")
    why = check(arguments if isinstance(arguments, Mapping) else {})
    return f"{provider['func']}: {why}; use {safe}, or name what it may touch" if why else ""
