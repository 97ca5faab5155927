"""What a kind of step is, it says itself: nobody else knows ours by their names."""

from __future__ import annotations

import ast
from pathlib import Path

import drillkit
from drillkit.steps.base import kind_names

ROOT = Path(drillkit.__file__).parent
ELSEWHERE = ("sandbox/", "steps/", "clients/")
"""Kinds themselves; and undos, whose kinds are names of their own."""


def test_no_table_and_no_comparison_holds_the_name_of_a_kind() -> None:
    names = {name for name in kind_names() if "." in name}
    parts = {f"{name.partition('.')[0]}." for name in names} | {".failover", "restore"}
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(ELSEWHERE) or name == "model/former_kinds.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Constant(value=value) if value in names:
                    found.append(f"{name}:{node.lineno}: {value}")
                case ast.Call(
                    func=ast.Attribute(attr="startswith" | "endswith"),
                    args=[ast.Constant(value=value)],
                ) if value in parts:
                    found.append(f"{name}:{node.lineno}: {value}")
    assert found == []


def test_no_kind_of_step_imports_another() -> None:
    """What several share stands beside them, so that each may go without the others."""
    trees = {path.stem: ast.parse(path.read_text()) for path in (ROOT / "steps").glob("*.py")}
    kinds = {
        name
        for name, tree in trees.items()
        if any(
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KIND"
            for node in tree.body
        )
    }
    assert len(kinds) >= len(kind_names())
    found = []
    for name in sorted(kinds):
        for node in ast.walk(trees[name]):
            if isinstance(node, ast.ImportFrom) and node.module:
                _, _, other = node.module.rpartition("drillkit.steps.")
                found += [f"{name} imports {other}"] if other in kinds else []
    assert found == []
