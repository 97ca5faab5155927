"""What a step had to achieve: recovery, RTO with its parts, RPO, time to detect.

Declared and not measurable is unknown, never met.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from drillkit.judge.bounds import ROUNDING_S
from drillkit.judge.evidence import passes
from drillkit.judge.outages import coincide
from drillkit.judge.run_history import EvidenceAt, RunRead, StepRun
from drillkit.judge.sample_stats import BLIND, CONTROL_SLACK_S, Samples, brackets_of
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Detect, Objectives
from drillkit.model.evidence import Alert, Backup, Check, Mark, Reading, RecoveryPoint
from drillkit.model.subjects import ObjectiveName, ObjectiveOf
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Judged

ALERTS_SLI = "alerts"
"""`sli` of the Readings that show that alerts could be read at all (`total`: how many
were firing).
"""
OFFSET_S, DRIFT_S, FUTURE_SLACK_S = 1.0, 0.5, 5.0
"""Clocks apart by less than OFFSET_S are not corrected; a date that moves by less than DRIFT_S is
disciplined, not set; a record may be FUTURE_SLACK_S younger than the mark of its restore.
"""
_PARTS = (
    ("decided", "decide"),
    ("started", "queue"),
    ("restored", "restore"),
    ("ready", "ready"),
    ("warm", "warm"),
    ("verified", "verify"),
)


@dataclass(slots=True)
class StepTimes:
    """A step's times in seconds, and what its objectives say of them."""

    judged: list[Judged] = field(default_factory=list)
    recovery_s: float | None = None
    detect_s: float | None = None
    acknowledge_s: float | None = None
    mitigate_s: float | None = None
    rto_s: float | None = None
    rpo_s: float | None = None
    split_s: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Time:
    """One measured time, or why there is none."""

    value_s: float | None
    why: str = ""
    beyond_s: float | None = None
    """It has not ended; it lasts longer than this already."""
    note: str = ""
    records: tuple[int, ...] = ()


def measure(run: RunRead, step: StepRun, samples: Samples) -> StepTimes:
    """All that can be measured of a step, judged where an objective is declared."""
    marks = _Marks(step)
    found = StepTimes(split_s=marks.split())
    wanted = step.declared.objectives if step.declared else Objectives()
    recovery, rto = _recovery(run, step, samples, marks), _rto(run, step, marks)
    if wanted.recovery is not None:
        found.judged.append(_judge(step, "recovery", recovery, wanted.recovery, marks))
    if wanted.rto is not None:
        found.judged.append(_judge(step, "rto", rto, wanted.rto, marks))
    found.recovery_s, found.rto_s = recovery.value_s, rto.value_s
    found.rpo_s, rpo = _rpo(run, step, marks, wanted.rpo)
    if rpo is not None:
        found.judged.append(rpo)
    if wanted.detect is not None:
        by_people = wanted.detect.alert is None
        time = (
            _said(run, marks, "detected") if by_people else _detect(run, wanted.detect, marks, step)
        )
        found.judged.append(_judge(step, "detect", time, wanted.detect.within, marks))
        found.detect_s = time.value_s
    else:
        found.detect_s = _said(run, marks, "detected").value_s
    _by_people(run, step, marks, wanted, found)
    return found


def _by_people(
    run: RunRead, step: StepRun, marks: _Marks, wanted: Objectives, found: StepTimes
) -> None:
    """Times that only people know: when somebody answered, when users were better off."""
    acknowledged = _said(run, marks, "acknowledged")
    mitigated = _said(run, marks, "mitigated")
    found.acknowledge_s, found.mitigate_s = acknowledged.value_s, mitigated.value_s
    if wanted.acknowledge is not None:
        judged = _judge(step, "acknowledge", acknowledged, wanted.acknowledge, marks)
        found.judged.append(judged)
    if wanted.mitigate is not None:
        found.judged.append(_judge(step, "mitigate", mitigated, wanted.mitigate, marks))


