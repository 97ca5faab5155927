"""A run with a backup and a restore, killed at any plan: `recover` leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
import yaml

from tests.steps.velero.conftest import VELERO, Town
from tests.steps.velero.test_end_to_end import with_fresh_backup

pytestmark = pytest.mark.slow


def planned(town: Town) -> int:
    """How many effects are in the journal so far."""
    folders = town.drillkit.folder.glob("reports/dr/*/journal.jsonl")
    lines = [
        line
        for path in folders
        if not path.parent.is_symlink()
        for line in path.read_text().splitlines()
    ]
    return sum(json.loads(line)["kind"] == "undo.planned" for line in lines if line.endswith("}"))


@pytest.mark.parametrize("plans", [2, 6, 9, 12])
def test_nothing_is_left_after_a_kill_and_a_recovery(town: Town, plans: int) -> None:
    town.knobs(slow_s={"Backup.InProgress": 0.3, "Restore.InProgress": 0.5})
    path = town.drillkit.folder / "dr.yaml"
    path.write_text(yaml.safe_dump(with_fresh_backup()))
    process = town.drillkit.start("run", str(path), "-t", "sandbox", "--yes")
    end = time.monotonic() + 30
    while planned(town) < plans and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    recovered = town.drillkit("recover", limit_s=180)
    assert recovered.code in (0, 1, 3), recovered.said
    assert town.left() == {}
    assert [
        b["metadata"]["name"]
        for b in town.api.items(f"{VELERO}/backups")
        if "save" in b["metadata"]["name"]
    ] == []
    assert list((town.drillkit.home / "open").iterdir()) == []
    later = town.run(with_fresh_backup())
    assert later.code == 0, later.said
