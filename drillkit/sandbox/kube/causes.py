"""Entries of a Status' causes: what is wrong with which field, in the API server's words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from drillkit.sandbox.kube.objects import Object


def cause(field: str, message: str, reason: str = "FieldValueInvalid") -> Object:
    """One entry of a Status' causes."""
    return {"reason": reason, "message": message, "field": field}


def required(field: str, why: str = "") -> Object:
    """The cause for a missing value."""
    return cause(field, f"Required value{': ' + why if why else ''}", "FieldValueRequired")


def wrong(field: str, value: Any, why: str) -> Object:
    """The cause for a value that isn't acceptable."""
    return cause(field, f"Invalid value: {json.dumps(value)}: {why}")


def forbidden_field(field: str, why: str) -> Object:
    """The cause for a value that must not be set or changed."""
    return cause(field, f"Forbidden: {why}", "FieldValueForbidden")


def too_long(field: str, most: int) -> Object:
    return cause(field, f"Too long: may not be more than {most} bytes", "FieldValueTooLong")


def unsupported(field: str, value: Any, supported: Sequence[str]) -> Object:
    told = ", ".join(map(json.dumps, supported))
    message = f"Unsupported value: {json.dumps(value)}: supported values: {told}"
    return cause(field, message, "FieldValueNotSupported")