def _said(
    run: RunRead, marks: _Marks, moment: Literal["detected", "acknowledged", "mitigated"]
) -> _Time:
    """From the disruption to the first mark of people behind it; while there is none, to the end
    of the steps.
    """
    disrupted = marks.first("disrupted")
    if disrupted is None:
        return _Time(None, "nothing says when the disruption was")
    behind = [(mark, seen.n) for mark, seen in marks.seen.get(moment, ()) if mark.at >= disrupted]
    if not behind:
        end = min(run.end, run.during[1])
        records = marks.records("disrupted")
        return _Time(None, "nobody said so", beyond_s=max(0.0, end - disrupted), records=records)
    mark, n = min(behind, key=lambda pair: pair[0].at)
    return _Time(mark.at - disrupted, note=f"{mark.by} said so" if mark.by else "", records=(n,))


class _Marks:
    """The moments of one step."""

    def __init__(self, step: StepRun) -> None:
        self.seen: dict[str, list[tuple[Mark, EvidenceAt]]] = {}
        for seen in step.evidence:
            if isinstance(seen.what, Mark):
                self.seen.setdefault(seen.what.moment, []).append((seen.what, seen))

    def first(self, moment: str) -> float | None:
        return min((mark.at for mark, _ in self.seen.get(moment, ())), default=None)

    def last(self, moment: str) -> float | None:
        return max((mark.at for mark, _ in self.seen.get(moment, ())), default=None)

    def date_of_disruption(self) -> float | None:
        """The first `disrupted` as a date, by the runner's clock."""
        found = self.seen.get("disrupted")
        if not found:
            return None
        mark, seen = min(found, key=lambda pair: pair[0].at)
        return seen.at - seen.mono + mark.at

    def date_of(self, moment: str) -> float | None:
        """The last of that moment as a date, by the runner's clock."""
        found = self.seen.get(moment)
        if not found:
            return None
        mark, seen = max(found, key=lambda pair: pair[0].at)
        return seen.at - seen.mono + mark.at

    def spans(self) -> list[tuple[float, float | None]]:
        """From each disruption, or from when its fault was let go, to when all was whole again;
        None: it was not seen so.
        """
        moments = [
            (mark.at, order, moment)
            for order, moment in enumerate(("disrupted", "released", "recovered"))
            for mark, _ in self.seen.get(moment, ())
        ]
        found: list[tuple[float, float | None]] = []
        begun: float | None = None
        for at, _, moment in sorted(moments):
            if moment == "released" or (moment == "disrupted" and begun is None):
                begun = at
            elif moment == "recovered" and begun is not None:
                found.append((begun, at))
                begun = None
            elif moment == "recovered" and found:
                found[-1] = (found[-1][0], at)
        return found if begun is None else [*found, (begun, None)]

    def records(self, *moments: str) -> tuple[int, ...]:
        return tuple(sorted(seen.n for moment in moments for _, seen in self.seen.get(moment, ())))

    @property
    def simulated(self) -> bool:
        """Whether the disruption was only declared."""
        return any(mark.simulated for mark, _ in self.seen.get("disrupted", ()))

    def split(self) -> dict[str, float]:
        """RTO's parts, each from the end of the part before it; their sum is the RTO."""
        before, parts = self.first("disrupted"), dict[str, float]()
        for moment, part in _PARTS:
            at = self.last(moment)
            if before is not None and at is not None:
                parts[part] = max(0.0, at - before)
                before = max(before, at)
        return (
            parts if self.last("verified") is not None or self.last("restored") is not None else {}
        )


_WORDS: Mapping[ObjectiveName, tuple[str, str]] = {
    "recovery": ("recovered in", "not recovered after"),
    "rto": ("RTO", "not restored after"),
    "detect": ("detected in", "not detected after"),
    "acknowledge": ("acknowledged in", "not acknowledged after"),
    "mitigate": ("mitigated in", "not mitigated after"),
}


