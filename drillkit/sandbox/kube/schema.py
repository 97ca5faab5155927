"""Custom resources against the OpenAPI schema of their definition: pruning, defaults, validation.

Not evaluated: anyOf/oneOf/allOf/not, formats and CEL rules (x-kubernetes-validations).
"""

from __future__ import annotations

import json
import re
from typing import Any

from drillkit.sandbox.kube.objects import Object, clone

_ROOT = ("apiVersion", "kind", "metadata")
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_NAMES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
}


def conform(obj: Object, schema: Object) -> list[Object]:
    """Prunes and completes ``obj`` in place; answers the causes why it is invalid."""
    if not schema:
        return []
    properties = schema.get("properties") or {}
    causes = _required(obj, schema, "")
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields", False)
    for key in [key for key in obj if key not in _ROOT]:
        if key in properties:
            causes += _conform(obj, key, properties[key], key)
        elif not open_ended:
            del obj[key]
    for key, below in properties.items():
        if key not in _ROOT and key not in obj and "default" in below:
            obj[key] = clone(below["default"])
    return causes


def _conform(parent: Any, key: Any, schema: Object, path: str) -> list[Object]:
    value = parent[key]
    if value is None and "default" in schema and not schema.get("nullable"):
        parent[key] = value = clone(schema["default"])
    if value is None and schema.get("nullable"):
        return []
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        fits = isinstance(value, int | str) and not isinstance(value, bool)
        return [] if fits else [_mistyped(path, value, "integer or string")]
    if kind and not _is(value, kind):
        return [_mistyped(path, value, kind)]
    causes = _bounds(value, schema, path)
    if isinstance(value, dict):
        causes += _object(value, schema, path)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index in range(len(value)):
            causes += _conform(value, index, schema["items"], f"{path}[{index}]")
    return causes


def _object(value: Object, schema: Object, path: str) -> list[Object]:
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    for key, below in properties.items():
        if key not in value and "default" in below:
            value[key] = clone(below["default"])
    causes = _required(value, schema, path)
    keep = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get(
        "x-kubernetes-embedded-resource"
    )
    for key in list(value):
        if key in properties:
            causes += _conform(value, key, properties[key], f"{path}.{key}")
        elif isinstance(extra, dict):
            causes += _conform(value, key, extra, f"{path}.{key}")
        elif not keep and not extra:
            del value[key]
    return causes


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, (object,)))


def _required(value: Object, schema: Object, path: str) -> list[Object]:
    prefix = f"{path}." if path else ""
    return [
        {"reason": "FieldValueRequired", "message": "Required value", "field": f"{prefix}{key}"}
        for key in schema.get("required") or []
        if key not in value and key not in _ROOT
    ]


def _mistyped(path: str, value: Any, kind: str) -> Object:
    found = "null" if value is None else _NAMES.get(type(value), "unknown")
    message = f'Invalid value: "{found}": {path} in body must be of type {kind}: "{found}"'
    return {"reason": "FieldValueTypeInvalid", "message": message, "field": path}


def _bounds(value: Any, schema: Object, path: str) -> list[Object]:
    allowed = schema.get("enum")
    if allowed is not None and value not in allowed:
        shown = ", ".join(json.dumps(each) for each in allowed)
        message = f"Unsupported value: {json.dumps(value)}: supported values: {shown}"
        return [{"reason": "FieldValueNotSupported", "message": message, "field": path}]
    wrong = ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            wrong = f"should be greater than or equal to {schema['minimum']}"
        elif "maximum" in schema and value > schema["maximum"]:
            wrong = f"should be less than or equal to {schema['maximum']}"
    elif isinstance(value, str):
        wrong = _text_bounds(value, schema)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            wrong = f"should have at least {schema['minItems']} items"
        elif len(value) > schema.get("maxItems", len(value)):
            wrong = f"must have at most {schema['maxItems']} items"
    if not wrong:
        return []
    message = f"Invalid value: {json.dumps(value)}: {path} in body {wrong}"
    return [{"reason": "FieldValueInvalid", "message": message, "field": path}]


def _text_bounds(value: str, schema: Object) -> str:
    if len(value) < schema.get("minLength", 0):
        return f"should be at least {schema['minLength']} chars long"
    if len(value) > schema.get("maxLength", len(value)):
        return f"may not be longer than {schema['maxLength']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"should match '{schema['pattern']}'"
    return ""
