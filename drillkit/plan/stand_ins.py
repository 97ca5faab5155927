"""Steps that depend on outputs of earlier ones, looked at with stand-ins: what they need must be
known before the first step begins, not when they are reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from drillkit.model.drill import Drill, Step
from drillkit.model.evidence import Scalar
from drillkit.model.permissions import AwsAction, Permission
from drillkit.model.prospect import Prospect
from drillkit.steps.base import kind_named

Outputs = Mapping[str, Mapping[str, Scalar]]
Bind = Callable[[Step, Outputs | None], object | None]
"""Gives the arguments of a step's kind; None when they depend on outputs and there are none."""

STAND_IN = "stand-in"
_LIKELY: Mapping[str, Scalar] = {
    "host": "127.0.0.1",
    "port": 1,
    "endpoint": "127.0.0.1:1",
    "disrupted": "2000-01-01T00:00:00+00:00",
}
"""Of outputs that are no names; a look ahead sends nothing there."""
UNKNOWN = Prospect(
    notes=("depends on what earlier steps give: looked at when it is reached",), unknown=True
)


def stand_ins(drill: Drill) -> Outputs:
    """Something in the place of each output that a step of the drill may give."""
    return {
        step.name: {key: _LIKELY.get(key, STAND_IN) for key in kind_named(step.uses).outputs}
        for step in drill.every_step
    }


def without_stand_ins(found: Prospect) -> Prospect:
    """What holds whatever the outputs will be. What is named by one is asked for under any name,
    and what seems wrong may be so because of the stand-in: it is a note.
    """
    if not found.permissions and (found.problems or not found.effects):
        return UNKNOWN
    return replace(
        found,
        targets=tuple(each for each in found.targets if not _made_up(each)),
        effects=tuple(each for each in found.effects if not _made_up(each)),
        permissions=tuple(map(_any_name, found.permissions)),
        problems=(),
        fails=(),
        seen=(),
        notes=(
            "depends on what earlier steps give, and is looked at again when it is reached",
            *(note for note in found.notes if not _made_up(note)),
        ),
    )


def _any_name(permission: Permission | AwsAction) -> Permission | AwsAction:
    if isinstance(permission, AwsAction):
        return replace(permission, resource=_plain(permission.resource))
    return replace(permission, namespace=_plain(permission.namespace), name=_plain(permission.name))


def _made_up(text: str) -> bool:
    return any(made in text for made in (STAND_IN, "127.0.0.1:1", "2000-01-01"))


def _plain(name: str) -> str:
    return "" if STAND_IN in name else name
