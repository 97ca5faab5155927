"""A sweep takes things back as patiently as a clean-up does, and nothing holds up the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from drillkit.clients import Clients
from drillkit.clients.undo import Leftover, UndoAction, UndoContext
from drillkit.clock import Fence
from drillkit.model.effects import Phase, Undone
from drillkit.model.errors import Denied, Unavailable, WrongTarget
from drillkit.model.target import Target
from drillkit.runner.sweep import Swept, sweep
from tests.clients.kube.conftest import Ticks


@dataclass(frozen=True)
class Removal(UndoAction):
    kind: ClassVar[str] = "test.removal"
    phase: ClassVar[Phase] = "remove"
    attempt: Callable[[int], Undone]
    tried: list[int]

    @property
    def resource(self) -> str:
        return "thing"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        self.tried.append(len(self.tried))
        return self.attempt(len(self.tried))


def passes_at_the_third(attempt: int) -> Undone:
    if attempt < 3:
        raise Unavailable("503")
    return Undone("undone")


def denied(attempt: int) -> Undone:
    raise Denied("may not")


def elsewhere(attempt: int) -> Undone:
    raise WrongTarget("another cluster")


def buggy(attempt: int) -> Undone:
    raise ZeroDivisionError("oops")


@pytest.mark.parametrize(
    ("attempt", "attempts", "why"),
    [
        (passes_at_the_third, 3, ""),
        (denied, 3, "may not"),
        (elsewhere, 1, "another cluster"),
        (buggy, 1, "a bug in the undo `test.removal`: ZeroDivisionError: oops"),
    ],
)
def test_what_passes_is_tried_again_and_what_fails_holds_up_nobody(
    attempt: Callable[[int], Undone], attempts: int, why: str
) -> None:
    clock, tried, after = Ticks(), list[int](), list[int]()
    clients = Clients(Target(name="t"), clock, Fence())
    at = datetime(2020, 1, 1, tzinfo=UTC)
    left = [
        Leftover(Removal(attempt, tried), "run-1", at),
        Leftover(Removal(lambda n: Undone("undone"), after), "run-2", at),
    ]
    told: list[Swept] = []
    first, second = sweep(left, clients, clock, 60.0, told.append)
    assert len(tried) == attempts
    assert (first.undone is None) is bool(why)
    assert why in first.why
    assert second.undone is not None
    assert told == [first, second]


def test_ctrl_c_ends_the_waiting_and_begins_nothing_more() -> None:
    clock, tried, stop = Ticks(), list[int](), threading.Event()

    def in_trouble(attempt: int) -> Undone:
        if attempt == 2:
            stop.set()
        raise Unavailable("503")

    clients = Clients(Target(name="t"), clock, Fence())
    at = datetime(2020, 1, 1, tzinfo=UTC)
    left = [
        Leftover(Removal(in_trouble, []), "run-1", at),
        Leftover(Removal(denied, tried), "2", at),
    ]
    first, second = sweep(left, clients, clock, 600.0, lambda swept: None, stop)
    assert (first.undone, second.undone) == (None, None)
    assert first.why.startswith("interrupted: it may be on its way out")
    assert second.why == "interrupted before its turn"
    assert not tried
