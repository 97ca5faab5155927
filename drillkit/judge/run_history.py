"""A history made ready to be judged: phases, steps, effects and evidence, each found once.

Samples are not among them: `observing` streams these. What this version cannot read is listed,
never skipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Generic, TypeAlias, TypeVar, assert_never

from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill, Step
from drillkit.model.evidence import Activity, Evidence, Mark, Sample
from drillkit.model.former_kinds import rehearsed
from drillkit.model.records import (
    DecisionEntry,
    EffectEntry,
    EffectIrreversible,
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
    SloTerms,
    StepEnded,
    StepEntry,
    StepRepeated,
    StepStarted,
    StrangeRecord,
    UndoEnded,
    UndoPlanned,
    UnknownRecord,
    WeaknessesFound,
)
from drillkit.model.rehearsal import Rehearsal

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class At(Generic[T_co]):
    """Something that the journal says, and where: a record on the run's own axis of time."""

    n: int
    mono: float
    at: float
    step: str
    what: T_co


EvidenceAt: TypeAlias = At[Evidence]


@dataclass(slots=True)
class StepRun:
    """What the journal says of one step."""

    name: str
    uses: str = ""
    disturbs: str = "users"
    group: str = ""
    recorded: Rehearsal | None = None
    """What it rehearses, as record 1 says; None: it does not."""
    declared: Step | None = None
    started: float | None = None
    ended: float | None = None
    outcome: str = ""
    """'' while it has not ended."""
    why: str = ""
    records: tuple[int, ...] = ()
    evidence: list[EvidenceAt] = field(default_factory=list)
    effects: int = 0
    fault_ends: list[float] = field(default_factory=list)
    """When its faults ended: reliefs, and effects that are over at once."""

    @property
    def rehearses(self) -> Rehearsal:
        """What it rehearses, of whatever age its journal is."""
        return rehearsed(self.uses, self.recorded)

    @property
    def acted(self) -> bool:
        """Whether it is known to have done something that could be felt: an action that hit, any
        effect of a kind of step that has no actions, or a disruption that people made.
        """
        whats = [seen.what for seen in self.evidence]
        if any(isinstance(w, Mark) and w.moment == "disrupted" and not w.simulated for w in whats):
            return True
        activities = [what for what in whats if isinstance(what, Activity)]
        if not activities:
            return self.effects > 0
        return any(
            a.kind == "action" and a.place == "method" and a.outcome != "skipped" and a.hit != 0
            for a in activities
        )

    @property
    def touched(self) -> bool:
        """Whether it did or may have done anything."""
        began = self.started is not None and self.outcome != "skipped"
        return self.effects > 0 or (began and not self.refused)

    @property
    def refused(self) -> bool:
        """Whether its own steady state kept it from beginning: all that happened were probes before
        the method, and not each was as it should be.
        """
        if self.effects or self.ended is None:
            return False
        activities = [seen.what for seen in self.evidence if isinstance(seen.what, Activity)]
        happened = [a for a in activities if a.outcome != "skipped"]
        only_looked = all(a.place == "before" and a.kind == "probe" for a in happened)
        return only_looked and any(a.tolerated is not True for a in happened)


@dataclass(slots=True)
class RunRead:
    """What the journal says of the whole run, but for its samples."""

    opened: RunOpened = field(default_factory=RunOpened)
    drill: Drill | None = None
    slos: Mapping[str, SloTerms] = field(default_factory=dict)
    steps: dict[str, StepRun] = field(default_factory=dict)
    phases: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Begin and end on the monotonic axis; an end that is missing is infinite."""
    gates: list[At[GateDecided]] = field(default_factory=list)
    guards: list[At[GuardDecided]] = field(default_factory=list)
    aborts: list[At[RunAborted]] = field(default_factory=list)
    effects: list[At[EffectEntry]] = field(default_factory=list)
    """Every effect and what became of it."""
    plans: dict[int, At[UndoPlanned]] = field(default_factory=dict)
    """By the number of the record."""
    evidence: list[EvidenceAt] = field(default_factory=list)
    """Of the run as a whole."""
    people: list[At[PeopleEntry]] = field(default_factory=list)
    """What people did and decided, in order."""
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    may_have_touched: bool = False
    """A record that cannot be read may have been of a step or an effect."""
    closed: bool = False
    recovered: bool = False
    settled: list[At[RunSettled]] = field(default_factory=list)
    """What a person vouches for, since the journal cannot tell it."""
    end: float = 0.0
    """Last moment of the run itself, before any recovery."""
    ended_at: float = 0.0
    """The same as a date, seconds since the epoch."""
    began_at: float = 0.0
    """Date of its first record."""
    clock_drift_s: float = 0.0
    """How far the runner's date moved against its monotonic clock while the run went on."""

    @property
    def crashed(self) -> bool:
        """The run did not end by itself."""
        return not self.closed

    @property
    def during(self) -> tuple[float, float]:
        """The time in which steps ran; before everything ends if there was none."""
        return self.phases.get("steps", (math.inf, math.inf))


def read_run(history: History) -> RunRead:
    """Make a history ready. Never raises for what is in it: that goes to `unreadable`."""
    run, axis = RunRead(), _Axis()
    least = most = history[0].at - history[0].mono if history else 0.0
    for record in history:
        told_after = run.closed and isinstance(record.entry, Progress | MessageSent)
        _take(run, axis, record)
        if not axis.moved and not told_after:
            run.end = max(run.end, record.mono)
            least, most = min(least, record.at - record.mono), max(most, record.at - record.mono)
    run.began_at = history[0].at if history else 0.0
    run.ended_at = history[0].at + run.end - history[0].mono if history else 0.0
    run.clock_drift_s = most - least
    return run


