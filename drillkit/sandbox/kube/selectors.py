"""Label and field selectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from drillkit.sandbox.kube.errors import bad_request
from drillkit.sandbox.kube.labels import is_label_value, is_qualified
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.resources import Resource

Labels = Mapping[str, str]
_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_SET = re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^)]*)\)$")
_EQUAL = re.compile(rf"^({_KEY})\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)$")
_EXISTS = re.compile(rf"^(!?)\s*({_KEY})$")
_COMMA = re.compile(r",(?![^(]*\))")


@lru_cache(maxsize=512)
def labels_match(selector: str) -> Callable[[Labels], bool]:
    """What ``labelSelector`` selects. Raises 400 for what cannot be parsed."""
    parts = _COMMA.split(selector) if selector.strip() else []
    tests = [_requirement(part.strip()) for part in parts]
    if len(tests) == 1:
        return tests[0]
    return lambda labels: all(test(labels) for test in tests)


def _checked(text: str, key: str, *values: str) -> None:
    """Raises 400 for what can be no key or no value of a label."""
    if not is_qualified(key):
        raise bad_request(f"unable to parse requirement: found '{text}': invalid label key '{key}'")
    bad = next((value for value in values if not is_label_value(value)), None)
    if bad is not None:
        raise bad_request(
            f"unable to parse requirement: found '{text}': values: Invalid value: \"{bad}\": "
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
            "or '.', and must start and end with an alphanumeric character"
        )


def _requirement(text: str) -> Callable[[Labels], bool]:
    if found := _SET.match(text):
        key, operator = found[1], found[3]
        values = {value.strip() for value in found[4].split(",")}
        _checked(text, key, *sorted(values))
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(text):
        key, operator, value = found[1], found[3], found[4]
        _checked(text, key, value)
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(text):
        key = found[2]
        _checked(text, key)
        if found[1]:
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise bad_request(
        f"unable to parse requirement: found '{text}', expected: a key, =, !=, in or notin"
    )


def selects(selector: Object | None, labels: Labels) -> bool:
    """Whether a LabelSelector object selects those labels; None selects nothing, an empty
    one everything.
    """
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(each, labels) for each in selector.get("matchExpressions") or [])


def _expression(expression: Object, labels: Labels) -> bool:
    key, operator, values = (
        expression["key"],
        expression["operator"],
        expression.get("values") or [],
    )
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise bad_request(f'"{operator}" is not a valid label selector operator')


def selector_text(selector: Object | None) -> str:
    """A LabelSelector object as the text kubectl and the Scale subresource show."""
    if selector is None:
        return ""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for each in selector.get("matchExpressions") or []:
        values = ",".join(each.get("values") or [])
        form = {"In": f"{each['key']} in ({values})", "NotIn": f"{each['key']} notin ({values})"}
        parts.append(
            form.get(
                each["operator"], each["key"] if each["operator"] == "Exists" else f"!{each['key']}"
            )
        )
    return ",".join(parts)


def fields_match(resource: Resource, selector: str) -> Callable[[Object], bool]:
    """What ``fieldSelector`` selects. Raises 400 for a field that this resource cannot be
    selected by.
    """
    tests: list[tuple[tuple[str, ...], bool, str]] = []
    for part in filter(None, (piece.strip() for piece in selector.split(","))):
        wanted = "!=" not in part
        path, found, value = part.partition("=" if wanted else "!=")
        path = path.strip()
        if not found:
            raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        allowed = (
            "metadata.name",
            *(("metadata.namespace",) if resource.namespaced else ()),
            *resource.fields,
        )
        if path not in allowed:
            raise bad_request(f"field label not supported: {path}")
        tests.append((tuple(path.split(".")), wanted, value.removeprefix("=").strip()))
    return lambda obj: all((_text(obj, path) == value) is wanted for path, wanted, value in tests)


def _text(obj: Object, path: tuple[str, ...]) -> str:
    value: Any = obj
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if path[-1] == "unschedulable":
        return "true" if value else "false"
    if path == ("source",) and isinstance(value, dict):
        return str(value.get("component") or "")
    return "" if value is None else str(value)
