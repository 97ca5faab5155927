"""How much counters grew, from their raw samples. Pure.

Prometheus' `increase()` extrapolates, and misses the first value of a series that begins inside the window, exactly
when a pod is replaced (prometheus/prometheus issues 1673 and 3886). Here every difference between neighbouring
samples is added, a drop counts as a reset to zero, and a series that was born inside the window counts from zero.
Windows that meet (a to b, b to c) add up to the whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from drillkit.clients.prometheus.answers import Series


@dataclass(frozen=True, slots=True)
class Growth:
    """What came of one series or several over a window `(start, end]`."""

    total: float = 0.0
    resets: int = 0
    born: int = 0
    """Series that began inside the window, counted from zero."""
    samples: int = 0
    """Samples inside the window."""


def times_of(series: Iterable[Series], start: float, end: float) -> list[float]:
    """Moments at which anything was scraped, from the last before the window to its end, in order."""
    found = sorted({at for each in series for at, _ in each.samples if at <= end})
    before = [at for at in found if at <= start]
    return found[max(0, len(before) - 1) :]


def grown(samples: Sequence[tuple[float, float]], start: float, end: float, *, born_after: float) -> Growth:
    """Growth of one series over `(start, end]` (seconds since the epoch).

    `born_after`: a series without any sample up to then, whose first one lies inside the window, was born: it counts
    from zero. Raises ValueError for a counter that is negative, infinite or not a number.
    """
    total, resets, born, count = 0.0, 0, 0, 0
    before: float | None = None
    for at, value in samples:
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"a counter of {value:g} cannot be")
        if at > end:
            break
        if at <= start:
            before = value
            continue
        count += 1
        if before is None:
            if at > born_after:
                total += value
                born = 1
        elif value < before:
            total += value
            resets += 1
        else:
            total += value - before
        before = value
    return Growth(total, resets, born, count)


def growth(
    several: Iterable[Series],
    start: float,
    end: float,
    *,
    born_after: float,
    keep: Callable[[Series], bool] = lambda series: True,
) -> Growth:
    """Growth of the sum of series; see `grown`."""
    parts = [grown(each.samples, start, end, born_after=born_after) for each in several if keep(each)]
    return Growth(
        math.fsum(part.total for part in parts),
        sum(part.resets for part in parts),
        sum(part.born for part in parts),
        sum(part.samples for part in parts),
    )


def hole(times: Sequence[float], start: float, end: float) -> tuple[float, float]:
    """The longest stretch of a window without any sample: (its begin, its length in seconds)."""
    longest, begin = 0.0, start
    inside = [start, *(at for at in times if start < at <= end), end]
    for one, next_ in itertools.pairwise(inside):
        if next_ - one > longest:
            longest, begin = next_ - one, one
    return begin, longest