def _judge(
    step: StepRun, name: ObjectiveName, time: _Time, limit: timedelta, marks: _Marks
) -> Judged:
    limit_s, (done, not_done) = limit.total_seconds() + ROUNDING_S, _WORDS[name]
    if time.value_s is not None:
        holds = Holds.MET if time.value_s <= limit_s else Holds.VIOLATED
        observed = f"{done} {format_duration(time.value_s)}"
    elif time.beyond_s is not None:
        holds = Holds.VIOLATED if time.beyond_s > limit_s else Holds.UNKNOWN
        observed = f"{not_done} {format_duration(time.beyond_s)}"
    else:
        holds, observed = Holds.UNKNOWN, f"not measured: {time.why}"
    still = time.why if time.beyond_s is not None else ""
    notes = [time.note, still, "simulated disruption" if marks.simulated else ""]
    return Judged(
        about=ObjectiveOf(step.name, name),
        holds=holds,
        expected=f"at most {format_duration(limit)}",
        observed=observed,
        note="; ".join(note for note in notes if note),
        records=time.records,
    )


def _lasted(run: RunRead, step: StepRun) -> float:
    """The last moment at which the step was watched."""
    return run.end if step.ended is None else step.ended


def _recovery(run: RunRead, step: StepRun, samples: Samples, marks: _Marks) -> _Time:
    """From `disrupted` (of a fault that was asked to last, from `released`) to the later of
    `recovered` and the users being served again; of several, the slowest.
    """
    disrupted = marks.first("disrupted")
    if disrupted is None:
        return _Time(None, "nothing says when the disruption was")
    end, records = _lasted(run, step), marks.records("disrupted", "released", "recovered")
    if doubt := _recovery_doubt(samples, disrupted, end):
        return _Time(None, doubt, records=records)
    spans = marks.spans()
    ends = [later for later, _ in spans[1:]] + [end]
    times = [
        _span(run, step, samples, span, until, records)
        for span, until in zip(spans, ends, strict=True)
    ]
    still = [time for time in times if time.value_s is None]
    if not still:
        return max(times, key=lambda time: time.value_s or 0.0)
    known = [at for time in times for at in (time.value_s, time.beyond_s) if at is not None]
    return replace(still[-1], beyond_s=max(known, default=None))


def _recovery_doubt(samples: Samples, start: float, end: float) -> str:
    """Why probes cannot tell when users were served again, or ''."""
    doubt = ""
    for seen in samples.slis.values():
        if seen.control:
            continue
        if samples.blind(seen.sli):
            doubt = f"{seen.sli}: {BLIND}"
        if coincide(brackets_of(seen, start, end), samples.control, CONTROL_SLACK_S):
            doubt = f"the control probe failed together with {seen.sli}"
    return doubt


def _span(
    run: RunRead,
    step: StepRun,
    samples: Samples,
    span: tuple[float, float | None],
    end: float,
    records: tuple[int, ...],
) -> _Time:
    """One recovery, watched until `end`."""
    (disrupted, recovered), served = span, span[0]
    for seen in samples.slis.values():
        if not seen.control:
            served = max([served, *(b.over_by for b in brackets_of(seen, disrupted, end))])
    if recovered is None:
        # Only a step that watched and gave up knows that it was not whole; others may never
        # have looked, as one that lacked what the rest needs (a budget held evictions back).
        looked = step.outcome == "failed" and not _lacked(step)
        watched = max(0.0, end - disrupted) if looked else None
        return _Time(None, "it was not seen whole again", beyond_s=watched, records=records)
    if math.isinf(served):
        return _Time(
            None,
            "users were not served again",
            beyond_s=max(0.0, run.end - disrupted),
            records=records,
        )
    note = f"workload whole in {format_duration(recovered - disrupted)}"
    note += (
        f", users served in {format_duration(served - disrupted)}"
        if samples.slis
        else ", users not observed"
    )
    return _Time(max(recovered, served) - disrupted, note=note, records=records)


def _lacked(step: StepRun) -> bool:
    """Whether something was missing that all after it needed."""
    last = {
        seen.what.name: seen.what
        for seen in step.evidence
        if isinstance(seen.what, Check) and seen.what.purpose == "prerequisite"
    }
    return any(passes(check) is not True for check in last.values())


