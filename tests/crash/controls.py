"""Laws taken away, so that the campaign can be seen to notice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drillkit.journal.book import Planned, plan_record
from drillkit.journal.file import Journal


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

    def append(
        self, kind: str, data: Mapping[str, Any], *, durable: bool = True, step: str | None = None
    ) -> int:
        for promised, undo in self._late.items():
            self._numbers[promised] = self._journal.plan_data(*plan_record(undo))
        self._late.clear()
        if data.get("of") in self._numbers:
            data = {**data, "of": self._numbers[data["of"]]}
        return self._journal.append(kind, data, durable=durable, step=step)
