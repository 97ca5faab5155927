"""A fault that Chaos Mesh makes: created with an end of its own, watched while it lasts,
removed afterwards.

Chaos Mesh ends it after `duration` by itself, so it does not outlive a runner that dies. The
targets are named one by one: what the selector matched when it was looked at is what is hit, and
no more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from drillkit.clients.kube.objects import DeleteFault
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.pods import condition
from drillkit.clients.kube.resources import PODS, SERVICES, Object, Resource
from drillkit.clock import DeadlineOver
from drillkit.faults.context import (
    disrupted,
    end_now,
    expires,
    hold,
    reach,
    recovered,
    released,
    say,
    seconds,
    tell,
    touched,
    wait,
)
from drillkit.faults.pod_selection import Victims, choose_pods, said
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Refused, StepFailed, StepUnknown
from drillkit.model.evidence import Injection
from drillkit.model.prospect import Prospect
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.clients.chaostoolkit.session import WorkerSession
    from drillkit.clients.kube import Kube
    from drillkit.journal.book import Planned
    from drillkit.model.target import Target

INJECT_LIMIT_S = 60.0
RECOVER_LIMIT_S = 60.0
END_SLACK_S = 1.5
"""Creation times are whole seconds: so much earlier than asked for a fault may end by itself."""
SHORTEST_S = 3.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What to make."""

    of: Resource
    stem: str
    """First part of its name: `latency`."""
    what: str
    """For people: `200 ms latency`."""
    spec: Mapping[str, Any]
    """The spec without selector, mode and duration."""
    namespace: str
    selector: str
    count: int | str
    duration: str
    order: str = "alphabetic"
    seed: int | None = None
    effect: Literal["delay", "loss", "errors"] | None = None
    """What requests show that meet it; None: it is proven by being in effect."""
    delay_s: float = 0.0

    @property
    def duration_s(self) -> float:
        """Seconds. Raises Refused for a duration that cannot be watched."""
        found = seconds(self.duration, "duration")
        if found < SHORTEST_S:
            raise Refused(
                f"duration: expected at least {SHORTEST_S:g} s, found {self.duration}: nobody "
                "could watch it"
            )
        return found


def inject(session: WorkerSession, fault: Fault) -> dict[str, Any]:
    """Make the fault, see it in effect as long as it should be, and see it gone.

    Raises StepFailed when there is nothing to hit or Chaos Mesh is missing, StepUnknown when it was
    not in effect, Refused above a cap.
    """
    duration_s = fault.duration_s
    victims = _look(session.clients.kube, session.target, fault)
    reach(session, victims.chosen)
    began = session.clock.mono()
    planned = _create(session, fault, victims, duration_s)
    _await_injection(session, fault, planned)
    disrupted(session, began)
    if fault.effect is not None:
        share = len(victims.chosen) / victims.ready
        tell(session, Injection(fault.effect, fault.what, fault.delay_s, round(share, 3)))
    for name in victims.names:
        touched(session, name)
    say(session, f"{fault.what} on {', '.join(victims.names)} for {format_duration(duration_s)}")
    name = f"{planned.undo.resource} ({fault.what})"
    healed = hold(
        session, began + duration_s - END_SLACK_S, lambda: _effect(session, planned), name
    )
    _await_recovery(session, fault, planned, began + duration_s)
    recovered(session)
    end_now(session, planned, RECOVER_LIMIT_S)
    if healed:
        raise StepUnknown(
            f"{fault.what} was not in effect all the time, {healed}; nothing is proven"
        )
    return {
        "targets": list(victims.names),
        "fault": planned.undo.resource,
        "lasted": format_duration(duration_s),
    }


def _look(kube: Kube, target: Target, fault: Fault) -> Victims:
    if not kube.serves(fault.of):
        resource = f"{fault.of.plural}.{fault.of.group}"
        raise StepFailed(f"expected Chaos Mesh in the cluster: it knows no {resource}; install it")
    return choose_pods(
        kube,
        target,
        fault.namespace,
        fault.selector,
        fault.count,
        order=fault.order,
        seed=fault.seed,
    )


