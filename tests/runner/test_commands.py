"""What `command` steps leave behind when their run dies: nothing, once `recover` was there."""

from __future__ import annotations

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
