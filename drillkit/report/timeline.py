"""What happened when, as a list: what an incident's timeline would hold, from records and
from outages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import assert_never

from drillkit.judge.evidence import passes
from drillkit.judge.people import people_words
from drillkit.judge.run_history import RunRead
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import (
    Activity,
    Alert,
    Attachment,
    Backup,
    Check,
    Comparison,
    Evidence,
    Injection,
    Mark,
    Measure,
    Note,
    Reading,
    RecoveryPoint,
    Sample,
)
from drillkit.model.records import (
    DecisionEntry,
    EffectConfirmed,
    EffectEntry,
    EffectIrreversible,
    ExpectationAnswered,
    ExpectationStated,
    GateDecided,
    GuardDecided,
    History,
    JournalTorn,
    MessageSent,
    PeopleEntry,
    PhaseEnded,
    PhaseStarted,
    Progress,
    Record,
    RunAborted,
    RunClosed,
    RunEntry,
    RunOpened,
    RunRecovered,
    RunSettled,
    StepEnded,
    StepEntry,
    StepStarted,
    StrangeRecord,
    UndoEnded,
    UndoFailed,
    UndoPlanned,
    UnknownRecord,
    WeaknessesFound,
)
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Outage, Verdict, never_begun

TOGETHER_S = 2.0
"""The same thing done to several objects within this is one moment."""
NAMED = 3
"""Objects of one moment that are named."""
SHORT_S = 10.0
"""A shorter outage is one moment, a longer one two."""
OUTAGES = 10
"""Outages of one probe that are told, the longest ones."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, in seconds since the run began."""

    at_s: float
    date: str
    """The same as a time of day, UTC."""
    what: str
    objects: tuple[str, ...] = ()
    """What it was done to."""
    tone: str = "plain"
    """`plain` (may be left out first), `step`, `bad` or `good`."""
    there: str = ""
    """The time of day in the drill's own zone, where it has one."""

    @property
    def text(self) -> str:
        """The line."""
        if not self.objects:
            return self.what
        more = f" and {len(self.objects) - NAMED} more" if len(self.objects) > NAMED else ""
        return f"{self.what} {', '.join(self.objects[:NAMED])}{more}"


@dataclass(frozen=True, slots=True)
class _Said:
    what: str
    objects: tuple[str, ...] = ()
    tone: str = "plain"
    at: float | None = None
    """Another time than that of the record, on the run's axis."""


def moments(
    history: History, run: RunRead, verdict: Verdict, zone: tzinfo | None = None
) -> tuple[Moment, ...]:
    """Every moment, in order of time. `zone`: the drill's own, in which times are told, too."""
    first = history[0]

    def moment(said: _Said, at_s: float) -> Moment:
        at = first.at + at_s
        there = _time_of_day(at, zone) if zone else ""
        return Moment(at_s, _time_of_day(at, UTC), said.what, said.objects, said.tone, there)

    found = [moment(said, at_s) for said, at_s in _from_records(history)]
    found += [
        moment(said, min(said.at or 0.0, run.end) - first.mono) for said in _from_outages(verdict)
    ]
    if verdict.crashed:
        found.append(
            moment(
                _Said("the run was cut off here: nothing is written after this", tone="bad"),
                run.end - first.mono,
            )
        )
    return tuple(_together(sorted(found, key=lambda m: m.at_s)))


def shortened(several: tuple[Moment, ...], most: int) -> tuple[tuple[Moment, ...], int]:
    """(at most so many, how many are left out): what is routine is left out first."""
    if len(several) <= most:
        return several, 0
    telling = [m for m in several if m.tone != "plain"]
    kept = set(map(id, telling[:most]))
    for m in several:
        if len(kept) < most and id(m) not in kept:
            kept.add(id(m))
    shown = tuple(m for m in several if id(m) in kept)
    return shown, len(several) - len(shown)


def _time_of_day(at: float, zone: tzinfo) -> str:
    try:
        return datetime.fromtimestamp(at, zone).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "?"


