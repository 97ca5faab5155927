"""What must go before what. Pure.

Ranks say what a kind rests on in general (a cluster goes after its members). Beside them, an undo
may hold others of its step back: what it undoes may still create in them, or read them.
"""

from __future__ import annotations

from collections.abc import Sequence

from drillkit.cleanup.open_undo import OpenUndo, UnknownUndo, answer
from drillkit.clients.undo import UndoAction


class Order:
    """The order in which some undos are to be applied."""

    def __init__(self, undos: Sequence[OpenUndo]) -> None:
        self._loaded = {undo.record: _loaded(undo) for undo in undos}
        self._rank = {undo.record: undo.rank for undo in undos}
        self._holders = {
            held.record: [each for each in undos if self._holds(each, held)] for held in undos
        }
        # Whoever is held back goes no earlier than whoever holds it, whatever the ranks say.
        for _ in undos:
            for undo in undos:
                ranks = [self._rank[each.record] for each in self._holders[undo.record]]
                self._rank[undo.record] = max([self._rank[undo.record], *ranks])
        self.queue = self._queued(undos)
        """All of them: by rank, each rank in reverse order of planning, but nobody before those
        that hold it back.
        """
        self._place = {undo.record: place for place, undo in enumerate(self.queue)}
        self.ranks = sorted(set(self._rank.values()))

    def rank(self, undo: OpenUndo) -> int:
        """When it goes: lower first."""
        return self._rank[undo.record]

    def holders(self, undo: OpenUndo) -> list[OpenUndo]:
        """Those that must have ended before this one begins."""
        return self._holders[undo.record]

    def ahead(self, undo: OpenUndo) -> list[OpenUndo]:
        """Those of its rank that begin before it. As one queue tells of all, no two of them wait
        for each other.
        """
        before = self.queue[: self._place[undo.record]]
        return [each for each in before if self.rank(each) == self.rank(undo)]

    def in_sequence(self, one: OpenUndo, other: OpenUndo) -> bool:
        """Whether one may rest on the other, so that they are undone one after the other."""
        return one.step == other.step or self.backwards(one, other)

    def backwards(self, one: OpenUndo, other: OpenUndo) -> bool:
        """Whether nobody knows what they rest on, so that strictly the last goes first."""
        found = (self._loaded[one.record], self._loaded[other.record])
        return all(undo is not None and _is_backwards(undo) for undo in found)

    def _queued(self, undos: Sequence[OpenUndo]) -> list[OpenUndo]:
        left = sorted(undos, key=lambda undo: (self.rank(undo), -undo.record))
        queue: list[OpenUndo] = []
        while left:
            waiting = {undo.record for undo in left}
            free = (u for u in left if all(h.record not in waiting for h in self.holders(u)))
            # None is free where some hold back each other: any of them is as good.
            chosen = next(free, left[0])
            left.remove(chosen)
            queue.append(chosen)
        return queue

    def _holds(self, holder: OpenUndo, held: OpenUndo) -> bool:
        one, other = self._loaded[holder.record], self._loaded[held.record]
        if one is None or other is None or holder is held or holder.step != held.step:
            return False
        return holds(one, other)


def _is_backwards(undo: UndoAction) -> bool:
    return bool(answer(lambda: undo.backwards, True))


def holds(one: UndoAction, other: UndoAction) -> bool:
    """Whether `other` must wait until `one` has ended; one that cannot say so holds back nobody."""
    return bool(answer(lambda: one.holds_back(other), False))


def _loaded(undo: OpenUndo) -> UndoAction | None:
    try:
        return undo.load()
    except UnknownUndo:
        return None
