"""How much counters grew, from their raw samples. Pure.

Prometheus' `increase()` extrapolates, and misses the first value of a series that begins inside the
window, exactly when a pod is replaced (prometheus/prometheus issues 1673 and 3886). Here every
difference between neighbouring samples is added, a drop counts as a reset to zero, and a series
that was born inside the window counts from zero. Windows that meet (a to b, b to c) add up to
the whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

from drillkit.clients.prometheus.answers import Series
from drillkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Growth:
    """What came of several series over a window `(start, end]`."""

    steps: tuple[tuple[float, float], ...] = ()
    """(moment of the sample, by how much its series had grown since the one before), in order
    of time.
    """
    resets: int = 0
    born: int = 0
    """Series that began inside the window, counted from zero."""
    selected: int = 0
    """Series that were looked at."""

    @property
    def total(self) -> float:
        """All of it."""
        return math.fsum(amount for _, amount in self.steps)

    def slices(self, start: float, length_s: float, count: int) -> list[float]:
        """The growth in each of `count` slices of `length_s` seconds from `start` on."""
        found = [0.0] * count
        for at, amount in self.steps:
            number = math.ceil((at - start) / length_s) - 1
            if 0 <= number < count:
                found[number] += amount
        return found


def grown(
    samples: Sequence[tuple[float, float]], start: float, end: float, *, born_after: float
) -> tuple[list[tuple[float, float]], int, bool]:
    """Steps of one series over `(start, end]` (seconds since the epoch), its resets, and whether it
    was born there.

    `born_after`: a series without any sample up to then, whose first one lies inside the window,
    was born: it counts from zero. Raises ValueError for a counter that is negative, infinite or not
    a number.
    """
    steps: list[tuple[float, float]] = []
    resets, born = 0, False
    before: float | None = None
    for at, value in samples:
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"a counter of {value:g} cannot be")
        if at > end:
            break
        if at > start:
            if before is None:
                born = at > born_after
                steps.append((at, value if born else 0.0))
            elif value < before:
                resets += 1
                steps.append((at, value))
            else:
                steps.append((at, value - before))
        before = value
    return steps, resets, born


def growth(
    several: Iterable[Series],
    start: float,
    end: float,
    *,
    born_after: float,
    keep: Callable[[Series], bool] = lambda series: True,
) -> Growth:
    """Growth of the sum of those series that `keep` takes; see `grown`."""
    parts = [
        grown(each.samples, start, end, born_after=born_after) for each in several if keep(each)
    ]
    return Growth(
        tuple(sorted(itertools.chain.from_iterable(steps for steps, _, _ in parts))),
        sum(resets for _, resets, _ in parts),
        sum(born for _, _, born in parts),
        len(parts),
    )


def moments(series: Iterable[Series], end: float) -> list[float]:
    """Moments up to `end` at which anything was scraped, in order."""
    return sorted({at for each in series for at, _ in each.samples if at <= end})


def hole(times: Sequence[float], start: float, end: float) -> tuple[float, float]:
    """The longest stretch of a window without any sample: (its begin, its length in seconds)."""
    longest, begin = 0.0, start
    inside = [start, *(at for at in times if start < at < end), end]
    for one, following in itertools.pairwise(inside):
        if following - one > longest:
            longest, begin = following - one, one
    return begin, longest
