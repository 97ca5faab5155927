"""A run that is killed while AWS still works for it: `drillkit recover` waits for what is being
made and removes it.
"""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import pytest

from tests.conftest import CommandLine
from tests.drills.conftest import Playground, playing

pytestmark = pytest.mark.slow


def knob(world: Playground, method: str, path: str, values: dict[str, Any]) -> Any:
    """The sandbox's private path."""
    aws = world.endpoints["aws"]
    control = aws["control"]
    request = urllib.request.Request(
        f"{aws['endpoint_url']}{control['path']}{path}",
        json.dumps(values).encode(),
        {control["header"]: control["token"]},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def started(drillkit: CommandLine, kind: str, limit_s: float = 60) -> None:
    """Wait until the newest run has planned an undo of that kind and AWS has answered."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        journals = list(drillkit.folder.glob("reports/*/*/journal.jsonl"))
        if journals and kind in (text := journals[0].read_text()) and '"queued"' in text:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {kind} within {limit_s} s")


def test_a_copy_that_is_still_being_made_when_the_run_is_killed_is_removed_by_recover(
    drillkit: CommandLine,
) -> None:
    with playing(drillkit, "--aws") as world:
        before = world.inventory()
        knob(world, "PATCH", "/settings", {"slow_s": {"instance.creating": 6}})
        process = drillkit.start("run", "database-restore", "-t", "sandbox", "--yes")
        started(drillkit, "rds.delete-instance")
        process.kill()
        process.communicate(timeout=30)
        assert world.inventory() != before
        recovered = drillkit("recover")
        assert recovered.code == 0, recovered.said
        world.must_be(before)
        verdict = drillkit.run_folder("database-restore") / "verdict.json"
        assert json.loads(verdict.read_text())["holds"] == "unknown"


def test_an_abort_removes_what_is_being_made_before_the_run_ends(drillkit: CommandLine) -> None:
    with playing(drillkit, "--aws") as world:
        before = world.inventory()
        knob(world, "PATCH", "/settings", {"slow_s": {"instance.creating": 6}})
        process = drillkit.start("run", "database-restore", "-t", "sandbox", "--yes")
        started(drillkit, "rds.delete-instance")
        process.terminate()
        out, err = process.communicate(timeout=90)
        assert process.returncode == 3, out + err
        world.must_be(before)
