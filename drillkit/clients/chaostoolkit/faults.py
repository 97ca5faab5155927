"""Which activities are faults: functions that plan their own undo, note what they touched, and can
be previewed.

drillkit's own stand in `drillkit.faults`; those of other packages in modules that are entry points
of group `drillkit.faults`. Imported by both sides of a worker, so nothing heavy here.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from drillkit.entry_points import brought
from drillkit.model.errors import Refused
from drillkit.model.prospect import Prospect

if TYPE_CHECKING:
    from drillkit.clients import Clients

GROUP = "drillkit.faults"
OWN_MODULES = "drillkit.faults."
Preview: TypeAlias = Callable[..., Prospect]
"""Called with the `Clients` to look through, and all of the fault's arguments by name, its defaults
filled in. Reads only. Raises DrillError for why it cannot work.
"""
_MARK = "drillkit_preview"


def mark(function: Callable[..., Any], preview: Preview) -> None:
    """Make a function known as a fault, with the preview that belongs to it."""
    setattr(function, _MARK, preview)


def is_fault(function: object) -> bool:
    """Whether a function has been marked as one."""
    return hasattr(function, _MARK)


def has_faults(module: str) -> bool:
    """Whether a module is one whose functions are faults (or probes beside them). Imports
    nothing of it.
    """
    if module.startswith(OWN_MODULES):
        return True
    return any(module == known or module.startswith(known + ".") for known in plugged_in())


def plugged_in() -> tuple[str, ...]:
    """Modules of other packages that have faults."""
    return tuple(sorted({p.value for points in brought(GROUP).values() for p in points}))


def broken() -> Iterator[str]:
    """Why modules of other packages cannot be imported. Imports all of them."""
    for module in plugged_in():
        try:
            _imported(module)
        except Refused as error:
            yield f"faults: {error}"


def preview(
    module: str, name: str, clients: Clients, arguments: Mapping[str, Any]
) -> Prospect | None:
    """What a function of such a module would do; None when it is no fault.

    Raises DrillError for why it cannot work, ImportError.
    """
    function = getattr(_imported(module), name, None)
    if function is None:
        raise Refused(f"expected a function `{name}` in module {module}, found none")
    if not is_fault(function):
        return None
    given = _bound(function, arguments)
    found: Prospect = getattr(function, _MARK)(clients, **given)
    return found


def _imported(module: str) -> ModuleType:
    """A module of faults. Raises Refused where another package's cannot be imported."""
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        if module.startswith(OWN_MODULES):
            raise
        raise Refused(
            f"module {module} cannot be imported: {type(error).__name__}: {error}. Mend or "
            "uninstall the package that brings it"
        ) from error


def _bound(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the call would bind them. Raises Refused naming what is missing or
    not known.
    """
    signature = inspect.signature(function)
    if unknown := sorted(set(arguments) - set(signature.parameters)):
        raise Refused(
            f"it has no argument {', '.join(f'`{key}`' for key in unknown)}; it has "
            f"{', '.join(f'`{key}`' for key in signature.parameters)}"
        )
    bound = signature.bind_partial(**arguments)
    bound.apply_defaults()
    if missing := [key for key in signature.parameters if key not in bound.arguments]:
        raise Refused(f"expected {', '.join(missing)}, found none")
    return dict(bound.arguments)
