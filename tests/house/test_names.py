"""One name, one thing: no two classes of production code are called the same."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import drillkit

ROOT = Path(drillkit.__file__).parent


def test_no_two_classes_have_the_same_name() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("sandbox/"):
            continue  # it speaks the vendors' languages, and shares nothing with the rest
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(name)
    assert len(found) > 500
    assert {name: where for name, where in found.items() if len(where) > 1} == {}
