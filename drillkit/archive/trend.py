"""Did a number change, and since when? A change is told apart from noise by Pettitt's test.

A. N. Pettitt, A Non-Parametric Approach to the Change-Point Problem, Applied Statistics 28 (1979),
126-135: U_t = sum of sign(x_i - x_j) over i <= t < j; K = max |U_t|. p is the share of orders of
as many different numbers with so large a K, by drawing orders: the paper's approximation
2 exp(-6 K^2 / (n^3 + n^2)) never falls below 0.05 for less than eleven runs, however they fall;
from `FORMULA_RUNS` on it stands in. Ties make p larger than it is, never smaller. It assumes
nothing of the numbers' distribution but that they are independent and that there is at most one
change.
"""

from __future__ import annotations

import bisect
import functools
import math
import random
import statistics
from collections.abc import Iterator, Sequence

from drillkit.archive.summary import MEASURES, RunSummary
from drillkit.lazy_dataclass import dataclass
from drillkit.model.verdict import Holds

LEAST_RUNS = 8
"""Of fewer even the clearest step comes by chance more often than in one of twenty orders."""
FORMULA_RUNS = 61
"""From here on the approximation is as good; below, orders are drawn."""
ORDERS = 2_000
ALPHA = 0.05
"""Share of false alarms, per series, where nothing has changed."""


@dataclass(frozen=True, slots=True)
class Point:
    """One number of one run."""

    run: str
    at: float
    value_s: float
    bound_s: float | None


@dataclass(frozen=True, slots=True)
class TrendSeries:
    """One measure of one step over the runs of a drill on a target."""

    drill: str
    target: str
    step: str
    measure: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """For people: `RTO of database`."""
        if not self.step:
            return "outage time"
        return f"{MEASURES[self.measure]} of {self.step}"


@dataclass(frozen=True, slots=True)
class Change:
    """A number that is not what it was."""

    since: Point
    """The first run of the new kind."""
    before_s: float
    """Median until then."""
    after_s: float
    """Median since."""
    p: float
    """How often so large a step would show if nothing had changed."""

    @property
    def slower(self) -> bool:
        """Longer than before."""
        return self.after_s > self.before_s


OUTAGES = "outages"
"""A run's own measure: how long users were not served, all outages of it together."""


def series_of(runs: Sequence[RunSummary]) -> tuple[TrendSeries, ...]:
    """Every measure of every step, and the outages of drills that had any; oldest run first."""
    found: dict[tuple[str, str, str, str], list[Point]] = {}
    for run in runs:
        for step, measure, number in run.believed():
            key = run.drill, run.target, step, measure
            point = Point(run.run, run.started, number.value_s, number.bound_s)
            found.setdefault(key, []).append(point)
    found |= _outages(runs)
    return tuple(TrendSeries(*key, tuple(points)) for key, points in sorted(found.items()))


def _outages(runs: Sequence[RunSummary]) -> dict[tuple[str, str, str, str], list[Point]]:
    found: dict[tuple[str, str, str, str], list[Point]] = {}
    for run in runs:
        if not run.refused and run.holds is not Holds.UNKNOWN:  # nobody may have looked
            key = run.drill, run.target, "", OUTAGES
            found.setdefault(key, []).append(Point(run.run, run.started, run.outage_s, None))
    return {k: points for k, points in found.items() if any(each.value_s for each in points)}


def change_in(series: TrendSeries, alpha: float = ALPHA) -> Change | None:
    """The change in a series, if there is one that noise does not explain at `alpha`."""
    points = series.points
    if len(points) < LEAST_RUNS:
        return None
    values = [point.value_s for point in points]
    position, p = pettitt(values)
    if p >= alpha:
        return None
    return Change(
        points[position],
        statistics.median(values[:position]),
        statistics.median(values[position:]),
        p,
    )


def pettitt(values: Sequence[float]) -> tuple[int, float]:
    """(position of the first value after the likeliest change, p). Needs two values at least."""
    n = len(values)
    ranks = _midranks(values)
    best, at, total = 0.0, 1, 0.0
    for t in range(1, n):
        total += ranks[t - 1]
        u = abs(2 * total - t * (n + 1))  # U_t by ranks: the same sum of signs in one pass
        if u > best:
            best, at = u, t
    return at, _chance(n, best)


def _chance(n: int, k: float) -> float:
    """How often so large a K comes of n numbers in any order."""
    if n >= FORMULA_RUNS:
        return min(1.0, 2 * math.exp(-6 * k**2 / (n**3 + n**2)))
    drawn = _drawn(n)
    return (1 + len(drawn) - bisect.bisect_left(drawn, k)) / (1 + len(drawn))


@functools.cache
def _drawn(n: int) -> tuple[float, ...]:
    """K of orders of n different numbers, sorted. The same on every machine: what `random()` gives
    after a seed is promised.
    """
    chance = random.Random(n)
    found = []
    for _ in range(ORDERS):
        order = sorted(range(1, n + 1), key=lambda _: chance.random())
        best = total = 0
        for t in range(1, n):
            total += order[t - 1]
            best = max(best, abs(2 * total - t * (n + 1)))
        found.append(float(best))
    return tuple(sorted(found))


def _midranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    for start, end in _ties(order, values):
        for position in range(start, end):
            ranks[order[position]] = (start + 1 + end) / 2
    return ranks


def _ties(order: Sequence[int], values: Sequence[float]) -> Iterator[tuple[int, int]]:
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or values[order[end]] != values[order[start]]:
            yield start, end
            start = end


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """The last `width` values as bars of eight heights; empty for none."""
    bars = "▁▂▃▄▅▆▇█"
    shown = list(values)[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if high == low:
        return bars[3] * len(shown)
    return "".join(bars[round((value - low) / (high - low) * 7)] for value in shown)
