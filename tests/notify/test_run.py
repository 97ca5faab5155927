"""A run tells people, and what becomes of the messages changes nothing of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandLine
from tests.notify.receiver import receiver

DRILL = """
drill: told
owner: sre
description: Pods go, users do not notice.
target: sandbox
cadence: monthly
notify:
  - {uses: slack, with: {url: "env:TOLD_SLACK"}, who: "#drills", events: [started, ended]}
  - {uses: slack, with: {url: "env:TOLD_NOWHERE"}, events: [met]}
probes: {web: {http: "${target.urls.web}/health", rate: 20/s}}
hypothesis: {before: {web: {bad: 0 of 20}}, during: {web: {bad: 20}}}
steps:
  - name: kill
    uses: chaostoolkit
    with: {experiment: pod-delete, configuration: {namespace: shop, selector: app=web}}
"""


def project(drillkit: CommandLine, more: str) -> None:
    (drillkit.folder / "drills").mkdir()
    (drillkit.folder / "drills" / "told.yaml").write_text(DRILL)
    (drillkit.folder / "drillkit.yaml").write_text(more)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_receivers_that_hang_or_fail_are_warnings_and_no_verdict(drillkit: CommandLine) -> None:
    with receiver(200) as slack, receiver(hangs=True) as dead, receiver(500) as broken:
        project(
            drillkit,
            "report_url: https://reports.example.com/runs/\n"
            "notify:\n"
            f"  - {{uses: webhook, with: {{url: '{dead.url}'}}}}\n"
            f"  - {{uses: webhook, with: {{url: '{broken.url}'}}}}\n",
        )
        ran = drillkit(
            "run", "told", "--yes", env={"TOLD_SLACK": f"{slack.url}/services/hidden-part"}
        )
        assert ran.code == 0, ran.said
        titles = [each.data["blocks"][0]["text"]["text"] for each in slack.came]
        assert titles == ["drill told on sandbox: started", "drill told on sandbox: met"]
        started, ended = (each.body.decode() for each in slack.came)
        run = drillkit.run_folder("told").resolve().name
        assert f"drillkit abort {run}" in started
        assert "annotate lease drillkit drillkit.dev/stop=WHY" in started
        assert f"https://reports.example.com/runs/told/{run}/report.html" in ended
        assert "web during the steps: failed requests" in ended
    folder = drillkit.run_folder("told").resolve()
    history = records(folder)
    closed = next(n for n, each in enumerate(history) if each["kind"] == "run.closed")
    messages = [each["data"] for each in history if each["kind"] == "message.sent"]
    failed = [each for each in messages if each.get("why")]
    assert any("answered 500" in each["why"] for each in failed), failed
    assert any("no answer within 5 s" in each["why"] for each in failed), failed
    assert any("TOLD_NOWHERE" in each["why"] for each in failed), failed
    assert [(m["event"], m["by"], m["to"]) for m in messages if not m.get("why")] == [
        ("started", "slack (drill told)", "#drills"),
        ("met", "slack (drill told)", "#drills"),
    ]
    assert "warning: webhook (drillkit.yaml) was not told" in ran.said
    for file in folder.glob("*.*"):
        assert "hidden-part" not in file.read_text()
    for page in ("report.md", "report.html"):
        said = (folder / page).read_text()
        assert said.count("Who was told") >= 3, "in the contents, as a section, for auditors"
        assert "answered 500" in said
        assert "#drills" in said
    assert drillkit.verdict("told")["holds"] == "met"
    whole = drillkit("report", str(folder), "--json").out
    (folder / "journal.jsonl").write_text(
        "".join(
            line + "\n"
            for line in (folder / "journal.jsonl").read_text().splitlines()[: closed + 1]
        )
    )
    assert drillkit("report", str(folder), "--json").out == whole, "the end of the run is the same"


def test_a_sample_goes_to_everybody_and_due_tells_what_is_overdue(drillkit: CommandLine) -> None:
    with receiver(200) as slack, receiver() as hook:
        project(
            drillkit,
            f"notify:\n  - {{uses: webhook, with: {{url: '{hook.url}'}}, events: [overdue]}}\n",
        )
        env = {"TOLD_SLACK": slack.url}
        ran = drillkit("notify", "test", "told", env=env)
        assert ran.code == 1, ran.said
        assert [line.split("`")[1:3] for line in ran.out.splitlines()][:2] == [
            ["overdue", " sent"],
            ["met", " sent"],
        ]
        assert "slack (drill told): `met` did not arrive: " in ran.out
        assert "A sample, nothing happened." in slack.came[0].data["text"]
        assert drillkit("notify", "test", "--event", "held").code == 2
        listed = drillkit("notify", "list", "told").out
        assert "slack (drill told): started, met, violated, unknown, refused, dirty" in listed
        late = drillkit("due", "--notify", env=env)
        assert late.code == 1
        assert hook.came[-1].data["type"] == "dev.drillkit.overdue"
        assert hook.came[-1].data["data"]["advice"] == (
            "To make it now: drillkit run told --target sandbox"
        )


def test_mistakes_in_the_project_are_told_by_validate_and_keep_a_run_from_starting(
    drillkit: CommandLine,
) -> None:
    project(drillkit, "report_url: reports\nnotify: [{uses: slack, with: {url: secret-itself}}]\n")
    said = drillkit("validate")
    assert said.code == 2
    assert "drillkit.yaml: report_url: expected a URL" in said.out
    assert "drillkit.yaml: notify[0].with.url: expected a reference" in said.out
    assert "secret-itself" not in said.said
    assert drillkit("run", "told", "--yes").code == 2
    assert not (drillkit.folder / "reports").exists()


def test_schema_and_reference_know_the_notifiers(drillkit: CommandLine) -> None:
    schema = json.loads(drillkit("schema", "project").out)
    assert "pagerduty" in schema["$defs"]["Notify"]["properties"]["uses"]["enum"]
    assert "report_url" in schema["$defs"]["Project"]["properties"]
    assert "slack" in drillkit("kinds").out
    assert "events: started, met" in drillkit("kinds", "pagerduty").out
