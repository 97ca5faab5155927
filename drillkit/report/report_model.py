"""A history as a report tells it: facts, spans, moments, series and evidence. Pure; everything
comes from the journal.

Whatever the judge takes, this takes: what cannot be read is left out here, and the judge has
listed it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drillkit.judge.people import PeopleView, people_of
from drillkit.judge.run_history import EvidenceAt, RunRead, read_run
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import to_data
from drillkit.model.evidence import Evidence, Mark
from drillkit.model.records import History, RunOpened, RunRecovered, WeaknessesFound
from drillkit.model.units import format_duration
from drillkit.model.verdict import Verdict
from drillkit.report.auditor import AuditAnswer, answers, supported
from drillkit.report.messages import Told, told_of
from drillkit.report.scoreboard import SystemRow, scoreboard
from drillkit.report.series import ProbeSeries, series_of
from drillkit.report.timeline import Moment, moments


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted, in seconds since the run began."""

    name: str
    start_s: float
    end_s: float
    tone: str
    """`ok`, `failed`, `unknown`, `skipped`, `cut`, `phase`, `part` or `group`."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A row of the chart: a step, or a group above its steps."""

    name: str
    spans: tuple[Span, ...]
    """None: it was not reached."""
    parts: tuple[Span, ...] = ()
    """What its recovery time was made of."""
    depth: int = 0
    """1 inside a group."""


@dataclass(frozen=True, slots=True)
class ChartMark:
    """A moment that deserves a mark in the chart."""

    at_s: float
    text: str
    cuts: bool = False
    """The run was cut short here."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Record 1, as far as it can be read. What is missing is '-' or empty."""

    description: str
    owner: str
    protected: bool
    emulated: tuple[str, ...]
    operator: str
    trigger: str
    host: str
    platform: str
    cluster_uid: str
    clocks: Mapping[str, float]
    """Seconds by which another system's clock is ahead, by its name."""
    versions: Mapping[str, str]
    digests: Mapping[str, str]
    drill: Mapping[str, Any]
    target: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """What the templates need besides the verdict."""

    facts: Facts
    began: str
    ended: str
    lasted: str
    zone: str
    """The drill's own time zone, where that is not UTC: times are told in it, too."""
    began_there: str
    ended_there: str
    length_s: float
    people: PeopleView
    """Who took part, and what they said and decided."""
    told: tuple[Told, ...]
    """Who was told of it."""
    begin: float
    """Where the run's monotonic axis begins."""
    begin_at: float
    """The same as a date."""
    records: int
    recovered: str
    """Who cleaned up after it and when, or ''."""
    phases: tuple[Span, ...]
    lanes: tuple[ChartRow, ...]
    events: tuple[ChartMark, ...]
    board: tuple[SystemRow, ...]
    """The first page's table."""
    audit: tuple[AuditAnswer, ...]
    """What auditors ask of a recovery test, answered."""
    weak: WeaknessesFound | None
    """What was fragile before anything was broken; None: nobody looked."""
    moments: tuple[Moment, ...]
    series: tuple[ProbeSeries, ...]
    evidence: tuple[tuple[str, EvidenceAt], ...]
    """Everything but samples, with the step it belongs to, in order."""

    def of(self, *kinds: type[Evidence]) -> list[tuple[str, Any]]:
        """Evidence of these kinds with the name of its step."""
        return [(step, seen.what) for step, seen in self.evidence if isinstance(seen.what, kinds)]


def tell(history: History, verdict: Verdict) -> Story:
    """The story of a run of which at least one record is there."""
    run, first = read_run(history), history[0]
    length_s = max(run.end - first.mono, 1.0) if math.isfinite(run.end - first.mono) else 1.0
    evidence = [("", seen) for seen in run.evidence]
    evidence += [(step.name, seen) for step in run.steps.values() for seen in step.evidence]
    people, told = people_of(history), told_of(history)
    zone, end_at = _zone(run), first.at + run.end - first.mono
    return Story(
        facts=_facts(run.opened),
        began=_date(first.at),
        ended=_date(end_at),
        lasted=format_duration(round(run.end - first.mono, 1)),
        zone=zone.key if zone else "",
        began_there=_there(first.at, zone),
        ended_there=_there(end_at, zone),
        length_s=length_s,
        people=people,
        told=told,
        begin=first.mono,
        begin_at=first.at,
        records=len(history),
        recovered=_recovered(history),
        phases=_phases(run, first.mono, length_s),
        lanes=_lanes(run, verdict, first.mono),
        events=_events(run, verdict, first.mono),
        board=scoreboard(history, run, verdict),
        audit=(*answers(run, verdict, people.participants, told), supported(history, verdict)),
        weak=next((r.entry for r in history if isinstance(r.entry, WeaknessesFound)), None),
        moments=moments(history, run, verdict, zone),
        series=series_of(history, run, verdict, first.mono, length_s),
        evidence=tuple(sorted(evidence, key=lambda pair: pair[1].n)),
    )


