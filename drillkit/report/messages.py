"""Who was told of a run: every message that was sent, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from drillkit.lazy_dataclass import dataclass
from drillkit.model.records import ANNOUNCED, History, MessageSent

NOT_ACCEPTED = "NOT accepted"


@dataclass(frozen=True, slots=True)
class Told:
    """One message."""

    at: str
    """When it was accepted, or given up: UTC."""
    what: str
    """`started`, `needs a person`."""
    by: str
    to: str
    why: str
    """Why it did not arrive, or ''."""

    @property
    def result(self) -> str:
        """What became of it."""
        return f"{NOT_ACCEPTED}: {self.why}" if self.why else "accepted"


def told_of(history: History) -> tuple[Told, ...]:
    """All messages, in the order in which they were answered."""
    return tuple(
        Told(_date(record.at), _event(entry.event), entry.by, entry.to, entry.why)
        for record in history
        if isinstance(entry := record.entry, MessageSent)
    )


def by_receiver(several: tuple[Told, ...]) -> Iterator[str]:
    """`slack (drillkit.yaml), #drills: started 2026-11-01 03:00:02 UTC, met ...`."""
    for by, to in dict.fromkeys((each.by, each.to) for each in several):
        mine = [each for each in several if (each.by, each.to) == (by, to)]
        said = [f"{m.what} {f'{NOT_ACCEPTED} ({m.why}) ' if m.why else ''}{m.at}" for m in mine]
        yield f"{by}{f', {to}' if to else ''}: {', '.join(said)}"


def _event(event: str) -> str:
    return "announced on the target" if event == ANNOUNCED else event.replace("-", " a ")


def _date(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return "at a date that cannot be"
