"""How an objective stands at a moment: its budget, how fast it burns, and when each page
would come.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from drillkit.clients.prometheus import Prometheus
from drillkit.clients.prometheus.promql import selector_of, window_text
from drillkit.judge.budget import LEAST_EVENTS, PAGES, burn_rate, can_fire, time_to_page_s
from drillkit.judge.gates import GateAnswer, decide_ratio
from drillkit.judge.statistics import lower_bound, upper_bound
from drillkit.lazy_dataclass import dataclass
from drillkit.model.calendars import window_start
from drillkit.model.errors import CallError
from drillkit.model.slo import Counter, Ratio, Slo, Threshold, Windowed
from drillkit.slo.count import Count
from drillkit.slo.counts import RAW_S, Counting
from drillkit.slo.queries import over, selectors_of
from drillkit.slo.raw import LOOKBACK_S

REACH_POINTS = 200
REACH_ROUNDS = 6
"""How often the begin of the data is looked at more closely: each round is up to REACH_POINTS times
finer, so that six find a scrape interval in any window there is.
"""
LEAST_TRAFFIC_S = 86_400.0
"""The traffic of a whole window is extrapolated from no less than this."""
WHOLE = 0.98
"""Share of a window that data must cover to count as all of it."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A burn-rate alert: it fires while the budget burns faster than `factor` over both windows."""

    name: str
    factor: float
    short_s: float | None
    long_s: float


@dataclass(frozen=True, slots=True)
class Burning:
    """One alarm as it stands."""

    alarm: Alarm
    short: float | None
    """Burn rate over the short window (the only one, where there is no other)."""
    long: float | None
    fires_in_s: float | None
    """Seconds until it fires if the short window's rate goes on; 0: it fires now; None: never at
    that rate.
    """
    outage_s: float | None
    """Seconds of a full outage after a clean past until it fires; None: never."""
    why: str = ""
    """Why nothing is known."""


@dataclass(frozen=True, slots=True)
class SloStatus:
    """An objective at a moment."""

    slo: Slo
    at: float
    start: float
    """Begin of its window."""
    covered_s: float
    """How much of the window has data."""
    count: Count
    answer: GateAnswer
    interval: tuple[float, float] | None
    """Exact one-sided 95 % bounds of the share of bad events."""
    consumed: float | None
    """Share of the error budget that is gone."""
    burning: tuple[Burning, ...] = ()

    @property
    def remaining(self) -> float | None:
        """Share of the error budget that is left; below 0 it is overspent."""
        return None if self.consumed is None else 1 - self.consumed

    @property
    def whole(self) -> bool:
        """Whether data cover the window."""
        return self.covered_s >= WHOLE * (self.at - self.start)


def alarms_of(slo: Slo) -> tuple[Alarm, ...]:
    """The alerts of its own document, else the usual four."""
    if slo.alerts:
        return tuple(
            Alarm(a.name, a.threshold, None, a.lookback.total_seconds()) for a in slo.alerts
        )
    window_s = slo.window.total_seconds()
    return tuple(
        Alarm(page.severity, page.factor(window_s), page.short_s, page.long_s) for page in PAGES
    )


def stand(
    prometheus: Prometheus,
    slo: Slo,
    at: float,
    over: timedelta | None = None,
    *,
    burns: bool = True,
) -> SloStatus:
    """How an objective stood at `at` (seconds since the epoch, the server's clock). What could not
    be read says why.

    `over`: look at so long a window instead of its own; then nothing is asked for burn rates.
    `burns`: ask for the burn rates, too.
    """
    if over is not None:
        slo, burns = replace(slo, window=over, calendar=None), False
    counting = Counting(prometheus)
    start = window_start(slo.window, slo.calendar, at)
    try:
        covered_s = reach_s(prometheus, slo, start, at)
    except CallError as error:
        covered_s, count = 0.0, Count(None, None, str(error))
    else:
        least_s = 4 * counting.interval_s
        count = counting.count(slo, at - max(covered_s, least_s), at, partial=True)
        if covered_s == 0 and not count.why:
            # A query such as `... or vector(0)` gives a number all the same.
            count = Count(None, None, _nothing(slo), count.queries, count.notes)
    answer = decide_ratio(count.good, count.total or None, slo.target, why=count.why)
    if not count.exact:
        most = decide_ratio(count.good_most, count.total or None, slo.target)
        answer = (
            answer
            if most.holds is answer.holds
            else decide_ratio(None, None, slo.target, why=_between(count))
        )
    consumed = _consumed(slo, count, covered_s)
    known = burns and covered_s > 0
    burning = tuple(_burning(counting, slo, alarm, at) for alarm in alarms_of(slo)) if known else ()
    return SloStatus(slo, at, start, covered_s, count, answer, _interval(count), consumed, burning)


