"""What people noted to be done, over all runs."""

from __future__ import annotations

import csv
import io
import json
from datetime import date

from drillkit.journal.file import Journal
from drillkit.model.drill import Drill, Step
from drillkit.model.evidence import Note
from drillkit.model.records import RunOpened
from drillkit.model.target import Target
from tests.conftest import CommandLine

DRILL = Drill(drill="day", owner="sre", steps=(Step(name="one", uses="wait"),))


def noted(drillkit: CommandLine, run: str, *notes: Note) -> None:
    folder = drillkit.folder / "reports" / "day" / run
    folder.mkdir(parents=True)
    journal = Journal(folder / "journal.jsonl")
    journal.append(RunOpened(run=run, drill=DRILL, target=Target(name="prod")))
    for note in notes:
        journal.append(note)
    journal.close()


def test_what_is_to_be_done_is_listed_over_all_runs_closed_once_and_exported(
    drillkit: CommandLine,
) -> None:
    late = Note("ann", "raise the alarm *sooner*", "action-item", "jan", date(2026, 1, 31))
    noted(drillkit, "r1", Note("ann", "all is well", "observation"), late)
    noted(drillkit, "r2", Note("jan", "=cmd()", "action-item"))
    listed = drillkit("actions")
    assert listed.code == 0
    assert "r1#3  raise the alarm *sooner*\n    jan, due 2026-01-31 (overdue)" in listed.out
    assert "r2#2  =cmd()\n    sre; from day on prod" in listed.out
    assert "all is well" not in listed.out
    before = (drillkit.folder / "reports/day/r1/journal.jsonl").read_bytes()
    assert drillkit("actions", "--close", "r1#3").code == 2, "nobody says what was done"
    closed = drillkit("actions", "--close", "r1#3", "--why", "burn rate alert, PR 12")
    assert closed.code == 0, closed.said
    assert drillkit("actions", "--close", "r1#3", "--why", "again").code == 2
    assert drillkit("actions", "--close", "r9#1", "--why", "x").code == 2
    assert (drillkit.folder / "reports/day/r1/journal.jsonl").read_bytes() == before
    assert "r1#3" not in drillkit("actions").out
    shown = drillkit("actions", "--all", "--markdown").out
    assert "- [ ] =cmd() (sre; r2#2, day)" in shown
    assert "- [x] raise the alarm \\*sooner\\* (jan, due 2026-01-31; r1#3, day)" in shown
    rows = list(csv.DictReader(io.StringIO(drillkit("actions", "--all", "--csv").out)))
    assert [(row["id"], row["state"], row["text"]) for row in rows] == [
        ("r2#2", "open", "'=cmd()"),
        ("r1#3", "closed", "raise the alarm *sooner*"),
    ]
    ledger = (drillkit.folder / "reports/actions.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in ledger] == ["r1#3"]


def test_what_cannot_be_read_is_told(drillkit: CommandLine) -> None:
    noted(drillkit, "r1")
    (drillkit.folder / "reports/day/r1/journal.jsonl").write_text("nonsense\n")
    (drillkit.folder / "reports/actions.jsonl").write_text('{"action": "r1#3"}\n')
    ran = drillkit("actions")
    assert ran.code == 3
    assert ran.err.count("not read: ") == 2
