"""What a file may say is read by somebody: a key that is only accepted promises what nobody does.

Held by the names of attributes, so that it finds a key of a name of its own, as most are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import drillkit
from drillkit.model.drill import Drill
from drillkit.model.target import Target
from drillkit.notify import notifier_named, notifier_names
from drillkit.spec.project import Project
from drillkit.spec.types import alternatives, is_list, is_mapping, is_record, item_of, keys_of
from drillkit.steps.base import kind_named, kind_names

ROOT = Path(drillkit.__file__).parent
_WORD = re.compile(r"\w+")
MAKES_THE_DRILL = {
    "vars": "filled in where they are referred to",
    "slos": "found by name",
    "experiments": "a folder to look in",
    "drills": "a folder to look in",
    "targets": "a file to look in",
}
"""Keys that the room `spec` itself uses up."""


def records(want: Any, seen: set[Any]) -> Iterator[Any]:
    """The dataclasses that a type is made of."""
    for each in alternatives(want):
        if is_list(each) or is_mapping(each):
            yield from records(item_of(each), seen)
        elif is_record(each) and each not in seen:
            seen.add(each)
            yield each
            for key in keys_of(each):
                yield from records(key.want, seen)


def unread(names: set[str]) -> set[str]:
    """Those of the names that are read as attributes nowhere outside the room that turns files
    into them.
    """
    left = set(names)
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0] in ("spec", "sandbox"):
            continue
        text = path.read_text()
        if left & set(_WORD.findall(text)):  # to parse them all would take longest
            left -= set(_read_in(ast.parse(text)))
    return left


def _read_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=attr, ctx=ast.Load()):
                yield attr
            case ast.MatchClass(kwd_attrs=attrs):
                yield from attrs
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(attr))]):
                yield attr


def test_every_key_of_every_file_is_read_by_somebody() -> None:
    seen: set[Any] = set()
    roots: list[Any] = [Drill, Target, Project]
    roots += [kind_named(name).Arguments for name in kind_names()]
    roots += [notifier_named(name).Arguments for name in notifier_names()]
    keys = {key.field for root in roots for cls in records(root, seen) for key in keys_of(cls)}
    assert len(seen) > 40
    assert unread(keys) <= set(MAKES_THE_DRILL)


def test_control_a_key_that_nobody_reads_is_found() -> None:
    assert unread({"cadence", "phase_of_the_moon"}) == {"phase_of_the_moon"}
