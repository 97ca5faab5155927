"""All time enters by one door, `drillkit.clock`: who takes it there can be tested without waiting.

The sandbox stands alone and keeps its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import drillkit

ROOT = Path(drillkit.__file__).parent
OF_TIME = {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "sleep"}
FILLED_IN = {"strftime": 2, "gmtime": 1, "localtime": 1, "ctime": 1}
"""With fewer arguments these mean now."""
OF_DATES = {"now", "utcnow", "today"}
ALLOWED = {
    "clock.py": "it is the door",
}


def taken(tree: ast.AST) -> Iterator[str]:
    """Where a module takes the time, or sleeps, by itself."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr=name) if name in OF_TIME:
                yield f"line {node.lineno}: time.{name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr=name), args=given) if (
                len(given) < FILLED_IN.get(name, 0)
            ):
                yield f"line {node.lineno}: time.{name} of now"
            case ast.Attribute(value=owner, attr=name) if name in OF_DATES:
                if ast.unparse(owner).rpartition(".")[2] in ("datetime", "date"):
                    yield f"line {node.lineno}: {ast.unparse(owner)}.{name}"
            case ast.ImportFrom(module="time", names=names):
                for each in names:
                    if each.name in OF_TIME:
                        yield f"line {node.lineno}: from time import {each.name}"


def test_nobody_takes_the_time_but_from_the_clock() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): list(taken(ast.parse(path.read_text())))
        for path in sorted(ROOT.rglob("*.py"))
    }
    own = {name for name, lines in found.items() if lines and not name.startswith("sandbox/")}
    assert {name: found[name] for name in own - set(ALLOWED)} == {}
    assert set(ALLOWED) <= own, "what is no more must not stand in the list"


def test_each_way_to_take_it_is_found() -> None:
    text = "time.time(); datetime.now(UTC); datetime.date.today(); time.strftime(x); time.gmtime()"
    assert len(list(taken(ast.parse(text)))) == 5
    assert list(taken(ast.parse("clock.now(); time.strftime(x, y); time.gmtime(at)"))) == []
    assert list(taken(ast.parse("from time import monotonic, gmtime")))
