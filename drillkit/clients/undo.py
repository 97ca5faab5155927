"""How an undo is applied: with context, and only to what is ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from drillkit.clock import Clock, Deadline, DeadlineOver
from drillkit.model.effects import Undo, Undone
from drillkit.model.evidence import Evidence
from drillkit.model.requests import Answer

if TYPE_CHECKING:
    from drillkit.clients import Clients


class AskPeople(Protocol):
    """Asks people to do something by hand and waits for their answer.

    Raises DeadlineOver when nobody answers in time, Refused when the run is stopped meanwhile.
    """

    def __call__(
        self, about: Literal["manual", "undo"], step: str, text: str, deadline: Deadline
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class UndoContext:
    """What an undo may assume and how long it may try."""

    clock: Clock
    deadline: Deadline
    began: float
    """Monotonic start of clean-up."""
    confirmed: bool
    """The effect was seen and every attempt was answered: 'not found' means gone."""
    identity: Mapping[str, str] = field(default_factory=dict)
    """What was confirmed about the effect, such as its `uid`; empty: it is not known to
    have happened.
    """

    people: AskPeople | None = None
    """Asks people to take something back by hand; None: nobody is there."""
    observe: Callable[[Evidence], None] = lambda evidence: None
    """Writes down what an undo sees that the report must show: the rollbacks of an experiment."""
    seen: set[str] = field(default_factory=set)
    """What stood there as the run's own when it was looked at, over all attempts of this undo."""

    def gone_for_good(self, settle_s: float) -> bool:
        """Whether 'not found' may be believed now.

        An unanswered create may still land: without confirmation it must have stayed absent for
        `settle_s` seconds, counted from the start of clean-up (the plan's own time may lie hours
        back, in another boot).
        """
        return self.confirmed or self.clock.mono() - self.began >= settle_s

    def pause(self, seconds: float) -> None:
        """Sleep, but not past the deadline. Raises DeadlineOver when that has passed."""
        if self.deadline.over:
            raise DeadlineOver("clean-up's limit is over")
        self.clock.sleep(min(seconds, self.deadline.left()))


class UndoAction(Undo):
    """An undo of a client: data plus the one method that applies it."""

    backwards: ClassVar[bool] = False
    """Nobody knows what its effect rests on: those of a run go strictly backwards, one by one."""

    def holds_back(self, other: UndoAction) -> bool:
        """Whether `other`, of the same step, must stay until this one has ended: what this one
        undoes may still create in it, or read it.
        """
        return False

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Bring the world back. Idempotent; tolerates 'never happened', 'already undone' and
        'still creating'.

        Raises CallError when the other side will not have it now (the caller tries again within the
        limit), NotOurs never: that is the outcome `not-ours`.
        """
        raise NotImplementedError
