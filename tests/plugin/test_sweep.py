"""What runs with another package's undos left behind is swept as ours is: by its marks alone."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import pytest

from drillkit.clients import Clients
from drillkit.clock import Fence, SystemClock
from drillkit.model.target import Target
from drillkit.plugin import Denied, Unreachable
from drillkit.runner.sweep import Swept, expired, sweep
from tests.plugin.conftest import Board

pytestmark = pytest.mark.usefixtures("plugged_in")


@pytest.fixture
def clients(board: Board) -> Clients:
    """Of a target without a cluster and an account: only the board is there."""
    return Clients(Target(name="status", urls={"board": board.url}), SystemClock(), Fence())


def entry(run: str = "run-1", expires: str = "2020-01-01T00:00:00Z") -> dict[str, str]:
    return {"run": run, "text": "a drill", "expires": expires}


def test_only_what_bears_marks_and_has_expired_goes_users_first(
    board: Board, clients: Clients
) -> None:
    board.entries |= {
        "drill": entry(),
        "frozen": entry(),
        "mine": entry(run=""),
        "young": entry(expires="2999-01-01T00:00:00Z"),
        "undated": entry(expires="soon"),
    }
    found, unread = expired(clients, SystemClock())
    assert unread == []
    told: list[Swept] = []
    sweep(found, clients, SystemClock(), 30.0, told.append)
    assert [(s.leftover.resource, s.undone and s.undone.outcome) for s in told] == [
        ("board/frozen", "undone"),
        ("board/drill", "undone"),
    ]
    assert board.changes == ["DELETE frozen", "DELETE drill"]
    assert set(board.entries) == {"mine", "young", "undated"}


def test_an_undo_that_does_not_load_is_said_to_have_seen_nothing(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "acme_drills.board", None)
    found, unread = expired(clients, SystemClock())
    assert found == []
    assert [why.split(":")[0] for why in unread] == [
        "what `acme.take-down` undoes",
        "what `acme.thaw` undoes",
    ]
    assert "Mend or uninstall that package" in unread[0]


def test_an_undo_that_cannot_look_hides_nothing_that_others_see(
    board: Board, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    TakeDown = importlib.import_module("acme_drills.board").TakeDown
    board.entries |= {"frozen": entry()}

    def raising(error: BaseException) -> Callable[..., Any]:
        def raises(*given: Any) -> Any:
            raise error

        return raises

    def looks(look: Callable[[], Any]) -> Callable[..., Any]:
        return lambda clients: [look]

    for lookups, said in (
        (raising(KeyError("board")), "what `acme.take-down` undoes: KeyError: 'board'"),
        (lambda clients: None, "what `acme.take-down` undoes: TypeError: "),
        (looks(raising(KeyError("board"))), "what `acme.take-down` undoes: KeyError: 'board'"),
        (looks(raising(Unreachable("it is down"))), "what `acme.take-down` undoes: it is down"),
        (looks(raising(Denied("the board: 403"))), "the board: 403"),
        (looks(lambda: ["drill"]), "undoes: TypeError: expected a Leftover that says when it"),
    ):
        monkeypatch.setattr(TakeDown, "lookups", lookups)
        found, unread = expired(clients, SystemClock())
        assert [each.resource for each in found] == ["board/frozen"]
        (why,) = unread
        assert said in why
    monkeypatch.setattr(TakeDown, "lookups", looks(raising(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        expired(clients, SystemClock())
