"""What a page shows of a run at one moment: a fold over its records, as plain data.

Observers are not told what a surprise is before it begins: neither the hold before it nor the list
of steps names it. One that never began is named when the run is over, as the report names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any

from drillkit.judge.people import PeopleView
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill
from drillkit.model.evidence import Alert
from drillkit.model.records import (
    EffectIrreversible,
    GuardDecided,
    HoldEnded,
    PhaseEnded,
    PhaseStarted,
    Record,
    RunAborted,
    RunClosed,
    RunOpened,
    StepEnded,
    StepStarted,
    UndoEnded,
    UndoPlanned,
)
from drillkit.model.requests import PeopleMoment
from drillkit.model.verdict import BY_CHOICE, Holds

MOST = 100
"""So many of a kind are sent; the number of all of them stands beside them."""
TEXT_SENT = 8000
"""Characters of one text."""


@dataclass(slots=True)
class _StepState:
    uses: str
    state: str = "waiting"
    """`waiting`, `running`, or how it ended."""
    since: float | None = None
    limit_s: float | None = None


def _state(end: StepEnded) -> str:
    if end.outcome != "skipped" or end.why.startswith(BY_CHOICE):
        return end.outcome
    return "not reached"


@dataclass(slots=True)
class RunView:
    """`take` each record in order; `snapshot` at any time."""

    people: PeopleView = field(default_factory=PeopleView)
    _about: dict[str, Any] = field(default_factory=dict)
    _steps: dict[str, _StepState] = field(default_factory=dict)
    _alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    _open: dict[int, tuple[str, str]] = field(default_factory=dict)
    """(what, step) of each effect whose undo is not applied, by its record."""
    _held_s: float = 0.0
    """How long it has been held, without the hold that is open."""
    _touched: int = 0
    _undone: int = 0
    _phase: str = "opening"
    _stopping: dict[str, str] | None = None
    ended: bool = False
    """Whether the run has closed its journal."""

    def take(self, record: Record) -> None:
        """One more record."""
        if isinstance(record.entry, HoldEnded) and self.people.hold is not None:
            self._held_s += record.at - self.people.hold.at
        self.people.take(record)
        match record.entry:
            case RunOpened() as opened:
                self._begin(opened, record.at)
            case PhaseStarted(phase=phase):
                self._phase = phase
            case PhaseEnded():
                self._phase = "between phases"
            case StepStarted(uses=uses):
                step = self._steps.setdefault(record.step, _StepState(uses))
                step.state, step.since = "running", record.at
            case StepEnded() as end if record.step in self._steps:
                self._steps[record.step].state = _state(end)
            case RunAborted(by=by, why=why):
                self._stopping = self._stopping or {"by": by, "why": why[:TEXT_SENT]}
            case GuardDecided(guard=guard, holds=holds, why=why) if holds is not Holds.MET:
                self._about["guard"] = f"{guard}: {why}"[:TEXT_SENT]
            case RunClosed():
                self.ended = True
            case _:
                self._take_effect(record)

    def _take_effect(self, record: Record) -> None:
        match record.entry:
            case UndoPlanned(resource=resource):
                self._open[record.n] = (resource, record.step)
                self._touched += 1
            case EffectIrreversible():
                self._touched += 1
            case UndoEnded(of=of):
                self._undone += self._open.pop(of, None) is not None
            case Alert(name=name, state="firing", expected=expected):
                self._alerts[name] = {"name": name, "expected": expected, "at": record.at}
            case Alert(name=name):
                self._alerts.pop(name, None)

    def _begin(self, opened: RunOpened, at: float) -> None:
        drill, target = opened.drill, opened.target
        self._about |= _unknown_drill() if drill is None else _known_drill(drill)
        self._about |= {
            "run": opened.run,
            "drill": opened.drill_name,
            "target": opened.target_name,
            "protected": bool(target and target.protected),
            "emulated": list(opened.emulated),
            "operator": opened.operator,
            "began": at,
        }
        steps = drill.every_step if drill else ()
        limits = {step.name: step.limit.total_seconds() for step in steps if step.limit}
        for listed in opened.steps:
            self._steps[listed.name] = _StepState(listed.uses, limit_s=limits.get(listed.name))

    def hides(self, name: str) -> bool:
        """Whether observers do not know this step or group yet."""
        people = self.people
        return people.is_surprise(name) and not people.has_begun(name) and not self.ended

    def snapshot(self, *, everything: bool) -> dict[str, Any]:
        """All of it; `everything`: what observers are not told, too."""
        people = self.people
        return {
            "about": self._about,
            "phase": self._phase,
            "stopping": self._stopping,
            "ended": self.ended,
            "held_s": self._held_s,
            "steps": self._shown_steps(everything),
            "hold": self._hold(everything),
            "questions": self._questions(),
            "participants": [list(pair) for pair in list(people.participants.items())[:MOST]],
            "expectations": [
                {"n": e.n, "text": e.text, "by": e.by, "came": e.came, "why": e.why}
                for e in list(people.expectations.values())[:MOST]
            ],
            "marks": [
                {"moment": mark.moment, "by": mark.by, "at": record.at + mark.at - record.mono}
                for mark, record in people.marks[-MOST:]
            ],
            "actions": [
                {"text": note.text, "owner": note.owner, "due": str(note.due or "")}
                for note, _ in people.notes
                if note.about == "action-item"
            ][-MOST:],
            "debrief": [
                {"question": said.question, "answer": said.answer, "by": said.by}
                for said, _ in people.debrief[-MOST:]
            ],
            "alerts": list(self._alerts.values())[:MOST],
            "open": [
                {"what": what, "step": step} for what, step in list(self._open.values())[-MOST:]
            ],
            "counts": {
                "open": len(self._open),
                "touched": self._touched,
                "undone": self._undone,
                "notes": len(people.notes),
                "participants": len(people.participants),
            },
        }

    def _shown_steps(self, everything: bool) -> list[dict[str, Any]]:
        shown = [name for name in self._steps if everything or not self.hides(name)]
        return [
            {
                "name": name,
                "uses": self._steps[name].uses,
                "state": self._steps[name].state,
                "since": self._steps[name].since,
                "limit_s": self._steps[name].limit_s,
                "secret": self.people.is_surprise(name),
            }
            for name in shown[:MOST]
        ]

    def _questions(self) -> list[dict[str, Any]]:
        return [
            {
                "n": q.n,
                "step": q.step,
                "about": q.question.about,
                "text": q.question.text[:TEXT_SENT],
            }
            for q in list(self.people.questions.values())[:MOST]
        ]

    def _hold(self, everything: bool) -> dict[str, Any] | None:
        held = self.people.hold
        if held is None:
            return None
        hold = held.hold
        told = everything or not hold.secret
        return {
            "n": held.n,
            "at": held.at,
            "step": held.step if told else "",
            "next": [line[:TEXT_SENT] for line in hold.next[:MOST]] if told else [],
            "changed": list(hold.changed[:MOST]) if told else [],
            "after": hold.after,
            "limit_s": hold.limit_s,
            "otherwise": hold.otherwise,
            "secret": hold.secret,
            "why": hold.why[:TEXT_SENT] if told else "",
            "last": not held.step,
        }


def measured(drill: Drill) -> Iterator[PeopleMoment]:
    """The moments that people tell of and the drill has objectives for."""
    wanted = [step.objectives for step in drill.every_step]
    if any(each.detect is not None for each in wanted):
        yield "detected"
    if any(each.acknowledge is not None for each in wanted):
        yield "acknowledged"
    if any(each.mitigate is not None for each in wanted):
        yield "mitigated"


def _known_drill(drill: Drill) -> dict[str, Any]:
    """What a page tells of a drill."""
    asked = drill.gameday.debrief if drill.gameday else ()
    return {
        "owner": drill.owner,
        "limit_s": drill.limit.total_seconds(),
        "description": drill.description[:TEXT_SENT],
        "measured": list(measured(drill)),
        "debrief": [question[:TEXT_SENT] for question in asked[:MOST]],
    }


def _unknown_drill() -> dict[str, Any]:
    """The same of one that record 1 does not hold so that it can be read."""
    return {"owner": "", "limit_s": None, "description": "", "measured": [], "debrief": []}
