"""Every command that a message of drillkit tells somebody to type exists, with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from drillkit.cli.group import Lazy
from tests.conftest import ROOT

TOLD = re.compile(r"(?<!-t )\bdrillkit ((?:[a-z][a-z-]*|--?[a-z][a-z-]*)(?: [^`\n;,()'\"]*)?)")
PROSE = re.compile(
    r"^(alone|and|as|asks|cannot|could|did|does|drill$|found|has|is|itself|knows|launches|must|never|of|only|"
    r"opens|project|process|reads|removes|run's|runs on|sees|starts|takes|targets|that|this|to|"
    r"tries|waits|was|when|which|will|with|wrote|writes)\b"
)
"""What follows the tool's name in a sentence about it."""


def texts() -> Iterator[tuple[str, str]]:
    """Every text that the code may show: literals, with X where a value is put in."""
    for path in sorted((ROOT / "drillkit").rglob("*.py")):
        if "sandbox" in path.relative_to(ROOT).parts[1:2]:
            continue
        tree = ast.parse(path.read_text())
        # Parts of a longer text, and docstrings: nobody is told those alone.
        inside = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr | ast.Expr)
            for part in ast.walk(node)
            if part is not node and (isinstance(node, ast.JoinedStr) or part is node.value)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "X" for v in node.values]
                yield str(path.relative_to(ROOT)), "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and id(node) not in inside:
                yield str(path.relative_to(ROOT)), str(node.value)


def told() -> list[tuple[str, str]]:
    found: dict[tuple[str, str], None] = {}
    for path, text in texts():
        for command in TOLD.findall(text.replace("\n", " ")):
            if not PROSE.match(command):
                found[path, command.partition(". ")[0].strip()] = None
    return list(found)


def wrong_in(line: str) -> str:
    """What is wrong with a command, or ''. What stands behind it in a sentence is not looked at."""
    words = line.split()
    command: click.Command = Lazy(name="drillkit")
    context = click.Context(command, info_name="drillkit")
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            break
        if words[0] == "X":  # the code says which, as it was typed
            return ""
        found = command.get_command(context, words[0])
        if found is None:
            return f"no command `{words[0]}`"
        command = found
        words.pop(0)
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    used = {word.partition("=")[0].rstrip(".:") for word in words if re.match(r"--?[a-z]", word)}
    return f"no options {used - known}" if used - known - {"--help", "-h"} else ""


def test_there_is_something_to_look_at() -> None:
    assert len(told()) > 50


@pytest.mark.parametrize(("path", "command"), told(), ids=lambda value: str(value)[:70])
def test_a_command_that_is_told_exists(path: str, command: str) -> None:
    assert wrong_in(command) == "", f"{path}: drillkit {command}"


def test_a_command_that_does_not_exist_would_be_seen() -> None:
    assert wrong_in("lab up") == "no command `lab`"
    assert wrong_in("run X --targt Y") == "no options {'--targt'}"
    assert Path(ROOT / "drillkit").is_dir()
