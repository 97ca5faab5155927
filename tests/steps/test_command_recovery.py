"""A recovery that is the users' own, such as terraform and curl: its checks run, its RTO is
measured.
"""

from __future__ import annotations

import pytest

from tests.conftest import CommandLine

pytestmark = pytest.mark.slow

DRILL = """
drill: own
owner: me
limit: 2m
steps:
  - name: lose
    uses: command
    with: {run: [rm, -rf, THERE], undo: ["true"]}
  - name: recover
    uses: command
    with: {run: [sh, -c, "sleep 0.3; touch THERE"], undo: [rm, -f, THERE],
           disrupted: "${steps.lose.outputs.disrupted}"}
    objectives: {rto: %s}
    checks: [{http: "${target.urls.web}/health"}, {command: [test, -e, %s], within: 1s}]
"""


def run(drillkit: CommandLine, text: str) -> int:
    (drillkit.folder / "own.yaml").write_text(text)
    return drillkit("run", "./own.yaml", "-t", "sandbox", "--yes").code


def test_a_commands_rto_runs_from_the_disruption_to_its_last_passing_check(
    drillkit: CommandLine,
) -> None:
    assert run(drillkit, DRILL % ("1m", "THERE")) == 0
    step = drillkit.verdict("own")["steps"][1]
    assert 0.3 < step["rto_s"] < 60
    assert step["holds"] == "met"


def test_a_check_that_misses_after_a_command_is_violated(drillkit: CommandLine) -> None:
    assert run(drillkit, DRILL % ("1m", "ELSEWHERE")) == 1
    assert drillkit.verdict("own")["steps"][1]["holds"] == "violated"


def test_an_experiment_of_another_extension_has_its_checks_run(drillkit: CommandLine) -> None:
    (drillkit.folder / "foreign.yaml").write_text(
        "title: t\ndescription: d\nmethod:\n"
        '- {type: action, name: a, provider: {type: process, path: "true"}}\n'
    )
    text = """
drill: own
owner: me
limit: 2m
steps:
  - name: bring
    uses: chaostoolkit
    with: {experiment: ./foreign.yaml}
    objectives: {rto: 1m}
    checks: [{http: "${target.urls.web}/health"}]
"""
    run(drillkit, text)
    step = drillkit.verdict("own")["steps"][0]
    assert 0 < step["rto_s"] < 60
    (rto,) = [j for j in step["judged"] if j["about"].endswith("objective/rto")]
    assert rto["holds"] == "met"
