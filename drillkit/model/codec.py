"""Frozen dataclasses to plain data and back: what journal lines and verdict files are made of."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from drillkit.model.evidence import EVIDENCE, Evidence, Sample
from drillkit.model.sample_codec import read_sample
from drillkit.model.subjects import Subject
from drillkit.model.units import (
    Amount,
    Cadence,
    OutOf,
    Rate,
    Share,
    parse_duration,
    written_duration,
)

T = TypeVar("T")
_TEXT: Mapping[type, typing.Callable[[str], Any]] = {
    Cadence: Cadence.parse,
    Rate: Rate.parse,
    Share: Share.parse,
    OutOf: OutOf.parse,
    Amount: Amount.parse,
}


def to_data(value: Any) -> Any:
    """Plain data (dict, list, str, number, bool, None) of a value; fields that hold their default
    are left out.

    Durations become text as a drill writes them, dates ISO 8601. Raises TypeError for a type it
    does not know.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Subject):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Cadence | Rate | Share | OutOf | Amount):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _key(f.name): to_data(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if not _is_default(f, getattr(value, f.name))
        }
    if isinstance(value, Mapping):
        return {str(k): to_data(v) for k, v in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [to_data(v) for v in value]
    if isinstance(value, timedelta):
        return written_duration(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"no plain data for {type(value).__name__}")


def from_data(want: Any, data: Any) -> Any:
    """The value of type `want` that `data` is the plain data of. Raises ValueError where it does
    not fit.
    """
    origin, args = get_origin(want), get_args(want)
    if want is Any:
        return data
    if origin in (Union, types.UnionType):
        return _union(args, data)
    if origin is Literal:
        if data not in args:
            raise ValueError(f"expected one of {', '.join(map(str, args))}, found {data!r}")
        return data
    if origin is tuple:
        items = typing.cast(list[Any], data)
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(from_data(args[0], v) for v in items)
        return tuple(from_data(a, v) for a, v in zip(args, items, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {_from_key(args[0], k): from_data(args[1], v) for k, v in data.items()}
    if dataclasses.is_dataclass(want) and want not in _TEXT:
        return _record(typing.cast(type, want), data)
    return _leaf(want, data)


def _from_key(want: Any, key: Any) -> Any:
    """A mapping's key: in JSON a number is text there."""
    return int(key) if want is int else from_data(want, key)


def _leaf(want: Any, data: Any) -> Any:
    if want in _TEXT:
        return _TEXT[want](data)
    if want is timedelta:
        return timedelta() if data == "0s" else parse_duration(data)
    if want is datetime:
        return datetime.fromisoformat(data)
    if want is date:
        return date.fromisoformat(data)
    if isinstance(want, type) and issubclass(want, Enum):
        return want(data)
    if want is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if isinstance(data, want) and not (want in (int, float) and isinstance(data, bool)):
        return data
    raise ValueError(f"expected {getattr(want, '__name__', want)}, found {data!r}")


def _union(args: tuple[Any, ...], data: Any) -> Any:
    if data is None and type(None) in args:
        return None
    why: list[str] = []
    for want in args:
        if want is type(None):
            continue
        try:
            return from_data(want, data)
        except (ValueError, TypeError, AttributeError) as error:
            why.append(str(error))
    raise ValueError("; or ".join(why))


def _record(cls: type[T], data: Any) -> T:
    if not isinstance(data, Mapping):
        raise ValueError(f"expected a mapping for {cls.__name__}, found {data!r}")
    hints = _hints(typing.cast(typing.Hashable, cls))
    names = {_key(name): name for name in hints}
    unknown = set(data) - set(names)
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
    return cls(**{names[k]: from_data(hints[names[k]], v) for k, v in data.items()})


@functools.cache
def _hints(cls: Any) -> Mapping[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _key(name: str) -> str:
    return name.rstrip("_")


def _is_default(f: dataclasses.Field[Any], value: Any) -> bool:
    if f.default is not dataclasses.MISSING:
        return bool(value == f.default) and type(value) is type(f.default)
    return f.default_factory is not dataclasses.MISSING and bool(value == f.default_factory())


def encode_evidence(evidence: Evidence) -> dict[str, Any]:
    """The data of an `evidence` record."""
    return {"type": type(evidence).__name__, **to_data(evidence)}


def decode_evidence(data: Mapping[str, Any]) -> Evidence:
    """The evidence of a record's data. Raises ValueError for a type or field this version does
    not know.
    """
    cls = EVIDENCE.get(data.get("type", ""))
    if cls is Sample:
        return read_sample(data)
    if cls is None:
        raise ValueError(f"unknown evidence {data.get('type')!r}")
    return _record(cls, {k: v for k, v in data.items() if k != "type"})
