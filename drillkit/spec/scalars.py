"""One row per scalar type: how text becomes a value, what to call it, and what JSON Schema says
of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from drillkit.lazy_dataclass import dataclass
from drillkit.model.units import Amount, Cadence, OutOf, Rate, Share, parse_duration
from drillkit.spec.document import quoted


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar type."""

    parse: Callable[[str], Any]
    """Raises ValueError (or OverflowError) with what was expected and found."""
    title: str
    """What to call it in a message or a reference."""
    schema: Mapping[str, Any]


def _int(text: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        raise ValueError(f"expected a whole number, found {quoted(text)}")
    return int(text)


def _float(text: str) -> float:
    if not re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text) or math.isinf(
        float(text)
    ):
        raise ValueError(f"expected a number, found {quoted(text)}")
    return float(text)


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"expected true or false, found {quoted(text)}")
    return text == "true"


def _duration(text: str) -> timedelta:
    if len(text) > 40:
        raise ValueError(f"expected a duration such as 90s, 10m or 1h30m, found {quoted(text)}")
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) and float(text):
        raise ValueError(
            f"expected a duration with its unit, such as {text}s or {text}m, found {text!r}"
        )
    return timedelta() if text == "0" else parse_duration(text)


def _datetime(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(
            f"expected a time with its zone, such as 2026-11-01T03:00:00Z, found {quoted(text)}"
        )
    return found


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected a date such as 2026-11-01, found {quoted(text)}") from None


def _short(parse: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    def parsed(text: str) -> Any:
        if len(text) > 40:
            raise ValueError(f"expected {what}, found {quoted(text)}")
        return parse(text)

    return parsed


def _cadence(text: str) -> Cadence:
    from drillkit.spec.cadence import read_cadence

    return read_cadence(text)


_RATE = "a rate such as 20/s or 600/m"
_SHARE = "a percentage such as 0.5%"
_OUT_OF = "a count such as 2 of 200"
_AMOUNT = "a number above zero or a percentage such as 50%"

LEAVES: Mapping[Any, Leaf] = {
    str: Leaf(str, "text", {"type": ["string", "number", "boolean"]}),
    int: Leaf(_int, "a whole number", {"type": "integer"}),
    float: Leaf(_float, "a number", {"type": "number"}),
    bool: Leaf(_bool, "true or false", {"type": "boolean"}),
    timedelta: Leaf(
        _duration,
        "a duration such as 90s, 10m or 1h30m",
        {"type": "string", "pattern": r"^(0|([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+)$"},
    ),
    Cadence: Leaf(
        _cadence,
        "daily, weekly, monthly, quarterly, yearly or a cron expression",
        {"type": "string", "pattern": rf"^({'|'.join(Cadence.WORDS)}|\\S+( +\\S+){{4}})$"},
    ),
    Rate: Leaf(
        _short(Rate.parse, _RATE), _RATE, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?/[sm]$"}
    ),
    Share: Leaf(
        _short(Share.parse, _SHARE),
        _SHARE,
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*%$"},
    ),
    OutOf: Leaf(
        _short(OutOf.parse, _OUT_OF), _OUT_OF, {"type": "string", "pattern": r"^[0-9]+ of [0-9]+$"}
    ),
    Amount: Leaf(
        _short(Amount.parse, _AMOUNT),
        _AMOUNT,
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*%$"},
            ]
        },
    ),
    datetime: Leaf(
        _datetime, "a time such as 2026-11-01T03:00:00Z", {"type": "string", "format": "date-time"}
    ),
    date: Leaf(_date, "a date such as 2026-11-01", {"type": "string", "format": "date"}),
}
"""What a field may be typed as, besides Literal, tuple, Mapping, dataclasses and unions
of these.
"""
