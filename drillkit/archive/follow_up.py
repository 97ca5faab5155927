"""What became of findings: since when each is there, how often it came, which later run closed
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from drillkit.archive.summary import RunSummary
from drillkit.lazy_dataclass import dataclass


@dataclass(slots=True)
class Followed:
    """One finding of one drill on one target."""

    text: str
    drill: str
    target: str
    runs: list[RunSummary] = field(default_factory=list)
    """Those that had it, oldest first."""
    closed: RunSummary | None = None
    """The first run after the last of them that ended met or violated without it; None: it is
    open.
    """


def follow(runs: Sequence[RunSummary]) -> tuple[Followed, ...]:
    """Every finding, the open ones first, each by how often it came. `runs`: oldest first.

    A run that is unknown or was refused closes nothing: it may not have looked.
    """
    found: dict[tuple[str, str, str], Followed] = {}
    of_place: dict[tuple[str, str], list[Followed]] = {}
    for run in runs:
        place = of_place.setdefault((run.drill, run.target), [])
        for text in run.findings:
            key = (text, run.drill, run.target)
            followed = found.get(key)
            if followed is None:
                followed = found[key] = Followed(*key)
                place.append(followed)
            followed.runs.append(run)
            followed.closed = None
        if run.exit_code in (0, 1):
            for each in place:
                if each.closed is None and each.text not in run.findings:
                    each.closed = run
    return tuple(
        sorted(found.values(), key=lambda f: (f.closed is not None, -len(f.runs), f.text, f.drill))
    )
