"""How an undo is applied: with context, and only to what is ours; and what it may be able to do
besides: be found without its journal, be handed over, tell what belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from drillkit.clock import Clock, Deadline, DeadlineOver
from drillkit.lazy_dataclass import dataclass
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

    @property
    def by_hand(self) -> tuple[str, ...]:
        """Lines of `kubectl`, `aws` or `velero` that undo it where drillkit cannot, in their order;
        comments begin with `#`. None where nobody knows any.
        """
        return ()

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


@dataclass(frozen=True, slots=True)
class Leftover:
    """What some run made or changed, on whatever machine, with the undo that takes it back as
    that run would have.
    """

    undo: UndoAction
    run: str
    """Id of the run."""
    expires: datetime
    """Until when it was meant to live."""
    uid: str = ""
    """What the other side knows it by, or ''."""

    @property
    def resource(self) -> str:
        """What it is, for people."""
        return self.undo.resource


def expiry(text: str | None) -> datetime | None:
    """The time in an expiry mark (ISO 8601; UTC where it names no zone); None where there is none
    that can be read, so that nothing is guessed.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


Lookup: TypeAlias = Callable[[], Iterable[Leftover]]
"""Looks in one place. Raises CallError."""


@runtime_checkable
class Sweepable(Protocol):
    """An undo that can be swept: what it undoes is found by its marks, without the journal of
    its run.
    """

    @classmethod
    def lookups(cls, clients: Clients) -> Iterable[Lookup]:
        """Where at the target of `clients` to look; none where the target has nothing of the sort.

        Each place is looked at by itself: one that may not be seen hides no other. What is found
        must bear the marks of a run and its own name, and say until when it was meant to live:
        copies inherit marks. Reads only.
        """
        ...


@runtime_checkable
class Keepable(Protocol):
    """An undo whose resource can be handed over to whoever needs it, instead of being removed."""

    def hand_over(self, clients: Clients, uid: str) -> str:
        """Take the run's marks off, so that no undo and no sweep touches it again; what to know
        about it from now on.

        `uid`: what was confirmed about it, or ''. Raises Absent when it is not there, NotOurs when
        it is not the run's, CallError.
        """
        ...


@runtime_checkable
class Accompanied(Protocol):
    """An undo whose resource is of no use alone."""

    companions: ClassVar[frozenset[str]]
    """Kinds of undo: what they undo of the same step is kept with it."""