class _Axis:
    """Monotonic times of another boot (a recovery after a reboot) are moved onto the run's own axis
    by their dates.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self.moved = False

    def mono(self, record: Record) -> float:
        if self._offset is None:
            self._offset = record.mono - record.at
        return record.at + self._offset if self.moved else record.mono


def _take(run: RunRead, axis: _Axis, record: Record) -> None:
    entry, mono = record.entry, axis.mono(record)
    if isinstance(entry, Sample):
        return  # there are thousands: `sample_stats` goes through them
    if isinstance(entry, Evidence):
        home = _step_run(run, record.step).evidence if record.step else run.evidence
        home.append(_at(record, mono, entry))
    elif isinstance(entry, RunEntry):
        _of_run(run, axis, record, entry, mono)
    elif isinstance(entry, StepEntry):
        _step(run, record, entry, mono)
    elif isinstance(entry, DecisionEntry):
        _decision(run, record, entry, mono)
    elif isinstance(entry, EffectEntry):
        _effect(run, record, entry, mono)
    elif isinstance(entry, PeopleEntry):
        run.people.append(_at(record, mono, entry))
        if isinstance(entry, StepRepeated):
            _repeat(run, record.step, entry.of)
    elif isinstance(entry, UnknownRecord | StrangeRecord):
        _odd(run, record, entry)
    else:
        assert_never(entry)


def _at(record: Record, mono: float, what: T) -> At[T]:
    return At(record.n, mono, record.at, record.step, what)


def _of_run(run: RunRead, axis: _Axis, record: Record, entry: RunEntry, mono: float) -> None:
    match entry:
        case RunOpened():
            _open(run, record.n, entry)
        case RunSettled():
            run.settled.append(_at(record, mono, entry))
        case RunClosed():
            run.closed = run.closed or not run.recovered
        case RunRecovered():
            run.recovered = axis.moved = True
        case JournalTorn():
            # whoever opens a journal after a crash writes this first, maybe after a reboot
            axis.moved = True
        case PhaseStarted(phase=phase):
            run.phases[phase] = (mono, math.inf)
        case PhaseEnded(phase=phase):
            run.phases[phase] = (run.phases.get(phase, (mono, mono))[0], mono)
        case Progress() | MessageSent() | WeaknessesFound():
            return  # for who watches or reads
        case other:
            assert_never(other)


_NEEDED = ("drill", "steps", "slos", "clock_offsets")
"""Parts of record 1 that the judgement rests on."""


def _open(run: RunRead, n: int, opened: RunOpened) -> None:
    run.opened, run.drill, run.slos = opened, opened.drill, opened.slos
    run.unreadable += [
        (n, f"{opened.kind}, {part.key}: {part.why}")
        for part in opened.unread
        if part.key in _NEEDED
    ]
    for entry in opened.steps:
        run.steps[entry.name] = StepRun(
            entry.name, entry.uses, entry.disturbs, entry.group, entry.rehearses
        )
    for given in opened.drill.steps if opened.drill else ():
        for step in given.members:
            name = step.name or step.uses
            found = run.steps.setdefault(name, StepRun(name, step.uses, group=given.group))
            found.declared = step


def _step_run(run: RunRead, name: str) -> StepRun:
    return run.steps.setdefault(name, StepRun(name))


def _step(run: RunRead, record: Record, entry: StepEntry, mono: float) -> None:
    step = _step_run(run, record.step)
    step.records = (*step.records, record.n)
    match entry:
        case StepStarted():
            step.started = mono
            step.uses, step.group = entry.uses or step.uses, entry.group or step.group
            step.disturbs = entry.disturbs
        case StepEnded():
            step.ended, step.outcome, step.why = mono, entry.outcome, entry.why
        case other:
            assert_never(other)


def _repeat(run: RunRead, name: str, of: str) -> None:
    """Another try is a step of its own, with what the drill declares of the first: what that has
    shown stays shown.
    """
    first, again = _step_run(run, of), _step_run(run, name)
    again.uses, again.disturbs, again.recorded = first.uses, first.disturbs, first.recorded
    if first.declared is not None:
        again.declared = replace(first.declared, name=name)


def _decision(run: RunRead, record: Record, entry: DecisionEntry, mono: float) -> None:
    match entry:
        case GateDecided():
            run.gates.append(_at(record, mono, entry))
        case GuardDecided():
            run.guards.append(_at(record, mono, entry))
        case RunAborted():
            run.aborts.append(_at(record, mono, entry))
        case other:
            assert_never(other)


def _effect(run: RunRead, record: Record, entry: EffectEntry, mono: float) -> None:
    run.effects.append(_at(record, mono, entry))
    if isinstance(entry, UndoPlanned):
        run.plans[record.n] = _at(record, mono, entry)
    if isinstance(entry, UndoPlanned | EffectIrreversible) and record.step:
        step = _step_run(run, record.step)
        step.effects += 1
        if isinstance(entry, EffectIrreversible):
            step.fault_ends.append(mono)
    elif isinstance(entry, UndoEnded):
        plan = run.plans.get(entry.of)
        if plan is not None and plan.step and plan.what.phase == "relieve":
            _step_run(run, plan.step).fault_ends.append(mono)


def _odd(run: RunRead, record: Record, entry: UnknownRecord | StrangeRecord) -> None:
    """What cannot be read may have been anything that its kind can be: nobody may say any more
    that nothing was touched.
    """
    run.unreadable.append((record.n, f"{record.kind}: {entry.why}"))
    run.may_have_touched |= bool(record.step) or record.kind in _TOUCHING


_TOUCHING = frozenset(
    cls.kind for cls in (StepStarted, StepEnded, UndoPlanned, EffectIrreversible, RunAborted)
)
