"""One thought a line: what ruff cannot say of an expression."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import drillkit

ROOT = Path(drillkit.__file__).parent
MOST_TERMS = 5


def _terms(node: ast.expr) -> int:
    match node:
        case ast.BoolOp(values=values):
            return sum(map(_terms, values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _terms(operand)
        case _:
            return 1


def _too_much(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.IfExp(body=ast.IfExp()) | ast.IfExp(orelse=ast.IfExp()):
                yield f"{node.lineno}: a condition inside a condition"
            case ast.BoolOp() if _terms(node) > MOST_TERMS:
                yield f"{node.lineno}: more than {MOST_TERMS} conditions"
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                if sum(isinstance(each, ast.NamedExpr) for each in ast.walk(node)) > 1:
                    yield f"{node.lineno}: a chain of `:=`"


def test_no_expression_says_several_things() -> None:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("sandbox/"):  # vendors' conditions are as long as they are
            found += [f"{name}:{what}" for what in _too_much(ast.parse(path.read_text()))]
    assert found == []


def test_what_says_several_things_is_found() -> None:
    text = "a = b if c else d if e else f\nx = [y for z in s if (y := z) if (w := y)]"
    assert list(_too_much(ast.parse(text))) == [
        "1: a condition inside a condition",
        "2: a chain of `:=`",
    ]
    six = ast.parse("a and b and not (c or d or e or f)")
    assert next(_too_much(six)) == "1: more than 5 conditions"
