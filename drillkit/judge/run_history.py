"""A history made ready to be judged: phases, steps, effects and evidence, each found once.

Samples are not among them: `observing` streams these. What this version cannot read is listed,
never skipped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drillkit.judge.samples import is_sample
from drillkit.judge.slos import SloTerms, slo_terms
from drillkit.model.codec import decode_evidence, from_data
from drillkit.model.drill import Drill, Group, Step
from drillkit.model.evidence import Activity, Evidence, Mark
from drillkit.model.records import History, Record, RunSettled, UnknownRecord
from drillkit.model.verdict import Holds


@dataclass(slots=True)
class EvidenceAt:
    """One piece of evidence and where it stands."""

    n: int
    mono: float
    at: float
    what: Evidence


@dataclass(slots=True)
class StepRun:
    """What the journal says of one step."""

    name: str
    uses: str = ""
    disturbs: str = "users"
    group: str = ""
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
        return self.effects > 0 or (self.started is not None and self.outcome != "skipped")


@dataclass(slots=True)
class RunRead:
    """What the journal says of the whole run, but for its samples."""

    opened: Mapping[str, Any] = field(default_factory=dict)
    drill: Drill | None = None
    slos: dict[str, SloTerms] = field(default_factory=dict)
    steps: dict[str, StepRun] = field(default_factory=dict)
    phases: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Begin and end on the monotonic axis; an end that is missing is infinite."""
    gates: list[Record] = field(default_factory=list)
    guards: list[Record] = field(default_factory=list)
    aborts: list[Record] = field(default_factory=list)
    undos: list[Record] = field(default_factory=list)
    """Everything about effects and what became of them."""
    plans: dict[int, Record] = field(default_factory=dict)
    """`undo.planned` records by their number."""
    evidence: list[EvidenceAt] = field(default_factory=list)
    """Of the run as a whole."""
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    closed: bool = False
    recovered: bool = False
    settled: list[Record] = field(default_factory=list)
    """What a person vouches for, since the journal cannot tell it."""
    end: float = 0.0
    """Last moment of the run itself, before any recovery."""

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
    run.settled = [record for record in history if isinstance(record.entry, RunSettled)]
    for record in history:
        try:
            _take(run, axis, record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            run.unreadable.append((record.n, f"{record.kind}: {error}"))
        if not axis.moved:
            run.end = max(run.end, record.mono)
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
    mono, data = axis.mono(record), record.data
    match record.kind:
        case "evidence":
            if not is_sample(data):
                _home(run, record).append(
                    EvidenceAt(record.n, mono, record.at, decode_evidence(data))
                )
        case "run.opened":
            _open(run, data)
        case "run.closed":
            run.closed = run.closed or not run.recovered
        case "run.recovered":
            run.recovered = axis.moved = True
        case "journal.torn":
            # whoever opens a journal after a crash writes this first, maybe after a reboot
            axis.moved = True
        case "phase.started":
            run.phases[data["phase"]] = (mono, math.inf)
        case "phase.ended":
            run.phases[data["phase"]] = (run.phases.get(data["phase"], (mono, mono))[0], mono)
        case "step.started" | "step.ended":
            _step(run, record, mono)
        case "gate.decided":
            _need(data, "place", "sli", "holds")
            run.gates.append(record)
        case "guard.decided":
            _need(data, "place", "guard", "holds")
            run.guards.append(record)
        case "abort":
            _need(data, "by", "why")
            run.aborts.append(record)
        case (
            "undo.planned"
            | "effect.irreversible"
            | "effect.confirmed"
            | "undo.ended"
            | "undo.failed"
        ):
            run.undos.append(_moved(record, mono))
            _effect(run, record, mono)
        case _:
            if isinstance(record.entry, UnknownRecord):
                raise ValueError(record.entry.why)


_OPTIONAL = {"why": str, "expected": str, "test": str, "bad": int, "total": int, "records": list}


def _need(data: Mapping[str, Any], *keys: str) -> None:
    """Raises ValueError unless these are there, and text, and what may be there is what it
    should be.
    """
    missing = [key for key in keys if not isinstance(data.get(key), str)]
    wrong = [
        key for key, kind in _OPTIONAL.items() if key in data and not isinstance(data[key], kind)
    ]
    if missing or wrong:
        raise ValueError(f"expected {', '.join(missing + wrong)} to be there and of its type")
    if "holds" in keys:
        Holds(data["holds"])
    if any(not isinstance(n, int) for n in data.get("records", ())):
        raise ValueError("expected records to be numbers")


def _open(run: RunRead, data: Mapping[str, Any]) -> None:
    run.opened = data
    for entry in data.get("steps", ()):
        run.steps[entry["name"]] = StepRun(
            entry["name"],
            entry.get("uses", ""),
            entry.get("disturbs", "users"),
            entry.get("group", ""),
        )
    run.slos = {name: slo_terms(name, terms) for name, terms in data.get("slos", {}).items()}
    run.drill = from_data(Drill, data["drill"])
    assert run.drill is not None
    for given in run.drill.steps:
        group = given.name if isinstance(given, Group) else ""
        for step in given.parallel if isinstance(given, Group) else (given,):
            name = step.name or step.uses
            found = run.steps.setdefault(name, StepRun(name, step.uses, group=group))
            found.declared = step


def _home(run: RunRead, record: Record) -> list[EvidenceAt]:
    return _step_run(run, record).evidence if record.step else run.evidence


def _step_run(run: RunRead, record: Record) -> StepRun:
    return run.steps.setdefault(record.step, StepRun(record.step))


def _step(run: RunRead, record: Record, mono: float) -> None:
    step, data = _step_run(run, record), record.data
    step.records = (*step.records, record.n)
    if record.kind == "step.started":
        step.started = mono
        step.uses, step.group = data.get("uses", step.uses), data.get("group", step.group)
        step.disturbs = data.get("disturbs", step.disturbs)
    else:
        step.ended, step.outcome, step.why = mono, data["outcome"], data.get("why", "")


def _effect(run: RunRead, record: Record, mono: float) -> None:
    if record.kind == "undo.planned":
        run.plans[record.n] = record
    if record.kind in ("undo.planned", "effect.irreversible") and record.step:
        step = _step_run(run, record)
        step.effects += 1
        if record.kind == "effect.irreversible":
            step.fault_ends.append(mono)
    elif record.kind == "undo.ended":
        plan = run.plans.get(record.data["of"])
        if plan is not None and plan.step and plan.data["phase"] == "relieve":
            _step_run(run, plan).fault_ends.append(mono)


def _moved(record: Record, mono: float) -> Record:
    if mono == record.mono:
        return record
    return Record(record.n, record.at, mono, record.by, record.kind, record.step, record.data)
