"""Growth of counters from their raw samples: exact, where the window is short enough."""

from __future__ import annotations

from collections.abc import Sequence

from drillkit.clients.prometheus.answers import Series
from drillkit.clients.prometheus.counters import Growth, growth, hole, moments
from drillkit.clients.prometheus.promql import Selector, selector_of
from drillkit.lazy_dataclass import dataclass
from drillkit.model.slo import Counter, Ratio
from drillkit.model.units import format_duration
from drillkit.slo.answers import Answers
from drillkit.slo.count import NoData, QueryLog
from drillkit.slo.queries import is_number, spelled

LOOKBACK_INTERVALS, LOOKBACK_S = 20, 300.0
"""How far before a window a series is looked for, before it counts as born inside it: the longer of
the two.
"""
HOLE_INTERVALS = 4.5
"""Longer stretches without samples may hide a pod that came and went."""


@dataclass(frozen=True, slots=True)
class RawGrowth:
    """Of the total and of a part: `least` and `most`, where its limit lies inside a bucket."""

    total: Growth
    least: Growth
    most: Growth
    edges: tuple[str, str] | None = None


class RawSamples:
    """Raw samples of one metrics server."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def growth(
        self, ratio: Ratio, start: float, end: float, partial: bool, asked: QueryLog
    ) -> RawGrowth:
        """Growth of the part (good or bad) and of the total, from raw samples."""
        part = ratio.good or ratio.bad
        assert isinstance(ratio.total, Counter)
        assert isinstance(part, Counter)
        total_of, part_of = selector_of(ratio.total.selector), selector_of(part.selector)
        reach_s = end - start + max(LOOKBACK_S, LOOKBACK_INTERVALS * self._answers.interval_s)
        everything = self._answers.samples(total_of, end, reach_s, asked)
        times = moments(everything, end)
        start = self._covered(times, start, end, partial, everything, total_of)
        born_after = times[0] + self._answers.interval_s
        is_good = ratio.good is not None
        if part_of.is_part_of(total_of):
            some: Sequence[Series] = [each for each in everything if part_of.matches(each.labels)]
            least = most = growth(some, start, end, born_after=born_after)
            if not some:
                self._answers.trust_empty(part_of, total_of, everything, end, is_good, asked)
            return RawGrowth(growth(everything, start, end, born_after=born_after), least, most)
        buckets = self._buckets(part_of, end, reach_s, asked)
        if not any(found for _, found in buckets):
            self._answers.trust_empty(part_of, None, (), end, is_good, asked)
        until = self._common_end(times, [each for _, found in buckets for each in found], end)
        parts = [growth(found, start, until, born_after=born_after) for _, found in buckets]
        edges = (buckets[0][0], buckets[-1][0]) if len(buckets) > 1 else None
        return RawGrowth(
            growth(everything, start, until, born_after=born_after), parts[0], parts[-1], edges
        )

    def _covered(
        self,
        times: Sequence[float],
        start: float,
        end: float,
        partial: bool,
        series: Sequence[Series],
        of: Selector,
    ) -> float:
        """The window's begin (later, if `partial`), when samples cover it. Raises NoData where they
        do not.
        """
        if not times:
            raise NoData(self._answers.nothing(of, end))
        if times[0] > start + 1.5 * self._answers.interval_s:
            if not partial:
                late = format_duration(round(times[0] - start, 1))
                raise NoData(f"samples of {of} begin only {late} after the window did")
            start = times[0]
        if end - times[-1] > 2.5 * self._answers.interval_s:
            old = format_duration(round(end - times[-1], 1))
            raise NoData(f"the newest sample of {of} is {old} old: is it still scraped?")
        begin, length = hole(times, start, end)
        if length > HOLE_INTERVALS * self._answers.interval_s:
            raise NoData(
                f"no sample of {of} for {format_duration(round(length, 1))}, from "
                f"{begin - start:.0f} s into the window"
            )
        return start

    def _buckets(
        self, part: Selector, end: float, reach_s: float, asked: QueryLog
    ) -> list[tuple[str, tuple[Series, ...]]]:
        """Samples of a selector; of one whose `le` is no bucket's edge, those of the two buckets
        around it.
        """
        limit = next((m for m in part.matchers if m.label == "le" and m.op == "="), None)
        if limit is None:
            return [("", self._answers.samples(part, end, reach_s, asked))]
        every = part.without("le")
        found = self._answers.samples(every.plus(spelled(limit.value)), end, reach_s, asked)
        if found or not is_number(limit.value):
            return [(limit.value, found)]
        known = {
            each["le"] for each in self._answers.series(every, end - reach_s, end) if "le" in each
        }
        at = float(limit.value)
        below = max((le for le in known if float(le) < at), key=float, default=None)
        above = min((le for le in known if float(le) > at), key=float, default=None)
        if above is None:
            return [(limit.value, ())]
        upper = self._answers.samples(every.plus(spelled(above)), end, reach_s, asked)
        if below is None:
            return [("0", ()), (above, upper)]
        return [
            (below, self._answers.samples(every.plus(spelled(below)), end, reach_s, asked)),
            (above, upper),
        ]

    def _common_end(self, times: Sequence[float], part: Sequence[Series], end: float) -> float:
        """Two queries may see different scrapes; both are counted up to the last that both have."""
        last = max(moments(part, end), default=end)
        return (
            last if 0 < times[-1] - last <= 1.5 * self._answers.interval_s else min(end, times[-1])
        )
