"""Exit codes hold when nobody reads the output any more, and where nothing can be written."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, CommandLine

DRILL = """
drill: d
owner: me
limit: 1m
steps:
- uses: command
  with: {run: [sh, -c, "%s"], undo: ["true"]}
  checks: [{command: ["%s"], within: 1s}]
"""
VIOLATED = DRILL % ("sleep 0.2", "false")


def shell(drillkit: CommandLine, line: str, text: str = VIOLATED) -> int:
    """The exit code of `drillkit`, which the line calls as `$D` and whose code it leaves in
    CODE.
    """
    (drillkit.folder / "d.yaml").write_text(text)
    script = f'D="{sys.executable} -m drillkit"; {line}'
    subprocess.run(
        ["bash", "-c", script],
        cwd=drillkit.folder,
        env=drillkit.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return int((drillkit.folder / "CODE").read_text())


RUN = "$D run ./d.yaml -t sandbox --yes"


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        f"( {RUN} 2>&1; echo $? > CODE ) | true",
        f"( {RUN} --json; echo $? > CODE ) | head -1",
        f"{RUN} >&- 2>&-; echo $? > CODE",
        f"{RUN} --json >&-; echo $? > CODE",
        f"{RUN} <&- >&- 2>&-; echo $? > CODE",
    ],
)
def test_a_violated_drill_ends_with_1_whoever_has_stopped_to_read(
    drillkit: CommandLine, line: str
) -> None:
    assert shell(drillkit, line) == 1
    assert drillkit.verdict("d")["holds"] == "violated"
    lines = (drillkit.run_folder("d") / "journal.jsonl").read_text().splitlines()
    assert all(each.startswith('{"n":') for each in lines), "nobody printed into the journal"


@pytest.mark.parametrize("command", ["validate ./d.yaml", "plan ./d.yaml -t nowhere"])
def test_a_refusal_keeps_its_code_too(drillkit: CommandLine, command: str) -> None:
    line = f"( $D {command} 2>&1; echo $? > CODE ) | true"
    assert shell(drillkit, line, "drill: [") == 2


def test_a_disk_that_is_full_is_told_where_the_output_is_wanted(drillkit: CommandLine) -> None:
    assert shell(drillkit, "$D version > /dev/full; echo $? > CODE") == 3


@pytest.mark.slow
def test_a_terminal_that_is_gone_ends_no_run_in_disorder(drillkit: CommandLine) -> None:
    (drillkit.folder / "d.yaml").write_text(VIOLATED)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "drillkit", "run", "./d.yaml", "-t", "sandbox", "--yes"],
        cwd=drillkit.folder,
        env=drillkit.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.read(ours, 1)
    os.close(ours)
    assert process.wait(60) == 1
    assert drillkit.verdict("d")["holds"] == "violated"


@pytest.mark.parametrize("command", ["run ./d.yaml -t sandbox --yes", "sandbox up"])
def test_a_state_folder_that_cannot_be_written_is_told(drillkit: CommandLine, command: str) -> None:
    (drillkit.folder / "d.yaml").write_text(VIOLATED)
    for env in ({"DRILLKIT_HOME": "/proc/nope"}, {"DRILLKIT_HOME": "", "HOME": "/proc/nope"}):
        ran = drillkit(*command.split(), env=env)
        assert ran.code == 2, ran.said
        assert "Set DRILLKIT_HOME to a folder that can be written" in ran.err
        assert "Traceback" not in ran.err


@pytest.mark.slow
def test_a_report_that_cannot_be_written_is_judged_all_the_same(
    drillkit: CommandLine, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    (run / "report.md").mkdir(parents=True)
    (run / "report.md" / "in-the-way").write_text("")
    stored = ROOT / "tests" / "golden" / "stored" / "violated" / "journal.jsonl"
    (run / "journal.jsonl").write_bytes(stored.read_bytes())
    ran = drillkit("report", str(run))
    assert ran.code == 1, ran.said
    assert "the pages could not be written" in ran.err
    assert "violated" in ran.out
    assert '"holds": "violated"' in drillkit("report", str(run), "--json").out
