"""Reading dataclasses as a schema: keys, hints, and what a union may look like as YAML."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, Literal, Union, get_args, get_origin

from drillkit.lazy_dataclass import dataclass
from drillkit.spec.scalars import LEAVES


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a record."""

    key: str
    field: str
    want: Any
    required: bool
    default: Any
    """`MISSING` where there is none; a factory's product otherwise."""
    extra: bool
    """Not a key itself: collects all keys that no other field has."""

    @property
    def must_hold(self) -> bool:
        """Whether it is nothing where it is empty: a text, or texts, that must be given."""
        inner = [item_of(a) if is_list(a) or is_mapping(a) else a for a in alternatives(self.want)]
        return self.required and str in inner


@functools.cache
def keys_of(cls: Any) -> tuple[Key, ...]:
    """The keys of a dataclass, in order. A trailing underscore of a field is not part of
    its key.
    """
    hints = typing.get_type_hints(cls)
    found = []
    for f in dataclasses.fields(cls):
        default = f.default if f.default_factory is MISSING else f.default_factory()
        found.append(
            Key(
                f.name.rstrip("_"),
                f.name,
                hints[f.name],
                default is MISSING,
                default,
                bool(f.metadata.get("extra")),
            )
        )
    return tuple(found)


def is_record(want: Any) -> bool:
    """A dataclass that is no scalar."""
    return isinstance(want, type) and dataclasses.is_dataclass(want) and want not in LEAVES


def is_scalar(want: Any) -> bool:
    """A leaf type or a Literal."""
    return get_origin(want) is Literal or (want in LEAVES if isinstance(want, type) else False)


def is_list(want: Any) -> bool:
    """`tuple[T, ...]`."""
    return get_origin(want) is tuple


def is_mapping(want: Any) -> bool:
    """`Mapping[str, T]` or `dict[str, T]`."""
    origin = get_origin(want)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def alternatives(want: Any) -> tuple[Any, ...]:
    """The types of a union, None left out; of any other type, itself."""
    if get_origin(want) in (Union, types.UnionType):
        return tuple(
            alternative
            for a in get_args(want)
            if a is not type(None)
            for alternative in alternatives(a)
        )
    return (want,)


def may_be_nothing(want: Any) -> bool:
    """Whether nothing may stand there."""
    return want is Any or (
        get_origin(want) in (Union, types.UnionType) and type(None) in get_args(want)
    )


def item_of(want: Any) -> Any:
    """The type of a list's items or a mapping's values."""
    args = get_args(want)
    return args[0] if is_list(want) else args[1]


def title(want: Any) -> str:
    """What to call a type in a message or a reference."""
    if want is Any:
        return "anything"
    if is_scalar(want) and get_origin(want) is not Literal:
        return LEAVES[want].title
    if get_origin(want) is Literal:
        return "one of " + ", ".join(f"`{a}`" for a in get_args(want))
    if is_list(want):
        inner = alternatives(item_of(want))
        return (
            "a list of mappings"
            if all(is_record(a) for a in inner)
            else f"a list (each: {title(item_of(want))})"
        )
    if is_mapping(want):
        return "a mapping"
    if is_record(want):
        required = ", ".join(f"`{k.key}`" for k in keys_of(want) if k.required)
        optional = ", ".join(k.key for k in keys_of(want) if not k.extra)
        return f"a mapping with {required}" if required else f"a mapping ({optional})"
    several = alternatives(want)
    if set(several) == {str, int, float, bool}:
        return "a text, number or boolean"
    return " or ".join(title(a) for a in several)
