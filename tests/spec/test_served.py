"""What a drill asks of a step is done by its kind, or refused with its place before anything
runs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drillkit.model.drill import Objectives, StepCheck
from drillkit.model.errors import SpecError
from drillkit.spec.drills import parse
from drillkit.spec.roots import Root, Roots
from drillkit.spec.source import DrillSource
from drillkit.steps.base import DATABASE_CHECKS, kind_named, kind_names

EXPERIMENT = """\
title: t
description: d
method:
- {type: action, name: a, provider: {type: process, path: "true"}}
"""


def mistakes(folder: Path, steps: str) -> str:
    (folder / "experiments").mkdir(exist_ok=True)
    (folder / "experiments" / "foreign.yaml").write_text(EXPERIMENT)
    roots = Roots((Root(folder, "project"),))
    text = f"drill: d\nsteps:\n{steps}\n"
    try:
        parse(DrillSource("d.yaml", text, roots, folder=folder)).resolve()
    except SpecError as error:
        return str(error)
    return ""


COMMAND = "- {name: a, uses: command, with: {run: [x]}, %s}"
RESTORE = "- {uses: velero.restore, with: {backup: b, namespaces: {a: b}}, %s}"


@pytest.mark.parametrize(
    ("step", "what"),
    [
        (
            "- {uses: wait, with: {for: 1s}, objectives: {rto: 1m}}",
            "steps[0].objectives.rto: a `wait` step has no rto: nothing it does "
            "brings back what was lost. Leave it out; it is measured by",
        ),
        (
            "- {uses: wait, with: {for: 1s}, checks: [{command: [x]}]}",
            "steps[0].checks[0].command: a `wait` step runs no checks",
        ),
        (COMMAND % "objectives: {recovery: 1m}", "a `command` step has no recovery"),
        (COMMAND % "objectives: {rto: 1m}", "an RTO ends with the last passing check"),
        (
            COMMAND % "objectives: {rpo: 1m}, checks: [{http: 'http://x/'}]",
            "an RPO is read from the data: declare a check `canary` or `newest`",
        ),
        (
            COMMAND % "checks: [{sql: select 1}]",
            "checks[0].sql: a `command` step restores no database itself: say which one to ask "
            "with `instance`",
        ),
        (
            COMMAND % "checks: [{http: {service: web}}]",
            "a `command` step makes no namespace to look for a service in: give `http` a URL",
        ),
        (COMMAND % "checks: [{checksum: id, table: t}]", "runs no `checksum` check; it runs"),
        (
            "- {uses: chaostoolkit, with: {experiment: foreign}, objectives: {recovery: 1m}}",
            "objectives.recovery: no action of experiment `foreign` is one of drillkit's own",
        ),
        (RESTORE % "checks: [{sql: select 1}]", "a `velero.restore` step runs no `sql` check"),
        (RESTORE % "objectives: {recovery: 1m}", "a `velero.restore` step has no recovery"),
        (
            "- {uses: rds.snapshot-restore, with: {source: db, choose: random}, "
            "objectives: {rpo: 1h}, checks: [{canary: c}]}",
            "a backup that is drawn at random",
        ),
        (RESTORE % "checks: [{canary: c, instance: i}]", "`instance` goes with checks of"),
        (
            f"{COMMAND % 'limit: 1m'}\n- "
            f"{{uses: command, with: {{run: ['${{steps.a.outputs.ip}}']}}}}",
            "`${steps.a.outputs.ip}`: a `command` step gives no output `ip`; known: disrupted",
        ),
    ],
)
def test_what_a_kind_does_not_serve_is_refused_with_its_place(
    tmp_path: Path, step: str, what: str
) -> None:
    assert what in mistakes(tmp_path, step)


@pytest.mark.parametrize(
    "step",
    [
        COMMAND % "objectives: {rto: 1m}, checks: [{http: 'http://x/'}, {command: [x]}]",
        COMMAND % "objectives: {rpo: 1m}, checks: [{canary: c, instance: db}]",
        COMMAND % "objectives: {detect: {alert: A, within: 1m}}",
        "- {uses: chaostoolkit, with: {experiment: foreign}, objectives: {rto: 1m}, "
        "checks: [{command: [x]}]}",
        RESTORE % "objectives: {rto: 1m, rpo: 1h}, checks: [{http: {service: web, path: /}}]",
        f"{COMMAND % 'limit: 1m'}\n- {{uses: command, with: {{run: [x], "
        "disrupted: '${steps.a.outputs.disrupted}'}}",
    ],
)
def test_what_a_kind_serves_is_taken(tmp_path: Path, step: str) -> None:
    assert mistakes(tmp_path, step) == ""


@pytest.mark.parametrize("name", kind_names())
def test_a_kind_that_measures_an_rto_has_a_way_to_end_it(name: str) -> None:
    kind = kind_named(name)
    if "rto" in kind.objectives:
        assert kind.checks or kind.reads_itself


CHECK_OF = {
    "sql": "sql: select 1",
    "rows": "rows: true, table: t",
    "newest": "newest: at, table: t",
    "checksum": "checksum: id, table: t",
    "canary": "canary: c",
    "http": "http: 'http://h/'",
    "service": "http: {service: web}",
    "command": "command: [x]",
}
OBJECTIVE_OF = {
    "rto": "rto: 1m",
    "rpo": "rpo: 1m",
    "recovery": "recovery: 1m",
    "detect": "detect: {within: 1m}",
    "acknowledge": "acknowledge: 1m",
    "mitigate": "mitigate: 1m",
}


@pytest.mark.parametrize("name", kind_names())
def test_each_check_and_objective_is_served_or_refused_with_its_place(
    tmp_path: Path, name: str
) -> None:
    kind = kind_named(name)
    for sort, text in CHECK_OF.items():
        instance = ", instance: i" if kind.asks_instances and sort in DATABASE_CHECKS else ""
        step = f"- {{uses: {name}, checks: [{{{text}{instance}}}]}}"
        key = "http" if sort == "service" else sort
        refused = f"steps[0].checks[0].{key}: a `{name}` step " in mistakes(tmp_path, step)
        assert refused is (sort not in kind.checks), (name, sort)
    for objective, text in OBJECTIVE_OF.items():
        served = "detect" if objective in ("acknowledge", "mitigate") else objective
        said = mistakes(tmp_path, f"- {{uses: {name}, objectives: {{{text}}}}}")
        refused = f"steps[0].objectives.{objective}: a `{name}` step has no {objective}" in said
        assert refused is (served not in kind.objectives), (name, objective)


def test_every_check_and_objective_is_tried() -> None:
    assert set(CHECK_OF) - {"service"} == set(StepCheck.SUBJECTS) - {"uses"}
    assert set(OBJECTIVE_OF) == set(Objectives.__dataclass_fields__)
