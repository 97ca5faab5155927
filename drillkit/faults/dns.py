"""Name resolution that fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from drillkit.clients.kube.resources import DNS_CHAOS
from drillkit.faults import chaosmesh
from drillkit.faults.context import fault, here
from drillkit.model.errors import Refused
from drillkit.model.prospect import Prospect

if TYPE_CHECKING:
    from drillkit.clients import Clients

HOW = ("error", "random")


def _preview_dns(clients: Clients, **given: Any) -> Prospect:
    return chaosmesh.preview(clients, _dns(**given))


@fault(preview=_preview_dns)
def fail_dns(
    namespace: str,
    selector: str,
    patterns: str | Sequence[str],
    how: str = "error",
    count: int | str = "100%",
    duration: str = "30s",
    order: str = "alphabetic",
    seed: int | None = None,
) -> dict[str, Any]:
    """Make look-ups of names fail (`how: error`) or give random addresses (`how: random`),
    for `duration`.

    `patterns` are names, with `*` at their end as wildcard, in a list or separated by commas;
    `count` (a number or a percentage) of the ready pods of `selector` are hit, through Chaos Mesh
    (DNSChaos, which needs its DNS server). Raises as `drillkit.faults.network.add_latency` does.

    chaostoolkit-kubernetes has no such action.
    """
    return chaosmesh.inject(
        here(), _dns(namespace, selector, patterns, how, count, duration, order, seed)
    )


def _dns(
    namespace: str,
    selector: str,
    patterns: str | Sequence[str],
    how: str,
    count: int | str,
    duration: str,
    order: str,
    seed: int | None,
) -> chaosmesh.Fault:
    if how not in HOW:
        raise Refused(f"how: expected {' or '.join(HOW)}, found {how!r}")
    names = [
        p.strip()
        for p in (patterns.split(",") if isinstance(patterns, str) else patterns)
        if str(p).strip()
    ]
    if not names:
        raise Refused(
            "patterns: expected names such as `orders.shop.svc.cluster.local`, found none"
        )
    spec = {"action": how, "patterns": names}
    what = f"DNS {how} for {', '.join(names)}"
    return chaosmesh.Fault(
        DNS_CHAOS, "dns", what, spec, namespace, selector, count, duration, order, seed, "errors"
    )
