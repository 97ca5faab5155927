"""The files of a report: written whole, found by `latest`, read by pipelines."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment

import drillkit.report.pages as pages_room
from drillkit.judge import judge
from drillkit.model.errors import UsageError
from drillkit.report import render, write_reports
from drillkit.report.junit import junit
from drillkit.report.pages import postmortem
from drillkit.report.report_model import tell
from tests.golden.stories import history_of, journal_of
from tests.report.test_github import WEAK


def run_in(folder: Path, run: str, story: str = "met") -> Path:
    """A run's folder with nothing but its journal."""
    first, *rest = history_of(story)
    folder.mkdir(parents=True)
    history = (replace(first, data={**first.data, "run": run}), *rest)
    (folder / "journal.jsonl").write_bytes(journal_of(history))
    return folder


def junit_of(story: str) -> ET.Element:
    history = history_of(story)
    return ET.fromstring(render(history, judge(history), "0" * 64)["junit.xml"])


def outcomes(root: ET.Element) -> dict[str, str]:
    """What came of each case."""
    return {
        f"{case.get('classname')}/{case.get('name')}": next((child.tag for child in case), "passed")
        for case in root.iter("testcase")
    }


def test_a_report_is_four_files_beside_the_journal(tmp_path: Path) -> None:
    folder = run_in(tmp_path / "reports" / "pod-delete" / "r1", "r1")
    verdict, paths, _ = write_reports(folder)
    assert [path.name for path in paths] == [
        "verdict.json",
        "report.md",
        "report.html",
        "junit.xml",
    ]
    assert json.loads(paths[0].read_text())["headline"] == verdict.headline
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["journal.jsonl", *(p.name for p in paths)]
    )


def test_a_journal_without_a_record_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b"")
    with pytest.raises(UsageError, match="touched nothing"):
        write_reports(tmp_path)


def test_a_torn_last_line_keeps_nobody_from_the_report(tmp_path: Path) -> None:
    whole = journal_of(history_of("met"))
    for name, content in (("whole", whole), ("torn", whole + b'{"n":99,"at":1.5,"mo')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.jsonl").write_bytes(content)
        write_reports(tmp_path / name)
    assert (tmp_path / "torn" / "report.md").read_text() == (
        tmp_path / "whole" / "report.md"
    ).read_text()


def test_latest_leads_to_the_newest_run_and_an_older_one_does_not_take_it_back(
    tmp_path: Path,
) -> None:
    drill = tmp_path / "reports" / "pod-delete"
    old, new = (
        run_in(drill / name, name) for name in ("20270115-080000-aaaa", "20270116-080000-aaaa")
    )
    write_reports(old)
    assert os.readlink(drill / "latest") == old.name
    write_reports(new)
    write_reports(old)
    assert os.readlink(drill / "latest") == new.name
    write_reports(drill / "latest")
    assert os.readlink(drill / "latest") == new.name
    assert [p.name for p in drill.iterdir() if p.name.startswith(".")] == []


def test_a_latest_whose_run_is_gone_is_replaced(tmp_path: Path) -> None:
    drill = tmp_path / "reports" / "pod-delete"
    folder = run_in(drill / "20270115-080000-aaaa", "20270115-080000-aaaa")
    (drill / "latest").symlink_to("20990101-000000-gone")
    write_reports(folder)
    assert os.readlink(drill / "latest") == folder.name


def test_a_run_that_is_rendered_elsewhere_leaves_no_latest(tmp_path: Path) -> None:
    write_reports(run_in(tmp_path / "mail" / "evidence", "20270115-080000-aaaa"))
    write_reports(run_in(tmp_path / "other-drill" / "20270115-080000-aaaa", "20270115-080000-aaaa"))
    assert not (tmp_path / "mail" / "latest").is_symlink()
    assert not (tmp_path / "other-drill" / "latest").is_symlink()


def test_a_folder_that_is_called_latest_is_left_alone(tmp_path: Path) -> None:
    drill = tmp_path / "pod-delete"
    (drill / "latest").mkdir(parents=True)
    write_reports(run_in(drill / "20270115-080000-aaaa", "20270115-080000-aaaa"))
    assert not (drill / "latest").is_symlink()


def test_a_pipeline_reads_failures_errors_and_skips() -> None:
    found = outcomes(junit_of("violated"))
    assert found["pod-delete.during/web during the steps: failed requests"] == "failure"
    assert found["pod-delete.step.kill/recovery"] == "passed"
    assert found["pod-delete.step.never/never"] == "error"
    assert found["pod-delete.cleanup/networkchaos/shop/lag"] == "passed"
    found = outcomes(junit_of("not-believed"))
    assert found["pod-delete.during/web during the steps: failed requests"] == "error"
    found = outcomes(junit_of("refused"))
    assert found["pod-delete.guard/start"] == "error", (
        "no pipeline takes a refused drill for passed"
    )
    assert found["pod-delete.step.kill/kill"] == "skipped"
    assert outcomes(junit_of("dirty"))["pod-delete.cleanup/rds/drill-copy"] == "error"
    assert outcomes(junit_of("aborted"))["pod-delete.abort/abort"] == "failure"
    assert outcomes(junit_of("recovered"))["pod-delete.run/end of the run"] == "error"


@pytest.mark.parametrize(
    "story", ["met", "violated", "refused", "dirty", "recovered", "restore", "only-opened", "evil"]
)
def test_the_counts_are_those_of_the_cases(story: str) -> None:
    root = junit_of(story)
    suite: Any = root.find("testsuite")
    cases = list(outcomes(root).values())
    assert int(suite.get("tests")) == len(list(root.iter("testcase"))) >= 1
    for tag, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.get(key)) == len(list(root.iter(tag)))
    verdict = judge(history_of(story))
    passed = all(outcome == "passed" for outcome in cases)
    assert passed is (verdict.exit_code == 0)


