"""A fleet in which everything has happened."""

from __future__ import annotations

from drillkit.fleet.outcome import FleetMeasure, TargetOutcome
from drillkit.fleet.rows import FleetRow, FleetTable
from drillkit.fleet.waves import RESULTS


def everything() -> FleetTable:
    rows = []
    for number, result in enumerate(RESULTS):
        run = "" if result == "not run" else f"20261129-00000{number}-abcd"
        outcome = TargetOutcome(
            target=f"prod-{number}",
            result=result,
            why=f"{result}: <b>7 | of</b> 2,400 requests lost, bound 20",
            at=2e9,
            run=run,
            measured=(
                FleetMeasure("shop", "rto", 100.0, 600.0),
                FleetMeasure("database", "rto", 90.0, 120.0),
                FleetMeasure("database", "rpo", 12.34, None),
            )
            if run
            else (),
            longest_gap_s=0.35,
            lost=1234,
            emulated=number == 0,
        )
        rows.append(FleetRow(outcome.target, 1 + number // 2, result, outcome.why, run, outcome))
    running = FleetRow("prod-x", 3, "running", "its Job was submitted", "20261129-000009-abcd")
    return FleetTable(
        "20261129-000000-flt2",
        "monthly-dr",
        "s3://bucket/prefix",
        "me@here",
        2e9,
        "wave 1: prod-1 is violated",
        (*rows, running),
    )
