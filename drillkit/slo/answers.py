"""What a metrics server answers, and what it means when it answers nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from drillkit.clients.prometheus import Prometheus
from drillkit.clients.prometheus.answers import QueryAnswer, Series
from drillkit.clients.prometheus.promql import Selector, window_text
from drillkit.model.slo import Query
from drillkit.secrets import excerpt
from drillkit.slo.count import NoData, QueryLog
from drillkit.slo.queries import over, selectors

RECENT_S = 86_400.0
"""A selector that matched within this has been seen."""
RANGE_POINTS = 10_000


class Answers:
    """One metrics server's, each of which is one number, or samples, or NoData."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._server = prometheus
        self.interval_s = prometheus.scrape_interval_s

    def series(self, selector: Selector, start: float, end: float) -> tuple[Mapping[str, str], ...]:
        """Labels of what a selector matched. Raises CallError."""
        return self._server.series([str(selector)], start, end)

    def ask(self, query: str, at: float, asked: QueryLog) -> QueryAnswer:
        """What an instant query gives; it is remembered. Raises CallError."""
        asked.queries.append(query)
        return self._server.instant(query, at)

    def samples(
        self, selector: Selector, end: float, reach_s: float, asked: QueryLog
    ) -> tuple[Series, ...]:
        """Raw samples of a selector from so long before `end` on. Raises NoData, CallError."""
        return sound(self.ask(f"{selector}[{window_text(reach_s)}]", end, asked)).series

    def one(self, query: Query, end: float, window_s: float, asked: QueryLog) -> float | None:
        """The one number that a query gives over a window; None: it gave nothing."""
        text, factor = over(query, window_s)
        return _number_of(sound(self.ask(text, end, asked)), text, factor)

    def by_slice(
        self, query: str, factor: float, start: float, length_s: float, count: int, asked: QueryLog
    ) -> list[float | None]:
        """A query's value at the end of every slice."""
        asked.queries.append(f"{query} every {window_text(length_s)}")
        found: list[float | None] = [None] * count
        for first in range(0, count, RANGE_POINTS):
            last = min(first + RANGE_POINTS, count) - 1
            begin, end = start + (first + 1) * length_s, start + (last + 1) * length_s
            answer = sound(self._server.range(query, begin, end, length_s))
            if len(answer.series) > 1:
                raise NoData(
                    f"expected one number, {len(answer.series)} series came back from {query}"
                )
            for at, value in answer.series[0].samples if answer.series else ():
                number = round((at - start) / length_s) - 1
                if 0 <= number < count and math.isfinite(value):
                    found[number] = value * factor
        return found

    def nothing(self, of: Selector, end: float) -> str:
        """Why a selector gave no samples at all."""
        if self._seen(of, end):
            return (
                f"no sample of {of} in the window, though it matched within the last day: is it "
                "still scraped?"
            )
        return (
            f"{of} matched nothing within the last day; is the selector right, and is it scraped?"
        )

    def trust_empty(
        self,
        part: Selector,
        whole: Selector | None,
        series: Sequence[Series],
        end: float,
        good: bool,
        asked: QueryLog,
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

    def trust_empty_query(
        self, part: Query, total: Query, end: float, good: bool, asked: QueryLog
    ) -> None:
        """`trust_empty` of a part that is a query. Raises NoData."""
        one, whole = selectors(part)[0], selectors(total)[0]
        if one.is_part_of(whole) and not good:
            known = self._server.series([str(whole)], end - RECENT_S, end)
            found = tuple(Series(labels, ()) for labels in known)
            self.trust_empty(one, whole, found, end, good, asked)
        else:
            self.trust_empty(one, None, (), end, good, asked)

    def _seen(self, of: Selector, end: float) -> bool:
        return bool(self._server.series([str(of)], end - RECENT_S, end))


def sound(answer: QueryAnswer) -> QueryAnswer:
    """The answer, if it is whole. Raises NoData."""
    if answer.warnings:
        said = excerpt("; ".join(answer.warnings), 200)
        raise NoData(f"the server warns that its answer is not whole: {said}")
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
