"""An undo that nobody could apply is refused before its effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest

from drillkit import entry_points
from drillkit.clients import kube
from drillkit.clients.command import UndoCommand
from drillkit.clients.undo import UndoAction
from drillkit.journal import undo_registry
from drillkit.journal.file import Journal, read
from drillkit.journal.undo_registry import UndoNotLoadable, undo_class
from drillkit.model.effects import Phase


@dataclass(frozen=True)
class Rewind(UndoAction):
    kind: ClassVar[str] = "tape.rewind"
    phase: ClassVar[Phase] = "remove"
    tape: str
    marks: Any = ""

    @property
    def resource(self) -> str:
        return f"tape/{self.tape}"


@dataclass(frozen=True)
class Forgetful(Rewind):
    kind: ClassVar[str] = "kube.forgetful"
    secret: str = field(default="", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret", "lost on the way")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.jsonl")
    yield journal
    journal.close()


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(Rewind.kind, f"{__name__}:Rewind", undo_registry.PLUGGED_IN.group)
    monkeypatch.setattr(entry_points, "brought", lambda group: {Rewind.kind: (point,)})
    monkeypatch.setattr(EntryPoint, "load", lambda self: Rewind)


def refused(journal: Journal, undo: UndoAction, tmp_path: Path) -> str:
    with pytest.raises(UndoNotLoadable) as error:
        journal.plan(undo)
    assert read(tmp_path / "journal.jsonl") == (), "nothing was planned"
    return str(error.value)


def test_an_undo_that_is_declared_nowhere_is_refused_and_told_how_to_declare_it(
    journal: Journal, tmp_path: Path
) -> None:
    said = refused(journal, Rewind("a"), tmp_path)
    assert "tape/a" in said
    assert "drillkit.undos" in said
    assert '"tape.rewind" = ' in said


@pytest.mark.usefixtures("plugged_in")
def test_an_undo_of_another_package_is_found_by_its_entry_point(journal: Journal) -> None:
    journal.plan(Rewind("a"))
    assert undo_class("tape.rewind") is Rewind


@pytest.mark.usefixtures("plugged_in")
@pytest.mark.parametrize("marks", [["a", "list"], float("nan")], ids=str)
def test_arguments_that_do_not_come_back_equal_are_refused(
    journal: Journal, tmp_path: Path, marks: Any
) -> None:
    undo = Rewind("a", ("tuples become lists",) if marks == ["a", "list"] else marks)
    assert "not equal" in refused(journal, undo, tmp_path)


def test_a_field_that_cannot_be_given_back_is_refused(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kube.UNDOS, Forgetful.kind, Forgetful)
    assert "do not load back" in refused(journal, Forgetful("a"), tmp_path)


def test_two_undos_of_one_kind_are_refused(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rewind, "kind", "kube.uncordon")
    assert "another kind" in refused(journal, Rewind("a"), tmp_path)


def test_a_kind_that_nobody_knows_is_a_key_error() -> None:
    for kind in ("tape.rewind", "kube.no-such", "", "undo.x", "..", "kube"):
        with pytest.raises(KeyError):
            undo_class(kind)


def test_the_effect_of_a_command_lives_here_and_that_of_the_cluster_there() -> None:
    assert UndoCommand("c", ("rm",), ".").lives == "here"
    assert kube.uncordon_of({"metadata": {"name": "n", "uid": "u"}}, run="r").lives == "target"
