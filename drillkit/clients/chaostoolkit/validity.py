"""What Chaos Toolkit would refuse before it touches anything, told without importing anything.

Its own validation imports the modules of an experiment, and so runs their code. Here their source
is read instead: what cannot be told for sure that way is left to Chaos Toolkit.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

from drillkit.clients.chaostoolkit.protocol import process_words

_GIVEN = frozenset(("configuration", "secrets"))
"""Parameters that Chaos Toolkit fills in itself."""


def python_problem(provider: Mapping[str, Any], beside: Path | None = None) -> str:
    """Why a Python activity cannot be run here (no such module, function or argument), or ''.

    `beside`: folder of the experiment, whose own modules may be used.
    """
    module, func = str(provider.get("module") or ""), str(provider.get("func") or "")
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module) or not func:
        return ""
    source, missing = _source(module, str(beside) if beside else "")
    if missing:
        package = module.partition(".")[0]
        hint = (
            "install the package that has it"
            if missing == package
            else f"`{package}` is installed, in a version without it"
        )
        return f"there is no Python module `{missing}`; {hint}"
    if source is None:
        return ""
    arguments = provider.get("arguments") or {}
    return _function_problem(
        source, module, func, arguments if isinstance(arguments, Mapping) else {}
    )


def tolerance_problem(tolerance: Any) -> str:
    """Why Chaos Toolkit would not take a tolerance, or ''."""
    if not isinstance(tolerance, Mapping):
        fits = isinstance(tolerance, bool | int | list | str)
        return "" if fits else f"expected a value, a pair or a mapping, found {tolerance!r}"
    kind = tolerance.get("type")
    match kind:
        case "probe":
            return ""
        case "regex":
            return _regex_problem(tolerance.get("pattern"))
        case "jsonpath":
            path = tolerance.get("path")
            if isinstance(path, str) and path.strip():
                return ""
            return "expected a JSON path as `path`, such as $.status"
        case "range":
            edges = tolerance.get("range")
            fits = isinstance(edges, list) and len(edges) == 2
            return "" if fits else "expected two numbers as `range`, such as [0, 200]"
        case _:
            return f"expected `type` to be probe, regex, jsonpath or range, found {kind!r}"


_ALWAYS_THERE = {
    "http": ("status", "body", "headers"),
    "process": ("status", "stdout", "stderr"),
}
"""What the result of these providers has, whatever was found."""
_ANY_PATH = re.compile(r"\$(?:\.\*|\.\.\*|\[\*\])?")
_WIDE = 2e9
"""A range so wide has no edge that a count, a status or a time ever meets."""


def decides_nothing(activity: Mapping[str, Any]) -> bool:
    """Whether a probe is within its tolerance whatever there is to be seen: the tolerance takes
    everything, or the probe reads nothing.
    """
    provider = activity.get("provider")
    if not isinstance(provider, Mapping):
        return False
    if accepts_everything(activity.get("tolerance"), str(provider.get("type") or "")):
        return True
    if provider.get("type") != "process":
        return False
    from drillkit.clients.programs import reads_nothing

    return reads_nothing(process_words(provider))


def accepts_everything(tolerance: Any, provider: str = "") -> bool:
    """Whether no value that a probe can give is outside a tolerance. `provider`: its type."""
    if isinstance(tolerance, list):
        return len(tolerance) == 2 and _is_wide(tolerance)
    if not isinstance(tolerance, Mapping):
        return False
    match tolerance.get("type"):
        case "regex":
            pattern = tolerance.get("pattern")
            return (
                isinstance(pattern, str)
                and not _regex_problem(pattern)
                and _matches_anything(pattern)
            )
        case "range":
            return _is_wide(tolerance.get("range"))
        case "jsonpath":
            return _finds_anything(tolerance, provider)
        case "probe":
            # Chaos Toolkit looks only whether it gives something, and these always do.
            asked = tolerance.get("provider")
            return isinstance(asked, Mapping) and asked.get("type") in _ALWAYS_THERE
    return False


def _finds_anything(tolerance: Mapping[str, Any], provider: str) -> bool:
    """A path that nothing is expected of is within as soon as it leads anywhere."""
    path = tolerance.get("path")
    if "expect" in tolerance or tolerance.get("count") not in (None, 1) or path is None:
        return False
    keys = () if tolerance.get("target") else _ALWAYS_THERE.get(provider, ())
    return _ANY_PATH.fullmatch(str(path)) is not None or str(path).removeprefix("$.") in keys


def _is_wide(edges: Any) -> bool:
    if not isinstance(edges, list) or len(edges) != 2:
        return False
    low, high = (_number(edge) for edge in edges)
    return low is not None and high is not None and high - low >= _WIDE


def _number(edge: Any) -> float | None:
    try:
        return float(edge)
    except (TypeError, ValueError, OverflowError):
        return None


def _matches_anything(pattern: str) -> bool:
    """Chaos Toolkit searches: what finds the empty text in these finds it in every text."""
    return all(re.search(pattern, text) for text in ("", "\n", "x", "0", "error 500"))


def _regex_problem(pattern: Any) -> str:
    if not isinstance(pattern, str):
        return "expected a regular expression as `pattern`"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"the expression {pattern!r} cannot be read: {error}"
    return ""


@functools.lru_cache(maxsize=64)
def _source(module: str, beside: str) -> tuple[ast.Module | None, str]:
    """(the module's source as a tree, or None where it cannot be read; the part of its name that
    does not exist, or '').
    """
    parts = module.split(".")
    search: Sequence[str] | None = [*sys.path, *([beside] if beside else [])]
    spec: ModuleSpec | None = None
    for depth, _ in enumerate(parts, 1):
        name, above = ".".join(parts[:depth]), spec
        spec = PathFinder.find_spec(name, search) if search is not None else None
        if spec is None and depth == 1:
            spec = importlib.util.find_spec(name)
        if spec is None:
            return None, "" if above is not None and _makes_modules(above) else name
        search = spec.submodule_search_locations
    assert spec is not None
    if not isinstance(spec.loader, SourceFileLoader):
        return None, ""
    try:
        return ast.parse(Path(spec.loader.path).read_bytes()), ""
    except (OSError, SyntaxError, ValueError):
        return None, ""


def _makes_modules(spec: ModuleSpec) -> bool:
    """Whether a module may have others that no path leads to: `os` has `os.path`, `six` its
    moves.
    """
    if spec.origin is None:
        return False  # folders and nothing else
    try:
        text = Path(spec.origin).read_bytes()
    except (OSError, ValueError):
        return True  # nobody can tell
    return b"sys.modules" in text or b"__path__" in text


def _function_problem(
    tree: ast.Module, module: str, func: str, arguments: Mapping[str, Any]
) -> str:
    found = _defined(tree).get(func)
    if found is None:
        if _may_have(tree, func):
            return ""
        return f"the Python module `{module}` has no function `{func}`"
    if found.decorator_list:  # which may change what it takes
        return ""
    taken = found.args
    names = [a.arg for a in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
    required = [a.arg for a in taken.args[: len(taken.args) - len(taken.defaults)]]
    required += [
        a.arg
        for a, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True)
        if default is None
    ]
    if lacking := [name for name in required if name not in arguments and name not in _GIVEN]:
        return f"`{module}.{func}` needs the argument `{lacking[0]}`"
    if taken.kwarg is None and (unknown := [name for name in arguments if name not in names]):
        return f"`{module}.{func}` has no argument `{unknown[0]}`; it has {', '.join(names)}"
    return ""


def _defined(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _may_have(tree: ast.Module, name: str) -> bool:
    """Whether a module may have a name in a way that its source does not tell for sure."""
    return any(bound in (name, "*", "__getattr__") for bound in _bound(tree))


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (each.asname or each.name.partition(".")[0] for each in names)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Call(func=ast.Name(id="globals" | "setattr" | "exec")):
                yield "*"
