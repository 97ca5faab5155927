"""What is fragile in what a drill is about to touch: looked at while the run gets ready, before
anything is broken, with no permission beyond the drill's own.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping, Set

from drillkit.clients import Clients
from drillkit.clients.kube.resources import Resource
from drillkit.clock import Clock, Deadline, Fence
from drillkit.model.errors import DrillError
from drillkit.model.permissions import Permission
from drillkit.model.records import Weakness, WeaknessesFound
from drillkit.plan import Plan

LIMIT_S = 20.0
"""Nothing more is asked after this."""
_KINDS = frozenset({"pod", "deployment", "statefulset", "daemonset"})
KEPT = 100
"""Weaknesses that a journal keeps, the gravest; the others are counted."""


class WeaknessLook:
    """A look in a thread of its own, which nobody waits for and whose failure is no failure."""

    def __init__(self, plan: Plan, clients: Clients, clock: Clock) -> None:
        self._clients, self._clock = clients, clock
        self._places = _places(target for step in plan.steps for target in step.prospect.targets)
        several = (plan.permissions, *(step.prospect.permissions for step in plan.steps))
        self._listed = {
            (each.resource, each.group, each.namespace)
            for some in several
            for each in some
            if isinstance(each, Permission) and each.verb == "list" and not each.name
        }
        self._found: WeaknessesFound | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, where the drill touches workloads."""
        if self._clients.target.kubernetes is not None and self._places:
            self._thread = threading.Thread(target=self._run, name="weaknesses", daemon=True)
            self._thread.start()

    def end(self) -> WeaknessesFound | None:
        """What was found until now; call it just before the first step, since what is broken is
        fragile in other ways. None: there was nothing to look at.
        """
        if self._thread is None:
            return None
        return self._found or WeaknessesFound(
            unread=("anything: the look was not over when the first step was to begin",)
        )

    def _run(self) -> None:
        try:
            self._found = self._look()
        except DrillError as error:
            self._found = WeaknessesFound(unread=(f"anything: {error}",))
        except Exception as bug:
            # A kindness of the run: its verdict does not hang on it, and its report says so.
            why = f"{type(bug).__name__}: {bug}"
            self._found = WeaknessesFound(unread=(f"anything: a fault of drillkit: {why}",))

    def _look(self) -> WeaknessesFound:
        from drillkit.advise.touched import survey_touched

        deadline = Deadline.after(LIMIT_S, self._clock)

        def refusal(resource: Resource, namespace: str) -> str:
            if not self._may_list(resource, namespace):
                return "the drill itself needs no permission to list them"
            return f"no answer within {LIMIT_S:.0f} s" if deadline.over else ""

        fence = Fence()
        fence.close("this only looks")
        found = survey_touched(self._clients.kube.behind(fence), self._places, refusal)
        told = tuple(Weakness(**dataclasses.asdict(each)) for each in found.advice)
        return WeaknessesFound(told[:KEPT], len(told[KEPT:]), found.unread)

    def _may_list(self, resource: Resource, namespace: str) -> bool:
        return any(
            (resource.plural, resource.group, where) in self._listed for where in {namespace, ""}
        )


def _places(targets: Iterable[str]) -> Mapping[str, Set[tuple[str, str]]]:
    """(kind, name) of the workloads and pods among targets such as `pod/shop/web-1`, by
    namespace.
    """
    found: dict[str, set[tuple[str, str]]] = {}
    for target in targets:
        kind, _, rest = target.partition("/")
        namespace, _, name = rest.partition("/")
        if kind in _KINDS and name:
            found.setdefault(namespace, set()).add((kind, name))
    return found
