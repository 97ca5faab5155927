"""What a part works with it is given when it is made: nobody sets it from outside afterwards."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import drillkit

ROOT = Path(drillkit.__file__).parent
ROOMS = ("cli", "runner", "live", "plan", "sampler", "journal", "cleanup", "steps")
OF_THEIR_OWN = {
    ("live/audience.py", "response"): "aiohttp's way",
    ("live/view.py", "step"): "state that the module itself keeps",
    ("live/view.py", "self._steps[record.step]"): "state that the module itself keeps",
    ("runner/keep.py", "writing"): "what the block was handed to fill",
    ("runner/settle.py", "writing"): "what the block was handed to fill",
    ("runner/step_runner.py", "track"): "state that the module itself keeps",
    ("sampler/probe_schedule.py", "connection"): "a pair that is bound and freed in one place",
    ("sampler/probe_schedule.py", "ticket"): "a pair that is bound and freed in one place",
}


def set_from_outside(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and object of each assignment to an attribute of something that is not `self`."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets):
                pass
            case ast.AugAssign(op=ast.Add() | ast.BitOr()):
                continue  # a collection that was handed over to be filled
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                targets = [target]
            case _:
                continue
        for part in (part for target in targets for part in ast.walk(target)):
            match part:
                case ast.Attribute(value=owner, ctx=ast.Store()):
                    if (said := ast.unparse(owner)) not in ("self", "cls", "sys"):
                        yield node.lineno, said


def test_nobody_sets_an_attribute_of_a_collaborator() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), owner): line
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for line, owner in set_from_outside(ast.parse(path.read_text()))
    }
    assert {where: line for where, line in found.items() if where not in OF_THEIR_OWN} == {}
    assert set(OF_THEIR_OWN) <= set(found), "what is no more must not stand in the list"


def test_such_an_assignment_is_found() -> None:
    tree = ast.parse("journal.on_lost = stop\nself.a = 1\nwhole, self.part.b = pair\nx.y += 1")
    assert sorted(set_from_outside(tree)) == [(1, "journal"), (3, "self.part")]
