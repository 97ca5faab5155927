"""Small pure readings of Kubernetes values: Go durations, percentages, selectors, the state of
a pod.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from drillkit.sandbox.kube.objects import (
    Object,
    condition,
    is_ready,
    is_terminating,
    parse_time,
    rfc3339,
)
from drillkit.sandbox.kube.selectors import selects

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SIZES = {
    **{f"{unit}i": Fraction(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
    **{unit: Fraction(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    "m": Fraction(1, 1000),
}
"""Of quantities; the longer suffixes first."""
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def go_duration(text: str) -> timedelta:
    """A duration as Go writes it (`1m30s`, `150ms`). Raises ValueError for anything else."""
    if text == "0":
        return timedelta(0)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'expected a duration such as "150ms" or "1m30s", found {text!r}')
    return timedelta(seconds=sum(float(number) * _UNITS_S[unit] for number, unit in parts))


def scaled(value: int | str, total: int, *, round_up: bool) -> int:
    """An int-or-percent field applied to `total`."""
    if isinstance(value, str) and value.endswith("%"):
        exact = float(value[:-1]) * total / 100
        return math.ceil(exact) if round_up else math.floor(exact)
    return int(value)


def safe_hash(value: Any) -> str:
    """Ten characters that stand for JSON data, from the alphabet Kubernetes uses in names."""
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
    return "".join(_SAFE[byte % len(_SAFE)] for byte in digest[:10])


def quantity(text: Any) -> Fraction:
    """A quantity such as `250m`, `1Gi` or `2`."""
    value = str(text)
    unit = next((unit for unit in _SIZES if value.endswith(unit)), "")
    return Fraction(value.removesuffix(unit)) * _SIZES.get(unit, 1)


def requests_of(pod: Any) -> dict[str, Fraction]:
    """What the scheduler counts for a pod: its containers together, or its largest init container,
    and itself.
    """
    spec = pod["spec"]
    found: dict[str, Fraction] = {}
    for each in spec.get("containers") or []:
        for key, value in ((each.get("resources") or {}).get("requests") or {}).items():
            found[key] = found.get(key, Fraction(0)) + quantity(value)
    for each in spec.get("initContainers") or []:
        for key, value in ((each.get("resources") or {}).get("requests") or {}).items():
            found[key] = max(found.get(key, Fraction(0)), quantity(value))
    return {**found, "pods": Fraction(1)}


def matches(selector: Object | None, obj: Object) -> bool:
    """Whether a LabelSelector selects an object; None selects nothing."""
    return selects(selector, obj["metadata"].get("labels") or {})


def controller_of(obj: Object) -> Object | None:
    """The owner reference of the controller, if any."""
    return next(
        (ref for ref in obj["metadata"].get("ownerReferences") or [] if ref.get("controller")), None
    )


def phase(pod: Object) -> str:
    """The pod's phase."""
    return (pod.get("status") or {}).get("phase") or "Pending"


def is_finished(pod: Object) -> bool:
    """Whether the pod has ended for good."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether a controller counts the pod among those it has: neither finished nor terminating."""
    return not is_finished(pod) and not is_terminating(pod)


def is_healthy(pod: Object) -> bool:
    """Whether the pod is ready and stays."""
    return is_ready(pod) and not is_terminating(pod)


def available_at(pod: Object, min_ready_s: int) -> datetime | None:
    """When a ready pod counts as available; None while it is not ready."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return None
    return parse_time(ready["lastTransitionTime"]) + timedelta(seconds=min_ready_s)


def set_condition(
    conditions: Iterable[Object],
    kind: str,
    status: bool | str,
    reason: str,
    message: str,
    at: datetime,
) -> list[Object]:
    """The conditions with one of them set; its transition time moves only when its status does."""
    text = status if isinstance(status, str) else str(bool(status))
    found = list(conditions)
    old = next((c for c in found if c["type"] == kind), None)
    since = (
        old["lastTransitionTime"]
        if old and old["status"] == text and "lastTransitionTime" in old
        else rfc3339(at)
    )
    new: Object = {"type": kind, "status": text, "lastTransitionTime": since}
    if reason:
        new["reason"] = reason
    if message:
        new["message"] = message
    return [new if c["type"] == kind else c for c in found] if old else [*found, new]


def without_none(value: Mapping[str, Any]) -> Object:
    """The mapping without its None values, as the API leaves empty fields out."""
    return {key: item for key, item in value.items() if item is not None}
