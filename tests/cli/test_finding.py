"""What is found from a folder, what it is called, and where its reports go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import CommandLine, Sandbox

WAIT = "drill: {name}\ndescription: Nothing, for a moment.\nowner: me\nsteps: [{{uses: wait, with: {{for: 10ms}}}}]\n"  # noqa: E501


def project(folder: Path, *, marked: bool = True) -> Path:
    (folder / "drills").mkdir(parents=True)
    (folder / "drills" / "first.yaml").write_text(WAIT.format(name="first"))
    if marked:
        (folder / "drillkit.yaml").touch()
    return folder


@pytest.mark.slow
def test_drills_that_nothing_marks_as_a_project_are_not_passed_over_in_silence(
    drillkit: CommandLine,
) -> None:
    project(drillkit.folder, marked=False)
    (drillkit.folder / "drills" / "first.yaml").write_text("drill: [")
    said = "there is no drillkit.yaml here or above, so drills/ is not read"
    validated = drillkit("validate")
    assert validated.code == 2
    assert said in validated.err
    assert "ok" not in validated.out
    for arguments in (("run", "first", "-t", "sandbox"), ("show", "first"), ("list",)):
        assert said in drillkit(*arguments).err, arguments


@pytest.mark.slow
def test_the_hint_about_the_mark_is_right_when_followed(drillkit: CommandLine) -> None:
    project(drillkit.folder, marked=False)
    line = drillkit("validate").err.rpartition("touch ")[2].strip()
    (drillkit.folder / line).touch()
    ran = drillkit("validate")
    assert ran.code == 0, ran.said
    assert "first.yaml" in ran.out


def test_where_nothing_is_ones_own_that_is_said(drillkit: CommandLine) -> None:
    ran = drillkit("validate")
    assert ran.code == 0
    assert "no drill of your own is found from here" in ran.out


@pytest.mark.slow
def test_reports_go_where_the_drills_project_is(drillkit: CommandLine, tmp_path: Path) -> None:
    home = project(tmp_path / "there")
    ran = drillkit("run", "./there/drills/first.yaml", "-t", "sandbox", "--yes")
    assert ran.code == 3, ran.said
    assert (home / "reports" / "first" / "latest" / "report.md").is_file()
    assert not (drillkit.folder / "reports").exists()


@pytest.mark.slow
def test_a_drill_whose_file_has_another_name_is_found_and_told_by_its_own(
    drillkit: CommandLine,
) -> None:
    project(drillkit.folder)
    (drillkit.folder / "drills" / "old-name.yaml").write_text(WAIT.format(name="new-name"))
    told = "its file is called old-name.yaml, but it calls itself `new-name`"
    assert told in drillkit("validate").out
    rows = {row["name"]: row for row in json.loads(drillkit("list", "--json").out)["drills"]}
    assert rows["new-name"]["path"].endswith("old-name.yaml")
    assert "old-name" not in rows
    ran = drillkit("run", "new-name", "-t", "sandbox", "--yes")
    assert told in ran.err
    assert (drillkit.folder / "reports" / "new-name" / "latest").exists()


def test_two_drills_of_one_name_are_told(drillkit: CommandLine) -> None:
    project(drillkit.folder)
    for name in ("a", "b"):
        (drillkit.folder / "drills" / f"{name}.yaml").write_text(WAIT.format(name="same"))
    ran = drillkit("show", "same")
    assert ran.code == 2
    assert "several drills call themselves `same`" in ran.err


def test_a_list_says_what_each_is_for(drillkit: CommandLine) -> None:
    project(drillkit.folder)
    (drillkit.folder / "drills" / "targets.yaml").write_text(
        "prod: {protected: true, kubernetes: {context: p, cluster_uid: x}, "
        "aws: {account: '123456789012', region: eu-central-1}}\n"
    )
    ran = drillkit("list")
    assert ran.code == 0
    assert "Nothing, for a moment." in ran.out
    assert "Kubernetes, context p; AWS 123456789012 in eu-central-1; protected" in ran.out
    for row in json.loads(drillkit("list", "--json").out)["experiments"]:
        assert row["description"], row["name"]


@pytest.mark.slow
def test_a_quiet_run_says_only_what_came_of_it(drillkit: CommandLine) -> None:
    project(drillkit.folder)
    ran = drillkit("run", "first", "-t", "sandbox", "--quiet")
    assert ran.code == 3
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert lines[0].startswith("first: unknown: ")
    assert [line.partition(":")[0] for line in lines] == ["first", "report"]
    told = drillkit("run", "first", "-t", "sandbox", "-q", "--json")
    assert json.loads(told.out)["data"]["drill"] == "first"


@pytest.mark.slow
def test_a_sandbox_that_a_target_of_ones_own_leads_to_is_no_real_cluster(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    project(drillkit.folder)
    (drillkit.folder / "drills" / "targets.yaml").write_text(
        f"dev: {{kubernetes: {{kubeconfig: {sandbox.kubeconfig}}}}}\n"
    )
    ran = drillkit("run", "first", "-t", "dev", "--yes")
    assert ran.code == 3, ran.said
    report = (drillkit.folder / "reports" / "first" / "latest" / "report.md").read_text()
    assert "Not a real cluster" in report
    assert "Nodes and zones are names" in report
