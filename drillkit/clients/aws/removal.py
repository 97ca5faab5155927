"""Removing what a run made in AWS: found again by its tags, deleted, and waited for until it
is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from drillkit.clients.aws.errors import WrongState
from drillkit.clients.aws.ownership import carries_marks
from drillkit.clients.undo import UndoContext
from drillkit.clock import DeadlineOver
from drillkit.model.effects import Undone
from drillkit.model.errors import Absent

SETTLE_S = 30.0
"""What was asked for and not seen appears within this time or never: a call lasts 18 s at most, and
descriptions may lag behind by seconds."""
FIRST_S = 0.3
FACTOR = 1.4
CAP_S = 10.0


class Made(Protocol):
    """What is known of a resource before it is made."""

    @property
    def name(self) -> str: ...
    @property
    def run(self) -> str: ...
    @property
    def resource(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A resource as it stands there."""

    tags: Mapping[str, str]
    status: str = ""
    uid: str = ""
    """What AWS knows it by for ever, or ''."""
    protected: bool = False

    def is_of(self, undo: Made, uid: str) -> bool:
        """Whether it is what the undo is about: both tags, and the same id where both are known."""
        return carries_marks(self.tags, undo.run, undo.name) and not (
            uid and self.uid and uid != self.uid
        )


def remove(
    undo: Made,
    find: Callable[[], Found | None],
    delete: Callable[[Found], None],
    context: UndoContext,
) -> Undone:
    """Delete what the run made and wait until it is gone.

    `delete` may raise WrongState (it is still being made, or something uses it): it is asked again.
    Raises CallError, DeadlineOver saying what blocks.
    """
    uid = context.identity.get("uid", "")
    seen, blocked = False, ""
    for pause_s in _pauses():
        found = find()
        if found is not None and found.is_of(undo, uid):
            seen = True
            blocked = (
                _delete(delete, found) if found.status != "deleting" else "it is being deleted"
            )
            if context.deadline.over:
                raise DeadlineOver(f"{undo.resource} is still there: {blocked or found.status}")
        elif _believable(context, seen, uid, found):
            return _ended(undo, found, seen, uid)
        context.pause(pause_s)
    raise AssertionError("pauses never end")


def _delete(delete: Callable[[Found], None], found: Found) -> str:
    """Ask for the deletion; why it was not taken, or ''."""
    try:
        delete(found)
    except WrongState as why:
        return str(why)
    except Absent:
        return ""
    return "it is being deleted"


def _believable(context: UndoContext, seen: bool, uid: str, found: Found | None) -> bool:
    """Whether 'not there' (or 'not ours') may be believed now.

    What was confirmed and never seen may be hidden for some seconds: AWS' descriptions lag behind
    its own answers. Tags may, too.
    """
    if found is not None and uid and found.uid and found.uid != uid:
        return True
    if context.confirmed and (seen or not uid):
        return True
    return context.clock.mono() - context.began >= SETTLE_S


def _ended(undo: Made, found: Found | None, seen: bool, uid: str) -> Undone:
    if seen:
        return Undone("undone", f"{undo.resource} is gone")
    if found is None:
        gone = f"{undo.resource} was gone already"
        return (
            Undone("already-undone", gone)
            if uid
            else Undone("never-happened", f"{undo.resource} never came to be")
        )
    if uid and found.uid and found.uid != uid:
        return Undone(
            "already-undone", f"{undo.resource} is gone; another one has its name and is left alone"
        )
    return Undone("not-ours", f"{undo.resource} does not carry this run's tags: left alone")


def _pauses() -> Iterator[float]:
    pause_s = FIRST_S
    while True:
        yield pause_s
        pause_s = min(pause_s * FACTOR, CAP_S)
