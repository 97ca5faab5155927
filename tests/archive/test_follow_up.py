"""Findings over many runs: since when, how often, closed by which later run."""

from __future__ import annotations

import json
from pathlib import Path

from drillkit.archive.follow_up import follow
from drillkit.archive.scan import Archive
from drillkit.model.verdict import Holds
from drillkit.report.index_page import index
from tests.archive.conftest import summary
from tests.conftest import CommandLine

SLOW = ("database: RTO",)


def test_the_first_later_run_that_looked_and_did_not_find_it_closes_a_finding() -> None:
    runs = [
        summary(0, holds=Holds.VIOLATED, findings=SLOW),
        summary(30, holds=Holds.VIOLATED, findings=SLOW),
        summary(60),
        summary(90),
    ]
    (found,) = follow(runs)
    assert [run.run for run in found.runs] == [runs[0].run, runs[1].run]
    assert found.closed is runs[2]


def test_a_run_that_proved_nothing_or_was_elsewhere_closes_nothing() -> None:
    bad = summary(0, holds=Holds.VIOLATED, findings=SLOW)
    for later in (
        summary(30, holds=Holds.UNKNOWN),
        summary(30, exit_code=4),
        summary(30, exit_code=5),
        summary(30, target="staging"),
        summary(30, drill="another"),
    ):
        (found,) = follow([bad, later])
        assert found.closed is None


def test_a_finding_that_comes_back_is_open_again() -> None:
    runs = [
        summary(0, holds=Holds.VIOLATED, findings=SLOW),
        summary(30),
        summary(60, holds=Holds.VIOLATED, findings=SLOW),
    ]
    (found,) = follow(runs)
    assert (len(found.runs), found.closed) == (2, None)


def test_open_findings_stand_first_on_the_page_with_the_run_that_closed_the_others() -> None:
    runs = (
        summary(0, holds=Holds.VIOLATED, findings=("mended", "still")),
        summary(30, holds=Holds.VIOLATED, findings=("still",)),
    )
    page = index(Archive(runs)).partition('id="findings"')[2]
    assert page.index(">still<") < page.index(">mended<")
    row = page[page.index(">mended<") :].partition("</tr>")[0]
    assert f"{runs[1].run}/report.html" in row
    assert "open" in page[page.index(">still<") :].partition("</tr>")[0]


def test_the_terminal_and_programs_are_told(reports: Path, drillkit: CommandLine) -> None:
    said = drillkit("history", "--out", str(reports))
    assert "open," in said.out
    assert "closed by a later run" in said.out
    data = json.loads(drillkit("history", "--out", str(reports), "--json").out)
    assert data["findings"]
    assert {"finding", "drill", "target", "runs", "closed_by"} <= data["findings"][0].keys()
