"""A kind of another package counts as what it declares, on machines that do not have it, too."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drillkit.archive.summary import summarize
from drillkit.controls.assess import shown_by
from drillkit.controls.framework import framework
from drillkit.journal.file import Journal, read
from drillkit.judge import judge
from drillkit.judge.run_history import read_run
from drillkit.model.codec import from_data
from drillkit.model.drill import Drill
from drillkit.model.evidence import Check
from drillkit.model.records import RunClosed, StepEnded, StepRepeated, StepStarted
from drillkit.model.target import AwsTarget, Target
from drillkit.report.auditor import answers
from drillkit.report.scoreboard import scoreboard
from drillkit.runner.run_start import opening_record
from drillkit.steps.base import RunNames
from tests.plugin.conftest import Acme

RUN = "20260101-000000-cccc"
DRILL: dict[str, Any] = {
    "drill": "lost-notice",
    "owner": "web@example.com",
    "steps": [
        {
            "name": "again",
            "uses": "acme.bring-back",
            "with": {"board": "http://board", "source": "outage"},
            "checks": [{"uses": "acme.notice-is-up", "with": {"board": "http://board"}}],
        }
    ],
}


@pytest.fixture
def folder(acme: Acme, plugged_in: None) -> Path:
    """A run of its restore, as the runner writes it where the package is installed."""
    folder = acme.line.folder / "reports" / "lost-notice" / RUN
    folder.mkdir(parents=True)
    names = RunNames(RUN, "lost-notice", datetime(2026, 1, 1, tzinfo=UTC))
    aws = AwsTarget(account="123456789012", region="eu-central-1", dr_region="eu-west-1")
    target = Target(name="status", aws=aws)
    journal = Journal(folder / "journal.jsonl")
    journal.append(opening_record(from_data(Drill, DRILL), b"", target, names, "cli", {}))
    journal.append(StepStarted("acme.bring-back", "none"), step="again")
    journal.append(Check("the notice", "restored-data", "up", "==", "up"), step="again")
    journal.append(StepEnded("ok"), step="again")
    journal.append(RunClosed())
    journal.close()
    return folder


def test_its_restore_is_covered_where_the_package_is_not_installed(
    acme: Acme, folder: Path
) -> None:
    ran = acme.line.process("history", "--json")
    (covered,) = json.loads(ran.out)["coverage"]
    assert (covered["system"], covered["proven"]) == ("outage", RUN), ran.said
    assert covered["regions"] == ["eu-west-1"]


def test_it_supports_controls_and_is_told_to_auditors_like_ours(folder: Path) -> None:
    history = read(folder / "journal.jsonl")
    found = summarize(history)
    assert found is not None
    shown = {need for _, needs in shown_by(framework("dora"), found) for need in needs}
    assert {"restore", "segregated"} <= shown
    verdict, run = judge(history), read_run(history)
    told = {each.asked: each.said for each in answers(run, verdict)}
    assert told["Restored apart from the source"] == (
        "again: partly, in another region of the same account",
    )
    assert "how it was chosen: not recorded" in told["How they were chosen"][0]
    assert ("board", "outage") in [
        (row.kind, row.name) for row in scoreboard(history, run, verdict)
    ]


def test_another_try_of_it_counts_as_the_first_would(folder: Path) -> None:
    *before, _ = read(folder / "journal.jsonl")
    journal = Journal(folder.parent / "again.jsonl")
    for record in before:
        journal.append(record.entry, step=record.step)
    journal.append(StepRepeated("again"), step="again-2")
    journal.append(StepStarted("acme.bring-back", "none"), step="again-2")
    journal.append(StepEnded("ok"), step="again-2")
    journal.append(RunClosed())
    journal.close()
    found = summarize(read(folder.parent / "again.jsonl"))
    assert found is not None
    assert [(step.name, step.system) for step in found.steps] == [
        ("again", "outage"),
        ("again-2", "outage"),
    ]
