"""The steps of a drill, and their arguments as their kinds know them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

from drillkit.model.drill import Drill, Group, Step
from drillkit.model.evidence import Scalar
from drillkit.spec.binder import bind
from drillkit.spec.document import Mistakes, Trail, Where, of_data
from drillkit.spec.interpolation import ReferenceScope, substitute
from drillkit.spec.overrides import as_text

T = TypeVar("T")


def members(item: Step | Group) -> tuple[Step, ...]:
    """The steps of a group; of a step, none."""
    return item.parallel if isinstance(item, Group) else ()


def steps_in(drill: Drill) -> Iterator[tuple[Trail, Step | Group]]:
    """Every step and group with its path, members after their group; none that is not known yet."""
    for i, item in enumerate(drill.steps):
        if not isinstance(item, Step | Group):
            continue
        yield ("steps", i), item
        for j, step in enumerate(members(item)):
            if isinstance(step, Step):
                yield ("steps", i, "parallel", j), step


def bind_arguments(
    cls: type[T], data: Mapping[str, Any], where: str, outputs: Mapping[str, Mapping[str, Scalar]]
) -> T:
    """The arguments of a step's kind from `Step.with_`, outputs of earlier steps put in.

    `where` names the step in messages; `outputs` are by the names of the steps. Raises SpecError.
    """
    mistakes = Mistakes()
    place = Where(where)
    known = {
        f"steps.{step}.outputs.{key}": as_text(key, value)
        for step, values in outputs.items()
        for key, value in values.items()
    }
    tree = substitute(
        of_data(data, place), ReferenceScope({}, steps=True, outputs=known), mistakes, ("with",)
    )
    bound = bind(cls, tree, mistakes, ("with",))
    mistakes.settle()
    return cast(T, bound)
