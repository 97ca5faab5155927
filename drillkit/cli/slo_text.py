"""What `slo check` and `slo explain` say, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from drillkit.judge.budget import budget_s, can_fire, time_to_page_s
from drillkit.judge.statistics import least_bad_to_fail, most_bad_to_pass, trials_needed
from drillkit.model.slo import Probed, Threshold
from drillkit.model.units import format_duration
from drillkit.slo.status import Alarm, Burning, SloStatus, alarms_of, sent_for
from drillkit.spec.openslo import FoundSlo

COLUMN = 9


def _row(title: str, text: str) -> str:
    return f"  {title:{COLUMN}}{text}"


def standing_lines(found: FoundSlo, standing: SloStatus, where: str) -> Iterator[str]:
    """How an objective stands."""
    slo, count = standing.slo, standing.count
    yield _row("from", f"{found.where}, asked of {where} at {_date(standing.at)}")
    for query in count.queries:
        yield _row("sent", query)
    window_s = standing.at - standing.start
    reach = (
        "data reach back all of it"
        if standing.whole
        else f"data reach back {format_duration(standing.covered_s)}"
    )
    yield _row("window", f"{format_duration(window_s)} from {_date(standing.start)}; {reach}")
    unit = "slices" if slo.slices else "events"
    if count.total and count.bad is not None:
        yield _row(
            "counted",
            f"{count.bad:,.6g} bad of {count.total:,.6g} {unit}; {standing.answer.expected}",
        )
    for note in count.notes:
        yield _row("note", note)
    if standing.interval is not None:
        low, high = standing.interval
        yield _row(
            "interval",
            f"bad share at least {_percent(low)} and at most {_percent(high)} "
            "(exact, each with 95 % confidence)",
        )
    if standing.remaining is not None:
        whole = (
            f"{budget_s(slo.target, window_s):,.6g} s of full outage in {format_duration(window_s)}"
        )
        guess = (
            ""
            if standing.whole
            else "; before the data began nothing is charged, so this is an estimate"
        )
        yield _row("budget", f"{standing.remaining * 100:.3g} % left of {whole}{guess}")
    for burning in standing.burning:
        yield _row("burn", _burning(burning))


def _burning(found: Burning) -> str:
    alarm = found.alarm
    if found.short is None or found.long is None:
        return f"{_windows(alarm)}: unknown, {found.why}"
    rates = (
        f"{found.short:.3g} and {found.long:.3g}"
        if alarm.short_s is not None
        else f"{found.long:.3g}"
    )
    if found.fires_in_s == 0:
        when = "fires now"
    elif found.fires_in_s is None:
        when = "never at this rate"
    else:
        when = f"fires in {format_duration(found.fires_in_s)} at this rate"
    return f"{_windows(alarm)}: {rates}; {alarm.name} above {alarm.factor:.3g}: {when}"


def _windows(alarm: Alarm) -> str:
    long = format_duration(alarm.long_s)
    return f"{format_duration(alarm.short_s)} and {long}" if alarm.short_s is not None else long


def explained(found: FoundSlo) -> Iterator[str]:
    """What an objective means."""
    slo = found.slo
    window_s = slo.window.total_seconds()
    yield f"{slo.name}: {slo.title}"
    yield _row("from", found.where + (f", owner {slo.owner}" if slo.owner else ""))
    if slo.description:
        yield _row("says", " ".join(slo.description.split()))
    kind = "calendar window" if slo.calendar else "rolling window"
    what = "events" if slo.slices is None else f"slices of {format_duration(slo.slices.length)}"
    yield _row(
        "promises",
        f"{slo.target * 100:.6g} % good {what} over {format_duration(slo.window)} ({kind})",
    )
    yield _row(
        "budget",
        f"{_percent(slo.tolerated)} bad; {budget_s(slo.target, window_s):,.6g} s of full outage",
    )
    if isinstance(slo.sli, Probed):
        slow = f", later than {format_duration(slo.sli.slow)} is bad" if slo.sli.slow else ""
        yield _row(
            "seen by",
            f"the drill's probe `{slo.sli.probe}`{slow}; its budget is an estimate by time",
        )
    else:
        for title, length_s in (("5 min", 300.0), (format_duration(slo.window), window_s)):
            for query in sent_for(slo, length_s):
                yield _row("asks", f"over {title}: {query}")
        if isinstance(slo.sli, Threshold):
            yield _row("good", f"{slo.sli.op} {slo.sli.value:g}, once per slice")
    yield from _needed(slo.tolerated)
    for alarm in alarms_of(slo):
        yield _row("alert", _alarm(alarm, slo.target))
    for notice in dict.fromkeys(found.notices):
        yield _row("note", notice)


def _needed(tolerated: float) -> Iterator[str]:
    """What the exact test needs, so that nobody expects proof from a handful of requests."""
    clean, most, least = (
        trials_needed(tolerated),
        most_bad_to_pass(3000, tolerated),
        least_bad_to_fail(3000, tolerated),
    )
    of_many = (
        f"of 3,000 at most {most} may be bad"
        if most is not None
        else "3,000 are too few whatever they are"
    )
    refuted = f", and {least} refute it" if least is not None else ""
    yield _row(
        "proof",
        f"{clean:,} events without a bad one show it with 95 % confidence; {of_many}{refuted}",
    )


def _alarm(alarm: Alarm, target: float) -> str:
    over = f"{alarm.name}: burn above {alarm.factor:.3g} over {_windows(alarm)}"
    if not can_fire(alarm.factor, target):
        return f"{over} can never fire: even a full outage burns at {1 / (1 - target):.4g} only"
    outage = time_to_page_s(alarm.factor, target, alarm.long_s)
    return f"{over}; after {format_duration(outage or 0.0)} of a full outage"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
