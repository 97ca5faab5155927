"""Which of several backups is restored: the latest, or one that is drawn. No kind itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from drillkit.clients.aws.describe_cache import Described
from drillkit.lazy_dataclass import dataclass
from drillkit.model.draw import position
from drillkit.steps.base import Act

Choose: TypeAlias = Literal["latest", "random"]


def seed_of(act: Act) -> str:
    """What a draw of this step is made with: nobody knows it before the run has begun, and the
    chain of runs shows who begins one after the other until the draw suits.
    """
    return f"{act.run.id}/{act.name}"


@dataclass(frozen=True, slots=True)
class ChosenSnapshot:
    """A snapshot, and which of how many it is."""

    snapshot: Described
    how: Literal["latest", "random", "named", "fresh"]
    among: tuple[str, ...] = ()
    """All that could have been chosen, the oldest first."""
    seed: str = ""


def picked(
    several: Sequence[Described], names: Sequence[str], choose: Choose, seed: str
) -> ChosenSnapshot:
    """One of several, the oldest first: the last, or the one that is drawn with the seed."""
    if choose == "latest":
        return ChosenSnapshot(several[-1], "latest", tuple(names))
    return ChosenSnapshot(several[position(seed, names)], "random", tuple(names), seed)
