"""Label selectors, as the API server understands them. Pure questions to JSON and to text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^)]*)\)$")
_EQUAL = re.compile(r"^([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)$")
_KEY = re.compile(r"^(!?)\s*([A-Za-z0-9][A-Za-z0-9._/-]*)$")


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector (`matchLabels`, `matchExpressions`) matches. None and what is no
    selector match nothing, an empty one everything.
    """
    if selector is None:
        return False
    wanted, expressions = selector.get("matchLabels"), selector.get("matchExpressions")
    if not isinstance(wanted, Mapping | None) or not isinstance(expressions, list | tuple | None):
        return False
    if any(labels.get(key) != value for key, value in (wanted or {}).items()):
        return False
    return all(_expression(each, labels) for each in expressions or ())


def _expression(expression: Any, labels: Mapping[str, str]) -> bool:
    if not isinstance(expression, Mapping):
        return False
    key, values = expression.get("key"), expression.get("values") or []
    if not isinstance(key, str) or not isinstance(values, list):
        return False
    match expression.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def parse_selector(text: str) -> dict[str, Any]:
    """`app=web,tier!=test,env in (a, b),!legacy` as a LabelSelector. Raises ValueError."""
    expressions = [_parsed(part.strip()) for part in re.split(r",(?![^(]*\))", text)]
    return {"matchExpressions": expressions}


def _parsed(part: str) -> dict[str, Any]:
    if found := _SET.match(part):
        operator = "In" if found[2] == "in" else "NotIn"
        values = [value.strip() for value in found[3].split(",")]
        return {"key": found[1], "operator": operator, "values": values}
    if found := _EQUAL.match(part):
        operator = "NotIn" if found[2] == "!=" else "In"
        return {"key": found[1], "operator": operator, "values": [found[3]]}
    if found := _KEY.match(part):
        return {"key": found[2], "operator": "DoesNotExist" if found[1] else "Exists"}
    raise ValueError(f"expected a label selector such as app=web, found {part!r}")
