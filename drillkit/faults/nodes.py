"""Nodes: drain some, or evacuate a zone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drillkit.clients.kube.irreversible import EvictPod
from drillkit.clients.kube.nodes import uncordon_of
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.pods import condition, controller, is_ready, node_of
from drillkit.clients.kube.resources import NODES, PODS, SERVICES, Object
from drillkit.clock import DeadlineOver
from drillkit.faults.context import (
    achieved,
    disrupted,
    expires,
    fault,
    here,
    needed,
    reach,
    recovered,
    say,
    seconds,
    touched,
    wait,
)
from drillkit.faults.displaced import (
    RUNS_ON_ITS_OWN,
    foresee_budgets,
    foresee_room,
    permissions_of,
)
from drillkit.faults.drain import DrainFlags, Sorted, sort_pods
from drillkit.faults.pod_selection import all_of_shared, dependencies, how_many, ordered, said
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Blocked, Refused, StepFailed
from drillkit.model.prospect import Prospect
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.clients.chaostoolkit.session import WorkerSession
    from drillkit.clients.kube.client import KubeClient
    from drillkit.model.target import Target

ZONE_LABEL = "topology.kubernetes.io/zone"
BLOCKED_PAUSES_S = (0.5, 1.0, 2.0, 5.0)
"""Between attempts while a PodDisruptionBudget says no."""
LOOK_S = 0.5
"""Between looks at whole namespaces, which may be large."""
BLOCKED_IS = ("unknown", "violated")
"""What evictions are that a budget blocks until the limit: a finding, or a weakness."""
EVICTED = "evictions that disruption budgets let happen"
NAMED = 10
"""So many pods a message names."""


@dataclass(frozen=True, slots=True)
class _Victims:
    nodes: tuple[Object, ...]
    pods: Mapping[str, Sorted]
    """By node."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(node["metadata"]["name"]) for node in self.nodes)

    @property
    def evict(self) -> list[Object]:
        return [pod for found in self.pods.values() for pod in found.evict]


# -- previews --------------------------------------------------------------------------------------


def _prospect(kube: KubeClient, plan: _Victims, weakness: bool) -> Prospect:
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
    _one_way(node, node_selector, pod_namespace, pod_selector)
    rules = DrainFlags(force, delete_emptydir_data, ignore_daemonsets)

    def choose(kube: KubeClient, target: Target) -> list[Object]:
        return _choose(
            kube, target, node, node_selector, pod_namespace, pod_selector, count, order, seed
        )

    plan = _look(clients.kube, clients.target, choose, rules)
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
    plan = _look(
        clients.kube,
        clients.target,
        lambda kube, target: _of_zone(kube, target, zone),
        rules,
    )
    return _prospect(clients.kube, plan, weakness)


def _weakness(blocked: str) -> bool:
    """Whether evictions that stay blocked are a weakness. Raises Refused for another word."""
    if blocked not in BLOCKED_IS:
        raise Refused(f"blocked: expected {' or '.join(BLOCKED_IS)}, found {blocked!r}")
    return blocked == "violated"


def _one_way(*ways: str | None) -> None:
    node, node_selector, pod_namespace, pod_selector = ways
    chosen = sum(bool(way) for way in (node, node_selector, pod_selector))
    if chosen != 1 or bool(pod_selector) != bool(pod_namespace):
        raise Refused(
            "expected one of `node`, `node_selector`, or `pod_selector` with `pod_namespace`"
        )


# -- the faults ------------------------------------------------------------------------------------


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
    _one_way(node, node_selector, pod_namespace, pod_selector)
    weakness = _weakness(blocked)
    session = here()
    rules = DrainFlags(force, delete_emptydir_data, ignore_daemonsets)

    def choose(kube: KubeClient, target: Target) -> list[Object]:
        return _choose(
            kube, target, node, node_selector, pod_namespace, pod_selector, count, order, seed
        )

    plan = _look(session.clients.kube, session.target, choose, rules)
    limit_s, hold_s = seconds(limit, "limit"), seconds(hold, "hold")
    return _evacuate(session, plan, grace_period_s, limit_s, hold_s, weakness)


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
    plan = _look(
        session.clients.kube,
        session.target,
        lambda kube, target: _of_zone(kube, target, zone),
        rules,
    )
    limit_s, hold_s = seconds(limit, "limit"), seconds(hold, "hold")
    return _evacuate(session, plan, grace_period_s, limit_s, hold_s, weakness)


# -- looking ---------------------------------------------------------------------------------------


def is_schedulable(node: Object) -> bool:
    """Ready and not cordoned."""
    cordoned = (node.get("spec") or {}).get("unschedulable")
    return (condition(node, "Ready") or {}).get("status") == "True" and not cordoned