def _from_records(history: History) -> Iterator[tuple[_Said, float]]:
    first, recovered = history[0], False
    resources: dict[int, str] = {}
    for record in history:
        recovered = recovered or isinstance(record.entry, RunRecovered | JournalTorn)
        # The monotonic clock of a recovery may be another boot's: its dates are all there is.
        at_s = record.at - first.at if recovered else record.mono - first.mono
        said = _said(record, resources)
        if said is not None:
            yield said, at_s if said.at is None else said.at - first.mono


def _said(record: Record, resources: dict[int, str]) -> _Said | None:
    """What one record tells; `resources`: what the effects and expectations before it are about,
    by their number, which this adds to.
    """
    entry = record.entry
    if isinstance(entry, Evidence):
        return _observed(entry, _whose(record))
    if isinstance(entry, RunEntry):
        return _of_run(entry)
    if isinstance(entry, StepEntry):
        return _of_step(entry, record.step)
    if isinstance(entry, DecisionEntry):
        return _decided(entry)
    if isinstance(entry, EffectEntry):
        if isinstance(entry, UndoPlanned):
            resources[record.n] = entry.resource
        return _of_effect(entry, _whose(record), resources)
    if isinstance(entry, PeopleEntry):
        if isinstance(entry, ExpectationStated):
            resources[record.n] = entry.text
        said = _answered(entry, resources) or people_words(entry, record.step)
        return _Said(said, tone="step") if said else None
    if isinstance(entry, UnknownRecord | StrangeRecord):
        return None  # the judge has listed it
    assert_never(entry)


def _answered(entry: PeopleEntry, stated: Mapping[int, str]) -> str:
    """Which expectation came true, or did not; '' for everything else."""
    if not isinstance(entry, ExpectationAnswered) or entry.of not in stated:
        return ""
    why = f": {entry.why}" if entry.why else ""
    came = "came true" if entry.came else "did not come true"
    return f"{entry.by}: “{stated[entry.of]}” {came}{why}"


def _of_run(entry: RunEntry) -> _Said | None:
    match entry:
        case RunRecovered(by=by):
            return _Said(f"recovery begins, by {by or 'somebody'}", tone="good")
        case RunSettled():
            return _Said(f"{entry.by} vouches for what is not in here: {entry.why}", tone="step")
        case JournalTorn():
            return _Said(f"a torn last line of {entry.bytes} bytes was cut off", tone="bad")
        case PhaseStarted(phase="cleanup"):
            return _Said("clean-up begins")
        case RunClosed():
            return _Said("run closed")
        case MessageSent():
            return None  # told in a table of its own
        case RunOpened() | PhaseStarted() | PhaseEnded() | Progress() | WeaknessesFound():
            return None
        case other:
            assert_never(other)


def _of_step(entry: StepEntry, step: str) -> _Said:
    match entry:
        case StepStarted():
            return _Said(f"{step}: started", tone="step")
        case StepEnded(outcome="skipped"):
            return _Said(f"{step}: {never_begun(entry.why)}", tone="bad")
        case StepEnded(outcome=outcome):
            why = f": {entry.why}" if entry.why else ""
            return _Said(
                f"{step}: ended, {outcome}{why}", tone="step" if outcome == "ok" else "bad"
            )
        case other:
            assert_never(other)


def _decided(entry: DecisionEntry) -> _Said:
    match entry:
        case GateDecided(holds=holds):
            held = {Holds.MET: "holds", Holds.VIOLATED: "does not hold"}.get(
                holds, "cannot be told"
            )
            tone = "plain" if holds is Holds.MET else "bad"
            return _Said(f"steady state {entry.place}: {entry.sli} {held} ({entry.why})", tone=tone)
        case GuardDecided(holds=Holds.MET):
            return _Said(f"guard holds: {entry.guard}")
        case GuardDecided():
            return _Said(f"guard {entry.guard} says stop: {entry.why}", tone="bad")
        case RunAborted():
            return _Said(f"ABORTED by {entry.by}: {entry.why}", tone="bad")
        case other:
            assert_never(other)


def _of_effect(entry: EffectEntry, whose: str, resources: Mapping[int, str]) -> _Said | None:
    match entry:
        case UndoPlanned():
            return _Said(f"{whose}undo on disk, before the effect:", (entry.resource,))
        case EffectIrreversible():
            verb = entry.effect.rpartition(".")[2].replace("-", " ")
            return _Said(f"{whose}{verb}:", (entry.resource,), "step")
        case UndoEnded():
            outcome = entry.outcome.replace("-", " ")
            return _Said(f"{outcome}:", (_resource(entry.of, resources),), "good")
        case UndoFailed():
            return _Said(f"NOT undone: {_resource(entry.of, resources)}: {entry.why}", tone="bad")
        case EffectConfirmed():
            return None
        case other:
            assert_never(other)


