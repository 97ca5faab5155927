"""One report of a fleet: what ran, what was not proven, and what was never begun stay apart."""

from __future__ import annotations

import json
from dataclasses import replace

from drillkit.report.fleet_page import fleet_files, link_of
from tests.report.fleets import everything


def test_every_target_is_told_once_in_each_form_with_its_numbers_and_its_run() -> None:
    table = everything()
    files = {name: content.decode() for name, content in fleet_files(table).items()}
    data = json.loads(files["fleet.json"])
    assert data["sums"] == {
        **{each: 1 for each in ("met", "violated", "unknown", "refused", "not run", "dirty")},
        "running": 1,
    }
    assert data["exit_code"] == 5
    assert [each["target"] for each in data["targets"]] == [row.target for row in table.rows]
    assert data["targets"][0]["measured"][1] == {
        "step": "database",
        "name": "rto",
        "value_s": 90.0,
        "bound_s": 120.0,
    }
    (met,) = (line for line in files["fleet.md"].splitlines() if "| prod-0 |" in line)
    link = "../../monthly-dr/20261129-000000-abcd/report.html"
    assert f"| 1 | prod-0 | [met]({link}) | 90 s of 2 min | 12.3 s |" in met
    assert "1,234 requests, longest gap 0.35 s" in met
    assert r"\<b>7 \| of\</b>" in met, "a cell stays a cell"
    (never,) = (line for line in files["fleet.md"].splitlines() if "| prod-4 |" in line)
    assert "| not run | - | - | - |" in never
    page = files["fleet.html"]
    assert f'<a href="{link}">met</a>' in page
    assert "<b>7 | of</b>" not in page
    assert "<b>Nothing more begins.</b> wave 1: prod-1 is violated" in page
    assert "<b>not run</b>: no run began" in page


def test_where_reports_are_served_links_lead_there() -> None:
    table = everything()
    assert link_of(table, table.rows[0], "https://drills.example.com/") == (
        "https://drills.example.com/monthly-dr/20261129-000000-abcd/report.html"
    )
    assert link_of(table, table.rows[-1], None) == "", "what runs has no report"


def test_a_fleet_of_which_something_runs_or_waits_is_not_proven() -> None:
    table = everything()
    met, running = table.rows[0], table.rows[-1]
    assert replace(table, rows=(met,)).exit_code == 0
    assert replace(table, rows=(met, running)).exit_code == 3
    assert replace(table, rows=(met, running)).headline == "2 targets: 1 met, 1 running"
