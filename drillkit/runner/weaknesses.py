"""What is fragile in what a drill is about to touch: read while the run gets ready, before anything
is broken, with no permission beyond the drill's own and what it wishes for; judged while it runs.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from drillkit.clients import Clients
from drillkit.clients.kube.resources import Resource
from drillkit.clock import Clock, Deadline, Fence
from drillkit.model.errors import DrillError
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.records import Weakness, WeaknessesFound
from drillkit.plan import Plan, workloads_among

if TYPE_CHECKING:
    from drillkit.advise.cluster import Cluster

LIMIT_S = 20.0
"""Nothing more is asked after this."""
PATIENCE_S = 2.0
"""The first effect waits for the look no longer than this."""
KEPT = 100
"""Weaknesses that a journal keeps, the gravest; the others are counted."""


class WeaknessLook:
    """A look in a thread of its own, which is hardly waited for and whose failure is no failure."""

    def __init__(self, plan: Plan, clients: Clients, clock: Clock) -> None:
        self._clients, self._clock = clients, clock
        self._places = workloads_among(
            target for step in plan.steps for target in step.prospect.targets
        )
        needed = (plan.permissions, *(step.prospect.permissions for step in plan.steps))
        wished = [each for step in plan.steps for each in step.wishes]
        self._denied = _lists([wished]) & _lists([plan.denied])
        self._listed = _lists(needed) | (_lists([wished]) - self._denied)
        self._read: tuple[Cluster, ...] | WeaknessesFound | None = None
        """What there is, or why it is not known."""
        self._known: tuple[Cluster, ...] | WeaknessesFound | None = None
        """The same, as it was before the first effect."""
        self._settling, self._settled = threading.Lock(), False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, where the drill touches workloads."""
        if self._clients.target.kubernetes is not None and self._places:
            self._thread = threading.Thread(target=self._run, name="weaknesses", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until it has been read, or patience ends. The first call settles what is known: whoever
        lets effects begin makes it before the first, since what is broken is fragile in other ways.
        """
        with self._settling:
            if self._settled:
                return
            if self._thread is not None:
                self._thread.join(PATIENCE_S)
            self._known, self._settled = self._read, True

    def found(self) -> WeaknessesFound | None:
        """What is fragile in what had been read before the first effect; it is waited for. None:
        there was nothing to look at.
        """
        if self._thread is None:
            return None
        self.wait()
        if self._known is None:
            late = (
                f"anything: the cluster had not answered {PATIENCE_S:g} s after the first effect "
                "was to begin"
            )
            return WeaknessesFound(unread=(late,))
        if isinstance(self._known, WeaknessesFound):
            return self._known
        try:
            return _judged(self._known)
        except Exception as bug:
            return _of_bug(bug)

    def _run(self) -> None:
        try:
            self._read = self._clusters()
        except DrillError as error:
            self._read = WeaknessesFound(unread=(f"anything: {error}",))
        except Exception as bug:
            self._read = _of_bug(bug)

    def _clusters(self) -> tuple[Cluster, ...]:
        from drillkit.advise.cluster import read_touched

        deadline = Deadline.after(LIMIT_S, self._clock)

        def refusal(resource: Resource, namespace: str) -> str:
            listed = [(resource.plural, resource.group, where) for where in (namespace, "")]
            if self._listed.isdisjoint(listed):
                if self._denied.isdisjoint(listed):
                    return "the drill itself needs no permission to list them"
                return "not allowed to list them; `drillkit permissions` has that as optional"
            return f"no answer within {LIMIT_S:.0f} s" if deadline.over else ""

        fence = Fence()
        fence.close("this only looks")
        kube = self._clients.kube.behind(fence)
        return tuple(
            read_touched(kube, namespace, touched, refusal)
            for namespace, touched in sorted(self._places.items())
        )


def _judged(clusters: Iterable[Cluster]) -> WeaknessesFound:
    from drillkit.advise.touched_workloads import survey_touched

    found = survey_touched(clusters)
    told = tuple(Weakness(**dataclasses.asdict(each)) for each in found.advice)
    return WeaknessesFound(told[:KEPT], len(told[KEPT:]), found.unread)


def _of_bug(bug: Exception) -> WeaknessesFound:
    """A kindness of the run: its verdict does not hang on it, and its report says so."""
    why = f"{type(bug).__name__}: {bug}"
    return WeaknessesFound(unread=(f"anything: a fault of drillkit: {why}",))


def _lists(several: Iterable[Iterable[Permission | AwsAction]]) -> set[tuple[str, str, str]]:
    """(resource, group, namespace) of those that are to list all that is there."""
    return {
        (each.resource, each.group, each.namespace)
        for some in several
        for each in some
        if isinstance(each, Permission) and each.verb == "list" and not each.name
    }
