"""Deleting, and believing that it is gone: one set of rules, whatever system it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from drillkit.clients.removal import Patience, Removal, Whose, remove
from drillkit.clients.undo import UndoContext
from drillkit.clock import Deadline, DeadlineOver
from drillkit.model.effects import Undone
from drillkit.model.errors import Throttled

STRICT, LAGGING = Patience(15.0), Patience(30.0, lags=True)


class Virtual:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def mono(self) -> float:
        return self.at

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        self.at += max(seconds, 0.001)
        return False


@dataclass(frozen=True)
class Thing:
    uid: str
    marked: bool = True


class World:
    """Shows one thing after the other, the last one for ever."""

    def __init__(self, *shown: Thing | Exception | None, patience: Patience = STRICT) -> None:
        self.clock = Virtual()
        self.asked: list[Thing] = []
        self._left: Iterator[Thing | Exception | None] = iter(shown)
        self._last: Thing | None = None
        self._patience = patience

    def find(self) -> Thing | None:
        shown = next(self._left, self._last)
        if isinstance(shown, Exception):
            raise shown
        self._last = shown
        return shown

    def context(self, uid: str = "", *, confirmed: bool | None = None) -> UndoContext:
        sure = bool(uid) if confirmed is None else confirmed
        identity = {"uid": uid} if uid else {}
        deadline = Deadline.after(100.0, self.clock)
        return UndoContext(self.clock, deadline, self.clock.mono(), sure, identity)

    def remove(self, context: UndoContext) -> Undone:
        uid = context.identity.get("uid", "")

        def whose(thing: Thing) -> Whose:
            if thing.marked and (not uid or thing.uid == uid):
                return "ours"
            return "another" if uid and thing.uid != uid else "unmarked"

        def ask(thing: Thing) -> str:
            self.asked.append(thing)
            return "something uses it"

        return remove(Removal("thing/it", self.find, whose, ask, self._patience), context)

    def took(self, act: Callable[[], object]) -> float:
        began = self.clock.mono()
        act()
        return self.clock.mono() - began


OURS, OTHER, BARE = Thing("u1"), Thing("u2"), Thing("u1", marked=False)


@pytest.mark.parametrize(
    ("shown", "patience", "uid", "confirmed", "outcome", "least_s", "most_s"),
    [
        # Confirmed: what is not there is gone, at once.
        ((OURS, None), STRICT, "u1", True, "undone", 0, 1),
        ((None,), STRICT, "u1", True, "already-undone", 0, 1),
        ((None,), STRICT, "", True, "never-happened", 0, 1),
        # Not confirmed: an attempt may still land.
        ((None,), STRICT, "", False, "never-happened", 15, 20),
        ((None, None, None, OURS, None), STRICT, "", False, "undone", 15, 20),
        # Looks that lag: what was confirmed and never seen may be hidden.
        ((None,), LAGGING, "u1", True, "already-undone", 30, 35),
        ((None, OURS, None), LAGGING, "u1", True, "undone", 0, 1),
        # Others have the name.
        ((OTHER,), LAGGING, "u1", True, "already-undone", 0, 1),
        ((OURS, OTHER), STRICT, "u1", True, "undone", 0, 1),
        ((BARE,), STRICT, "", False, "not-ours", 15, 20),
        # Somebody took the marks off the very thing, to keep it: it is not gone.
        ((OURS, BARE), STRICT, "u1", True, "not-ours", 0, 1),
        ((OURS, BARE), STRICT, "", False, "undone", 15, 20),
    ],
)
def test_what_is_believed_and_when(
    shown: tuple[Thing | None, ...],
    patience: Patience,
    uid: str,
    confirmed: bool,
    outcome: str,
    least_s: float,
    most_s: float,
) -> None:
    world = World(*shown, patience=patience)
    context, found = world.context(uid, confirmed=confirmed), list[Undone]()
    took_s = world.took(lambda: found.append(world.remove(context)))
    assert found[0].outcome == outcome, found[0]
    assert least_s <= took_s <= most_s
    assert world.asked == [each for each in shown if each == OURS]


def test_what_was_seen_before_a_failure_is_still_known_after_it() -> None:
    world = World(OURS, Throttled("too many calls"), None, patience=LAGGING)
    context = world.context("u1")
    with pytest.raises(Throttled):
        world.remove(context)
    found = list[Undone]()
    assert world.took(lambda: found.append(world.remove(context))) < 1
    assert found == [Undone("undone", "thing/it is gone")]


def test_the_limit_says_what_is_still_there_or_may_still_come() -> None:
    world = World(OURS)
    with pytest.raises(DeadlineOver, match="thing/it is still there: something uses it"):
        world.remove(world.context("u1"))
    world = World(None, patience=Patience(settle_s=1e6))
    with pytest.raises(DeadlineOver, match=r"thing/it is not there, but an attempt .* may still"):
        world.remove(world.context())
