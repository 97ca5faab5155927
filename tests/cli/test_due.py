"""`due`: a drill's cadence is read, and says when it is to be rehearsed again."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drillkit.model.units import Cadence
from drillkit.spec.cadence import next_due
from tests.conftest import ROOT, CommandLine

BERLIN = ZoneInfo("Europe/Berlin")
STEP = "steps: [{uses: wait, with: {for: 1s}}]\n"


@pytest.mark.parametrize(
    ("cadence", "last", "then"),
    [
        ("daily", "2026-10-24T03:00+02:00", "2026-10-25T03:00+01:00"),
        ("weekly", "2026-10-24T03:00+02:00", "2026-10-31T03:00+01:00"),
        ("monthly", "2026-01-31T03:00+01:00", "2026-02-28T03:00+01:00"),
        ("quarterly", "2026-11-30T03:00+01:00", "2027-02-28T03:00+01:00"),
        ("yearly", "2028-02-29T03:00+01:00", "2029-02-28T03:00+01:00"),
        ("0 3 * * MON", "2026-11-23T03:00+01:00", "2026-11-30T03:00+01:00"),
        ("0 3 29 2 *", "2026-11-23T03:00+01:00", "2028-02-29T03:00+01:00"),
    ],
)
def test_a_drill_is_due_by_the_clocks_of_its_zone(cadence: str, last: str, then: str) -> None:
    found = next_due(Cadence.parse(cadence), datetime.fromisoformat(last), BERLIN)
    assert found == datetime.fromisoformat(then)
    assert found.tzinfo is BERLIN


@pytest.mark.parametrize("cadence", ["monthy", "0 0 31 2 *", "0 0 30 2 *", "* * * *", "61 * * * *"])
def test_a_cadence_that_is_none_or_never_fires_is_told_with_its_place(
    drillkit: CommandLine, cadence: str
) -> None:
    (drillkit.folder / "d.yaml").write_text(f"drill: d\ncadence: '{cadence}'\n{STEP}")
    ran = drillkit("validate", "./d.yaml")
    assert ran.code == 2
    assert "d.yaml:2:10: cadence: " in ran.out


def project(drillkit: CommandLine, **cadences: str) -> Path:
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drillkit.folder / "drills").mkdir()
    for name, cadence in cadences.items():
        text = f"drill: {name}\ntarget: prod\ncadence: {cadence}\n{STEP}"
        (drillkit.folder / "drills" / f"{name}.yaml").write_text(text)
    return drillkit.folder / "reports"


def stored(reports: Path, name: str) -> None:
    """A run of the stored ones."""
    folder = reports / name / "20270115-080000-x7k2"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "golden" / "stored" / name / "journal.jsonl", folder)


@pytest.mark.slow
def test_the_last_run_on_a_real_target_counts_and_one_on_the_sandbox_does_not(
    drillkit: CommandLine,
) -> None:
    reports = project(drillkit, **{"monthly-dr": "monthly", "pod-delete": "0 3 * * MON"})
    stored(reports, "restore")  # of monthly-dr on prod, violated
    stored(reports, "met")  # of pod-delete on the sandbox
    ran = drillkit("due")
    assert ran.code == 1, ran.said
    never, known = ran.out.splitlines()
    assert never.split()[:3] == ["pod-delete", "prod", "overdue"]
    assert known.split()[:4] == ["monthly-dr", "prod", "in", "time"]
    assert "(violated, 20270115-080000-x7k2), next 2027-02-15 08:00 UTC" in known


@pytest.mark.slow
def test_a_drill_that_never_ran_is_overdue(drillkit: CommandLine) -> None:
    project(drillkit, shop="monthly")
    ran = drillkit("due")
    assert ran.code == 1, ran.said
    assert ran.out.split() == (
        [
            "shop",
            "prod",
            "overdue",
            "monthly:",
            "never",
            "rehearsed",
            "on",
            "a",
            "target",
            "that",
            "counts",
        ]
    )
    (row,) = json.loads(drillkit("due", "--json").out)
    assert row["last"] is None
    assert row["overdue"] is True


@pytest.mark.slow
def test_without_a_cadence_nothing_is_due(drillkit: CommandLine) -> None:
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drillkit.folder / "drills").mkdir()
    (drillkit.folder / "drills" / "d.yaml").write_text(f"drill: d\n{STEP}")
    ran = drillkit("due")
    assert ran.code == 0
    assert "give one a `cadence`" in ran.out
