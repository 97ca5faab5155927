"""How many events of an objective were good over a window, read from a metrics server.

Counters are reduced from their raw samples where the window is short enough, else by the server,
which is told what `increase()` alone would miss. What comes back is a count or the reason why there
is none; times are seconds since the epoch by the server's clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from drillkit.clients.prometheus import Prometheus
from drillkit.clients.prometheus.answers import QueryAnswer, Series
from drillkit.clients.prometheus.counters import Growth, growth, hole, moments
from drillkit.clients.prometheus.promql import Matcher, Selector, look, selector_of, window_text
from drillkit.model.errors import CallError
from drillkit.model.slo import Counter, Probed, Query, Ratio, Slo, Threshold, Windowed
from drillkit.model.units import format_duration

LEAST_INTERVALS = 4
"""Scrape intervals that a window must have at least."""
RAW_S = 7200.0
"""Longer windows are counted by the server."""
LOOKBACK_INTERVALS, LOOKBACK_S = 20, 300.0
"""How far before a window a series is looked for, before it counts as born inside it: the longer of
the two.
"""
HOLE_INTERVALS = 4.5
"""Longer stretches without samples may hide a pod that came and went."""
KNOWN_BEFORE_S, BORN_EDGE_S = 3600.0, 120.0
"""Counted by the server, a series without a sample from so long before a window to so long after
its begin is born inside it.
"""
RECENT_S = 86_400.0
"""A selector that matched within this has been seen."""
RANGE_POINTS = 10_000
INVENTING = frozenset({"vector", "absent", "absent_over_time"})
"""Functions that give a value although nothing was selected."""
MISSING_SLICES = 0.1
"""Share of slices that may lack data."""


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
class _Asked:
    """Queries sent and notes made while one window is counted."""

    queries: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Counting:
    """Counts objectives of one metrics server."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._server = prometheus
        self.interval_s = prometheus.scrape_interval_s

    def count(
        self, slo: Slo, start: float, end: float, *, partial: bool = False, piece: bool = False
    ) -> Count:
        """Good and total events over `(start, end]`; slices, where the objective is about these.

        `partial`: data that reach back only to some point inside the window count for the whole of
        it. `piece`: it is a piece of a longer window, so it may be short. Never raises CallError:
        what the server answered is the reason then.
        """
        asked = _Asked()
        try:
            if (
                end - start < LEAST_INTERVALS * self.interval_s - 1e-6
                and slo.slices is None
                and not piece
            ):
                least = format_duration(LEAST_INTERVALS * self.interval_s)
                raise NoData(
                    f"{format_duration(end - start)} are too short a window: {least} are needed to "
                    "count in"
                )
            found = self._counted(slo, start, end, partial, asked)
        except (CallError, NoData, ValueError) as error:  # ValueError: a counter that cannot be
            return Count(
                None, None, str(error), tuple(dict.fromkeys(asked.queries)), tuple(asked.notes)
            )
        return found

    def _counted(self, slo: Slo, start: float, end: float, partial: bool, asked: _Asked) -> Count:
        sli = slo.sli
        if isinstance(sli, Probed):
            raise NoData(
                f"`{slo.name}` is seen by a probe of a drill, which has no past to ask for"
            )
        self._must_select(slo, start, end, asked)
        if slo.slices is not None:
            good, total = self._slices(slo, start, end, partial, asked)
            return _checked(good, total, None, None, asked)
        assert isinstance(sli, Ratio)
        if (
            isinstance(sli.total, Counter)
            and isinstance(sli.good or sli.bad, Counter)
            and end - start <= RAW_S
        ):
            return self._raw_count(sli, start, end, partial, asked)
        return self._server_count(sli, start, end, asked)

    def _must_select(self, slo: Slo, start: float, end: float, asked: _Asked) -> None:
        """A query that gives a number where nothing is, such as `... or vector(0)`, counts only
        while something is. Raises NoData where its selector has no sample in the window.
        """
        sli, template = slo.sli, ""
        if isinstance(sli, Threshold):
            template = sli.query
        elif isinstance(sli, Ratio) and isinstance(sli.total, Windowed):
            template = sli.total.template
        if not template or not look(template).calls & INVENTING:
            return
        for selector in selectors_of(slo)[:1]:
            window_s = max(end - start, LEAST_INTERVALS * self.interval_s)
            query = f"count(last_over_time({selector}[{window_text(window_s)}]))"
            if not _sound(self._ask(query, end, asked)).series:
                raise NoData(self._nothing(selector, end))

    # --- raw samples ------------------------------------------------------------------------------

    def _raw_count(
        self, ratio: Ratio, start: float, end: float, partial: bool, asked: _Asked
    ) -> Count:
        raw = self._raw(ratio, start, end, partial, asked)
        total = raw.total.total
        if ratio.bad is not None:
            if raw.edges is not None:
                raise NoData(
                    f"the limit lies between the buckets {raw.edges[0]} and {raw.edges[1]}; use "
                    "one of them"
                )
            return _checked(total - raw.least.total, total, None, None, asked)
        if raw.edges is None:
            return _checked(raw.least.total, total, None, None, asked)
        asked.notes.append(f"the limit lies between the buckets {raw.edges[0]} and {raw.edges[1]}")
        return _checked(raw.least.total, total, raw.most.total, raw.edges, asked)

    def _raw(self, ratio: Ratio, start: float, end: float, partial: bool, asked: _Asked) -> _Raw:
        """Growth of the part (good or bad) and of the total, from raw samples."""
        part = ratio.good or ratio.bad
        assert isinstance(ratio.total, Counter)
        assert isinstance(part, Counter)
        total_of, part_of = selector_of(ratio.total.selector), selector_of(part.selector)
        reach_s = end - start + max(LOOKBACK_S, LOOKBACK_INTERVALS * self.interval_s)
        everything = self._samples(total_of, end, reach_s, asked)
        times = moments(everything, end)
        start = self._covered(times, start, end, partial, everything, total_of)
        born_after = times[0] + self.interval_s
        is_good = ratio.good is not None
        if part_of.is_part_of(total_of):
            some: Sequence[Series] = [each for each in everything if part_of.matches(each.labels)]
            least = most = growth(some, start, end, born_after=born_after)
            if not some:
                self._trust_empty(part_of, total_of, everything, end, is_good, asked)
            return _Raw(growth(everything, start, end, born_after=born_after), least, most)
        buckets = self._buckets(part_of, end, reach_s, asked)
        if not any(found for _, found in buckets):
            self._trust_empty(part_of, None, (), end, is_good, asked)
        until = self._common_end(times, [each for _, found in buckets for each in found], end)
        parts = [growth(found, start, until, born_after=born_after) for _, found in buckets]
        edges = (buckets[0][0], buckets[-1][0]) if len(buckets) > 1 else None
        return _Raw(
            growth(everything, start, until, born_after=born_after), parts[0], parts[-1], edges
        )

    def _samples(
        self, selector: Selector, end: float, reach_s: float, asked: _Asked
    ) -> tuple[Series, ...]:
        return _sound(self._ask(f"{selector}[{window_text(reach_s)}]", end, asked)).series

    def _ask(self, query: str, at: float, asked: _Asked) -> QueryAnswer:
        asked.queries.append(query)
        return self._server.instant(query, at)

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
            raise NoData(self._nothing(of, end))
        if times[0] > start + 1.5 * self.interval_s:
            if not partial:
                late = format_duration(round(times[0] - start, 1))
                raise NoData(f"samples of {of} begin only {late} after the window did")
            start = times[0]
        if end - times[-1] > 2.5 * self.interval_s:
            old = format_duration(round(end - times[-1], 1))
            raise NoData(f"the newest sample of {of} is {old} old: is it still scraped?")
        begin, length = hole(times, start, end)
        if length > HOLE_INTERVALS * self.interval_s:
            raise NoData(
                f"no sample of {of} for {format_duration(round(length, 1))}, from "
                f"{begin - start:.0f} s into the window"
            )
        return start

    def _nothing(self, of: Selector, end: float) -> str:
        """Why a selector gave no samples at all."""
        if self._seen(of, end):
            return (
                f"no sample of {of} in the window, though it matched within the last day: is it "
                "still scraped?"
            )
        return (
            f"{of} matched nothing within the last day; is the selector right, and is it scraped?"
        )

    def _seen(self, of: Selector, end: float) -> bool:
        return bool(self._server.series([str(of)], end - RECENT_S, end))

    def _trust_empty(
        self,
        part: Selector,
        whole: Selector | None,
        series: Sequence[Series],
        end: float,
        good: bool,
        asked: _Asked,
    ) -> None:
        """A part without any series is zero only where it could have matched. Raises
        NoData otherwise.
        """
        if whole is not None and not good:
            wanted = {matcher.label for matcher in set(part.matchers) - set(whole.matchers)}
            if all(any(label in each.labels for each in series) for label in wanted):
                asked.notes.append(
                    "no bad event was ever counted; the labels that would tell are there"
                )
                return
        if not self._seen(part, end):
            raise NoData(
                f"{part} matched nothing within the last day, so nobody knows whether it ever could"
            )
        asked.notes.append(f"{'no good' if good else 'no bad'} event in the window")

    def _buckets(
        self, part: Selector, end: float, reach_s: float, asked: _Asked
    ) -> list[tuple[str, tuple[Series, ...]]]:
        """Samples of a selector; of one whose `le` is no bucket's edge, those of the two buckets
        around it.
        """
        limit = next((m for m in part.matchers if m.label == "le" and m.op == "="), None)
        if limit is None:
            return [("", self._samples(part, end, reach_s, asked))]
        every = part.without("le")
        found = self._samples(every.plus(_spelled(limit.value)), end, reach_s, asked)
        if found or not _number(limit.value):
            return [(limit.value, found)]
        known = {
            each["le"]
            for each in self._server.series([str(every)], end - reach_s, end)
            if "le" in each
        }
        at = float(limit.value)
        below = max((le for le in known if float(le) < at), key=float, default=None)
        above = min((le for le in known if float(le) > at), key=float, default=None)
        if above is None:
            return [(limit.value, ())]
        upper = self._samples(every.plus(_spelled(above)), end, reach_s, asked)
        if below is None:
            return [("0", ()), (above, upper)]
        return [
            (below, self._samples(every.plus(_spelled(below)), end, reach_s, asked)),
            (above, upper),
        ]

    def _common_end(self, times: Sequence[float], part: Sequence[Series], end: float) -> float:
        """Two queries may see different scrapes; both are counted up to the last that both have."""
        last = max(moments(part, end), default=end)
        return last if 0 < times[-1] - last <= 1.5 * self.interval_s else min(end, times[-1])

    # --- counted by the server --------------------------------------------------------------------

    def _server_count(self, ratio: Ratio, start: float, end: float, asked: _Asked) -> Count:
        window_s = end - start
        total = self._one(ratio.total, end, window_s, asked)
        part = ratio.good or ratio.bad
        assert part is not None
        if total is None:
            raise NoData(self._nothing(_selectors(ratio.total)[0], end))
        some = self._one(part, end, window_s, asked)
        if some is None:
            is_good = ratio.good is not None
            self._trust_empty_query(part, ratio.total, end, is_good, asked)
            some = 0.0
        good = some if ratio.good is not None else total - some
        return _checked(good, total, None, None, asked)

    def _trust_empty_query(
        self, part: Query, total: Query, end: float, good: bool, asked: _Asked
    ) -> None:
        one, whole = _selectors(part)[0], _selectors(total)[0]
        if one.is_part_of(whole) and not good:
            known = self._server.series([str(whole)], end - RECENT_S, end)
            found = tuple(Series(labels, ()) for labels in known)
            self._trust_empty(one, whole, found, end, good, asked)
        else:
            self._trust_empty(one, None, (), end, good, asked)

    def _one(self, query: Query, end: float, window_s: float, asked: _Asked) -> float | None:
        """The one number that a query gives over a window; None: it gave nothing."""
        text, factor = over(query, window_s)
        return _number_of(_sound(self._ask(text, end, asked)), text, factor)

    # --- slices -----------------------------------------------------------------------------------

    def _slices(
        self, slo: Slo, start: float, end: float, partial: bool, asked: _Asked
    ) -> tuple[float, float]:
        """(good slices, slices with data)."""
        assert slo.slices is not None
        length_s = slo.slices.length.total_seconds()
        count = int((end - start) / length_s + 1e-6)
        if count == 0:
            raise NoData(f"the window is shorter than one slice of {format_duration(length_s)}")
        start = end - count * length_s
        if isinstance(slo.sli, Threshold):
            found = self._threshold_slices(slo.sli, start, length_s, count, asked)
        else:
            assert isinstance(slo.sli, Ratio)
            found = self._ratio_slices(
                slo.sli, slo.slices.target, start, length_s, count, partial, asked
            )
        told = [good for good in found if good is not None]
        missing = count - len(told)
        if missing:
            note = f"{missing:,} of {count:,} slices have no data"
            if not told or (missing > MISSING_SLICES * count and not partial):
                raise NoData(note)
            asked.notes.append(note)
        return float(sum(told)), float(len(told))

    def _threshold_slices(
        self, sli: Threshold, start: float, length_s: float, count: int, asked: _Asked
    ) -> list[bool | None]:
        text = Windowed(sli.query).over(window_text(length_s))
        values = self._by_slice(text, 1.0, start, length_s, count, asked)
        return [None if value is None else sli.good(value) for value in values]

    def _ratio_slices(
        self,
        ratio: Ratio,
        least: float,
        start: float,
        length_s: float,
        count: int,
        partial: bool,
        asked: _Asked,
    ) -> list[bool | None]:
        part, end = ratio.good or ratio.bad, start + count * length_s
        assert part is not None
        if (
            isinstance(ratio.total, Counter)
            and isinstance(part, Counter)
            and count * length_s <= RAW_S
        ):
            raw = self._raw(ratio, start, end, partial, asked)
            if raw.edges is not None:
                raise NoData(
                    f"the limit lies between the buckets {raw.edges[0]} and {raw.edges[1]}; use "
                    "one of them"
                )
            totals: Sequence[float | None] = raw.total.slices(start, length_s, count)
            parts: Sequence[float | None] = raw.least.slices(start, length_s, count)
        else:
            totals = self._by_slice(*over(ratio.total, length_s), start, length_s, count, asked)
            parts = self._by_slice(*over(part, length_s), start, length_s, count, asked)
        found: list[bool | None] = []
        for some, total in zip(parts, totals, strict=True):
            if not total:
                found.append(None)
                continue
            good = (some or 0.0) if ratio.good is not None else total - (some or 0.0)
            found.append(good >= least * total - 1e-9)
        return found

    def _by_slice(
        self, query: str, factor: float, start: float, length_s: float, count: int, asked: _Asked
    ) -> list[float | None]:
        """A query's value at the end of every slice."""
        asked.queries.append(f"{query} every {window_text(length_s)}")
        found: list[float | None] = [None] * count
        for first in range(0, count, RANGE_POINTS):
            last = min(first + RANGE_POINTS, count) - 1
            begin, end = start + (first + 1) * length_s, start + (last + 1) * length_s
            answer = _sound(self._server.range(query, begin, end, length_s))
            if len(answer.series) > 1:
                raise NoData(
                    f"expected one number, {len(answer.series)} series came back from {query}"
                )
            for at, value in answer.series[0].samples if answer.series else ():
                number = round((at - start) / length_s) - 1
                if 0 <= number < count and math.isfinite(value):
                    found[number] = value * factor
        return found