def _date(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "at a date that cannot be"


def _zone(run: RunRead) -> ZoneInfo | None:
    """The drill's time zone; None for UTC, and for one that this machine does not know."""
    window = run.drill.window if run.drill else None
    if window is None or window.timezone in ("UTC", "Etc/UTC"):
        return None
    try:
        return ZoneInfo(window.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _there(at: float, zone: ZoneInfo | None) -> str:
    if zone is None:
        return ""
    try:
        return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S %Z")
    except (ValueError, OverflowError, OSError):
        return "at a date that cannot be"


def _text(value: Any, otherwise: str = "-") -> str:
    return value if isinstance(value, str) and value else otherwise


def _part(opened: RunOpened, key: Literal["drill", "target"]) -> Mapping[str, Any]:
    """The drill or the target as plain data; one that does not fit this version, as it stands
    there: a page shows it all the same.
    """
    part = opened.drill if key == "drill" else opened.target
    if part is not None:
        found: Mapping[str, Any] = to_data(part)
        return found
    return next((u.data for u in opened.unread if u.key == key and isinstance(u.data, Mapping)), {})


def _facts(opened: RunOpened) -> Facts:
    target, drill = _part(opened, "target"), _part(opened, "drill")
    emulated = target.get("emulated")
    return Facts(
        description=_text(drill.get("description"), ""),
        owner=_text(drill.get("owner"), ""),
        protected=target.get("protected") is True,
        emulated=tuple(str(text) for text in emulated)
        if isinstance(emulated, list | tuple)
        else (),
        operator=_text(opened.operator),
        trigger=_text(opened.trigger),
        host=_text(opened.vantage.get("host")),
        platform=_text(opened.vantage.get("platform")),
        cluster_uid=opened.identities.cluster_uid,
        clocks=opened.clock_offsets,
        versions=opened.versions,
        digests=opened.digests,
        drill=drill,
        target={key: value for key, value in target.items() if key != "emulated"},
    )


def _recovered(history: History) -> str:
    for record in history:
        if isinstance(record.entry, RunRecovered):
            return f"{_text(record.entry.by, 'somebody')} on {_date(record.at)}"
    return ""


def _phases(run: RunRead, begin: float, length_s: float) -> tuple[Span, ...]:
    spans = [
        Span(str(name), start - begin, min(end - begin, length_s), "phase")
        for name, (start, end) in run.phases.items()
        if start - begin < length_s  # a recovery has a clean-up of its own, days later
    ]
    return tuple(sorted(spans, key=lambda span: span.start_s))


def _lanes(run: RunRead, verdict: Verdict, begin: float) -> tuple[ChartRow, ...]:
    """Steps in order of the drill; a group's own lane above its first."""
    lanes: list[ChartRow] = []
    groups: set[str] = set()
    for step in verdict.steps:
        group = str(step.group)
        if group and group not in groups:
            groups.add(group)
            inside = [s for s in verdict.steps if str(s.group) == group and s.started is not None]
            whole: tuple[Span, ...] = ()
            if inside:
                first = min(s.started or 0.0 for s in inside)
                last = max(run.end if s.ended is None else s.ended for s in inside)
                whole = (Span(group, first - begin, last - begin, "group"),)
            lanes.append(ChartRow(group, whole))
        spans: tuple[Span, ...] = ()
        if step.started is not None:
            end = run.end if step.ended is None else step.ended
            spans = (
                Span(
                    str(step.name), step.started - begin, end - begin, step.outcome, str(step.why)
                ),
            )
        lanes.append(
            ChartRow(
                str(step.name), spans, _parts(run, step.name, step.split_s, begin), int(bool(group))
            )
        )
    return tuple(lanes)


def _marks(run: RunRead) -> list[tuple[str, Mark]]:
    return [
        (step.name, s.what)
        for step in run.steps.values()
        for s in step.evidence
        if isinstance(s.what, Mark)
    ]


def _parts(run: RunRead, step: str, split_s: Mapping[str, float], begin: float) -> tuple[Span, ...]:
    disrupted = [
        mark.at for name, mark in _marks(run) if name == step and mark.moment == "disrupted"
    ]
    if not disrupted or not split_s:
        return ()
    at, spans = min(disrupted) - begin, []
    for part, length_s in split_s.items():
        spans.append(Span(part, at, at + length_s, "part", format_duration(round(length_s, 2))))
        at += length_s
    return tuple(spans)


def _events(run: RunRead, verdict: Verdict, begin: float) -> tuple[ChartMark, ...]:
    several = len(verdict.steps) > 1
    found = [
        ChartMark(mark.at - begin, f"{step}: {mark.moment}" if several else mark.moment)
        for step, mark in _marks(run)
    ]
    found += [ChartMark(record.mono - begin, "aborted", cuts=True) for record in run.aborts[:1]]
    if verdict.crashed:
        found.append(ChartMark(run.end - begin, "cut off", cuts=True))
    return tuple(sorted(found, key=lambda event: event.at_s))
