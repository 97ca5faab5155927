"""Records of what people do in a run: who takes part, holds, questions, expectations."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass

Decision: TypeAlias = Literal["go", "skip", "repeat", "abort"]


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """Somebody takes part."""

    kind: ClassVar[str] = "participant.joined"

    name: str
    role: str = "observer"


@dataclass(frozen=True, slots=True)
class ExpectationStated:
    """What the team expects to happen."""

    kind: ClassVar[str] = "expectation.stated"

    text: str
    by: str = ""
    """'' : the drill says so."""


@dataclass(frozen=True, slots=True)
class ExpectationAnswered:
    """Whether it happened. The last answer counts."""

    kind: ClassVar[str] = "expectation.answered"

    of: int
    """Number of the record that states it."""
    came: bool
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class HoldOpened:
    """The run waits for people, between two steps. The record's step is what comes next; '': the
    end of the steps.
    """

    kind: ClassVar[str] = "hold.opened"

    next: tuple[str, ...] = ()
    """What comes next would do, a line each."""
    after: str = ""
    """The step or group that a repeat would repeat; '': none."""
    changed: tuple[str, ...] = ()
    """What is no more as it was when it was planned, or when people last looked."""
    limit_s: float | None = None
    """So many seconds; None: as long as the session lasts."""
    otherwise: str = "abort"
    """What happens after that."""
    secret: bool = False
    """Observers are not told what comes next."""
    why: str = ""
    """What people should know: that the step before it failed."""


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """How people decided."""

    kind: ClassVar[str] = "hold.ended"

    of: int
    """Number of the record that opened it."""
    decision: str
    """A `Decision`, or one that a later version knows. A go to something that has changed meanwhile
    is followed by another hold.
    """
    by: str = ""
    """'' : nobody; its limit was over, or the run was stopped."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class StepRepeated:
    """The record's step is another try of a step that stands in the drill."""

    kind: ClassVar[str] = "step.repeated"

    of: str


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """People are to do something by hand; the record's step is whose."""

    kind: ClassVar[str] = "question.asked"

    about: Literal["manual", "undo"]
    text: str
    """Instructions, as Markdown."""


@dataclass(frozen=True, slots=True)
class QuestionAnswered:
    kind: ClassVar[str] = "question.answered"

    of: int
    """Number of the record that asks."""
    done: bool
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Debriefed:
    """What somebody said afterwards."""

    kind: ClassVar[str] = "debriefed"

    question: str
    answer: str
    by: str = ""


PeopleEntry: TypeAlias = (
    ParticipantJoined
    | ExpectationStated
    | ExpectationAnswered
    | HoldOpened
    | HoldEnded
    | StepRepeated
    | QuestionAsked
    | QuestionAnswered
    | Debriefed
)
"""What people do in a run. Their notes, marks and action items are evidence (`Note`, `Mark`)."""