class Cumulative:
    """One objective from a moment on: asks only for what is new, so that a day costs no more than
    an hour.
    """

    def __init__(self, counting: Counting, slo: Slo, began: float) -> None:
        """`began`: seconds since the epoch, by the server's clock."""
        self._counting, self._slo, self._began = counting, slo, began
        self._until = began
        self._sum: Count | None = None

    def read(self, end: float) -> Count:
        """Everything from the begin to `end` (or, of slices, to the last whole one). A piece that
        could not be read is asked for again the next time, with all that came since."""
        sli, slices = self._slo.sli, self._slo.slices
        if slices is not None:
            length_s = slices.length.total_seconds()
            end = self._until + math.floor((end - self._until) / length_s + 1e-6) * length_s
            if end <= self._until:
                return self._sum or Count(
                    None, None, f"no slice of {format_duration(length_s)} is over yet"
                )
        elif not (
            isinstance(sli, Ratio)
            and isinstance(sli.total, Counter)
            and isinstance(sli.good or sli.bad, Counter)
        ):
            return self._counting.count(self._slo, self._began, end)
        if end <= self._until:
            return self._sum or Count(None, None, "nothing was scraped yet")
        found = self._counting.count(self._slo, self._until, end, piece=True)
        if found.good is None:
            return found
        self._sum = found if self._sum is None else _added(self._sum, found)
        self._until = end
        return self._sum


