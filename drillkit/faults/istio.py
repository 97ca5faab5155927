"""A delay that Istio's sidecars add to HTTP requests, through a VirtualService that is
there already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drillkit.clients.kube.field_patch import RestoreFields, changed
from drillkit.clients.kube.json_pointer import ABSENT, at, pointer
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import VIRTUAL_SERVICES, Object
from drillkit.faults.context import (
    disrupted,
    end_now,
    expires,
    hold,
    recovered,
    released,
    some_share,
    some_time,
    tell,
    touched,
)
from drillkit.model.errors import Refused, StepFailed, StepUnknown
from drillkit.model.evidence import Injection
from drillkit.model.prospect import Prospect
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from drillkit.clients.chaostoolkit.session import WorkerSession
    from drillkit.clients.kube import Kube

UNDO_LIMIT_S = 30.0


def delay_requests(
    session: WorkerSession, namespace: str, name: str, latency: str, percent: str, duration: str
) -> dict[str, Any]:
    """Delay `percent` of the requests of every HTTP route by `latency`, for `duration`.

    Istio knows no end of a fault, so it is taken back here, by the journal's undo, or by whoever
    reads the annotation. Raises StepFailed without such a VirtualService or HTTP routes, Refused
    where a route has a delay already, StepUnknown when somebody took it away meanwhile.
    """
    kube, duration_s = session.clients.kube, some_time(duration, "duration")
    service = _read(kube, namespace, name)
    new = {path: _fault(latency, percent) for path in _places(service)}
    undo = changed(
        VIRTUAL_SERVICES, service, new, run=session.run, expires=expires(session, duration_s)
    )
    planned = session.book.plan(undo)
    kube.set_fields(planned)
    touched(session, undo.resource)
    began = disrupted(session)
    what = f"{latency} delay of {percent} of the requests"
    share, delay_s = some_share(percent, "percent"), some_time(latency, "latency")
    tell(session, Injection("delay", what, delay_s, share))
    healed = hold(
        session, began + duration_s, lambda: _effect(kube, undo, new), f"{undo.resource} ({what})"
    )
    released(session)
    detail = end_now(session, planned, UNDO_LIMIT_S)
    recovered(session)
    if healed:
        raise StepUnknown(f"{what} was not in effect all the time, {healed}; nothing is proven")
    return {"targets": [undo.resource], "routes": len(new), "undone": detail}


def _read(kube: Kube, namespace: str, name: str) -> Object:
    if not name:
        raise Refused(
            "mechanism istio: expected `virtual_service`, the name of the VirtualService to change"
        )
    if not kube.serves(VIRTUAL_SERVICES):
        raise StepFailed(
            "expected Istio in the cluster: it knows no virtualservices.networking.istio.io; "
            "install it"
        )
    found = kube.find(VIRTUAL_SERVICES, name, namespace)
    if found is None:
        raise StepFailed(f"expected VirtualService {name} in namespace {namespace}, found none")
    return found


def _places(service: Object) -> list[str]:
    """Where the delay of each HTTP route stands."""
    routes = (service.get("spec") or {}).get("http") or []
    said = VIRTUAL_SERVICES.said(service["metadata"]["name"], service["metadata"]["namespace"])
    if not routes:
        raise StepFailed(
            f"{said}: expected HTTP routes (`spec.http`), found none: Istio can delay only HTTP"
        )
    places = [pointer("spec", "http", index, "fault", "delay") for index in range(len(routes))]
    if taken := [path for path in places if at(service, path) is not ABSENT]:
        raise Refused(
            f"{said} has a delay already at {', '.join(taken)}: it is somebody else's, and "
            "left alone"
        )
    return places


def _fault(latency: str, percent: str) -> dict[str, Any]:
    return {
        "fixedDelay": f"{some_time(latency, 'latency'):g}s",
        "percentage": {"value": round(some_share(percent, "percent") * 100, 6)},
    }


def _effect(kube: Kube, undo: RestoreFields, new: dict[str, dict[str, Any]]) -> tuple[bool, str]:
    obj = kube.find(VIRTUAL_SERVICES, undo.name, undo.namespace)
    if obj is None or obj["metadata"]["uid"] != undo.uid:
        return False, "somebody deleted the VirtualService"
    gone = [path for path, value in new.items() if at(obj, path) != value]
    return not gone, f"somebody changed {', '.join(gone)}" if gone else ""


def preview_delay(
    kube: Kube, namespace: str, name: str, latency: str, percent: str, duration: str
) -> Prospect:
    """What `delay_requests` would do."""
    service = _read(kube, namespace, name)
    routes = len(_places(service))
    length = format_duration(some_time(duration, "duration"))
    _fault(latency, percent)
    spared = _spared(service)
    return Prospect(
        targets=(VIRTUAL_SERVICES.said(name, namespace),),
        effects=(
            f"delays {percent} of the requests of {routes} HTTP routes by {latency} for {length}; "
            "taken back when the time is over, those fields only that still hold the value",
        ),
        permissions=needs("get patch", VIRTUAL_SERVICES, namespace, name=name),
        notes=(f"while the delay is there, Istio sets aside {spared}",) if spared else (),
        seen=(
            f"{VIRTUAL_SERVICES.said(name, namespace)}: generation "
            f"{service['metadata'].get('generation')}",
        ),
    )


def _spared(service: Object) -> str:
    """What of a VirtualService Istio does not apply to a route that has a fault, or ''.

    https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute
    """
    routes = service["spec"]["http"]
    counts = {key: sum(bool(each.get(key)) for each in routes) for key in ("retries", "timeout")}
    told = [f"`{key}` of {n} of its {len(routes)} HTTP routes" for key, n in counts.items() if n]
    return " and ".join(told)
