"""`> 0`, `== 42`, `< 10m`, `matches ^ok`: what a check expects, as the judge will compare it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Literal, TypeAlias, cast

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.evidence import Scalar
from drillkit.model.units import parse_duration

Operator: TypeAlias = Literal["==", "!=", ">", "<", ">=", "<=", "matches"]


@dataclass(frozen=True, slots=True)
class Expectation:
    """`found OP value`."""

    op: Operator
    value: Scalar


def parse_expectation(text: str) -> Expectation:
    """An `expect:` of a drill. Durations become seconds, numbers numbers. Raises UsageError."""
    found = re.fullmatch(r"\s*(==|!=|>=|<=|>|<|matches)\s*(\S.*?)\s*", text)
    if not found:
        raise UsageError(f"expected such as `> 0`, `== 42` or `matches ^ok`, found `{text}`")
    op, rest = cast(Operator, found[1]), found[2]
    if op == "matches":
        try:
            re.compile(rest)
        except re.error as error:
            raise UsageError(f"`{rest}` is no regular expression: {error}") from error
        return Expectation(op, rest)
    return Expectation(op, _value(rest))


def _value(text: str) -> Scalar:
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    if re.fullmatch(r"[-+]?\d*\.\d+([eE][-+]?\d+)?", text):
        return float(text)
    try:
        return parse_duration(text).total_seconds()
    except ValueError:
        return text.strip("'\"") if text[:1] in "'\"" else text


def scalar(value: Any) -> Scalar:
    """A database's value as evidence holds it."""
    match value:
        case bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case None:
            return "null"
        case bytes():
            return value.hex()
        case _:
            return str(value)


NUMBER_LENGTH = 40
"""Characters: a longer row of digits is text, and nobody's count."""


def as_number(text: Scalar) -> Scalar:
    """Text that is a number, as one: what came from a program's output."""
    if (
        isinstance(text, str)
        and len(text) <= NUMBER_LENGTH
        and re.fullmatch(r"[-+]?\d+(\.\d+)?", text)
    ):
        return float(text) if "." in text else int(text)
    return text
