"""A thing that some run made, on whatever machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from drillkit.clients.undo import UndoAction


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing, with the undo that removes it as its own run would have."""

    undo: UndoAction
    run: str
    """Id of the run that made it."""
    expires: datetime
    """Until when it was meant to live."""
    uid: str

    @property
    def resource(self) -> str:
        """What it is, for people."""
        return self.undo.resource


def expiry(text: str | None) -> datetime | None:
    """The time in an expiry mark; None where there is none that can be read, so that nothing
    is guessed.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
