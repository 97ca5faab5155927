"""A Drill back to what a drill file holds."""

from __future__ import annotations

from typing import Any

from drillkit.model.codec import to_data
from drillkit.model.drill import Drill
from drillkit.spec.binder import Unresolved
from drillkit.spec.interpolation import escaped


def as_written(drill: Drill) -> dict[str, Any]:
    """Plain data that, written as YAML, reads as this drill again.

    Gates stand beside `within`, as people write them. References that are still open stay
    references; what is literal is escaped.
    """
    data = to_data(drill)
    written: dict[str, Any] = {
        key: _template(value) for key, value in data.items() if key != "steps"
    }
    _inline_gates(written.get("hypothesis"))
    written["steps"] = [_step(item) for item in data["steps"]]
    return written


def _step(item: Any) -> Any:
    if not isinstance(item, dict):
        return _template(item)
    found = {
        key: value if key in ("with", "parallel") else _template(value)
        for key, value in item.items()
    }
    if "parallel" in item:
        found["parallel"] = [_step(member) for member in item["parallel"]]
    _inline_gates(found.get("hypothesis"))
    return found


def _template(data: Any) -> Any:
    """The data with its texts as templates. (Those of a step's arguments are some already.)"""
    if isinstance(data, dict):
        return {key: _template(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_template(value) for value in data]
    if isinstance(data, str):
        return str(data) if isinstance(data, Unresolved) else escaped(data)
    return data


def _inline_gates(hypothesis: dict[str, Any] | None) -> None:
    for phase in ("before", "after"):
        gates = (hypothesis or {}).get(phase)
        if gates:
            gates.update(gates.pop("gates", {}))
