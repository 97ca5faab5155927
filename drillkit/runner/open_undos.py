"""The run's effects and what became of them, in memory: clean-up goes on from here when the disk
is gone.
"""

from __future__ import annotations

import threading

from drillkit.cleanup import OpenUndo, open_undos
from drillkit.model.records import Record

_KEPT = frozenset({"undo.planned", "effect.confirmed", "undo.ended", "undo.failed"})


class OpenUndos:
    """A reader of the journal that keeps the records clean-up works from."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._lock = threading.Lock()

    def put(self, record: Record) -> None:
        """What the journal calls with each record."""
        if record.kind in _KEPT:
            with self._lock:
                self._records.append(record)

    def open(self, step: str | None = None) -> tuple[OpenUndo, ...]:
        """Undos still open, of one step or of all."""
        with self._lock:
            records = tuple(
                r
                for r in self._records
                if step is None or r.step == step or r.kind != "undo.planned"
            )
        return open_undos(records)