def _rto(run: RunRead, step: StepRun, marks: _Marks) -> _Time:
    disrupted, verified = marks.first("disrupted"), marks.last("verified")
    if disrupted is None:
        return _Time(None, "nothing says when the disruption was")
    records = marks.records("disrupted", "verified")
    if verified is None:
        lasted = max(0.0, _lasted(run, step) - disrupted) if step.outcome != "ok" else None
        return _Time(None, "no last passing check", beyond_s=lasted, records=records)
    parts = ", ".join(f"{part} {format_duration(value)}" for part, value in marks.split().items())
    return _Time(verified - disrupted, note=parts, records=records)


def _detect(run: RunRead, wanted: Detect, marks: _Marks, step: StepRun) -> _Time:
    """From the injection to the alert firing, by the alert's own date."""
    disrupted = marks.date_of_disruption()
    if disrupted is None:
        return _Time(None, "nothing says when the injection was")
    everything = [*run.evidence, *(seen for each in run.steps.values() for seen in each.evidence)]
    firing = sorted(
        (seen.what.since.timestamp(), seen.n)
        for seen in everything
        if isinstance(seen.what, Alert)
        and seen.what.name == wanted.alert
        and seen.what.state == "firing"
    )
    disrupted += run.opened.clock_offsets.get("prometheus", 0.0)
    since = [(at, n) for at, n in firing if at >= disrupted]
    note = _clock_note(run)
    if run.clock_drift_s > DRIFT_S:
        moved = format_duration(round(run.clock_drift_s, 1))
        return _Time(None, f"our date moved by {moved} during the run, so dates tell nothing")
    if since:
        return _Time(since[0][0] - disrupted, note=note, records=(since[0][1],))
    if firing:
        return _Time(
            None, f"{wanted.alert} was firing before the injection", records=(firing[-1][1],)
        )
    looked = [
        seen
        for seen in everything
        if isinstance(seen.what, Reading)
        and seen.what.sli == ALERTS_SLI
        and seen.what.total is not None
    ]
    last = max((seen.at for seen in looked), default=None)
    if last is None or last <= disrupted:
        return _Time(None, f"{wanted.alert} did not fire, or nobody could read alerts")
    return _Time(
        None,
        f"{wanted.alert} did not fire",
        beyond_s=last - disrupted,
        note=note,
        records=(looked[-1].n,),
    )


def _not_of_a_sample(step: StepRun, limit: timedelta | None) -> Judged | None:
    """In a disaster the newest backup is restored; one that was drawn tells nothing of its age."""
    if limit is None:
        return None
    return Judged(
        about=ObjectiveOf(step.name, "rpo"),
        holds=Holds.UNKNOWN,
        expected=f"at most {format_duration(limit)}",
        observed="not measured: the backup was drawn at random",
    )


def _rpo(
    run: RunRead, step: StepRun, marks: _Marks, limit: timedelta | None
) -> tuple[float | None, Judged | None]:
    """From the newest record found in the restored data to the disruption.

    A heartbeat (canary) is exact. The newest row is only a lower bound of the recovery point:
    nothing may have been written after it, so a miss proves nothing. What a provider promises
    bounds the loss from below, so it can prove a miss and nothing else.
    """
    if any(isinstance(seen.what, Backup) and seen.what.how == "random" for seen in step.evidence):
        return None, _not_of_a_sample(step, limit)
    points = [(seen.what, seen.n) for seen in step.evidence if isinstance(seen.what, RecoveryPoint)]
    best = next(
        (p for basis in ("canary", "newest-row") for p in points if p[0].basis == basis), None
    )
    point, n = best or (points[-1] if points else (None, 0))
    disrupted = _when(point.disrupted) if point and point.disrupted else marks.date_of_disruption()
    loss_s = disrupted - _when(point.at) if point is not None and disrupted is not None else None
    clocks = _Clocks.of_far_sides(run)
    if point is not None and point.same_clock:
        clocks = _Clocks()
    if loss_s is not None:
        loss_s += clocks.nominal_s
    measured = max(0.0, loss_s) if loss_s is not None and point and point.measured else None
    if limit is None:
        return measured, None
    limit_s, about = limit.total_seconds() + ROUNDING_S, ObjectiveOf(step.name, "rpo")
    expected = f"at most {format_duration(limit)}"
    if point is None or loss_s is None:
        why = (
            "no record was found in the restored data"
            if point is None
            else "nothing says when the disruption was"
        )
        return None, Judged(
            about=about, holds=Holds.UNKNOWN, expected=expected, observed=f"not measured: {why}"
        )
    within = clocks.decide(loss_s, limit_s)
    if point.basis == "canary":
        holds, note = within, "by the heartbeat"
    elif point.basis == "newest-row":
        holds = Holds.MET if within is Holds.MET else Holds.UNKNOWN
        note = "by the newest row, a lower bound of the recovery point"
    else:
        holds = Holds.VIOLATED if within is Holds.VIOLATED else Holds.UNKNOWN
        note = f"promised ({point.basis}), not read from the restored data"
    doubt = clocks.doubt if within is Holds.UNKNOWN else ""
    if not point.same_clock and (impossible := _from_the_future(point, marks, clocks)):
        holds, doubt, measured = Holds.UNKNOWN, impossible, None
    notes = [note, clocks.note, "simulated disruption" if marks.simulated else ""]
    if loss_s < -OFFSET_S:
        notes.append(f"the restored data reach {format_duration(-loss_s)} past the disruption")
    return measured, Judged(
        about=about,
        holds=holds,
        expected=expected,
        observed=f"RPO {format_duration(max(0.0, loss_s))}",
        note="; ".join(part for part in notes if part),
        doubt=doubt,
        records=(n,),
    )


