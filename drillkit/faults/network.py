"""The network between pods: latency and loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drillkit.clients.kube.resources import NETWORK_CHAOS
from drillkit.faults import chaosmesh, istio
from drillkit.faults.context import fault, here, seconds, some_share, some_time
from drillkit.model.errors import Refused
from drillkit.model.prospect import Prospect

if TYPE_CHECKING:
    from drillkit.clients import Clients

CHAOS_MESH, ISTIO = "chaos-mesh", "istio"


def _preview_latency(clients: Clients, *, mechanism: str, **given: Any) -> Prospect:
    if mechanism == ISTIO:
        names = ("namespace", "virtual_service", "latency", "percent", "duration")
        return istio.preview_delay(clients.kube, *(str(given[name]) for name in names))
    del given["virtual_service"], given["percent"]
    return chaosmesh.preview(clients, _latency(mechanism, **given))


@fault(preview=_preview_latency)
def add_latency(
    mechanism: str,
    namespace: str,
    latency: str = "200ms",
    duration: str = "30s",
    selector: str = "",
    count: int | str = "100%",
    jitter: str = "0ms",
    order: str = "alphabetic",
    seed: int | None = None,
    virtual_service: str = "",
    percent: str = "100%",
) -> dict[str, Any]:
    """Delay traffic for `duration`, and see that it really was delayed all that time.

    `mechanism` `chaos-mesh`: packets that `count` (a number or a percentage) of the ready pods of
    `selector` send, by `latency` plus or minus `jitter` (NetworkChaos). `istio`: `percent` of the
    requests of every HTTP route of `virtual_service`, by `latency`. Raises StepUnknown when the
    delay was not in effect, StepFailed when there is nothing to delay or the mechanism is not
    installed, Refused above the target's cap.

    Unlike chaosk8s.chaosmesh.network.actions.add_latency it sets `duration`, so that the fault ends
    when the runner dies; delays all that the pods send and not only what goes to one random other
    pod; takes an object of that name that exists already for an error; and waits until the delay is
    there, and until it is gone.
    """
    session = here()
    if mechanism == ISTIO:
        return istio.delay_requests(session, namespace, virtual_service, latency, percent, duration)
    return chaosmesh.inject(
        session,
        _latency(mechanism, namespace, selector, count, latency, jitter, duration, order, seed),
    )


def _preview_loss(clients: Clients, **given: Any) -> Prospect:
    return chaosmesh.preview(clients, _loss(**given))


@fault(preview=_preview_loss)
def add_loss(
    mechanism: str,
    namespace: str,
    selector: str,
    loss: str = "10%",
    duration: str = "30s",
    count: int | str = "100%",
    order: str = "alphabetic",
    seed: int | None = None,
) -> dict[str, Any]:
    """Lose a share of the packets that pods send, for `duration`.

    `mechanism` is `chaos-mesh`; `loss` a percentage; the rest as in `add_latency`, which also tells
    the difference to the actions of chaosk8s.chaosmesh.network.
    """
    return chaosmesh.inject(
        here(), _loss(mechanism, namespace, selector, count, loss, duration, order, seed)
    )


def _latency(
    mechanism: str,
    namespace: str,
    selector: str,
    count: int | str,
    latency: str,
    jitter: str,
    duration: str,
    order: str,
    seed: int | None,
) -> chaosmesh.Fault:
    _only(mechanism, (CHAOS_MESH, ISTIO))
    delay_s = _least(latency)
    delay = {
        "latency": _millis(delay_s),
        "jitter": _millis(seconds(jitter, "jitter")),
        "correlation": "0",
    }
    spec = {"action": "delay", "direction": "to", "delay": delay}
    return chaosmesh.Fault(
        NETWORK_CHAOS,
        "latency",
        f"{latency} latency",
        spec,
        namespace,
        selector,
        count,
        duration,
        order,
        seed,
        "delay",
        delay_s,
    )


def _loss(
    mechanism: str,
    namespace: str,
    selector: str,
    count: int | str,
    loss: str,
    duration: str,
    order: str,
    seed: int | None,
) -> chaosmesh.Fault:
    _only(mechanism, (CHAOS_MESH,))
    share = some_share(loss, "loss")
    spec = {
        "action": "loss",
        "direction": "to",
        "loss": {"loss": f"{share * 100:g}", "correlation": "0"},
    }
    return chaosmesh.Fault(
        NETWORK_CHAOS,
        "loss",
        f"{loss} packet loss",
        spec,
        namespace,
        selector,
        count,
        duration,
        order,
        seed,
        "loss",
    )


def _only(mechanism: str, known: tuple[str, ...]) -> None:
    if mechanism not in known:
        raise Refused(
            f"mechanism: expected {' or '.join(known)}, found {mechanism!r}; it is never guessed"
        )


def _least(latency: str) -> float:
    """Seconds of a delay. Raises Refused below a millisecond, the unit of what is asked for."""
    found = some_time(latency, "latency")
    if found < 0.001:
        raise Refused(f"latency: expected at least 1ms, found {latency!r}")
    return found


def _millis(delay_s: float) -> str:
    return f"{round(delay_s * 1000)}ms"
