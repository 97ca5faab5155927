"""The draft of a post-mortem: all that the journal knows, and room for what only people know."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillkit.journal.file import read
from drillkit.judge import judge
from drillkit.report.pages import postmortem
from drillkit.report.report_model import tell
from tests.conftest import ROOT, CommandLine

STORED = ROOT / "tests" / "golden" / "stored"


def draft(folder: Path) -> str:
    history = read(folder / "journal.jsonl")
    verdict = judge(history)
    return postmortem(tell(history, verdict), verdict)


@pytest.mark.parametrize("name", sorted(p.parent.name for p in STORED.glob("*/journal.jsonl")))
def test_every_stored_run_gets_one_with_all_its_parts(name: str) -> None:
    text = draft(STORED / name)
    for part in ("Summary", "Impact", "Timeline", "What went well", "What went wrong", "Causes"):
        assert f"## {part}\n" in text
    assert "<" not in text.replace("&lt;", "")
    assert text.count("\n\n\n") == 0


def test_a_violated_run_lists_what_went_wrong_and_what_to_do_once() -> None:
    text = draft(STORED / "violated")
    wrong = text.partition("## What went wrong")[2].partition("## What is not known")[0]
    assert "longest gap 3.2 s (expected at most 1 s)" in wrong
    unknown = text.partition("## What is not known")[2].partition("## Causes")[0]
    lines = [line for line in unknown.splitlines() if line.startswith("- ")]
    assert len(lines) == len(set(lines))
    assert "| platform@example.com | _to write_ |" in text


def test_the_command_prints_it_and_keeps_the_exit_code(drillkit: CommandLine) -> None:
    ran = drillkit("report", str(STORED / "violated"), "--postmortem")
    assert ran.code == 1
    assert ran.out.startswith("# Post-mortem: pod-delete")
    assert not (drillkit.folder / "reports").exists()
