"""A Drill back to what a drill file holds."""

from __future__ import annotations

from typing import Any

from drillkit.model.codec import to_data
from drillkit.model.drill import Drill


def as_written(drill: Drill) -> dict[str, Any]:
    """Plain data that, written as YAML, reads as this drill again.

    Gates stand beside `within`, as people write them. References that are still open stay references.
    """
    data: dict[str, Any] = to_data(drill)
    _inline_gates(data.get("hypothesis"))
    for item in data.get("steps", ()):
        for step in (item, *item.get("parallel", ())):
            _inline_gates(step.get("hypothesis"))
    return data


def _inline_gates(hypothesis: dict[str, Any] | None) -> None:
    for phase in ("before", "after"):
        gates = (hypothesis or {}).get(phase)
        if gates:
            gates.update(gates.pop("gates", {}))
