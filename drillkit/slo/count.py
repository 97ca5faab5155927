"""A count of events over a window, or the reason why there is none."""

from __future__ import annotations

from dataclasses import field

from drillkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """Good of total over a window, or why not."""

    good: float | None
    total: float | None
    why: str = ""
    queries: tuple[str, ...] = ()
    """What was really sent."""
    notes: tuple[str, ...] = ()
    good_most: float | None = None
    """With a limit inside a bucket: at least `good`, at most this many are good."""
    edges: tuple[str, str] | None = None
    """The buckets' edges around such a limit."""

    @property
    def bad(self) -> float | None:
        """Bad events (at most, where the limit lies inside a bucket)."""
        return self.total - self.good if self.good is not None and self.total is not None else None

    @property
    def exact(self) -> bool:
        """Whether it is one number and no range."""
        return self.good_most is None


class NoData(Exception):
    """Why nothing can be counted."""


@dataclass(slots=True)
class QueryLog:
    """Queries sent and notes made while one window is counted."""

    queries: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def added(one: Count, other: Count) -> Count:
    """Two windows that follow each other, as one."""
    assert one.good is not None
    assert one.total is not None
    assert other.good is not None
    assert other.total is not None
    total = one.total + other.total
    most = None
    if one.good_most is not None or other.good_most is not None:
        most = (one.good if one.good_most is None else one.good_most) + (
            other.good if other.good_most is None else other.good_most
        )
    why = "" if total else "no events in the window"
    return Count(
        one.good + other.good,
        total,
        why,
        other.queries,
        other.notes,
        most,
        other.edges or one.edges,
    )


def checked(
    good: float, total: float, most: float | None, edges: tuple[str, str] | None, asked: QueryLog
) -> Count:
    """What was found, if it can be.

    `most`: good at most, where the limit lies inside a bucket with these `edges`.
    """
    queries, notes = tuple(dict.fromkeys(asked.queries)), tuple(asked.notes)
    if total <= 0:
        return Count(0.0, 0.0, "no events in the window", queries, notes)
    if not -1e-6 <= good <= total * (1 + 1e-9) + 1e-6:
        why = f"{good:,.6g} good of {total:,.6g} cannot be; do both queries select the same events?"
        return Count(None, None, why, queries, notes)
    return Count(min(max(good, 0.0), total), total, "", queries, notes, most, edges)
