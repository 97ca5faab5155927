"""What runs with another package's undos left behind is swept as ours is: by its marks alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillkit.clients import Clients
from drillkit.clock import Fence, SystemClock
from drillkit.journal import undo_registry
from drillkit.model.target import Target
from drillkit.runner.sweep import Swept, expired, sweep
from tests.plugin.conftest import Board


@pytest.fixture(autouse=True)
def _plugged_in(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(installed))
    undo_registry._entry_points.cache_clear()
    yield
    undo_registry._entry_points.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "acme_drills"]:
        del sys.modules[name]


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
    assert "mend or remove the package" in unread[0]
