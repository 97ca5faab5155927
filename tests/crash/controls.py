"""Laws taken away, so that the campaign can be seen to notice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drillkit.journal.book import Planned, planned_entry
from drillkit.journal.file import Journal
from drillkit.model.records import EffectConfirmed, Entry, UndoEnded


class EffectFirst:
    """A book that promises to write the undo down, and does so after the effect."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._late: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}

    def plan(self, undo: Any) -> Planned[Any]:
        promised = -len(self._late) - len(self._numbers) - 1
        self._late[promised] = undo
        return Planned(promised, undo, self)

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        for promised, undo in self._late.items():
            self._numbers[promised] = self._journal.plan_entry(planned_entry(undo), undo.counts)
        self._late.clear()
        if isinstance(entry, EffectConfirmed | UndoEnded) and entry.of in self._numbers:
            entry = replace(entry, of=self._numbers[entry.of])
        return self._journal.append(entry, durable=durable, step=step)
