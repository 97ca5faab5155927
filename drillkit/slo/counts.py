"""How many events of an objective were good over a window, read from a metrics server.

Counters are reduced from their raw samples where the window is short enough, else by the server,
which is told what `increase()` alone would miss. What comes back is a count or the reason why there
is none; times are seconds since the epoch by the server's clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from drillkit.clients.prometheus import Prometheus
from drillkit.clients.prometheus.promql import look, window_text
from drillkit.model.errors import CallError
from drillkit.model.slo import Counter, Probed, Ratio, Slo, Threshold, Windowed
from drillkit.model.units import format_duration
from drillkit.slo.answers import Answers, sound
from drillkit.slo.count import Count, NoData, QueryLog, added, checked
from drillkit.slo.queries import over, selectors
from drillkit.slo.raw import RawSamples

LEAST_INTERVALS = 4
"""Scrape intervals that a window must have at least."""
RAW_S = 7200.0
"""Longer windows are counted by the server."""
INVENTING = frozenset({"vector", "absent", "absent_over_time"})
"""Functions that give a value although nothing was selected."""
MISSING_SLICES = 0.1
"""Share of slices that may lack data."""


class Counting:
    """Counts objectives of one metrics server."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._answers = Answers(prometheus)
        self._raw = RawSamples(self._answers)
        self.interval_s = prometheus.scrape_interval_s

    def count(
        self, slo: Slo, start: float, end: float, *, partial: bool = False, piece: bool = False
    ) -> Count:
        """Good and total events over `(start, end]`; slices, where the objective is about these.

        `partial`: data that reach back only to some point inside the window count for the whole of
        it. `piece`: it is a piece of a longer window, so it may be short. Never raises CallError:
        what the server answered is the reason then.
        """
        asked = QueryLog()
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

    def _counted(self, slo: Slo, start: float, end: float, partial: bool, asked: QueryLog) -> Count:
        sli = slo.sli
        if isinstance(sli, Probed):
            raise NoData(
                f"`{slo.name}` is seen by a probe of a drill, which has no past to ask for"
            )
        self._must_select(slo, start, end, asked)
        if slo.slices is not None:
            good, total = self._slices(slo, start, end, partial, asked)
            return checked(good, total, None, None, asked)
        assert isinstance(sli, Ratio)
        if (
            isinstance(sli.total, Counter)
            and isinstance(sli.good or sli.bad, Counter)
            and end - start <= RAW_S
        ):
            return self._raw_count(sli, start, end, partial, asked)
        return self._server_count(sli, start, end, asked)

    def _must_select(self, slo: Slo, start: float, end: float, asked: QueryLog) -> None:
        """A query that gives a number where nothing is, such as `... or vector(0)`, counts only
        while something is, or where it could have been. Raises NoData otherwise.
        """
        sli = slo.sli
        whole = Windowed(sli.query) if isinstance(sli, Threshold) else None
        if isinstance(sli, Ratio) and isinstance(sli.total, Windowed):
            whole = sli.total
        if whole is not None and not self._selects(whole, start, end, asked):
            raise NoData(self._answers.nothing(selectors(whole)[0], end))
        if not isinstance(sli, Ratio):
            return
        part = sli.good or sli.bad
        if isinstance(part, Windowed) and not self._selects(part, start, end, asked):
            self._answers.trust_empty_query(part, sli.total, end, sli.good is not None, asked)

    def _selects(self, query: Windowed, start: float, end: float, asked: QueryLog) -> bool:
        """Whether a query gives no number that it has made up: it makes none, or one of its
        selectors has a sample in the window.
        """
        if not look(query.template).calls & INVENTING:
            return True
        window = window_text(max(end - start, LEAST_INTERVALS * self.interval_s))
        return any(
            sound(self._answers.ask(f"count(last_over_time({each}[{window}]))", end, asked)).series
            for each in selectors(query)
        )

    # --- raw samples ------------------------------------------------------------------------------

    def _raw_count(
        self, ratio: Ratio, start: float, end: float, partial: bool, asked: QueryLog
    ) -> Count:
        raw = self._raw.growth(ratio, start, end, partial, asked)
        total = raw.total.total
        if ratio.bad is not None:
            if raw.edges is not None:
                raise NoData(
                    f"the limit lies between the buckets {raw.edges[0]} and {raw.edges[1]}; use "
                    "one of them"
                )
            return checked(total - raw.least.total, total, None, None, asked)
        if raw.edges is None:
            return checked(raw.least.total, total, None, None, asked)
        asked.notes.append(f"the limit lies between the buckets {raw.edges[0]} and {raw.edges[1]}")
        return checked(raw.least.total, total, raw.most.total, raw.edges, asked)

    # --- counted by the server --------------------------------------------------------------------

    def _server_count(self, ratio: Ratio, start: float, end: float, asked: QueryLog) -> Count:
        window_s = end - start
        total = self._answers.one(ratio.total, end, window_s, asked)
        part = ratio.good or ratio.bad
        assert part is not None
        if total is None:
            raise NoData(self._answers.nothing(selectors(ratio.total)[0], end))
        some = self._answers.one(part, end, window_s, asked)
        if some is None:
            is_good = ratio.good is not None
            self._answers.trust_empty_query(part, ratio.total, end, is_good, asked)
            some = 0.0
        good = some if ratio.good is not None else total - some
        return checked(good, total, None, None, asked)

    # --- slices -----------------------------------------------------------------------------------

    def _slices(
        self, slo: Slo, start: float, end: float, partial: bool, asked: QueryLog
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
        self, sli: Threshold, start: float, length_s: float, count: int, asked: QueryLog
    ) -> list[bool | None]:
        text = Windowed(sli.query).over(window_text(length_s))
        values = self._answers.by_slice(text, 1.0, start, length_s, count, asked)
        return [None if value is None else sli.good(value) for value in values]

    def _ratio_slices(
        self,
        ratio: Ratio,
        least: float,
        start: float,
        length_s: float,
        count: int,
        partial: bool,
        asked: QueryLog,
    ) -> list[bool | None]:
        part, end = ratio.good or ratio.bad, start + count * length_s
        assert part is not None
        if (
            isinstance(ratio.total, Counter)
            and isinstance(part, Counter)
            and count * length_s <= RAW_S
        ):
            raw = self._raw.growth(ratio, start, end, partial, asked)
            if raw.edges is not None:
                raise NoData(
                    f"the limit lies between the buckets {raw.edges[0]} and {raw.edges[1]}; use "
                    "one of them"
                )
            totals: Sequence[float | None] = raw.total.slices(start, length_s, count)
            parts: Sequence[float | None] = raw.least.slices(start, length_s, count)
        else:
            totals = self._answers.by_slice(
                *over(ratio.total, length_s), start, length_s, count, asked
            )
            parts = self._answers.by_slice(*over(part, length_s), start, length_s, count, asked)
            if all(some is None for some in parts):
                end, is_good = start + count * length_s, ratio.good is not None
                self._answers.trust_empty_query(part, ratio.total, end, is_good, asked)
        found: list[bool | None] = []
        for some, total in zip(parts, totals, strict=True):
            if not total:
                found.append(None)
                continue
            good = (some or 0.0) if ratio.good is not None else total - (some or 0.0)
            found.append(good >= least * total - 1e-9)
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
        self._sum = found if self._sum is None else added(self._sum, found)
        self._until = end
        return self._sum
