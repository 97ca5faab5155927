"""`dataclass` as the standard library has it, without compiling methods while modules are imported.

`dataclasses` compiles up to eight methods for each class. drillkit names each record, each step's
parameters and each piece of evidence by a class, and a process of a run uses most of them a few
times or never: compiling was more than half of the time that its imports took
(`tests/bench/main_job.py` shows what that is of a run). Here an instance is at first made by
looking at the fields. A class of which many are made gets the standard library's own method, as
does each call that is not plainly right: its words are what a caller reads.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, **options):
        """As `dataclasses.dataclass`: takes its options and gives the same class."""
        if cls is None:
            return lambda cls: dataclass(cls, **options)
        if options.keys() - _SERVED or _is_special(cls):
            return dataclasses.dataclass(cls, **options)
        return _without_methods(cls, **options)


_SERVED = {"frozen", "slots", "kw_only", "eq"}
_OWN = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__getstate__"}
"""What a class may define itself: which of it is kept is left to the standard library."""
MANY = 100
"""Instances after which compiling costs less than looking at the fields: a third of a millisecond
against three microseconds for each.
"""


def _is_special(cls: type) -> bool:
    """Whether it is left to the standard library, at once."""
    annotations = vars(cls).get("__annotations__", {}).values()
    return not _OWN.isdisjoint(vars(cls)) or any("InitVar" in str(each) for each in annotations)


def _without_methods(
    cls: type, *, frozen: bool = False, slots: bool = False, kw_only: bool = False, eq: bool = True
) -> type:
    # Without a text, the standard library writes the signature there, and has to make it.
    cls.__doc__ = cls.__doc__ or cls.__name__
    # Of a frozen class only another may be made, which the standard library sees to.
    inherits = any(hasattr(base, "__dataclass_fields__") for base in cls.__bases__)
    made: Any = dataclasses.dataclass(
        init=False,
        repr=False,
        eq=False,
        slots=slots,
        kw_only=kw_only,
        frozen=frozen and inherits,
    )(cls)
    made.__dataclass_params__ = _params(frozen, eq)
    made.__init__ = _init_of(made, frozen)
    made.__repr__ = _repr_of(made)
    if eq:
        _compare(made, frozen)
    if frozen and not inherits:
        _freeze(made, slots)
    return made  # type: ignore[no-any-return]


@functools.cache
def _params(frozen: bool, eq: bool) -> object:
    """What `dataclasses` asks of a base class: whether it is frozen."""

    options: Any = {"eq": eq, "frozen": frozen}

    @dataclasses.dataclass(init=False, repr=False, **options)
    class Empty:
        """With a text, nothing is made for one."""

    return Empty.__dataclass_params__  # type: ignore[attr-defined]


def _init_of(made: Any, frozen: bool) -> Callable[..., None]:
    """An `__init__` that looks at the fields, until there are many instances."""
    put: Callable[..., None] = object.__setattr__ if frozen else setattr
    fields = dataclasses.fields(made)
    after = getattr(made, "__post_init__", None)
    left = MANY

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        nonlocal left
        left -= 1
        values = _values(fields, made.__match_args__, args, kwargs) if left >= 0 else None
        if values is None:
            made.__init__ = _generated(made, "__init__")
            made.__init__(self, *args, **kwargs)
            return
        for name, value in values.items():
            put(self, name, value)
        if after is not None:
            self.__post_init__()

    return __init__


def _values(
    fields: Sequence[dataclasses.Field[Any]],
    positional: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Mapping[str, Any] | None:
    """What each field is given; None when the call is not plainly right."""
    given = dict(zip(positional, args, strict=False))
    if len(args) > len(positional) or not given.keys().isdisjoint(kwargs):
        return None
    given.update(kwargs)
    values = {}
    for field in fields:
        if field.init and field.name in given:
            values[field.name] = given.pop(field.name)
        elif field.default is not dataclasses.MISSING:
            values[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            values[field.name] = field.default_factory()
        elif field.init:
            return None
    return None if given else values


def _repr_of(made: Any) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:
        made.__repr__ = _generated(made, "__repr__")
        return made.__repr__(self)  # type: ignore[no-any-return]

    return __repr__


def _generated(made: Any, name: str) -> Callable[..., Any]:
    """The standard library's method, from a class of the same fields."""
    fields = {field.name: field for field in dataclasses.fields(made)}
    body = {
        **fields,
        "__doc__": made.__doc__,
        "__module__": made.__module__,
        "__qualname__": made.__qualname__,
        "__annotations__": {name: field.type for name, field in fields.items()},
    }
    if hasattr(made, "__post_init__"):
        body["__post_init__"] = made.__post_init__
    likeness: type = dataclasses.dataclass(
        eq=False, frozen=made.__dataclass_params__.frozen, slots="__slots__" in vars(made)
    )(type(made.__name__, (), body))
    return likeness.__dict__[name]  # type: ignore[no-any-return]


def _compare(made: Any, frozen: bool) -> None:
    """As the standard library compares: instances of this very class, field by field."""
    fields = dataclasses.fields(made)
    compared = _getter([field.name for field in fields if field.compare])

    def __eq__(self: Any, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return compared(self) == compared(other)

    made.__eq__, made.__hash__ = __eq__, None
    if frozen:
        hashed = _getter([f.name for f in fields if (f.compare if f.hash is None else f.hash)])
        made.__hash__ = lambda self: hash(hashed(self))


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda instance: tuple(getattr(instance, name) for name in names)


def _freeze(made: Any, slots: bool) -> None:
    """As the standard library freezes: a subclass that is no dataclass may add attributes."""
    fields = made.__dataclass_fields__

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if type(self) is made or name in fields:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(made, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is made or name in fields:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(made, self).__delattr__(name)

    made.__setattr__, made.__delattr__ = __setattr__, __delattr__
    if slots:
        made.__getstate__, made.__setstate__ = _getstate, _setstate


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: Sequence[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
