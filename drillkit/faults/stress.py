"""Containers under stress: CPU and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drillkit.clients.kube.resources import STRESS_CHAOS
from drillkit.faults import chaosmesh
from drillkit.faults.context import fault, here, some_number, some_size
from drillkit.model.prospect import Prospect

if TYPE_CHECKING:
    from drillkit.clients import Clients


def _preview_cpu(clients: Clients, **given: Any) -> Prospect:
    return chaosmesh.preview(clients, _cpu(**given))


@fault(preview=_preview_cpu)
def stress_cpu(
    namespace: str,
    selector: str,
    count: int | str = 1,
    workers: int = 1,
    load_percent: int = 100,
    duration: str = "30s",
    container: str = "",
    order: str = "alphabetic",
    seed: int | None = None,
) -> dict[str, Any]:
    """Keep CPU busy inside containers, for `duration`, through Chaos Mesh (StressChaos).

    `workers` threads of `load_percent` each, in the container named `container` (default: the
    first) of `count` (a number or a percentage) of the ready pods of `selector`. Raises as
    `drillkit.faults.network.add_latency` does.

    Unlike chaosk8s.chaosmesh.stress.actions it sets `duration`, names the pods one by one, and
    waits until the stress is there, and until it is gone.
    """
    return chaosmesh.inject(
        here(),
        _cpu(namespace, selector, count, workers, load_percent, duration, container, order, seed),
    )


def _preview_memory(clients: Clients, **given: Any) -> Prospect:
    return chaosmesh.preview(clients, _memory(**given))


@fault(preview=_preview_memory)
def stress_memory(
    namespace: str,
    selector: str,
    count: int | str = 1,
    workers: int = 1,
    size: str = "256MB",
    duration: str = "30s",
    container: str = "",
    order: str = "alphabetic",
    seed: int | None = None,
) -> dict[str, Any]:
    """Occupy memory inside containers, for `duration`, through Chaos Mesh (StressChaos).

    `size` is what each of `workers` takes: `256MB`, or a percentage of the memory that there is;
    the rest as in `stress_cpu`.
    """
    return chaosmesh.inject(
        here(), _memory(namespace, selector, count, workers, size, duration, container, order, seed)
    )


def _cpu(
    namespace: str,
    selector: str,
    count: int | str,
    workers: int,
    load_percent: int,
    duration: str,
    container: str,
    order: str,
    seed: int | None,
) -> chaosmesh.Fault:
    spec = {
        "stressors": {
            "cpu": {
                "workers": some_number(workers, "workers"),
                "load": some_number(load_percent, "load_percent"),
            }
        },
        **_in(container),
    }
    what = f"CPU stress ({workers} x {load_percent}%)"
    return chaosmesh.Fault(
        STRESS_CHAOS, "cpu", what, spec, namespace, selector, count, duration, order, seed
    )


def _memory(
    namespace: str,
    selector: str,
    count: int | str,
    workers: int,
    size: str,
    duration: str,
    container: str,
    order: str,
    seed: int | None,
) -> chaosmesh.Fault:
    memory = {"workers": some_number(workers, "workers"), "size": some_size(str(size), "size")}
    spec = {"stressors": {"memory": memory}, **_in(container)}
    what = f"memory stress ({workers} x {size})"
    return chaosmesh.Fault(
        STRESS_CHAOS, "memory", what, spec, namespace, selector, count, duration, order, seed
    )


def _in(container: str) -> dict[str, Any]:
    return {"containerNames": [container]} if container else {}
