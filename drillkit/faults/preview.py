"""What a fault would do, found by looking only; plain data, as a step's prospect wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from drillkit.clients.kube import Kube
    from drillkit.model.drill import Target


@dataclass(frozen=True, slots=True)
class Foreseen:
    """See `drillkit.steps.base.Prospect`, whose fields these are."""

    targets: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Table: TypeAlias = Mapping[str, "Callable[[Kube, Target, Mapping[str, object]], Foreseen]"]
"""By function: called with the cluster, the target and the arguments. Raises DrillError for why it
cannot work.
"""
