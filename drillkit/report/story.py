"""A history as a report tells it: an axis, lanes, series and rows. Pure; every number comes from the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drillkit.judge.histogram import percentile_s
from drillkit.model.codec import decode_evidence
from drillkit.model.evidence import Activity, Attachment, Check, Mark, Measure, Note, RecoveryPoint, Sample
from drillkit.model.records import History, Record
from drillkit.model.units import format_duration
from drillkit.model.verdict import Outage, Verdict

BINS = 480
"""Points of a chart at most: more than a screen shows apart."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted, in seconds since the run began."""

    name: str
    start_s: float
    end_s: float
    tone: str
    """`ok`, `failed`, `unknown`, `skipped`, `cut`, `phase`, `outage` or `relieve`."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, in seconds since the run began."""

    at_s: float
    text: str
    tone: str = "plain"


@dataclass(slots=True)
class Bin:
    """A stretch of one probe's samples."""

    start_s: float
    end_s: float
    sent: int = 0
    bad: int = 0
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One probe over the run."""

    sli: str
    bins: tuple[Bin, ...]
    outages: tuple[Span, ...]
    control: bool


@dataclass(frozen=True, slots=True)
class Story:
    """What the templates need besides the verdict."""

    opened: Mapping[str, Any]
    began: str
    ended: str
    lasted: str
    length_s: float
    phases: tuple[Span, ...]
    steps: tuple[Span, ...]
    moments: tuple[Moment, ...]
    series: tuple[Series, ...]
    activities: tuple[tuple[str, Activity], ...]
    checks: tuple[tuple[str, Check], ...]
    measures: tuple[tuple[str, Measure], ...]
    recovery_points: tuple[tuple[str, RecoveryPoint], ...]
    notes: tuple[Note, ...]
    attachments: tuple[Attachment, ...]
    last_hash: str = ""


def tell(history: History, verdict: Verdict) -> Story:
    """The story of a run that has at least its first record."""
    begin = history[0].mono
    evidence = _evidence(history)
    end = max(record.mono for record in history) - begin
    return Story(
        opened=history[0].data,
        began=_date(history[0].at),
        ended=_date(history[-1].at),
        lasted=format_duration(round(end, 1)),
        length_s=max(end, 1.0),
        phases=tuple(_spans(history, "phase", lambda r: str(r.data["phase"]))),
        steps=tuple(_spans(history, "step", lambda r: r.step)),
        moments=tuple(_moments(history, begin)),
        series=tuple(_series(history, begin, verdict)),
        activities=tuple((step, e) for step, e in evidence if isinstance(e, Activity)),
        checks=tuple((step, e) for step, e in evidence if isinstance(e, Check)),
        measures=tuple((step, e) for step, e in evidence if isinstance(e, Measure)),
        recovery_points=tuple((step, e) for step, e in evidence if isinstance(e, RecoveryPoint)),
        notes=tuple(e for _, e in evidence if isinstance(e, Note)),
        attachments=tuple(e for _, e in evidence if isinstance(e, Attachment)),
    )


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _evidence(history: History) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for record in history:
        if record.kind == "evidence" and record.data.get("type") not in ("Sample", "Reading"):
            try:
                found.append((record.step, decode_evidence(record.data)))
            except ValueError:
                continue  # of another version: the judge has said so
    return found


def _spans(history: History, what: str, name: Any) -> list[Span]:
    begin = history[0].mono
    last = max(record.mono for record in history) - begin
    open_: dict[str, float] = {}
    found: list[Span] = []
    for record in history:
        if record.kind == f"{what}.started":
            open_[name(record)] = record.mono - begin
        elif record.kind == f"{what}.ended" and name(record) in open_:
            start = open_.pop(name(record))
            tone = str(record.data.get("outcome", "phase"))
            found.append(Span(name(record), start, record.mono - begin, tone, str(record.data.get("why", ""))))
    found += [Span(key, start, last, "cut", "did not end") for key, start in open_.items()]
    return sorted(found, key=lambda span: span.start_s)


def _moments(history: History, begin: float) -> list[Moment]:
    found: list[Moment] = []
    resources: dict[int, str] = {}
    for record in history:
        at = record.mono - begin
        data = record.data
        resource = resources.get(data.get("of", 0), f"undo {data.get('of')}")
        match record.kind:
            case "abort":
                found.append(Moment(at, f"aborted ({data['by']}): {data['why']}", "failed"))
            case "effect.irreversible":
                found.append(Moment(at, f"{data['effect'].partition('.')[2]}: {data['resource']}", "effect"))
            case "undo.planned":
                resources[record.n] = data["resource"]
                found.append(Moment(at, f"undo on disk: {data['resource']}", "plain"))
            case "undo.ended":
                found.append(Moment(at, f"{data['outcome']}: {resource}", "relieve"))
            case "undo.failed":
                found.append(Moment(at, f"not undone: {resource}: {data['why']}", "failed"))
            case "run.recovered":
                found.append(Moment(at, f"recovered by {data.get('by', '')}", "relieve"))
            case "journal.torn":
                found.append(Moment(at, f"a torn line of {data['bytes']} bytes was cut", "failed"))
            case "evidence" if data.get("type") == "Mark":
                mark = decode_evidence(data)
                assert isinstance(mark, Mark)
                simulated = " (simulated)" if mark.simulated else ""
                found.append(Moment(mark.at - begin, f"{record.step}: {mark.moment}{simulated}", "mark"))
            case _:
                pass
    return sorted(found, key=lambda moment: moment.at_s)


def _series(history: History, begin: float, verdict: Verdict) -> list[Series]:
    by_sli: dict[str, list[tuple[Record, Sample]]] = {}
    for record in history:
        if record.kind == "evidence" and record.data.get("type") == "Sample":
            sample = decode_evidence(record.data)
            assert isinstance(sample, Sample)
            by_sli.setdefault(sample.sli, []).append((record, sample))
    outages: dict[str, tuple[Outage, ...]] = {s.sli: s.outages for s in verdict.slis if s.phase == "all"}
    return [
        Series(
            sli,
            _bins([(record.mono - begin, sample) for record, sample in samples]),
            tuple(
                Span(sli, o.first_bad - begin, o.last_bad - begin, "outage", f"{o.bad} bad")
                for o in outages.get(sli, ())
            ),
            samples[0][1].control,
        )
        for sli, samples in sorted(by_sli.items())
    ]


def _bins(samples: list[tuple[float, Sample]]) -> tuple[Bin, ...]:
    """Seconds where they fit, else stretches of equal length, each with its own p95."""
    per_bin = max(1, -(-len(samples) // BINS))
    bins: list[Bin] = []
    for i in range(0, len(samples), per_bin):
        part = samples[i : i + per_bin]
        merged: dict[int, int] = {}
        for _, sample in part:
            for bucket, count in sample.latency_us.items():
                merged[bucket] = merged.get(bucket, 0) + count
        sent = sum(sample.sent for _, sample in part)
        p95 = percentile_s(merged, 0.95)
        bins.append(
            Bin(
                part[0][0] - 1.0,
                part[-1][0],
                sent,
                sent - sum(sample.good for _, sample in part),
                None if p95 is None else p95 * 1000,
            )
        )
    return tuple(bins)