def _choose(
    kube: KubeClient,
    target: Target,
    name: str | None,
    node_selector: str | None,
    pod_namespace: str | None,
    pod_selector: str | None,
    count: int | str,
    order: str,
    seed: int | None,
) -> list[Object]:
    everything = kube.list(NODES)
    if name:
        candidates = [node for node in everything if node["metadata"]["name"] == name]
        what = f"a schedulable node {name}"
    elif node_selector:
        matching = {node["metadata"]["name"] for node in kube.list(NODES, selector=node_selector)}
        candidates = [node for node in everything if node["metadata"]["name"] in matching]
        what = f"schedulable nodes of {node_selector}"
    else:
        pods = kube.list(PODS, str(pod_namespace), selector=str(pod_selector))
        names = {node_of(pod) for pod in pods if is_ready(pod)}
        candidates = [node for node in everything if node["metadata"]["name"] in names]
        what = f"schedulable nodes with ready pods of {pod_selector} in {pod_namespace}"
    able = [node for node in candidates if is_schedulable(node)]
    if not able:
        raise StepFailed(
            f"expected {what}, found none ({len(candidates)} match, cordoned or not ready)"
        )
    number = len(able) if name else how_many(count, len(able), "100%", what, target, "nodes")
    chosen = ordered(able, order, seed)[:number]
    return _allowed(chosen, everything, target)


def _of_zone(kube: KubeClient, target: Target, zone: str) -> list[Object]:
    everything = kube.list(NODES)
    zones = sorted({z for n in everything if (z := _zone(n))})
    chosen = [node for node in everything if _zone(node) == zone and is_schedulable(node)]
    if not chosen:
        raise StepFailed(
            f"expected schedulable nodes in zone {zone}, found none; zones: "
            f"{', '.join(zones) or 'none'}"
        )
    if not any(is_schedulable(node) and _zone(node) != zone for node in everything):
        raise Refused(
            f"zone {zone} is the only one with schedulable nodes: nothing could take its pods"
        )
    return _allowed(ordered(chosen, "alphabetic", None), everything, target)


def _zone(node: Object) -> str:
    return str((node["metadata"].get("labels") or {}).get(ZONE_LABEL) or "")


def _allowed(chosen: list[Object], everything: list[Object], target: Target) -> list[Object]:
    zones = target.caps.zones
    if zones and (outside := [n["metadata"]["name"] for n in chosen if _zone(n) not in zones]):
        raise Refused(
            f"{', '.join(outside)}: target `{target.name}` allows nodes of zones "
            f"{', '.join(zones)} only (`caps.zones`)"
        )
    schedulable = [node for node in everything if is_schedulable(node)]
    how_many(len(chosen), len(schedulable), target.caps.nodes, "schedulable nodes", target, "nodes")
    if len(schedulable) <= len(chosen):
        raise Refused(
            f"{len(chosen)} of {len(schedulable)} schedulable nodes: nothing could take their pods"
        )
    return chosen


def _look(
    kube: KubeClient,
    target: Target,
    choose: Callable[[KubeClient, Target], list[Object]],
    rules: DrainFlags,
) -> _Victims:
    nodes = choose(kube, target)
    depends = dependencies(kube, target)
    pods = {
        name: sort_pods(kube.list(PODS, fields=f"spec.nodeName={name}"), rules, depends)
        for name in (str(node["metadata"]["name"]) for node in nodes)
    }
    in_the_way = [why for found in pods.values() for why in found.in_the_way]
    in_the_way += all_of_shared(kube, [pod for found in pods.values() for pod in found.evict])
    if in_the_way:
        raise Refused(f"these nodes cannot be drained, none was touched: {'; '.join(in_the_way)}")
    plan = _Victims(tuple(nodes), pods)
    if not plan.evict:
        raise StepFailed(
            f"expected pods to evict on {', '.join(plan.names)}, found none: a drain of an empty "
            "node tests nothing"
        )
    return plan


# -- doing -----------------------------------------------------------------------------------------


def _evacuate(
    session: WorkerSession,
    plan: _Victims,
    grace_s: int | None,
    limit_s: float,
    hold_s: float,
    weakness: bool,
) -> dict[str, Any]:
    kube = session.clients.kube
    wanted = _ready_by_controller(kube, plan.evict)
    reach(session, plan.evict)
    until = expires(session, limit_s * 2 + hold_s)
    for node in plan.nodes:
        kube.cordon(session.book.plan(uncordon_of(node, run=session.run, expires=until)))
        touched(session, NODES.said(node["metadata"]["name"]))
    began = _evict(session, plan.evict, grace_s, limit_s, weakness)
    _await_gone(session, plan, limit_s)
    _await_elsewhere(session, plan, wanted, limit_s)
    took = recovered(session) - began
    if hold_s:
        say(session, f"{', '.join(plan.names)} stay empty for {format_duration(hold_s)}")
        session.clock.sleep(min(hold_s, session.deadline.left()), session.fence.closed)
        session.fence.check()
    return {
        "targets": [NODES.said(name) for name in plan.names],
        "evicted": [said(pod) for pod in plan.evict],
        "left": [said(pod) for found in plan.pods.values() for pod in found.leave],
        "recovered_after": format_duration(took),
    }


