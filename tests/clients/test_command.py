"""Programs that undo what a program did."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from drillkit.cleanup import Haste, clean, open_undos
from drillkit.clients import Clients
from drillkit.clients.command import UndoCommand
from drillkit.clock import Fence, SystemClock
from drillkit.journal.file import Journal, read
from drillkit.model.target import Target


def test_an_undo_that_hangs_is_cut_with_all_it_started_when_somebody_is_in_a_hurry_and_stays_open(
    tmp_path: Path,
) -> None:
    clock, hurry, mark = SystemClock(), Haste(), tmp_path / "started"
    journal = Journal(tmp_path / "journal.jsonl", clock=clock)
    journal.plan(
        UndoCommand("it", ("sh", "-c", f"sleep 60 & echo $! > {mark}; wait"), str(tmp_path))
    )
    opens = open_undos(read(tmp_path / "journal.jsonl"))
    timer = threading.Thread(target=lambda: (_until(mark), hurry.more(1)))
    timer.start()
    began = clock.mono()
    cleaned = clean(
        opens, Clients(Target(name="t"), clock, Fence()), journal, clock, 120.0, haste=hurry
    )
    timer.join()
    journal.close()
    assert clock.mono() - began < 10
    assert [undo.resource for undo in cleaned.skipped] == ["command/it"]
    assert open_undos(read(tmp_path / "journal.jsonl")) == opens
    pid = mark.read_text().strip()
    assert (
        not Path(f"/proc/{pid}").exists()
        or "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    )


def _until(file: Path) -> None:
    end = time.monotonic() + 10
    while not (file.exists() and file.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.02)
