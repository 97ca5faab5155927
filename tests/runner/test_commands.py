"""What `command` steps leave behind when their run dies: nothing, once `recover` was there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.conftest import CommandLine

pytestmark = pytest.mark.slow


def until(look: Callable[[], object], what: str, limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < end, f"expected {what}"
        time.sleep(0.05)


def killed(drillkit: CommandLine, drill: str, when: Callable[[], object]) -> None:
    """Run a drill on the sandbox and kill its runner."""
    (drillkit.folder / "d.yaml").write_text(drill)
    process = drillkit.start("run", "./d.yaml", "-t", "sandbox", "--yes")
    try:
        until(when, "the moment to kill it")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_recover_runs_a_commands_undo_though_the_sandbox_it_was_started_with_has_ended(
    drillkit: CommandLine,
) -> None:
    made = drillkit.folder / "EFFECT"
    killed(
        drillkit,
        """
        drill: left
        owner: me
        limit: 5m
        steps:
          - name: make
            uses: command
            with: {run: [touch, EFFECT], undo: [rm, -f, EFFECT]}
          - {name: hold, uses: wait, with: {for: 60s}}
        """,
        made.exists,
    )
    refused = drillkit("run", "./d.yaml", "-t", "sandbox", "--yes")
    assert refused.code == 4, refused.said
    ran = drillkit("recover")
    assert ran.code == 0, ran.said
    assert "command/make: undone" in ran.said
    assert not made.exists()


def test_a_program_dies_with_its_killed_runner_and_makes_no_effect_after_the_undo(
    drillkit: CommandLine,
) -> None:
    made, began = drillkit.folder / "EFFECT", drillkit.folder / "began"
    killed(
        drillkit,
        """
        drill: cmdkill
        owner: me
        limit: 2m
        steps:
          - name: c
            uses: command
            with:
              run: [sh, -c, "touch began; (sleep 3; echo made > EFFECT); sleep 60"]
              undo: [rm, -f, EFFECT]
        """,
        began.exists,
    )
    ran = drillkit("recover")
    assert ran.code == 0, ran.said
    assert "command/c: undone" in ran.said
    time.sleep(3.2)
    assert not made.exists()


def test_recover_waits_for_a_program_that_left_its_session(drillkit: CommandLine) -> None:
    began = drillkit.folder / "began"
    killed(
        drillkit,
        """
        drill: cmdkill
        owner: me
        limit: 2m
        steps:
          - name: c
            uses: command
            with:
              run: [sh, -c, "setsid sh -c 'echo $$ > began; exec sleep 60'; sleep 60"]
              undo: ["true"]
        """,
        lambda: began.exists() and began.read_text().strip(),
    )
    ran = drillkit("recover")
    assert "still running" in ran.out
    os.kill(int(began.read_text()), signal.SIGKILL)
    ran = drillkit("recover")
    assert "clean" in ran.out, ran.said


def test_a_command_whose_folder_does_not_exist_is_told_before_and_leaves_nothing_to_undo(
    drillkit: CommandLine,
) -> None:
    (drillkit.folder / "d.yaml").write_text(
        """
        drill: rebuild
        owner: me
        limit: 2m
        steps:
          - name: infrastructure
            uses: command
            with: {run: ["./apply"], undo: ["./destroy"], folder: environments/dr}
        """
    )
    told = "expected the folder environments/dr to run `./apply` in, found none"
    for command in (("validate", "./d.yaml"), ("plan", "./d.yaml", "-t", "sandbox")):
        ran = drillkit(*command)
        assert told in ran.said, ran.said
        assert ran.code in (2, 4)
    (drillkit.folder / "environments" / "dr").mkdir(parents=True)
    ran = drillkit("plan", "./d.yaml", "-t", "sandbox")
    assert "expected the program `./apply` in environments/dr, found none" in ran.said


def test_a_command_that_could_not_be_started_ends_the_run_clean(drillkit: CommandLine) -> None:
    broken = drillkit.folder / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    (drillkit.folder / "d.yaml").write_text(
        """
        drill: broken
        owner: me
        limit: 2m
        steps:
          - {name: b, uses: command, with: {run: ["./broken"], undo: ["./broken"]}}
        """
    )
    ran = drillkit("run", "./d.yaml", "-t", "sandbox", "--yes")
    assert ran.code == 3, ran.said
    assert "cannot be started" in ran.said
    verdict = drillkit.verdict("broken")
    assert [u["outcome"] for u in verdict["undos"] if "command" in u["resource"]] == [
        "never-happened"
    ]
    assert list((drillkit.home / "open").iterdir()) == []


def test_an_undo_dies_with_the_recover_that_started_it_and_the_next_one_plays_it_again(
    drillkit: CommandLine,
) -> None:
    began, undoing, late = (drillkit.folder / name for name in ("began", "undoing", "late"))
    killed(
        drillkit,
        """
        drill: d
        owner: me
        limit: 2m
        steps:
          - name: c
            uses: command
            with:
              run: [sh, -c, "touch began; sleep 60"]
              undo: [sh, -c, "echo x >> undoing; sleep 2; touch late"]
        """,
        began.exists,
    )
    process = drillkit.start("recover")
    try:
        until(undoing.exists, "the undo has begun")
    finally:
        process.kill()
        process.communicate()
    time.sleep(2.2)
    assert not late.exists()
    ran = drillkit("recover")
    assert ran.code == 0, ran.said
    assert undoing.read_text() == "x\nx\n"
    assert late.exists()
