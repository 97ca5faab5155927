"""Reading JSON that may be anything: manifests of others, older and newer than we know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def sub(obj: Any, *keys: str) -> Mapping[str, Any]:
    """The mapping at the end of a path, or an empty one where something else stands."""
    for key in keys:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj if isinstance(obj, dict) else {}


def rows(obj: Any, *keys: str) -> list[Mapping[str, Any]]:
    """The mappings of the list at the end of a path."""
    found = sub(obj, *keys[:-1]).get(keys[-1])
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text(value: Any) -> str:
    """A text, or '' for anything else."""
    return value if isinstance(value, str) else ""


def whole(value: Any, default: int = 0) -> int:
    """A whole number, or `default` for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def labels(value: Any) -> dict[str, str]:
    """Labels that are texts."""
    if not isinstance(value, dict):
        return {}
    return {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, str)}


def moment(value: Any) -> datetime | None:
    """A date with its zone, or None."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.tzinfo is not None else None
