"""Gauges over many runs, the rules and the dashboard that read them."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from drillkit.archive.metrics import NextDue, exposition
from drillkit.model.verdict import Holds
from tests.archive.conftest import summary
from tests.conftest import CommandLine

RULES = files("drillkit") / "dashboards" / "rules.yaml"
BOARD = files("drillkit") / "dashboards" / "grafana.json"
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)
SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.M)


def told() -> str:
    """One of everything."""
    runs = [
        summary(0),
        summary(
            30,
            holds=Holds.VIOLATED,
            outage_s=12.5,
            lost=40,
            longest_gap_s=7.0,
            budgets={"api": 0.004},
        ),
        summary(1, drill='odd "name"\\\n', exit_code=5),
        summary(31, emulated=True, drill="on-a-sandbox"),
        summary(32, exit_code=4, holds=Holds.UNKNOWN),
    ]
    due = [NextDue("monthly-dr", "prod", 1_806_000_000.0), NextDue("never", "prod", None)]
    return exposition(runs, due, {"prod": 2}, "1.2.3")


def samples(text: str) -> dict[tuple[str, str], float]:
    return {(name, labels): float(value) for name, labels, value in SAMPLE.findall(text)}


def test_the_newest_run_that_touched_something_is_told() -> None:
    found = samples(told())
    here = 'drill="monthly-dr",target="prod"'
    assert found["drillkit_run_verdict", f'{here},verdict="violated"'] == 1
    assert found["drillkit_run_verdict", f'{here},verdict="met"'] == 0
    assert found["drillkit_outage_seconds", here] == 12.5
    spent = [value for (name, _), value in found.items() if "budget_spent" in name]
    assert spent == [0.004]
    assert found["drillkit_requests_lost", here] == 40
    assert found["drillkit_last_met_timestamp_seconds", here] == summary(0).ended
    assert found["drillkit_measured_seconds", f'{here},step="database",measure="rto"'] == 600
    assert found["drillkit_objective_seconds", f'{here},step="database",measure="rto"'] == 2700
    assert ("drillkit_objective_seconds", f'{here},step="database",measure="rpo"') not in found
    assert found["drillkit_open_runs", 'target="prod"'] == 2
    assert found["drillkit_never_rehearsed", 'drill="never",target="prod"'] == 1


def test_a_sandbox_and_a_refused_run_are_nothing_to_tell() -> None:
    assert "on-a-sandbox" not in told()
    assert samples(told())[
        "drillkit_last_run_timestamp_seconds", 'drill="monthly-dr",target="prod"'
    ] == (summary(30).started)


@needs_promtool
def test_prometheus_reads_it_without_a_complaint() -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=told(), text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@needs_promtool
def test_prometheus_takes_the_rules_and_they_fire_for_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.read_text())
    here = 'drill="d",target="t"'
    cases = {
        f"drillkit_run_dirty{{{here}}}": ("1x3000", "DrillLeftSomething", "30m"),
        f'drillkit_run_verdict{{{here},verdict="violated"}}': ("1x3000", "DrillViolated", "1m"),
        f'drillkit_run_verdict{{{here},verdict="unknown"}}': ("1x3000", "DrillNotProven", "1m"),
        f"drillkit_never_rehearsed{{{here}}}": ("1x3000", "DrillOverdue", "2h"),
        f"drillkit_next_due_timestamp_seconds{{{here}}}": ("60x3000", "DrillOverdue", "3h"),
    }
    fire = [_case(series, *case, fires=True) for series, case in cases.items()]
    quiet = [
        _case(f"drillkit_run_dirty{{{here}}}", "0x3000", "DrillLeftSomething", "30m", fires=False),
        _case(
            f'drillkit_run_verdict{{{here},verdict="violated"}}',
            "0x3000",
            "DrillViolated",
            "30m",
            fires=False,
        ),
        _case(
            f"drillkit_next_due_timestamp_seconds{{{here}}}",
            "999999x3000",
            "DrillOverdue",
            "3h",
            fires=False,
        ),
    ]
    (tmp_path / "test.yaml").write_text(
        json.dumps({"rule_files": ["rules.yaml"], "tests": [*fire, *quiet]})
    )
    subprocess.run(["promtool", "check", "rules", "rules.yaml"], cwd=tmp_path, check=True)
    ran = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _case(series: str, values: str, alert: str, at: str, *, fires: bool) -> dict[str, object]:
    labels = dict(re.findall(r'(\w+)="([^"]*)"', series))
    severity = "critical" if alert == "DrillLeftSomething" else "warning"
    rule = re.search(
        rf"- alert: {alert}\n(?:.*\n)*?\s+summary: (.*)\n\s+description: (.*)\n", RULES.read_text()
    )
    assert rule is not None
    texts = [
        text.replace("{{ $labels.drill }}", "d").replace("{{ $labels.target }}", "t")
        for text in rule.groups()
    ]
    expected = {
        "exp_labels": {**labels, "severity": severity},
        "exp_annotations": {"summary": texts[0], "description": texts[1]},
    }
    return {
        "interval": "1m",
        "input_series": [{"series": series, "values": values.replace("x", "+0x")}],
        "alert_rule_test": [
            {"eval_time": at, "alertname": alert, "exp_alerts": [expected] if fires else []}
        ],
    }


def test_rules_and_dashboard_read_only_what_is_written() -> None:
    written = {name for name, _ in samples(told())} | {"node_textfile_mtime_seconds"}
    board = json.loads(BOARD.read_text())
    expressions = [t["expr"] for panel in board["panels"] for t in panel["targets"]]
    expressions += re.findall(r"expr: (.*)", RULES.read_text())
    for expression in expressions:
        read = set(re.findall(r"\b(drillkit_\w+|node_\w+)\b", re.sub(r'"[^"]*"', "", expression)))
        assert read, expression
        assert read <= written, expression


def test_every_expression_of_the_dashboard_is_promql() -> None:
    import promql_parser

    board = json.loads(BOARD.read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            promql_parser.parse(target["expr"].replace("$drill", ".*").replace("$target", ".*"))


@pytest.mark.slow
def test_the_file_is_put_in_place_for_others_to_read(drillkit: CommandLine) -> None:
    place = drillkit.folder / "drillkit.prom"
    ran = drillkit("metrics", "--write", str(place))
    assert ran.code == 0, ran.err
    assert stat.S_IMODE(place.stat().st_mode) & 0o444 == 0o444
    assert "drillkit_info{version=" in place.read_text()
    assert drillkit("metrics").out == place.read_text()


def test_what_cannot_be_read_is_told_and_the_rest_is_written(drillkit: CommandLine) -> None:
    damaged = drillkit.folder / "reports" / "d" / "20270101-000000-abcd"
    damaged.mkdir(parents=True)
    (damaged / "journal.jsonl").write_text("{}\nnothing\n")
    ran = drillkit("metrics")
    assert ran.code == 2
    assert "cannot be read" in ran.err
    assert "drillkit_info" in ran.out


@pytest.mark.parametrize("what", ["rules", "grafana"])
def test_dashboards_are_printed_as_they_ship(drillkit: CommandLine, what: str) -> None:
    ran = drillkit("dashboards", what)
    assert ran.code == 0
    assert ran.out == (RULES if what == "rules" else BOARD).read_text()
