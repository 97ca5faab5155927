"""Which undos of a history are open, and what is known about them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any, TypeVar

from drillkit.clients.undo import UndoAction
from drillkit.entry_points import BrokenPlugin
from drillkit.journal.undo_registry import undo_class
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import from_data
from drillkit.model.errors import DrillError
from drillkit.model.records import (
    EffectConfirmed,
    History,
    Record,
    RunOpened,
    StrangeRecord,
    UndoEnded,
    UndoPlanned,
)

T = TypeVar("T")
LAST = 1_000_000
"""Rank of those of which none is known."""


def answer(ask: Callable[[], T], otherwise: T) -> T:
    """What an undo says of itself. Another package's may do anything then: whoever applies it is
    told what is wrong with it, and no other undo is held up by that.
    """
    try:
        return ask()
    except (Exception, SystemExit):
        return otherwise


class UnknownUndo(DrillError):
    """An undo that this version cannot read. It stays open."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class OpenUndo:
    """One undo that was planned and has not ended."""

    record: int
    """Number of the record that planned it."""
    kind: str
    args: Mapping[str, Any]
    phase: str
    """`relieve` or `remove`, as it was planned."""
    resource: str
    """What it concerns, for people."""
    step: str
    at: float
    """Date of the plan."""
    confirmed: bool = False
    """Every attempt of the effect was answered: nothing can land late."""
    identity: Mapping[str, str] = field(default_factory=dict)
    """What was confirmed, such as the `uid`; empty: the effect is not known to have happened."""
    version: str = ""
    """The drillkit that wrote it."""

    def load(self) -> UndoAction:
        """The undo itself. Raises UnknownUndo naming the version that wrote it."""
        writer = f"drillkit {self.version}" if self.version else "another version of drillkit"
        try:
            cls = undo_class(self.kind)
        except BrokenPlugin as error:
            raise UnknownUndo(
                f"{self.resource}: {error}. Else undo it by hand: {dict(self.args)}"
            ) from error
        except KeyError as error:
            raise UnknownUndo(
                f"{self.resource}: no undo `{self.kind}` in this version; {writer} wrote it. "
                f"Recover with that version, or undo it by hand: {dict(self.args)}"
            ) from error
        try:
            undo = from_data(cls, self.args)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnknownUndo(
                f"{self.resource}: the arguments of `{self.kind}` do not fit this version "
                f"({error}); {writer} wrote them. Recover with that version, or undo it by hand"
            ) from error
        except (Exception, SystemExit) as bug:
            raise UnknownUndo(
                f"{self.resource}: a bug in the undo `{self.kind}`: {type(bug).__name__}: {bug}. "
                f"Mend it and recover again, or undo it by hand: {dict(self.args)}"
            ) from bug
        if not isinstance(undo, UndoAction):
            raise UnknownUndo(
                f"{self.resource}: `{self.kind}` is no undo that could be applied; {writer} wrote "
                "it. Undo it by hand"
            )
        return undo

    @property
    def lives(self) -> str:
        """`target`, or `here`: its effect outlasts a target that has ended. An undo that cannot be
        read may have its effect anywhere.
        """
        return "target" if answer(lambda: self.load().lives, "") == "target" else "here"

    @property
    def rank(self) -> int:
        """Order within *remove*: lower first. An unknown kind goes last."""
        found = answer(lambda: undo_class(self.kind).rank, LAST)
        return found if isinstance(found, int) else LAST

    @property
    def runs_programs(self) -> bool:
        """Whether it is undone by programs, which reach nobody knows what."""
        return self.lives == "here" and answer(lambda: bool(self.load().backwards), False)

    @property
    def by_hand(self) -> tuple[str, ...]:
        """See `UndoAction.by_hand`."""
        nothing: tuple[str, ...] = ()
        return answer(lambda: tuple(map(str, self.load().by_hand)), nothing)


def open_undos(history: History, step: str | None = None) -> tuple[OpenUndo, ...]:
    """The open undos of a history, in the order in which they were planned; of one step, if named.

    An undo ends with a record `undo.ended`, whatever its outcome; `undo.failed` leaves it open.
    """
    version = ""
    found: dict[int, OpenUndo] = {}
    for record in history:
        match record.entry:
            case RunOpened(versions=versions):
                version = versions.get("drillkit", "")
            case UndoPlanned() as planned:
                found[record.n] = OpenUndo(
                    record=record.n,
                    kind=planned.undo,
                    args=planned.args,
                    phase=planned.phase,
                    resource=planned.resource,
                    step=record.step,
                    at=record.at,
                    version=version,
                )
            case StrangeRecord(kind=UndoPlanned.kind):
                found[record.n] = _strange(record, version)
            case EffectConfirmed(of=of, identity=identity) if of in found:
                known = {**found[of].identity, **identity}
                found[of] = replace(found[of], confirmed=True, identity=known)
            case UndoEnded(of=of):
                found.pop(of, None)
            case _:
                continue
    return tuple(undo for undo in found.values() if step is None or undo.step == step)


def _strange(record: Record, version: str) -> OpenUndo:
    """An undo whose plan cannot be read: it stays open until a person has looked."""
    data = record.data if isinstance(record.data, Mapping) else {}
    return OpenUndo(
        record=record.n,
        kind=str(data.get("undo", "")),
        args={},
        phase="remove",
        resource=str(data.get("resource") or f"what record {record.n} planned"),
        step=record.step,
        at=record.at,
        version=version,
    )