def _resource(of: int, resources: Mapping[int, str]) -> str:
    return resources.get(of, f"effect {of}")


def _whose(record: Record) -> str:
    return f"{record.step}: " if record.step else ""


def _observed(evidence: Evidence, whose: str) -> _Said | None:
    match evidence:
        case Mark() as mark:
            simulated = " (simulated)" if mark.simulated else ""
            said = f", {mark.by} said" if mark.by else ""
            return _Said(f"{whose}{mark.moment}{simulated}{said}", tone="step", at=mark.at)
        case Activity() as activity if (
            activity.outcome != "succeeded" or activity.tolerated is False
        ):
            error = f": {activity.error}" if activity.error else ""
            outcome = "out of tolerance" if activity.outcome == "succeeded" else activity.outcome
            return _Said(f"{whose}{activity.name} {outcome}{error}", tone="bad")
        case Activity() as activity if activity.kind == "action":
            return _Said(f"{whose}{activity.name} succeeded in {format_duration(activity.took_s)}")
        case Check() as check if passes(check) is not True:
            found = (
                f"could not be read: {check.why}" if check.found is None else f"found {check.found}"
            )
            return _Said(f"{whose}{check.name}: {found}", tone="bad")
        case Alert() as alert:
            expected = " (expected)" if alert.expected else ""
            return _Said(f"alert {alert.name} {alert.state}{expected}", tone="step")
        case Note() as note:
            return _Said(f"{note.by}: {note.text}", tone="step")
        case Reading() as reading if reading.total is None:
            return _Said(f"{reading.sli} could not be read: {reading.why}", tone="bad")
        case (
            Activity()
            | Check()
            | Injection()
            | Reading()
            | Sample()
            | RecoveryPoint()
            | Backup()
            | Comparison()
            | Measure()
            | Attachment()
        ):
            return None  # routine, or told in a table of its own
        case other:
            assert_never(other)


def _from_outages(verdict: Verdict) -> Iterator[_Said]:
    for sli in verdict.slis:
        if sli.phase != "all":
            continue
        told = sorted(sli.outages, key=lambda o: -o.most_s)[:OUTAGES]
        for outage in told:
            if outage.ended and outage.most_s < SHORT_S:
                words = f"{sli.sli} fails: {outage.bad:,} bad, an outage of {bracket(outage)}"
                yield _Said(words, tone="bad", at=outage.first_bad)
                continue
            yield _Said(f"{sli.sli} begins to fail", tone="bad", at=outage.first_bad)
            if outage.ended:
                words = (
                    f"{sli.sli} fails for the last time: {outage.bad:,} bad, an outage "
                    f"of {bracket(outage)}"
                )
                yield _Said(words, tone="good", at=outage.last_bad)
        if more := sli.outage_count - len(told):
            words = f"{sli.sli} failed {more:,} more {'time' if more == 1 else 'times'}"
            longest = f"none for longer than {format_duration(round(told[-1].most_s, 2))}"
            yield _Said(f"{words}, {longest}", tone="bad", at=math.inf)


def bracket(outage: Outage) -> str:
    """`3.45 s to 3.55 s`: it lasted at least the one and at most the other."""
    least, most = (
        format_duration(round(outage.least_s, 2)),
        format_duration(round(outage.most_s, 2)),
    )
    return most if least == most else f"{least} to {most}"


def _together(several: Iterable[Moment]) -> list[Moment]:
    """The same thing done to several objects at once becomes one moment."""
    found: list[Moment] = []
    last: dict[str, int] = {}
    for moment in several:
        at = last.get(moment.what)
        if at is not None and moment.objects and moment.at_s - found[at].at_s <= TOGETHER_S:
            old = found[at]
            found[at] = replace(old, objects=old.objects + moment.objects)
            continue
        last[moment.what] = len(found)
        found.append(moment)
    return found
