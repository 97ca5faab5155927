"""Nodes: drain some, or evacuate a zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import NODES, PODS, SERVICES
from drillkit.faults.context import fault, here, seconds
from drillkit.faults.displaced import foresee_budgets, foresee_room, permissions_of
from drillkit.faults.drain import DrainFlags
from drillkit.faults.evacuation import Evacuation, evacuate, evacuation_of
from drillkit.faults.node_selection import NodeChoice, nodes_of_zone
from drillkit.faults.pod_selection import said
from drillkit.model.errors import Refused
from drillkit.model.prospect import Prospect

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.clients.kube.client import KubeClient

BLOCKED_IS = ("unknown", "violated")
"""What evictions are that a budget blocks until the limit: a finding, or a weakness."""


def _prospect(kube: KubeClient, plan: Evacuation, weakness: bool) -> Prospect:
    room = foresee_room(kube, plan.names, plan.evict)
    budgets = foresee_budgets(kube, plan.evict)
    room_for_all = "the other nodes hold all that is displaced, wherever the scheduler puts it"
    return Prospect(
        targets=(*(NODES.said(name) for name in plan.names), *(said(pod) for pod in plan.evict)),
        effects=(
            f"cordons {', '.join(plan.names)}; uncordoned when the step ends",
            f"evicts {len(plan.evict)} pods; nothing takes that back, their controllers make "
            "others elsewhere",
        ),
        permissions=(
            *needs("list get patch", NODES),
            *needs("list", PODS),
            *needs("list", SERVICES),
            *needs("create", PODS, subresource="eviction"),
            *permissions_of(plan.evict),
        ),
        # Budgets that block are what a drill is there to find when it says so.
        problems=(*room.cannot, *(() if weakness else budgets.cannot)),
        fails=budgets.cannot if weakness else (),
        notes=(
            *room.unsure,
            *(() if room.cannot or room.unsure else (room_for_all,)),
            *budgets.unsure,
            *(
                f"{said(pod)} stays on its node"
                for found in plan.pods.values()
                for pod in found.leave
            ),
        ),
    )


def _preview_drain(
    clients: Clients,
    *,
    node: str | None,
    node_selector: str | None,
    pod_namespace: str | None,
    pod_selector: str | None,
    count: int | str,
    order: str,
    seed: int | None,
    force: bool,
    delete_emptydir_data: bool,
    ignore_daemonsets: bool,
    blocked: str,
    **_: object,
) -> Prospect:
    weakness = _weakness(blocked)
    rules = DrainFlags(force, delete_emptydir_data, ignore_daemonsets)
    choice = NodeChoice(node, node_selector, pod_namespace, pod_selector, count, order, seed)
    nodes = choice.of(clients.kube, clients.target)
    plan = evacuation_of(clients.kube, clients.target, nodes, rules)
    return _prospect(clients.kube, plan, weakness)


def _preview_zone(
    clients: Clients,
    *,
    zone: str,
    force: bool,
    delete_emptydir_data: bool,
    ignore_daemonsets: bool,
    blocked: str,
    **_: object,
) -> Prospect:
    weakness = _weakness(blocked)
    rules = DrainFlags(force, delete_emptydir_data, ignore_daemonsets)
    nodes = nodes_of_zone(clients.kube, clients.target, zone)
    plan = evacuation_of(clients.kube, clients.target, nodes, rules)
    return _prospect(clients.kube, plan, weakness)


def _weakness(blocked: str) -> bool:
    """Whether evictions that stay blocked are a weakness. Raises Refused for another word."""
    if blocked not in BLOCKED_IS:
        raise Refused(f"blocked: expected {' or '.join(BLOCKED_IS)}, found {blocked!r}")
    return blocked == "violated"


@fault(preview=_preview_drain)
def drain_nodes(
    node: str | None = None,
    node_selector: str | None = None,
    pod_namespace: str | None = None,
    pod_selector: str | None = None,
    count: int | str = 1,
    order: str = "alphabetic",
    seed: int | None = None,
    force: bool = False,
    delete_emptydir_data: bool = False,
    ignore_daemonsets: bool = True,
    grace_period_s: int | None = None,
    hold: str = "0s",
    limit: str = "5m",
    blocked: str = "unknown",
) -> dict[str, Any]:
    """Cordon nodes, evict their pods, and wait until these are ready elsewhere.

    The nodes: the one called `node`; or `count` (a number or a percentage) of those that match
    `node_selector`; or of those that run pods of `pod_selector` in `pod_namespace`. `force`,
    `delete_emptydir_data`, `ignore_daemonsets` and `grace_period_s` as in `kubectl drain`. `hold`
    is how long the nodes stay empty afterwards; `limit` bounds the evictions and, again, the
    waiting for replacements. `blocked` says what it is when a PodDisruptionBudget still refuses
    evictions at that limit: `unknown`, a finding that leaves the drill unproven, or `violated`, a
    weakness. Raises StepFailed naming the PodDisruptionBudget that blocked, or the
    pods that did not come back; Refused for a pod in the way or above the target's cap: then no
    node was touched. The nodes are uncordoned by the journal's undo, those only that were
    cordoned here.

    Unlike chaosk8s.node.actions.drain_nodes it never drains by default, draws without replacement,
    looks at every pod before it cordons, retries an eviction that a budget blocks, does not skip
    pods with emptyDir volumes in silence, takes a pod that is gone for evicted, and looks five
    times a second.
    """
    weakness = _weakness(blocked)
    session = here()
    rules = DrainFlags(force, delete_emptydir_data, ignore_daemonsets)
    choice = NodeChoice(node, node_selector, pod_namespace, pod_selector, count, order, seed)
    nodes = choice.of(session.clients.kube, session.target)
    plan = evacuation_of(session.clients.kube, session.target, nodes, rules)
    limit_s, hold_s = seconds(limit, "limit"), seconds(hold, "hold")
    return evacuate(session, plan, grace_period_s, limit_s, hold_s, weakness)


@fault(preview=_preview_zone)
def evacuate_zone(
    zone: str,
    force: bool = False,
    delete_emptydir_data: bool = False,
    ignore_daemonsets: bool = True,
    grace_period_s: int | None = None,
    hold: str = "30s",
    limit: str = "10m",
    blocked: str = "unknown",
) -> dict[str, Any]:
    """Cordon every node of a zone, evict their pods, and keep the zone empty for `hold`.

    `zone` is the value of the label topology.kubernetes.io/zone; the rest as in `drain_nodes`.
    Raises StepFailed as it does; Refused when no other zone could take the pods.

    chaostoolkit-kubernetes has no such action.
    """
    weakness = _weakness(blocked)
    session = here()
    rules = DrainFlags(force, delete_emptydir_data, ignore_daemonsets)
    nodes = nodes_of_zone(session.clients.kube, session.target, zone)
    plan = evacuation_of(session.clients.kube, session.target, nodes, rules)
    limit_s, hold_s = seconds(limit, "limit"), seconds(hold, "hold")
    return evacuate(session, plan, grace_period_s, limit_s, hold_s, weakness)
