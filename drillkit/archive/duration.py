"""How long a drill took before."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from drillkit.archive.summary import RunSummary
from drillkit.lazy_dataclass import dataclass

LAST = 10
"""So many of the latest runs: older ones were of another drill, or of another system."""


@dataclass(frozen=True, slots=True)
class Took:
    """From the start of each run to the end of its clean-up, in seconds."""

    runs: int
    median_s: float
    longest_s: float


def took(runs: Sequence[RunSummary], drill: str, target: str) -> Took | None:
    """Of the last runs of a drill on a target that came to their end, whatever they proved; None
    where there is none. `runs`: oldest first.
    """
    done = [r for r in runs if (r.drill, r.target) == (drill, target) and r.exit_code in (0, 1)]
    lengths = [run.ended - run.started for run in done[-LAST:]]
    if not lengths:
        return None
    return Took(len(lengths), statistics.median(lengths), max(lengths))
