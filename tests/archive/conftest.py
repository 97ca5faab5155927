"""Runs as they would be summarized, and folders of stored journals."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from drillkit.archive.summary import RunSummary, StepMeasure, StepSummary
from drillkit.model.verdict import Holds
from tests.conftest import ROOT

STORED = ROOT / "tests" / "golden" / "stored"
DAY_S = 86_400.0


def summary(number: int = 0, **changed: Any) -> RunSummary:
    """A monthly restore of a database on a real target; day `number` of 2027."""
    rto_s = changed.pop("rto_s", 600.0)
    holds = changed.get("holds", Holds.MET)
    measured = (
        {} if rto_s is None else {"rto": StepMeasure(rto_s, 2700.0), "rpo": StepMeasure(60, None)}
    )
    step = StepSummary(
        "database",
        "rds.point-in-time-restore",
        changed.pop("step_holds", holds),
        changed.pop("outcome", "ok"),
        "orders-db",
        measured,
    )
    started = 1_798_761_600.0 + DAY_S * number
    found: dict[str, Any] = {
        "run": f"20270101-{number:06d}-x7k2",
        "drill": "monthly-dr",
        "target": "prod",
        "started": started,
        "ended": started + 900,
        "holds": holds,
        "exit_code": {Holds.MET: 0, Holds.VIOLATED: 1, Holds.UNKNOWN: 3}[holds],
        "headline": f"{holds}: RTO {rto_s} s",
        "owner": "sre@example.com",
        "operator": "cron@host",
        "region": "eu-central-1",
        "emulated": False,
        "outage_s": 0.0,
        "longest_gap_s": 0.0,
        "lost": 0,
        "told": 2,
        "untold": 0,
        "steps": (step,),
        "findings": (),
        **changed,
    }
    return RunSummary(**found)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """The stored journals as a folder of reports."""
    place = tmp_path / "reports"
    for number, folder in enumerate(sorted(p.parent for p in STORED.glob("*/journal.jsonl"))):
        run = place / f"drill-{number % 3}" / folder.name
        run.mkdir(parents=True)
        shutil.copy2(folder / "journal.jsonl", run)
    return place
