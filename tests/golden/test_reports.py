"""From a journal to the reports, word for word: what is stored here is what people get."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from drillkit.report import write_reports
from tests.conftest import CommandLine
from tests.golden.stories import STORIES, history_of, journal_of

STORED = Path(__file__).parent / "stored"
FILES = ("verdict.json", "report.md", "report.html", "junit.xml")
WITHOUT_JOURNAL = ("long",)
"""Too many samples to be kept in a repository."""


@pytest.fixture
def updating(request: pytest.FixtureRequest) -> bool:
    # The option is not there when these tests are collected with all the others.
    return bool(request.config.getoption("--update-golden", default=False))


def same(stored: Path, found: str, *, updating: bool) -> None:
    if updating:
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(found, encoding="utf-8")
    wanted = stored.read_text(encoding="utf-8")
    if wanted != found:
        lines = difflib.unified_diff(
            wanted.splitlines(), found.splitlines(), str(stored), "now", lineterm="", n=1
        )
        shown = "\n".join(line[:300] for line in list(lines)[:60])
        pytest.fail(
            "the report has changed; if that is meant: pytest tests/golden --update-golden\n"
            f"{shown}"
        )


@pytest.mark.parametrize("name", STORIES)
def test_a_journal_is_rendered_as_it_was(name: str, tmp_path: Path, updating: bool) -> None:
    journal = journal_of(history_of(name))
    if name not in WITHOUT_JOURNAL:
        same(STORED / name / "journal.jsonl", journal.decode(), updating=updating)
    (tmp_path / "journal.jsonl").write_bytes(journal)
    write_reports(tmp_path)
    for file in FILES:
        same(STORED / name / file, (tmp_path / file).read_text(encoding="utf-8"), updating=updating)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns"])
def test_another_machine_time_zone_and_locale_give_the_same_bytes(
    zone: str, tmp_path: Path, drillkit: CommandLine
) -> None:
    elsewhere = {"TZ": zone, "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}
    for name in ("restore", "violated"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes((STORED / name / "journal.jsonl").read_bytes())
        drillkit("report", str(folder), env=elsewhere)
        for file in FILES:
            assert (folder / file).read_bytes() == (STORED / name / file).read_bytes(), file


def test_nothing_is_stored_that_no_story_tells() -> None:
    assert {path.name for path in STORED.iterdir()} == set(STORIES)