def _create(
    session: WorkerSession, fault: Fault, victims: Victims, duration_s: float
) -> Planned[DeleteFault]:
    names = sorted(pod["metadata"]["name"] for pod in victims.chosen)
    number = len(session.notes().touched)
    seed = f"{session.run}/{session.step}/{number}/{session.clock.mono()}/{fault.spec}"
    name = f"drillkit-{fault.stem}-{hashlib.sha256(seed.encode()).hexdigest()[:10]}"
    until = expires(session, duration_s)
    planned = session.book.plan(DeleteFault(fault.of, name, session.run, fault.namespace, until))
    session.clients.kube.create(
        planned,
        {
            "spec": {
                **fault.spec,
                "mode": "all",
                "selector": {"pods": {fault.namespace: names}},
                "duration": f"{round(duration_s * 1000)}ms",
            },
        },
    )
    return planned


def _read(session: WorkerSession, planned: Planned[DeleteFault]) -> Object | None:
    undo = planned.undo
    return session.clients.kube.find(undo.of, undo.name, undo.namespace)


def _holds(obj: Object, kind: str) -> bool:
    return (condition(obj, kind) or {}).get("status") == "True"


def _await_injection(session: WorkerSession, fault: Fault, planned: Planned[DeleteFault]) -> None:
    seen: list[Object] = []

    def injected() -> bool | None:
        obj = _read(session, planned)
        seen[:] = [obj] if obj else []
        return True if obj is not None and _holds(obj, "AllInjected") else None

    try:
        wait(
            session,
            injected,
            limit_s=min(INJECT_LIMIT_S, fault.duration_s - END_SLACK_S),
            what=lambda: f"expected {fault.what} to be injected: {_trouble(seen)}",
        )
    except DeadlineOver as late:
        raise StepUnknown(str(late)) from late


def _trouble(seen: Sequence[Object]) -> str:
    """What Chaos Mesh says of a fault that is not injected."""
    if not seen:
        return "the object is gone"
    status = seen[0].get("status") or {}
    records = (status.get("experiment") or {}).get("containerRecords") or []
    said_ = [
        f"{record.get('id')}: {event.get('message')}"
        for record in records
        for event in (record.get("events") or [])[-1:]
        if event.get("message")
    ]
    if said_:
        return "; ".join(said_[:5])
    return (
        "Chaos Mesh selected nothing"
        if not records
        else f"{len(records)} targets, not all injected"
    )


def _effect(session: WorkerSession, planned: Planned[DeleteFault]) -> tuple[bool, str]:
    """Whether it is in force now, and why not."""
    obj = _read(session, planned)
    if obj is None:
        return False, "somebody deleted it"
    if _holds(obj, "Paused"):
        return False, "somebody paused it"
    if not _holds(obj, "AllInjected"):
        return False, _trouble([obj])
    return True, ""


def _await_recovery(
    session: WorkerSession, fault: Fault, planned: Planned[DeleteFault], end: float
) -> None:
    """Wait until Chaos Mesh has let go of every target. Raises StepFailed: the undo then
    removes it.
    """
    last: list[Object] = []

    def over() -> bool | None:
        obj = _read(session, planned)
        last[:] = [obj] if obj else []
        return True if obj is None or _holds(obj, "AllRecovered") else None

    try:
        wait(
            session,
            over,
            limit_s=max(0.0, end - session.clock.mono()) + RECOVER_LIMIT_S,
            what=lambda: f"expected {fault.what} to be over: {_trouble(last)}",
        )
    except DeadlineOver as late:
        released(session, end)
        raise StepFailed(str(late)) from late
    released(session, end)


def preview(clients: Clients, fault: Fault) -> Prospect:
    """What `inject` would do."""
    length = format_duration(fault.duration_s)
    victims = _look(clients.kube, clients.target, fault)
    names = [said(pod) for pod in victims.chosen]
    namespace = fault.namespace
    return Prospect(
        targets=tuple(names),
        effects=(
            f"{fault.what} on {len(names)} of {victims.ready} ready pods of {fault.selector} in "
            f"{namespace} for {length}; Chaos Mesh ends it by itself, and it is deleted when the "
            "step ends",
        ),
        permissions=(
            *needs("list", PODS, namespace),
            *needs("list", SERVICES, namespace),
            *needs("create get delete", fault.of, namespace),
        ),
        seen=victims.others,
    )
