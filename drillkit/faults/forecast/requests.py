"""What pods ask of a node and what nodes have, in thousandths of a unit. Pure.

Source: Kubernetes' documentation, "Resource Management for Pods and Containers", "Sidecar
Containers" (resource sharing within containers) and "Pod Overhead".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any, TypeAlias

from drillkit.clients.kube.resources import Object

Amounts: TypeAlias = dict[str, int]
"""Thousandths by the name of the resource (`cpu`, `memory`, `pods`, `nvidia.com/gpu`)."""

PODS = "pods"
_QUANTITY = re.compile(r"^([+-]?[0-9.]+)(?:[eE]([+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)$")
_FACTORS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}


@lru_cache(maxsize=4096)
def _thousandths(text: str, rounding: str) -> int:
    found = _QUANTITY.match(text)
    if found is None:
        raise ValueError(f"expected a quantity such as 250m or 1Gi, found {text!r}")
    factor = Decimal(10) ** int(found[2]) if found[2] else _FACTORS[found[3] or ""]
    return int((Decimal(found[1]) * factor * 1000).to_integral_value(rounding))


def quantity(text: object, rounding: str = ROUND_CEILING) -> int:
    """A quantity such as `250m` or `1.5Gi` in thousandths. Raises ValueError for anything else."""
    return _thousandths(str(text), rounding)


def requests_of(pod: Object) -> Amounts:
    """What the scheduler counts for a pod, itself as one of a node's pods included."""
    spec = pod.get("spec") or {}
    found = _sum(_requests(each) for each in spec.get("containers") or ())
    if starting := spec.get("initContainers"):
        found = _with_starting(found, starting)
    if whole := spec.get("resources"):
        found |= _amounts(whole.get("requests"))  # of the pod as a whole
    if overhead := spec.get("overhead"):
        add_to(found, _amounts(overhead))
    return {**{key: value for key, value in found.items() if value}, PODS: 1000}


def _with_starting(running: Amounts, starting: Iterable[Mapping[str, Any]]) -> Amounts:
    """What is needed with the containers that start before the others, at most at one time."""
    most: Amounts = {}
    sidecars: Amounts = {}
    for each in starting:
        own = _sum((sidecars, _requests(each)))
        if each.get("restartPolicy") == "Always":
            sidecars = own
        most = _most(most, own)
    return _most(_sum((running, sidecars)), most)


def allocatable(node: Object) -> Amounts:
    """What a node has for pods."""
    given = (node.get("status") or {}).get("allocatable") or {}
    return {key: quantity(value, ROUND_FLOOR) for key, value in given.items()}


HostPort: TypeAlias = tuple[str, int, str]
"""(protocol, port, address) that a pod takes on its node; '' stands for all addresses."""
_ALL = ("", "0.0.0.0", "::")


def host_ports(pod: Object) -> frozenset[HostPort]:
    """What it takes on its node, with the containers that start before the others and stay."""
    spec = pod.get("spec") or {}
    staying = list(spec.get("containers") or ())
    if starting := spec.get("initContainers"):
        staying += [each for each in starting if each.get("restartPolicy") == "Always"]
    return frozenset(
        (str(port.get("protocol") or "TCP"), int(port["hostPort"]), _address(port))
        for each in staying
        for port in each.get("ports") or ()
        if port.get("hostPort")
    )


def clash(ones: Iterable[HostPort], others: Iterable[HostPort]) -> bool:
    """Whether one node cannot have both."""
    return any(
        one[:2] == other[:2] and (one[2] == other[2] or not one[2] or not other[2])
        for one in ones
        for other in others
    )


def _address(port: Mapping[str, Any]) -> str:
    given = str(port.get("hostIP") or "")
    return "" if given in _ALL else given


def _requests(container: Mapping[str, Any]) -> Amounts:
    resources = container.get("resources")
    if not resources:
        return {}
    # The API server fills in what is limited and not requested; older objects may lack it.
    return _amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _amounts(given: Mapping[str, Any] | None) -> Amounts:
    return {key: quantity(value) for key, value in (given or {}).items()}


def _sum(parts: Iterable[Amounts]) -> Amounts:
    found: Amounts = {}
    for part in parts:
        add_to(found, part)
    return found


def add_to(into: Amounts, more: Amounts) -> None:
    """One to the other."""
    for key, value in more.items():
        into[key] = into.get(key, 0) + value


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {key: max(one.get(key, 0), other.get(key, 0)) for key in {**one, **other}}
