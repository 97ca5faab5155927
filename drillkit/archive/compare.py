"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drillkit.archive.summary import MEASURES, RunSummary, StepMeasure


@dataclass(frozen=True, slots=True)
class Row:
    """One number in both; None: it was not measured there."""

    name: str
    unit: str
    """`s` or `requests`."""
    before: float | None
    after: float | None
    bound: float | None = None

    @property
    def difference(self) -> float | None:
        """After less before."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Compared:
    """What differs from one run to another."""

    before: RunSummary
    after: RunSummary
    rows: tuple[Row, ...]
    new: tuple[str, ...]
    """Findings that there were not before."""
    gone: tuple[str, ...]
    """Findings that there are no more."""
    caution: str
    """Why the two can hardly be compared, or ''."""


def compare(before: RunSummary, after: RunSummary) -> Compared:
    """Every number that one of the two has."""
    return Compared(
        before,
        after,
        tuple(_rows(before, after)),
        tuple(f for f in after.findings if f not in before.findings),
        tuple(f for f in before.findings if f not in after.findings),
        _caution(before, after),
    )


def _rows(before: RunSummary, after: RunSummary) -> Iterator[Row]:
    old, new = _numbers(before), _numbers(after)
    for key in dict.fromkeys((*old, *new)):
        was, now = old.get(key), new.get(key)
        bound = now.bound_s if now else was.bound_s if was else None
        yield Row(
            f"{MEASURES[key[1]]} of {key[0]}",
            "s",
            was.value_s if was else None,
            now.value_s if now else None,
            bound,
        )
    yield Row("outage time", "s", before.outage_s, after.outage_s)
    yield Row("longest gap", "s", before.longest_gap_s, after.longest_gap_s)
    yield Row("lost", "requests", before.lost, after.lost)
    took = before.ended - before.started, after.ended - after.started
    yield Row("the whole run", "s", round(took[0], 1), round(took[1], 1))


def _numbers(run: RunSummary) -> dict[tuple[str, str], StepMeasure]:
    return {(step, measure): number for step, measure, number in run.measures()}


def _caution(before: RunSummary, after: RunSummary) -> str:
    if before.drill != after.drill:
        return f"these are runs of two drills: {before.drill} and {after.drill}"
    if before.target != after.target:
        return f"these ran in two places: {before.target} and {after.target}"
    return ""