def test_the_suite_says_which_run_it_was() -> None:
    root = junit_of("met")
    properties = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert properties["run"] == "20270115-080000-x7k2"
    assert properties["exit_code"] == "0"
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.get("timestamp") == "2027-01-15T08:00:00"


def test_what_was_fragile_is_output_of_the_suite_and_in_a_post_mortem_and_fails_nothing() -> None:
    history = history_of("met")
    verdict = judge(history)
    story = replace(tell(history, verdict), weak=None)
    told = replace(story, weak=WEAK)
    plain, suite = (ET.fromstring(junit(each, verdict)) for each in (story, told))
    assert plain.find("testsuite/system-out") is None
    assert suite.find("testsuite/system-out").text.splitlines() == [
        "fragile before anything was broken (medium): pod/shop/web: <latest> | floats",
        "2 more weaknesses: drillkit advise",
        "weaknesses not looked at: nodes: not allowed",
    ]
    assert suite.attrib == plain.attrib
    assert "fragile" not in postmortem(story, verdict)
    draft = postmortem(told, verdict)
    assert r"- medium: `pod/shop/web`: &lt;latest&gt; \| floats. why" in draft
    assert "- not looked at: nodes: not allowed" in draft


def test_templates_are_compiled_once_where_runs_leave_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path))
    compiled: list[str] = []
    generate = Environment._generate

    def generated(self: Any, source: Any, name: Any, *rest: Any, **more: Any) -> Any:
        compiled.append(name)
        return generate(self, source, name, *rest, **more)

    monkeypatch.setattr(Environment, "_generate", generated)
    history = history_of("met")
    pages = []
    for _ in range(2):
        pages_room._environment.cache_clear()
        pages.append(render(history, judge(history), "0" * 64))
    pages_room._environment.cache_clear()
    assert sorted(compiled) == ["report.html.j2", "report.md.j2", "style.css"]
    assert pages[0] == pages[1]
    assert (tmp_path / "compiled").stat().st_mode & 0o777 == 0o700


def test_a_report_makes_no_state_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "none"))
    history = history_of("met")
    pages_room._environment.cache_clear()
    render(history, judge(history), "0" * 64)
    pages_room._environment.cache_clear()
    assert not (tmp_path / "none").exists()
