"""Emptying nodes: cordoned, their pods evicted, and waited for until these are ready elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from drillkit.clients.kube.irreversible import EvictPod
from drillkit.clients.kube.nodes import uncordon_of
from drillkit.clients.kube.pods import controller, is_ready
from drillkit.clients.kube.resources import NODES, PODS, Object
from drillkit.clock import DeadlineOver
from drillkit.faults.context import (
    achieved,
    disrupted,
    expires,
    needed,
    reach,
    recovered,
    say,
    touched,
    wait,
)
from drillkit.faults.displaced import RUNS_ON_ITS_OWN
from drillkit.faults.drain import DrainFlags, Sorted, sort_pods
from drillkit.faults.pod_selection import all_of_shared, dependencies, said
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Blocked, Refused, StepFailed
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from drillkit.clients.chaostoolkit.session import WorkerSession
    from drillkit.clients.kube.client import KubeClient
    from drillkit.model.target import Target

BLOCKED_PAUSES_S = (0.5, 1.0, 2.0, 5.0)
"""Between attempts while a PodDisruptionBudget says no."""
LOOK_S = 0.5
"""Between looks at whole namespaces, which may be large."""
EVICTED = "evictions that disruption budgets let happen"
NAMED = 10
"""So many pods a message names."""


@dataclass(frozen=True, slots=True)
class Evacuation:
    """Nodes that are emptied, and which of their pods go."""

    nodes: tuple[Object, ...]
    pods: Mapping[str, Sorted]
    """By node."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(node["metadata"]["name"]) for node in self.nodes)

    @property
    def evict(self) -> list[Object]:
        return [pod for found in self.pods.values() for pod in found.evict]


def evacuation_of(
    kube: KubeClient, target: Target, nodes: Sequence[Object], rules: DrainFlags
) -> Evacuation:
    """What emptying these nodes would take. Raises Refused for a pod in the way, StepFailed where
    no pod would go.
    """
    depends = dependencies(kube, target)
    pods = {
        name: sort_pods(kube.list(PODS, fields=f"spec.nodeName={name}"), rules, depends)
        for name in (str(node["metadata"]["name"]) for node in nodes)
    }
    in_the_way = [why for found in pods.values() for why in found.in_the_way]
    in_the_way += all_of_shared(kube, [pod for found in pods.values() for pod in found.evict])
    if in_the_way:
        raise Refused(f"these nodes cannot be drained, none was touched: {'; '.join(in_the_way)}")
    plan = Evacuation(tuple(nodes), pods)
    if not plan.evict:
        raise StepFailed(
            f"expected pods to evict on {', '.join(plan.names)}, found none: a drain of an empty "
            "node tests nothing"
        )
    return plan


def evacuate(
    session: WorkerSession,
    plan: Evacuation,
    grace_s: int | None,
    limit_s: float,
    hold_s: float,
    weakness: bool,
) -> dict[str, Any]:
    """Do it, and wait until the workloads are whole elsewhere; what an experiment's journal says.

    Args:
        grace_s: seconds that pods get to end; None: as many as they ask for themselves.
        limit_s: seconds for the evictions and, again, for the waiting.
        hold_s: seconds that the nodes stay empty afterwards.
        weakness: whether evictions that stay blocked are a weakness, not an unknown.

    Raises StepFailed, Refused.
    """
    kube = session.clients.kube
    wanted = _ready_by_controller(kube, plan.evict)
    reach(session, plan.evict)
    until = expires(session, limit_s * 2 + hold_s)
    for node in plan.nodes:
        kube.cordon(session.book.plan(uncordon_of(node, run=session.run, expires=until)))
        touched(session, NODES.said(node["metadata"]["name"]))
    began = _Evictions(session, plan.evict, grace_s, limit_s, weakness).all()
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


@dataclass(slots=True)
class _Evictions:
    """Pods that are evicted; those that a budget blocks are asked for again until the limit."""

    session: WorkerSession
    pods: Sequence[Object]
    grace_s: int | None
    limit_s: float
    weakness: bool
    """Whether how many were let go is a proof of its own."""
    began: float | None = None
    """When the first went: a cordon disrupts nobody."""

    def all(self) -> float:
        """Evict them; when the first went. Raises StepFailed, also when all were gone before they
        could be evicted.
        """
        session, clock = self.session, self.session.clock
        end = min(clock.mono() + self.limit_s, session.deadline.at)
        waiting = [(pod, session.book.plan(self._of(pod))) for pod in self.pods]
        for pause_s in itertools.chain(BLOCKED_PAUSES_S, itertools.repeat(BLOCKED_PAUSES_S[-1])):
            blocked, why = self._ask(waiting)
            if not blocked:
                return self._ended()
            if clock.mono() >= end:
                self._give_up([pod for pod, _ in blocked], why)
            if blocked != waiting or pause_s == BLOCKED_PAUSES_S[0]:
                say(session, f"{len(blocked)} evictions wait for a PodDisruptionBudget: {why}")
            waiting = blocked
            session.fence.check()
            clock.sleep(min(pause_s, max(0.0, end - clock.mono())), session.fence.closed)
        raise AssertionError("the pauses have no end")

    def _of(self, pod: Object) -> EvictPod:
        meta = pod["metadata"]
        return EvictPod(meta["name"], meta["namespace"], meta["uid"], self.grace_s)

    def _ask(
        self, waiting: Sequence[tuple[Object, Planned[EvictPod]]]
    ) -> tuple[list[tuple[Object, Planned[EvictPod]]], str]:
        """Ask for each once; those that a budget blocked, and why the last of them."""
        blocked, why = [], ""
        for pod, planned in waiting:
            asked = self.session.clock.mono()
            try:
                evicted = self.session.clients.kube.evict_pod(planned)
            except Blocked as error:
                blocked.append((pod, planned))
                why = str(error)
                continue
            if evicted:
                touched(self.session, said(pod))
                if self.began is None:
                    self.began = disrupted(self.session, asked)
        return blocked, why

    def _ended(self) -> float:
        if self.began is None:
            raise StepFailed(
                f"{_named(self.pods)} were gone before they could be evicted: nothing was tested"
            )
        if self.weakness:
            achieved(self.session, EVICTED, len(self.pods), len(self.pods))
        return self.began

    def _give_up(self, blocked: Sequence[Object], why: str) -> NoReturn:
        failed = f"{_named(blocked)} could not be evicted within "
        failed += f"{format_duration(self.limit_s)}: {why}"
        tell_of = achieved if self.weakness else needed
        tell_of(self.session, EVICTED, len(self.pods) - len(blocked), len(self.pods), failed)
        raise StepFailed(failed)


def _named(pods: Sequence[Object]) -> str:
    more = f" and {len(pods) - NAMED} more" if len(pods) > NAMED else ""
    return f"{', '.join(map(said, pods[:NAMED]))}{more}"


def _await_gone(session: WorkerSession, plan: Evacuation, limit_s: float) -> None:
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
    session: WorkerSession, plan: Evacuation, wanted: Mapping[tuple[str, str], int], limit_s: float
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
