"""What people do in a run, in words, and what became of each question, hold and expectation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from typing import assert_never

from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill
from drillkit.model.evidence import Mark, Note
from drillkit.model.records import (
    Debriefed,
    ExpectationAnswered,
    ExpectationStated,
    HoldEnded,
    HoldOpened,
    ParticipantJoined,
    PeopleEntry,
    PhaseEnded,
    QuestionAnswered,
    QuestionAsked,
    Record,
    RunOpened,
    StepEnded,
    StepRepeated,
    StepStarted,
)
from drillkit.model.units import format_duration


def people_words(entry: PeopleEntry, step: str) -> str:
    """A line of the timeline, or '' for what is not worth one."""
    match entry:
        case ParticipantJoined():
            return f"{entry.name} takes part as {entry.role}"
        case ExpectationStated():
            return f"expected: {entry.text}"
        case ExpectationAnswered():
            why = f": {entry.why}" if entry.why else ""
            return f"{entry.by}: expectation {'came true' if entry.came else 'did not come'}{why}"
        case HoldOpened():
            changed = f"; changed: {'; '.join(entry.changed)}" if entry.changed else ""
            limit = (
                f" (for {format_duration(entry.limit_s)}, else {entry.otherwise})"
                if entry.limit_s is not None
                else ""
            )
            return f"holding before {step or 'the end of the steps'}{limit}{changed}"
        case HoldEnded():
            why = f": {entry.why}" if entry.why else ""
            return f"{entry.decision}, {entry.by or 'nobody decided'}{why}"
        case StepRepeated():
            return f"{step} is another try of {entry.of}"
        case QuestionAsked(about="manual"):
            return f"{step}: people are asked to do it by hand"
        case QuestionAsked():
            return f"{step}: people are asked to put back what they did"
        case QuestionAnswered():
            why = f": {entry.why}" if entry.why else ""
            return f"{step}: {entry.by}: {'done' if entry.done else 'NOT done'}{why}"
        case Debriefed():
            return f"{entry.by}: {entry.question} {entry.answer}"
        case other:
            assert_never(other)


@dataclass(frozen=True, slots=True)
class TeamExpectation:
    """What the team expected, and whether it came."""

    n: int
    text: str
    by: str
    came: bool | None = None
    """None: nobody has answered."""
    answered_by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class OpenHold:
    """A hold that nobody has decided yet."""

    n: int
    step: str
    hold: HoldOpened
    at: float
    """Date of its record."""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """Something that people are to do by hand."""

    n: int
    step: str
    question: QuestionAsked


@dataclass(slots=True)
class PeopleView:
    """What people have said and what they are asked now: a fold over records, for whoever shows
    it. `take` each record in order.
    """

    participants: dict[str, str] = field(default_factory=dict)
    """Role by name, or roles: `facilitator, scribe`."""
    expectations: dict[int, TeamExpectation] = field(default_factory=dict)
    marks: list[tuple[Mark, Record]] = field(default_factory=list)
    notes: list[tuple[Note, Record]] = field(default_factory=list)
    """Action items, too (`about`)."""
    debrief: list[tuple[Debriefed, Record]] = field(default_factory=list)
    decisions: list[tuple[HoldOpened, HoldEnded, Record]] = field(default_factory=list)
    """Each with the record of its end."""
    hold: OpenHold | None = None
    questions: dict[int, OpenQuestion] = field(default_factory=dict)
    _surprises: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Steps of each step or group that is one."""
    _begun: set[str] = field(default_factory=set)

    def take(self, record: Record) -> None:
        """One more record."""
        self._take_surprise(record)
        self._take_end(record)
        match record.entry:
            case ParticipantJoined(name=name, role=role):
                had = filter(None, self.participants.get(name, "").split(", "))
                self.participants[name] = ", ".join(dict.fromkeys([*had, role]))
            case ExpectationStated(text=text, by=by):
                self.expectations[record.n] = TeamExpectation(record.n, text, by)
            case ExpectationAnswered(of=of) as said if of in self.expectations:
                self.expectations[of] = replace(
                    self.expectations[of], came=said.came, answered_by=said.by, why=said.why
                )
            case HoldOpened() as hold:
                self.hold = OpenHold(record.n, record.step, hold, record.at)
            case HoldEnded() as ended:
                if self.hold is not None and self.hold.n == ended.of:
                    self.decisions.append((self.hold.hold, ended, record))
                    self.hold = None
            case QuestionAsked() as question:
                self.questions[record.n] = OpenQuestion(record.n, record.step, question)
            case QuestionAnswered(of=of):
                self.questions.pop(of, None)
            case Debriefed() as debriefed:
                self.debrief.append((debriefed, record))
            case Note() as note:
                self.notes.append((note, record))
            case Mark(by=by) as mark if by:
                self.marks.append((mark, record))

    def _take_end(self, record: Record) -> None:
        """Nobody is asked any more for what a step that was stopped wanted, nor for anything once
        the clean-up is over.
        """
        match record.entry:
            case StepEnded():
                asked = self.questions.items()
                self.questions = {n: q for n, q in asked if q.step != record.step}
            case PhaseEnded(phase="cleanup"):
                self.questions = {}

    def _take_surprise(self, record: Record) -> None:
        match record.entry:
            case StepStarted():
                self._begun.add(record.step)
            case RunOpened(drill=Drill() as drill):
                for entry in drill.steps:
                    if entry.secret:
                        self._surprises[entry.name] = tuple(step.name for step in entry.members)
                    for step in entry.members:
                        if entry.secret or step.secret:
                            self._surprises[step.name] = (step.name,)

    def is_surprise(self, name: str) -> bool:
        """Whether this step or group is one."""
        return name in self._surprises

    def has_begun(self, name: str) -> bool:
        """Whether something of a surprise has."""
        return not self._begun.isdisjoint(self._surprises.get(name, ()))

    @property
    def missed(self) -> tuple[str, ...]:
        """Surprises of which nothing has begun; of a group its steps are not named."""
        found = [name for name in self._surprises if not self.has_begun(name)]
        inner = {step for name in found for step in self._surprises[name] if step != name}
        return tuple(name for name in found if name not in inner)

    @property
    def any(self) -> bool:
        """Whether people took part at all."""
        return bool(self.participants or self.expectations or self.decisions or self.debrief)


def missed_words(names: Iterable[str]) -> str:
    """What everybody may know when a run is over, or ''."""
    told = ", ".join(names)
    return f"a surprise was planned and did not come: {told}" if told else ""


def people_of(history: Iterable[Record]) -> PeopleView:
    """The view of a whole history."""
    view = PeopleView()
    for record in history:
        view.take(record)
    return view
