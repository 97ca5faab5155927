"""Removing what a run made in AWS: found again by its tags, deleted, and waited for until it
is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from drillkit.clients.aws.errors import WrongState
from drillkit.clients.aws.ownership import carries_marks
from drillkit.clients.removal import Patience, Removal, Whose, remove
from drillkit.clients.undo import UndoContext
from drillkit.model.effects import Undone
from drillkit.model.errors import Absent

PATIENCE = Patience(
    settle_s=30.0,
    lags=True,
    pauses_s=tuple(min(0.3 * 1.4**n, 10.0) for n in range(12)),
)
"""What was asked for and not seen appears within this time or never: a call lasts 18 s at most, and
descriptions and tags lag behind AWS' own answers by seconds.
"""


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


def remove_resource(
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

    def whose(found: Found) -> Whose:
        if found.is_of(undo, uid):
            return "ours"
        return "another" if uid and found.uid and found.uid != uid else "unmarked"

    def ask(found: Found) -> str:
        try:
            if found.status != "deleting":
                delete(found)
        except WrongState as why:
            return str(why)
        except Absent:  # gone meanwhile: the next look says so
            pass
        return "it is being deleted"

    return remove(Removal(undo.resource, find, whose, ask, PATIENCE, "tags"), context)