def _evict(
    session: WorkerSession,
    pods: Sequence[Object],
    grace_s: int | None,
    limit_s: float,
    weakness: bool,
) -> float:
    """Evict all; those that a budget blocks are asked for again until the limit. Then it is told
    how many were let go, as a proof where `weakness` says so. When the first went: a cordon
    disrupts nobody. Raises StepFailed, also when all were gone before they could be evicted.
    """
    began: float | None = None
    clock, kube = session.clock, session.clients.kube
    end = min(clock.mono() + limit_s, session.deadline.at)
    waiting: list[tuple[Object, Planned[EvictPod]]] = []
    for pod in pods:
        meta = pod["metadata"]
        waiting.append(
            (
                pod,
                session.book.plan(EvictPod(meta["name"], meta["namespace"], meta["uid"], grace_s)),
            )
        )
    for pause_s in itertools.chain(BLOCKED_PAUSES_S, itertools.repeat(BLOCKED_PAUSES_S[-1])):
        blocked: list[tuple[Object, Planned[EvictPod]]] = []
        why = ""
        for pod, planned in waiting:
            try:
                asked = clock.mono()
                if kube.evict_pod(planned):
                    touched(session, said(pod))
                    began = disrupted(session, asked) if began is None else began
            except Blocked as error:
                blocked.append((pod, planned))
                why = str(error)
        if not blocked:
            if began is None:
                raise StepFailed(
                    f"{_named(pods)} were gone before they could be evicted: nothing was tested"
                )
            if weakness:
                achieved(session, EVICTED, len(pods), len(pods))
            return began
        if clock.mono() >= end:
            failed = f"{_named([pod for pod, _ in blocked])} could not be evicted within "
            failed += f"{format_duration(limit_s)}: {why}"
            tell_of = achieved if weakness else needed
            tell_of(session, EVICTED, len(pods) - len(blocked), len(pods), failed)
            raise StepFailed(failed)
        if blocked != waiting or pause_s == BLOCKED_PAUSES_S[0]:
            say(session, f"{len(blocked)} evictions wait for a PodDisruptionBudget: {why}")
        waiting = blocked
        session.fence.check()
        clock.sleep(min(pause_s, max(0.0, end - clock.mono())), session.fence.closed)
    raise AssertionError("the pauses have no end")


def _named(pods: Sequence[Object]) -> str:
    more = f" and {len(pods) - NAMED} more" if len(pods) > NAMED else ""
    return f"{', '.join(map(said, pods[:NAMED]))}{more}"


def _await_gone(session: WorkerSession, plan: _Victims, limit_s: float) -> None:
    left = {pod["metadata"]["uid"]: pod for pod in plan.evict}

    def gone() -> bool | None:
        there = {
            pod["metadata"]["uid"]
            for name in plan.names
            for pod in session.clients.kube.list(PODS, fields=f"spec.nodeName={name}")
        }
        for uid in set(left) - there:
            del left[uid]
        return True if not left else None

    try:
        wait(
            session,
            gone,
            limit_s=limit_s,
            every_s=LOOK_S,
            what=lambda: (
                f"expected evicted pods to end, still there: {', '.join(map(said, left.values()))}"
            ),
        )
    except DeadlineOver as late:
        raise StepFailed(str(late)) from late


def _ready_by_controller(kube: KubeClient, pods: Sequence[Object]) -> dict[tuple[str, str], int]:
    """How many ready pods each controller of these has now, by (namespace, controller's UID)."""
    keys = {
        (str(pod["metadata"]["namespace"]), str(owner["uid"]))
        for pod in pods
        if (owner := controller(pod)) is not None and owner["kind"] not in RUNS_ON_ITS_OWN
    }
    return _count(kube, keys)


def _count(kube: KubeClient, keys: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    counts = dict.fromkeys(keys, 0)
    for namespace in {namespace for namespace, _ in keys}:
        for pod in kube.list(PODS, namespace):
            owner = controller(pod)
            if (
                owner is not None
                and is_ready(pod)
                and (key := (namespace, str(owner["uid"]))) in counts
            ):
                counts[key] += 1
    return counts


def _await_elsewhere(
    session: WorkerSession, plan: _Victims, wanted: Mapping[tuple[str, str], int], limit_s: float
) -> None:
    """Wait until every controller has as many ready pods as before. Raises StepFailed."""
    total, found = sum(wanted.values()), 0

    def whole() -> bool | None:
        nonlocal found
        now = _count(session.clients.kube, set(wanted))
        found = sum(min(now[key], number) for key, number in wanted.items())
        return True if found >= total else None

    name = f"ready pods of the workloads that ran on {', '.join(plan.names)}"
    try:
        wait(
            session,
            whole,
            limit_s=limit_s,
            every_s=LOOK_S,
            what=lambda: f"expected {total} {name}, found {found}",
        )
    except DeadlineOver as late:
        achieved(
            session, name, found, total, f"within {format_duration(limit_s)} of the last eviction"
        )
        raise StepFailed(str(late)) from late
    achieved(session, name, found, total)
