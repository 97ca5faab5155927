"""Two runs side by side, and how far out the later one is among those before it.

A difference of two runs says nothing by itself: runs differ. What is told beside it is a rank
test: of n earlier runs of the same drill and target, how many lie at least as far out as this one,
in the direction of the difference? If this run came of the same source as they, that and fewer
come by chance with p = (1 + as far out) / (1 + n). So below 20 runs nothing falls below 0.05, and
it is said how few there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from drillkit.archive.summary import MEASURES, RunSummary, StepMeasure
from drillkit.lazy_dataclass import dataclass

LEAST_EARLIER = 20
"""Of fewer earlier runs no p falls below 0.05."""


@dataclass(frozen=True, slots=True)
class Rank:
    """Where a run's number stands among those of earlier runs."""

    earlier: int
    """So many are known."""
    as_far: int
    """So many of them lie as far out, or farther, in the direction of the difference."""

    @property
    def p(self) -> float:
        """How often chance alone would bring a run so far out."""
        return (1 + self.as_far) / (1 + self.earlier)


@dataclass(frozen=True, slots=True)
class Row:
    """One number in both; None: it was not measured there."""

    name: str
    unit: str
    """`s` or `requests`."""
    before: float | None
    after: float | None
    bound: float | None = None
    rank: Rank | None = None
    """None: there is no difference, or no earlier run to tell it from noise by."""

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


def compare(before: RunSummary, after: RunSummary, others: Sequence[RunSummary] = ()) -> Compared:
    """Every number that one of the two has. `others`: runs to tell a difference from noise by;
    those that were before `after` and came to a verdict are looked at.
    """
    earlier = [
        _values(run)
        for run in others
        if (run.drill, run.target) == (after.drill, after.target)
        and run.started < after.started
        and run.exit_code in (0, 1)
    ]
    rows = (_ranked(row, earlier) for row in _rows(before, after))
    return Compared(
        before,
        after,
        tuple(rows),
        tuple(f for f in after.findings if f not in before.findings),
        tuple(f for f in before.findings if f not in after.findings),
        _caution(before, after),
    )


def _ranked(row: Row, earlier: Sequence[Mapping[str, float | None]]) -> Row:
    known = [value for run in earlier if (value := run.get(row.name)) is not None]
    if not known or not row.difference or row.after is None:
        return row
    more, now = row.difference > 0, row.after
    as_far = sum(value >= now if more else value <= now for value in known)
    return replace(row, rank=Rank(len(known), as_far))


def _values(run: RunSummary) -> Mapping[str, float | None]:
    return {row.name: row.after for row in _rows(run, run)}


def _rows(before: RunSummary, after: RunSummary) -> Iterator[Row]:
    old, new = _numbers(before), _numbers(after)
    for key in dict.fromkeys((*old, *new)):
        was, now = old.get(key), new.get(key)
        judged = now or was
        bound = judged.bound_s if judged else None
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
