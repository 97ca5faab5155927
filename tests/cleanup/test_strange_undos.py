"""An undo of another package may do anything by the time it is needed: it stays open, and holds up
nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest

from drillkit import entry_points
from drillkit.cleanup import open_undos
from drillkit.clients.command import UndoCommand
from drillkit.clients.undo import UndoAction
from drillkit.journal import undo_registry
from drillkit.journal.file import Journal, read
from drillkit.journal.runs import OpenRun
from drillkit.model.effects import Phase
from drillkit.model.records import RunOpened, UndoPlanned
from drillkit.model.target import Target
from drillkit.runner.recover import recover


@dataclass(frozen=True)
class Rewind(UndoAction):
    kind: ClassVar[str] = "tape.rewind"
    phase: ClassVar[Phase] = "remove"
    tape: str

    @property
    def resource(self) -> str:
        return f"tape/{self.tape}"

    def apply(self, *arguments: Any) -> Any:
        raise RuntimeError("this one is broken too")


def bug(*arguments: Any, **more: Any) -> Any:
    raise RuntimeError("a bug of somebody else's")


def leave(*arguments: Any, **more: Any) -> Any:
    raise SystemExit(3)


WAYS: dict[str, dict[str, Any]] = {
    "is not made": {"__post_init__": bug},
    "ends the process when it is made": {"__post_init__": leave},
    "names types that are nowhere": {"__annotations__": {"tape": "Nowhere"}},
    "has no word for where it lives": {"lives": property(bug)},
    "has no name": {"resource": property(bug)},
    "knows no line by hand": {"by_hand": property(bug)},
    "does not know what it holds back": {"holds_back": bug},
    "has a rank that is none": {"rank": "first"},
    "has a companion that is none": {"companions": 5},
    "gives nothing back": {"apply": lambda *_: None},
    "gives something else back": {"apply": lambda *_: "undone"},
    "ends the process": {"apply": leave},
    "is no action": {"apply": None},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("phase", ["relieve", "remove"])
def test_what_is_wrong_with_it_is_told_and_the_others_are_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, phase: Phase
) -> None:
    broken = dataclass(frozen=True)(type("Broken", (Rewind,), dict(WAYS[way])))
    point = EntryPoint(Rewind.kind, f"{__name__}:Rewind", undo_registry.PLUGGED_IN.group)
    monkeypatch.setattr(entry_points, "brought", lambda group: {Rewind.kind: (point,)})
    monkeypatch.setattr(EntryPoint, "load", lambda self: broken)
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    folder = tmp_path / "run"
    folder.mkdir()
    journal = Journal(folder / "journal.jsonl")
    journal.append(RunOpened(run="r", target=Target(name="t")))
    for each in ("before", "after"):
        journal.plan(UndoCommand(each, ("touch", str(tmp_path / each)), str(tmp_path)))
        journal.append(UndoPlanned(Rewind.kind, phase, "tape/a", {"tape": "a"}))
    journal.close()
    said: list[str] = []
    found = recover(OpenRun("r", folder, "t", "me"), 20.0, said.append)
    assert (tmp_path / "before").exists(), (found, said)
    assert (tmp_path / "after").exists(), (found, said)
    assert found.state == "dirty", (found, said)
    left = open_undos(read(folder / "journal.jsonl"))
    assert [each.resource for each in left] == ["tape/a", "tape/a"]
    told = [each for each in said if each.startswith("tape/a: still open: ")]
    assert len(told) == 2, said
    assert all("tape.rewind" in each for each in told), said
