"""Taking something back, and believing that it is gone: the one state machine for whatever a run
made or changed.

    absent --(an attempt may still land)--> absent --(nothing can come any more)--> ended
    standing --(asked to go)--> going --(looked again)--> absent
    standing, but not ours --(its marks may still show)--> ended, left alone

*Absent* is believed only when nothing can land any more: at once where the effect was confirmed,
else after the settle time, counted from the start of clean-up. What was ever seen is remembered
over all attempts of an undo (`UndoContext.seen`), so that a look that fails midway costs neither
the proof nor the settle time once more.

Failures are the caller's: one that passes (`retry.PASSING`) is tried again by clean-up, one that
lasts (`retry.LASTING`) is given up after a few attempts. Only a refusal that ends by itself, such
as a state that does not allow a deletion yet, is waited for here, as what holds the thing up.
Waiting goes through the context, so the deadline and somebody's hurry end it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Generic, Literal, TypeAlias, TypeVar

from drillkit.clients.undo import UndoContext
from drillkit.clock import DeadlineOver
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Undone

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a system may take until what it shows is all that there is, and how often
    it is asked.
    """

    settle_s: float
    """What was asked for and not answered has landed by then or never will."""
    lags: bool = False
    """Its looks may lag behind its own answers: what was confirmed and not seen yet may be
    hidden.
    """
    pauses_s: tuple[float, ...] = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
    """Before each further look; the last one is repeated."""

    def pauses(self) -> Iterator[float]:
        """Seconds before each further look, without end."""
        return itertools.chain(self.pauses_s, itertools.repeat(self.pauses_s[-1]))


@dataclass(frozen=True, slots=True)
class Certain:
    """It has ended, whatever may still come."""

    undone: Undone


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing of ours is there (any more): that is the end once nothing can come any more."""

    undone: Undone
    seen: bool = False
    """Something of ours was there before."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Something of ours is there; it was asked to go."""

    why: str
    """What holds it up, for people."""


Observation: TypeAlias = Certain | Nothing | Pending


def take_back(
    look: Callable[[], Observation], resource: str, patience: Patience, context: UndoContext
) -> Undone:
    """Look, and do what can be done, until it is certain that nothing of ours is left.

    `look` does both, once. Raises whatever `look` raises, DeadlineOver saying what is still there
    or may still come.
    """
    for pause_s in patience.pauses():
        match look():
            case Certain(undone):
                return undone
            case Nothing(undone, seen):
                if _nothing_can_come(context, patience, seen):
                    return undone
                why = f"{resource} is not there, but an attempt without an answer may still land"
            case Pending(held_up):
                why = f"{resource} is still there: {held_up}"
        if context.deadline.over:
            raise DeadlineOver(why)
        context.pause(pause_s)
    raise AssertionError("pauses never end")


def _nothing_can_come(context: UndoContext, patience: Patience, seen: bool) -> bool:
    known = bool(context.identity.get("uid"))
    if context.confirmed and (seen or not (patience.lags and known)):
        return True
    return context.clock.mono() - context.began >= patience.settle_s


Whose: TypeAlias = Literal["ours", "another", "unmarked"]
"""Whose a thing under our name is: the run's, by its marks; another one, certainly, by its id; or
one that does not bear the marks, which may only not show yet.
"""


@dataclass(frozen=True, slots=True)
class Removal(Generic[T]):
    """How one system's things are found and removed."""

    resource: str
    """For people."""
    find: Callable[[], T | None]
    whose: Callable[[T], Whose]
    ask: Callable[[T], str]
    """Have it go, unless it is on its way; what holds it up, for people. What is gone meanwhile is
    no error.
    """
    patience: Patience
    marks: str = "marks"
    """What this system calls what makes a thing a run's own."""


def remove(removal: Removal[T], context: UndoContext) -> Undone:
    """Delete what the run made and wait until it is gone. Raises CallError, DeadlineOver saying
    what holds it up.
    """

    def look() -> Observation:
        found = removal.find()
        if found is None:
            return Nothing(_gone(removal, context), removal.resource in context.seen)
        whose = removal.whose(found)
        if whose == "ours":
            context.seen.add(removal.resource)
            return Pending(removal.ask(found))
        if whose == "another":
            return Certain(_another(removal, context))
        return _unmarked(removal, context)

    return take_back(look, removal.resource, removal.patience, context)


def _gone(removal: Removal[T], context: UndoContext) -> Undone:
    if removal.resource in context.seen:
        return Undone("undone", f"{removal.resource} is gone")
    if context.identity.get("uid"):
        return Undone("already-undone", f"{removal.resource} was gone already")
    return Undone("never-happened", f"{removal.resource} never came to be")


def _another(removal: Removal[T], context: UndoContext) -> Undone:
    return Undone(
        "undone" if removal.resource in context.seen else "already-undone",
        f"{removal.resource} is gone; another one has its name and is left alone",
    )


def _unmarked(removal: Removal[T], context: UndoContext) -> Observation:
    if removal.resource in context.seen and not context.identity.get("uid"):
        return Nothing(_another(removal, context), seen=True)
    left = f"{removal.resource} does not carry this run's {removal.marks}: left alone"
    return Nothing(Undone("not-ours", left), removal.resource in context.seen)