def _from_the_future(point: RecoveryPoint, marks: _Marks, clocks: _Clocks) -> str:
    """Why a recovery point cannot be: nothing restored is younger than the begin of its restoring.
    '' where it can.
    """
    began = marks.date_of("started")
    if began is None:
        return ""
    ahead_s = _when(point.at) - (began + clocks.most_s + FUTURE_SLACK_S)
    if ahead_s <= 0:
        return ""
    return (
        f"the newest record is {format_duration(round(ahead_s, 1))} younger than its restore: the "
        "clock that wrote it is apart from ours, and nobody measured by how much"
    )


@dataclass(frozen=True, slots=True)
class _Clocks:
    """How far the clocks that dated the recovery point are ahead of the runner's, in seconds."""

    least_s: float = 0.0
    most_s: float = 0.0
    """Offset and drift at their worst."""
    nominal_s: float = 0.0
    """What a loss is corrected by."""
    note: str = ""

    @classmethod
    def of_far_sides(cls, run: RunRead) -> _Clocks:
        """What record 1 measured of every far side but the metrics server, which dates no data, and
        what the runner's own date moved since.
        """
        measured = run.opened.clock_offsets.items()
        offsets = [offset_s for side, offset_s in measured if side != "prometheus"]
        least, most = min(offsets, default=0.0), max(offsets, default=0.0)
        drift_s = run.clock_drift_s if run.clock_drift_s > DRIFT_S else 0.0
        apart_s = max(abs(least), abs(most))
        # Dates of HTTP tell whole seconds: less than that is no offset, only not known better.
        nominal_s = (least + most) / 2 if apart_s > OFFSET_S else 0.0
        notes = [_clock_note(run)]
        if nominal_s:
            notes.append(f"corrected by {format_duration(abs(nominal_s))}")
        if drift_s:
            notes.append(f"our date moved by {format_duration(round(drift_s, 1))} during the run")
        said = "; ".join(note for note in notes if note)
        return cls(min(least, nominal_s) - drift_s, max(most, nominal_s) + drift_s, nominal_s, said)

    @property
    def doubt(self) -> str:
        return f"the clocks do not tell: {self.note}"

    def decide(self, corrected_s: float, limit_s: float) -> Holds:
        """Whether a corrected loss is within its limit at the worst, or beyond it at the best."""
        if corrected_s - self.nominal_s + self.most_s <= limit_s:
            return Holds.MET
        if corrected_s - self.nominal_s + self.least_s > limit_s:
            return Holds.VIOLATED
        return Holds.UNKNOWN


def _when(date: datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _clock_note(run: RunRead) -> str:
    """How far the other side's clock was off, if it was measured."""
    off = [abs(offset_s) for offset_s in run.opened.clock_offsets.values()]
    return f"clocks apart by up to {format_duration(max(off))}" if off else ""
