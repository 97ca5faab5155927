"""A report on paper, through the browser of the machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drillkit.report.pdf import write_pdf
from tests.browser import program
from tests.conftest import CommandLine

STORED = Path(__file__).parents[1] / "golden" / "stored"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes((STORED / "restore" / "journal.jsonl").read_bytes())
    return folder


def test_the_browser_inherits_nothing_that_it_does_not_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "chromium"
    browser.write_text('#!/bin/sh\necho "with $A_TOKEN in $HOME" >&2\n')
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("A_TOKEN", "canary-4711")
    with pytest.raises(Exception, match=rf"made no PDF: with  in {Path.home()}"):
        write_pdf("<p>x</p>", tmp_path / "report.pdf")


@pytest.mark.slow
@pytest.mark.skipif(program() is None, reason="there is no Chromium here")
def test_a_report_is_printed_to_a4(run: Path, tmp_path: Path, drillkit: CommandLine) -> None:
    to = tmp_path / "report.pdf"
    ran = drillkit("report", str(run), "--pdf", str(to))
    assert (ran.code, ran.err) == (1, "")
    printed = to.read_bytes()
    assert printed.startswith(b"%PDF-")
    boxes = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", printed)
    assert boxes
    assert all((round(float(w)), round(float(h))) == (595, 842) for w, h in boxes)
    assert not (run / "report.pdf").exists(), "a run's folder holds what is sealed"


def test_where_there_is_no_browser_it_is_said_and_the_pages_are_there(
    run: Path, tmp_path: Path, drillkit: CommandLine
) -> None:
    to = tmp_path / "report.pdf"
    ran = drillkit("report", str(run), "--pdf", str(to), env={"PATH": str(tmp_path)})
    assert ran.code == 2
    assert "printed by Chromium, and none is found" in ran.err
    assert "Traceback" not in ran.err
    assert (run / "report.html").is_file()
    assert not to.exists()


def test_a_browser_that_prints_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Exception, match="made no PDF: no display"):
        write_pdf("<p>x</p>", tmp_path / "report.pdf")
