"""From the kind of an undo to its class: what was planned must be found again, by any process that
cleans up.

Two places, both found by name alone, so that a process that has imported nothing finds the same as
the one that planned: drillkit's own stand in the table `UNDOS` of a module of `drillkit.clients`
(`kube.uncordon`: module `kube`); those of other packages are entry points of group
`drillkit.undos`, named as the kind.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
from collections.abc import Mapping
from typing import Any

from drillkit.entry_points import BrokenPlugin, Registry
from drillkit.model.codec import from_data
from drillkit.model.effects import Undo
from drillkit.model.errors import DrillError

PACKAGE = "drillkit.clients"


class UndoNotLoadable(DrillError):
    """An undo that no other process could read back. Its effect must not begin."""


def undo_class(kind: str) -> type[Undo]:
    """The class of an undo kind. Raises KeyError for a kind that is not installed here,
    BrokenPlugin.
    """
    module = f"{PACKAGE}.{kind.partition('.')[0]}"
    try:
        table: Mapping[str, type[Undo]] = importlib.import_module(module).UNDOS
    except ModuleNotFoundError as error:
        if error.name != module:
            raise KeyError(kind) from error
        table = {}
    except (ImportError, AttributeError) as error:
        raise KeyError(kind) from error
    return table[kind] if kind in table else PLUGGED_IN.load(kind)


def undo_kinds() -> tuple[str, ...]:
    """Every kind of undo that is installed here, ours and other packages', each of which
    `undo_class` finds unless its package is broken.
    """
    return tuple(sorted({*_own_kinds(), *PLUGGED_IN.names()}))


def _own_kinds() -> frozenset[str]:
    folder = importlib.import_module(PACKAGE).__path__
    modules = (importlib.import_module(f"{PACKAGE}.{m.name}") for m in pkgutil.iter_modules(folder))
    return frozenset(kind for module in modules for kind in getattr(module, "UNDOS", {}))


def from_another_package(undo: type[Undo]) -> bool:
    """Whether somebody else wrote it."""
    return undo.__module__.partition(".")[0] != __name__.partition(".")[0]


def _misfit(kind: str, found: object) -> str:
    if isinstance(found, type) and issubclass(found, Undo):
        return ""
    return f"expected a class of undos, found {found!r}"


PLUGGED_IN: Registry[type[Undo]] = Registry("drillkit.undos", "undo", _misfit, _own_kinds)
"""Undos of other packages."""


def must_load_back(undo: Undo, args: Mapping[str, Any]) -> None:
    """See to it that `args`, as the journal will hold them, give back an equal undo.

    Raises UndoNotLoadable saying what to mend: nothing has happened yet.
    """
    cls = type(undo)
    try:
        found = undo_class(undo.kind)
    except BrokenPlugin as error:
        raise UndoNotLoadable(f"{undo.resource}: {error}. Nothing was touched") from error
    except KeyError:
        raise UndoNotLoadable(
            f"{undo.resource}: expected the undo `{undo.kind}` to be found by its kind, so that "
            f"clean-up can apply it; it is not. Declare an entry point of group "
            f'`{PLUGGED_IN.group}`: "{undo.kind}" = "{cls.__module__}:{cls.__qualname__}". Nothing '
            "was touched"
        ) from None
    if found is not cls:
        raise UndoNotLoadable(
            f"{undo.resource}: `{undo.kind}` leads to {found.__module__}.{found.__qualname__}, not "
            f"to {cls.__module__}.{cls.__qualname__}; give one of them another kind. Nothing was "
            "touched"
        )
    try:
        again = from_data(cls, json.loads(json.dumps(args)))
    except (Exception, SystemExit) as error:  # whatever another package's does when it is made
        raise UndoNotLoadable(
            f"{undo.resource}: the arguments of `{undo.kind}` do not load back ({error}); use "
            "fields of plain data (text, numbers, tuples, mappings, dataclasses). Nothing was "
            "touched"
        ) from error
    if again != undo:
        changed = [
            f.name
            for f in dataclasses.fields(undo)
            if getattr(again, f.name, None) != getattr(undo, f.name)
        ]
        raise UndoNotLoadable(
            f"{undo.resource}: `{undo.kind}` loads back, but not equal (fields: "
            f"{', '.join(changed) or 'none; it is no dataclass'}); use fields of plain data. "
            "Nothing was touched"
        )