def _nothing(slo: Slo) -> str:
    named = ", ".join(str(selector) for selector in selectors_of(slo)[:1])
    return (
        f"nothing that the query selects has data ({named}); is the selector right, and is it "
        "scraped?"
    )


def _between(count: Count) -> str:
    edges = count.edges or ("", "")
    return (
        f"the limit lies between the buckets {edges[0]} and {edges[1]}, which disagree; use one of "
        "them as the limit"
    )


def reach_s(prometheus: Prometheus, slo: Slo, start: float, at: float) -> float:
    """How far before `at` an objective's total has data, in seconds, at most to `start`.
    Raises CallError.
    """
    selectors = selectors_of(slo)
    if not selectors:
        return 0.0
    query, least_s = f"count({selectors[0]})", prometheus.scrape_interval_s
    low, high, first = start, at, at
    # Each round looks closer at the one step in which the round before saw the data begin.
    for _ in range(REACH_ROUNDS):
        step_s = max((high - low) / REACH_POINTS, least_s)
        answer = prometheus.range(query, low, high, step_s)
        samples = answer.series[0].samples if answer.series else ()
        if not samples:
            break
        first = samples[0][0]
        if first <= start + 1e-6:
            return at - start
        if step_s <= least_s:
            break
        low, high = max(start, first - step_s), first
    return at - first


def events_in_window(prometheus: Prometheus, slo: Slo, at: float) -> float | None:
    """Events in a whole window of an objective, from real traffic; None where less than a day of it
    is known.

    Raises CallError.
    """
    window_s = slo.window.total_seconds()
    if slo.slices is not None:
        return window_s / slo.slices.length.total_seconds()
    covered_s = reach_s(prometheus, slo, at - window_s, at)
    if covered_s < min(LEAST_TRAFFIC_S, window_s):
        return None
    found = Counting(prometheus).count(slo, at - covered_s, at, partial=True)
    return found.total * window_s / covered_s if found.total else None


def _consumed(slo: Slo, count: Count, covered_s: float) -> float | None:
    """Burn over what there is, times its share of the window; before that nothing is known and
    nothing charged.
    """
    if count.total is None or count.total < LEAST_EVENTS or count.bad is None:
        return None
    return burn_rate(count.bad, count.total, slo.target) * min(
        1.0, covered_s / slo.window.total_seconds()
    )


def _interval(count: Count) -> tuple[float, float] | None:
    if not count.total or count.bad is None:
        return None
    events = max(1, round(count.total))
    bad = min(events, round(count.bad))
    return lower_bound(bad, events), upper_bound(bad, events)


def _burning(counting: Counting, slo: Slo, alarm: Alarm, at: float) -> Burning:
    outage_s = (
        time_to_page_s(alarm.factor, slo.target, alarm.long_s)
        if can_fire(alarm.factor, slo.target)
        else None
    )
    rates: list[float | None] = []
    why = ""
    for window_s in (alarm.short_s, alarm.long_s):
        if window_s is None:
            continue
        count = counting.count(slo, at - window_s, at, partial=True)
        why = why or count.why
        known = count.bad is not None and (count.total or 0.0) >= LEAST_EVENTS
        rates.append(burn_rate(count.bad or 0.0, count.total or 1.0, slo.target) if known else None)
    short, long = rates[0], rates[-1]
    fires = None
    if short is not None and long is not None:
        fires = fires_in_s(alarm, short, long)
        if alarm.short_s is None:
            fires = 0.0 if long > alarm.factor else None
    return Burning(alarm, short, long, fires, outage_s, why)


def fires_in_s(alarm: Alarm, short: float, long: float) -> float | None:
    """Seconds until both windows exceed the factor, if the short window's rate goes on.

    What leaves the long window is taken to have burned at its average.
    """
    if short <= alarm.factor:
        return None
    if long > alarm.factor:
        return 0.0
    return alarm.long_s * (alarm.factor - long) / (short - long)


def sent_for(slo: Slo, window_s: float) -> tuple[str, ...]:
    """Queries that a window of this length is counted with, for showing what would be asked."""
    if isinstance(slo.sli, Threshold):
        assert slo.slices is not None
        length = window_text(slo.slices.length.total_seconds())
        return (f"{Windowed(slo.sli.query).over(length)} every {length}",)
    if not isinstance(slo.sli, Ratio):
        return ()
    part = slo.sli.good or slo.sli.bad
    assert part is not None
    if isinstance(part, Counter) and isinstance(slo.sli.total, Counter) and window_s <= RAW_S:
        one, whole = selector_of(part.selector), selector_of(slo.sli.total.selector)
        reach = window_text(window_s + LOOKBACK_S)
        return tuple(
            f"{each}[{reach}]" for each in ((whole,) if one.is_part_of(whole) else (whole, one))
        )
    return tuple(over(query, window_s)[0] for query in (slo.sli.total, part))
