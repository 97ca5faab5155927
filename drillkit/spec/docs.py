"""Reference texts, read from the source: the literal text under a field is its reference."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any


@functools.cache
def field_docs(cls: Any) -> Mapping[str, str]:
    """Reference of each field of a class, inherited ones too, by the field's name. Fields without
    one are left out.
    """
    inherited = [base for base in getattr(cls, "__bases__", ()) if base is not object]
    found = {name: text for base in reversed(inherited) for name, text in field_docs(base).items()}
    return {**found, **_own_docs(cls)}


def _own_docs(cls: Any) -> Mapping[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):  # no source here: the schema stands without texts
        return {}
    body = tree.body[0]
    found: dict[str, str] = {}
    if isinstance(body, ast.ClassDef):
        for field, below in zip(body.body, body.body[1:], strict=False):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                text = below.value.value
                if isinstance(text, str):
                    found[field.target.id] = inspect.cleandoc(text)
    return found


def class_doc(cls: Any) -> str:
    """Docstring of a class, '' when it has none of its own."""
    text = vars(cls).get("__doc__") if isinstance(cls, type) else getattr(cls, "__doc__", None)
    if not isinstance(text, str) or text.startswith(f"{getattr(cls, '__name__', '')}("):
        return ""
    return inspect.cleandoc(text)