def _added(one: Count, other: Count) -> Count:
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


@dataclass(frozen=True, slots=True)
class _Raw:
    total: Growth
    least: Growth
    most: Growth
    edges: tuple[str, str] | None = None


def over(query: Query, window_s: float) -> tuple[str, float]:
    """The text of a query over a window, and what its value is multiplied by to be a count."""
    window = window_text(window_s)
    if isinstance(query, Counter):
        return f"sum({_growth(selector_of(query.selector), window_s)})", 1.0
    return query.over(window), window_s if query.per_second else 1.0


def _growth(selector: Selector, window_s: float) -> str:
    """The growth of each series over a window, in PromQL.

    `increase()` does not see what a series begins with (prometheus #1673, #3886): a first error
    counted by a new pod, or a counter that appears with its first event, is lost. A series that had
    no sample in the hour before the window counts from zero: its last value is its growth, or, if
    it was reset meanwhile, its increase and the lowest value that it had. What begins with the
    window itself is where the data begin, and not new.
    """
    window, edge_s = window_text(window_s), min(BORN_EDGE_S, window_s / 4)
    known = window_text(KNOWN_BEFORE_S + edge_s)
    old = f"last_over_time({selector}[{known}] offset {window_text(window_s - edge_s)})"
    samples = f"{selector}[{window}]"
    born = f"((last_over_time({samples}) and resets({samples}) == 0) unless {old})"
    reset = f"((min_over_time({samples}) + increase({samples})) unless {old})"
    return f"{born} or {reset} or increase({samples})"


