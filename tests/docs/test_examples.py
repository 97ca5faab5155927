"""What the manual shows is what drillkit does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from drillkit.attest.export import read_rules
from drillkit.cli import main as command_line
from drillkit.cli.docs import TOPICS, page
from drillkit.cli.group import COMMANDS, Lazy
from tests.conftest import ROOT, CommandLine

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
SPAN = re.compile(r"`(drillkit [^`]+)`")
SOURCES = {
    **{f"docs {topic}": page(topic) for topic in TOPICS},
    "README": (ROOT / "README.md").read_text(),
}


def fences(language: str) -> list[Any]:
    return [
        pytest.param(text, id=f"{source}-{number}")
        for source, whole in SOURCES.items()
        for number, (found, text) in enumerate(FENCE.findall(whole), 1)
        if found == language
    ]


def shown_commands() -> list[Any]:
    """Every `drillkit …` of the text and of the shell examples."""
    found: dict[str, None] = {}
    for whole in SOURCES.values():
        for span in SPAN.findall(whole):
            found |= dict.fromkeys(_alternatives(span))
        for language, text in FENCE.findall(whole):
            if language == "sh":
                lines = (line.split("#")[0].strip() for line in text.splitlines())
                found |= dict.fromkeys(line for line in lines if line.startswith("drillkit "))
    return [pytest.param(line, id=line) for line in found]


def _alternatives(line: str) -> list[str]:
    """`drillkit slo list|show` is two commands."""
    words = line.split(" ")
    several = next((number for number, word in enumerate(words) if "|" in word), None)
    if several is None:
        return [line]
    choices = words[several].split("|")
    return [" ".join((*words[:several], choice, *words[several + 1 :])) for choice in choices]


def test_every_page_of_the_folder_is_a_topic_and_ships() -> None:
    there = {path.stem for path in (ROOT / "drillkit" / "docs").glob("*.md")}
    assert there == set(TOPICS)
    assert all(page(topic).startswith("# ") for topic in TOPICS)


@pytest.mark.parametrize("line", shown_commands())
def test_every_command_that_is_shown_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = Lazy(name="drillkit")
    context = click.Context(command, info_name="drillkit")
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"`{name}` of `{line}` is no command"
        command = found
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    used = [word.partition("=")[0] for word in words if word.startswith("-")]
    assert set(used) <= known, f"`{line}` uses options that there are not"


@pytest.mark.parametrize("text", fences("yaml"))
def test_every_yaml_that_is_shown_is_accepted(text: str, drillkit: CommandLine) -> None:
    folder = drillkit.folder
    (folder / "drillkit.yaml").write_text("")
    (folder / "drills").mkdir()
    shown = yaml.safe_load(text)
    if isinstance(shown, list):  # a step, as it stands in a drill
        shown = {"drill": "shown", "owner": "sre@example.com", "steps": shown}
    if "replace" in shown:
        assert read_rules(text, "shown").rules
        return
    if "drill" in shown:
        file = folder / "drills" / f"{shown['drill']}.yaml"
        file.write_text(text if text.startswith(("drill:", "#")) else yaml.safe_dump(shown))
        ran = drillkit("validate", str(file))
    else:
        (folder / "drills" / "targets.yaml").write_text(text)
        (folder / "drills" / "first.yaml").write_text(
            "drill: first\nowner: a@example.com\nsteps: [{uses: wait, with: {for: 1s}}]\n"
        )
        ran = drillkit("validate")
    assert ran.code == 0, ran.said


@pytest.mark.parametrize("text", fences("json"))
def test_every_record_that_is_shown_is_one(text: str) -> None:
    assert set(json.loads(text)) == {"n", "at", "mono", "by", "kind", "step", "data", "prev"}


@pytest.mark.slow
@pytest.mark.parametrize("topic", ["getting-started", "slos"])
def test_the_shell_examples_of_a_page_run_in_order(topic: str, drillkit: CommandLine) -> None:
    lines = [
        line
        for language, text in FENCE.findall(page(topic))
        if language == "sh"
        for line in text.splitlines()
        if line.startswith("drillkit ")
    ]
    assert lines
    for line in lines:
        ran = drillkit(*shlex.split(line)[1:])
        assert ran.code == 0, f"{line}: {ran.said}"


def test_the_manual_is_listed_and_a_typo_is_told(drillkit: CommandLine) -> None:
    listed = drillkit("docs")
    assert listed.code == 0
    assert all(topic in listed.out for topic in TOPICS)
    assert drillkit("docs", "targets").out == page("targets")
    wrong = drillkit("docs", "target")
    assert wrong.code == 2
    assert "did you mean `targets`?" in wrong.err


def test_every_command_is_told_in_one_line_and_exists() -> None:
    assert callable(command_line)
    assert all(path.startswith("drillkit.cli.") and text for path, _, text in COMMANDS.values())


def test_the_pages_name_nothing_of_one_machine() -> None:
    for source, text in SOURCES.items():
        assert not re.search(r"/(home|root|work|Users)/", text), source


def test_the_folder_of_the_manual_is_inside_the_package() -> None:
    assert (Path(command_line.__code__.co_filename).parents[1] / "docs").is_dir()


def test_every_guard_and_every_kinds_outputs_are_in_the_reference() -> None:
    from drillkit.model.drill import Guard
    from drillkit.spec.reference import as_text, kind_references
    from drillkit.spec.types import keys_of
    from drillkit.steps.base import kind_named

    guards = page("drills").partition("\n## Guards\n")[2].partition("\n## ")[0]
    assert all(f"{key.key}:" in guards for key in keys_of(Guard))
    for kind in kind_references():
        text = as_text(kind)
        for key in kind_named(kind.name).outputs:
            assert f"${{steps.NAME.outputs.{key}}}: " in text
