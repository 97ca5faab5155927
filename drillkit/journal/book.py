"""What may be written to, whoever does the writing.

Two makers: `Journal`, the file, in the runner; `Remote`, a pipe to it, in the processes that the
runner started.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Generic, NoReturn, Protocol, TypeVar

from drillkit.journal.undo_registry import must_load_back
from drillkit.model.codec import to_data
from drillkit.model.effects import Effect, Undo
from drillkit.model.errors import Refused
from drillkit.model.evidence import Evidence
from drillkit.model.records import (
    EffectConfirmed,
    EffectIrreversible,
    Entry,
    PlannedEffect,
    UndoEnded,
    UndoPlanned,
)

E_co = TypeVar("E_co", bound=Effect, covariant=True)
E = TypeVar("E", bound=Effect)

_STEP: contextvars.ContextVar[str] = contextvars.ContextVar("drillkit_step", default="")


@contextlib.contextmanager
def step_of_record(name: str) -> Iterator[None]:
    """Records written inside belong to this step, unless they say otherwise."""
    token = _STEP.set(name)
    try:
        yield
    finally:
        _STEP.reset(token)


def current_step() -> str:
    """Name of the step that records belong to, or ''."""
    return _STEP.get()


class Planned(Generic[E_co]):
    """Receipt for an undo (or for the admission that there is none) that is on disk.

    Made by a Book only, in the process that will act; never sent. A mutating client call takes one
    and takes the identity of what it makes from it, so the effect and its undo cannot differ.
    """

    __slots__ = ("_book", "_over", "identity", "n", "undo")

    def __init__(self, n: int, undo: E_co, book: Book) -> None:
        self.n = n
        self.undo = undo
        self.identity: Mapping[str, str] | None = None
        """What was confirmed; None: nothing was, so an attempt may still land."""
        self._book = book
        self._over = False

    def confirm(self, **identity: str) -> None:
        """The other side answered, or the effect was seen: from now on 'not found' means gone.

        Not synced: losing it costs time, not safety.
        """
        self.identity = identity
        self._book.append(EffectConfirmed(self.n, identity), durable=False)

    def never_happened(self, why: str) -> None:
        """Nothing was sent or begun, provably: there is nothing to undo. An undo is settled by
        this; an effect that has none stays in the journal as what was meant to be.
        """
        self._over = True
        if isinstance(self.undo, Undo):
            self._book.append(UndoEnded(self.n, "never-happened", why, attempts=0))

    def must_be_open(self) -> None:
        """Raises Refused once it is written down that the effect never happened: another try
        needs a plan of its own.
        """
        if self._over:
            raise Refused(f"{self.undo.resource}: this plan is over; plan the effect again")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Planned is a receipt of this process; send the undo and plan it there")


class Book(Protocol):
    """What a step, a fault or the sampler writes to."""

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        """Append a record; durable: it is on disk when this returns. Its number (0 where not
        durable and remote).

        Raises JournalLost when the journal takes no more lines.
        """

    def plan(self, effect: E) -> Planned[E]:
        """Put an effect's undo on disk. Raises Refused when the fence is closed, JournalLost when
        it can't be kept, UndoNotLoadable when nobody could apply it.
        """


def observe(
    book: Book, evidence: Evidence, *, durable: bool = False, step: str | None = None
) -> None:
    """Write down what was seen."""
    book.append(evidence, durable=durable, step=step)


def planned_entry(effect: Effect) -> PlannedEffect:
    """What the journal says of an effect that is about to happen.

    Raises UndoNotLoadable for an undo that no other process could apply.
    """
    # Every field is written, defaults too: another version may have other defaults.
    args = {
        name: to_data(getattr(effect, name))
        for name in (f.name for f in dataclasses.fields(effect))
    }
    if isinstance(effect, Undo):
        must_load_back(effect, args)
        return UndoPlanned(effect.kind, effect.phase, effect.resource, args)
    return EffectIrreversible(effect.kind, effect.resource, args, effect.reason, effect.wait_for)