def _selectors(query: Query) -> tuple[Selector, ...]:
    if isinstance(query, Counter):
        return (selector_of(query.selector),)
    return look(query.template).selectors or (Selector(query.template, ()),)


def selectors_of(slo: Slo) -> tuple[Selector, ...]:
    """The selectors of an objective's total (of a threshold: of its value)."""
    if isinstance(slo.sli, Ratio):
        return _selectors(slo.sli.total)
    return _selectors(Windowed(slo.sli.query)) if isinstance(slo.sli, Threshold) else ()


def _sound(answer: QueryAnswer) -> QueryAnswer:
    if answer.warnings:
        raise NoData(
            f"the server warns that its answer is not whole: {'; '.join(answer.warnings)[:200]}"
        )
    return answer


def _number_of(answer: QueryAnswer, query: str, factor: float) -> float | None:
    if not answer.series:
        return None
    if len(answer.series) > 1:
        raise NoData(f"expected one number, {len(answer.series)} series came back from {query}")
    value = answer.series[0].samples[-1][1]
    if not math.isfinite(value):
        raise NoData(f"expected a number, found {value:g} from {query}")
    return value * factor


def _checked(
    good: float, total: float, most: float | None, edges: tuple[str, str] | None, asked: _Asked
) -> Count:
    queries, notes = tuple(dict.fromkeys(asked.queries)), tuple(asked.notes)
    if total <= 0:
        return Count(0.0, 0.0, "no events in the window", queries, notes)
    if not -1e-6 <= good <= total * (1 + 1e-9) + 1e-6:
        why = f"{good:,.6g} good of {total:,.6g} cannot be; do both queries select the same events?"
        return Count(None, None, why, queries, notes)
    return Count(min(max(good, 0.0), total), total, "", queries, notes, most, edges)


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _spelled(limit: str) -> Matcher:
    """A bucket's edge in every spelling: Prometheus 3 writes 500 as 500.0."""
    spellings = {limit}
    if _number(limit):
        spellings |= {
            f"{float(limit):g}",
            repr(float(limit)),
            f"{float(limit):.1f}" if float(limit) >= 1 else limit,
        }
    spellings = {text for text in spellings if not _number(limit) or float(text) == float(limit)}
    return Matcher(
        "le",
        "=~",
        "|".join(sorted(text.replace(".", "\\.").replace("+", "\\+") for text in spellings)),
    )
