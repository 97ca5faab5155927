"""`plan` says what keeps a drill from starting, as a run would find it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jsonschema
import pytest

from tests.conftest import CommandLine, Ran
from tests.drills.conftest import playing

HEAD = "drill: d\nowner: me\nlimit: 2m\n"
STEP = "steps: [{uses: wait, with: {for: 1s}}]\n"
KILL = (
    "steps: [{uses: chaostoolkit, with: {experiment: pod-delete, "
    "configuration: {namespace: shop, selector: app=web}}}]\n"
)
LONG_AGO_TO_LATER = "2020-01-01..2099-12-31"
CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
DTSTART;TZID="W. Europe Standard Time":20200101T000000
DTEND;TZID="W. Europe Standard Time":20991231T000000
SUMMARY:nobody changes
  anything
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A folder with a sandbox that stays up: nothing here takes effect."""
    made = CommandLine(tmp_path_factory.mktemp("plans"))
    with playing(made, "--prometheus"):
        yield made


@pytest.fixture
def drillkit(home: CommandLine) -> CommandLine:
    return home


def plan(drillkit: CommandLine, text: str, *more: str) -> Ran:
    (drillkit.folder / "d.yaml").write_text(text)
    return drillkit("plan", "./d.yaml", "-t", "sandbox", *more)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f"{HEAD}guards: {{start: [{{freeze: {LONG_AGO_TO_LATER}}}]}}\n{KILL}",
            "problem: freeze: 2020-01-01..2099-12-31: frozen from 2020-01-01 to 2099-12-31",
        ),
        (
            f"{HEAD}guards: {{start: [{{freeze: nobody.ics}}]}}\n{KILL}",
            "problem: freeze: nobody.ics: `nobody changes anything` lasts until 2099-12-31 00:00",
        ),
        (
            f"{HEAD}window: {{hours: '00:00-24:00', days: [{{day}}]}}\n{KILL}",
            "problem: window 00:00-24:00 UTC: the window of ",
        ),
        (
            f"{HEAD}probes: {{web: {{http: 'http://127.0.0.1:1/', headers: {{X: 'env:NOT_SET'}}}}}}\n"  # noqa: E501
            + STEP,
            "problem: probe `web`, header `X`: expected a value in the environment variable "
            "NOT_SET, found none",
        ),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: ['true'], env: {{A: 'env:NOT_SET'}}}}}}]\n",  # noqa: E501
            "problem: step `command`: env.A: expected a value in the environment variable NOT_SET",
        ),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: ['true'], folder: nowhere}}}}]\n",
            "problem: step `command`: expected the folder nowhere",
        ),
    ],
)
def test_what_keeps_a_drill_from_starting_is_a_problem(
    drillkit: CommandLine, text: str, problem: str
) -> None:
    from datetime import UTC, datetime

    other = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(datetime.now(UTC).weekday() + 3) % 7]
    (drillkit.folder / "nobody.ics").write_text(CALENDAR.replace("\n", "\r\n"), newline="")
    ran = plan(drillkit, text.replace("{day}", other))
    assert ran.code == 4, ran.said
    assert problem in ran.out
    assert "it would refuse to start" in ran.out


def test_a_freeze_does_not_keep_a_drill_that_disturbs_nobody(drillkit: CommandLine) -> None:
    ran = plan(drillkit, f"{HEAD}guards: {{start: [{{freeze: {LONG_AGO_TO_LATER}}}]}}\n{STEP}")
    assert ran.code == 0, ran.said
    assert "no step of the drill disturbs users" in ran.out


@pytest.mark.slow
def test_a_run_refuses_what_the_plan_said(drillkit: CommandLine) -> None:
    text = f"{HEAD}guards: {{start: [{{freeze: {LONG_AGO_TO_LATER}}}]}}\n{KILL}"
    (drillkit.folder / "d.yaml").write_text(text)
    ran = drillkit("run", "./d.yaml", "-t", "sandbox", "--yes")
    assert ran.code == 4, ran.said
    assert "frozen from 2020-01-01 to 2099-12-31" in ran.err


@pytest.mark.slow
def test_probes_hypothesis_bounds_objectives_and_guards_are_shown(drillkit: CommandLine) -> None:
    text = f"""{HEAD}
probes: {{web: {{http: "${{target.urls.web}}/health", rate: 50/s}}}}
hypothesis: {{before: {{web: {{bad: 2 of 40}}}}, during: {{web: {{longest_gap: 5s}}}}}}
guards: {{abort: [{{probe: web, bad: 9}}]}}
steps:
- uses: command
  with: {{run: ["true"], undo: ["true"]}}
  objectives: {{rto: 1m}}
  checks: [{{command: ["true"]}}]
"""
    ran = plan(drillkit, text)
    assert ran.code == 0, ran.said
    for said in (
        "web: {http: 'http://127.0.0.1:",
        "rate: 50/s",
        "before   {web: {bad: 2 of 40}}",
        "during   {web: {longest_gap: 5s}}",
        "aborts   probe: web, bad: 9",
        "takes    2 min at most, and 15 min for clean-up; it has not come to its end here before",
        "must     rto: 1m",
        "must     check {command: ['true']}",
    ):
        assert said in ran.out
    data = json.loads(plan(drillkit, text, "--json").out)
    assert data["hypothesis"]["during"] == {"web": {"longest_gap": "5s"}}
    assert data["problems"] == data["fails"] == []


@pytest.mark.slow
def test_an_slo_without_data_is_a_problem(drillkit: CommandLine) -> None:
    slos = drillkit.folder / "drills" / "slos"
    slos.mkdir(parents=True)
    (drillkit.folder / "drillkit.yaml").write_text("")
    query = "nothing_counts_this_total"
    source = f"{{metricSource: {{type: Prometheus, spec: {{query: {query}}}}}}}"
    (slos / "api.yaml").write_text(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: api}\nspec:\n  service: web\n"
        "  indicator: {metadata: {name: api}, spec: {ratioMetric: {counter: true, "
        f"bad: {source}, total: {source}}}}}}}\n"
        "  timeWindow: [{duration: 30d, isRolling: true}]\n  budgetingMethod: Occurrences\n"
        "  objectives: [{target: 0.99}]\n"
    )
    ran = plan(drillkit, f"{HEAD}guards: {{start: [{{budget: api, left: 25%}}]}}\n{STEP}")
    assert ran.code == 4, ran.said
    assert "problem: budget: api, left: 25%: " in ran.out
    assert "problem: SLO api: nothing_counts_this_total matches nothing" in ran.out


SECRET_STEP = """\
description: It says canary-4711 aloud.
steps: [{uses: command, with: {run: [env], undo: ["true"], env: {A: "env:A", B: "env:B"}}}]
"""


def test_a_plan_shows_no_secret_and_says_which_is_too_short_to_be_hidden(
    drillkit: CommandLine,
) -> None:
    (drillkit.folder / "d.yaml").write_text(f"{HEAD}{SECRET_STEP}")
    arguments = ("plan", "./d.yaml", "-t", "sandbox", "--html", "secret.html")
    ran = drillkit(*arguments, env={"A": "canary-4711", "B": "12"})
    assert ran.code == 0, ran.said
    page = (drillkit.folder / "secret.html").read_text()
    assert "canary" not in ran.said + page
    assert "It says [secret] aloud." in page
    assert "env.B: its value has fewer than 4 characters, so it is not hidden" in ran.out
    assert "env.A" not in ran.out


def test_a_plan_is_a_page_and_data_of_a_known_shape(drillkit: CommandLine) -> None:
    text = f"{HEAD}description: Nobody <b>waits</b>.\n{STEP}"
    ran = plan(drillkit, text, "--json", "--html", "plan.html")
    assert ran.code == 0, ran.said
    assert "wrote plan.html" in ran.err
    page = (drillkit.folder / "plan.html").read_text()
    assert "would start</span>" in page
    assert "Nobody &lt;b&gt;waits&lt;/b&gt;." in page
    assert "get, patch, delete leases.coordination.k8s.io drillkit in namespace drillkit" in page
    assert "http://" not in page, "it needs nothing from elsewhere"
    schema = json.loads(drillkit("schema", "plan").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(ran.out), schema)
    frozen = f"guards: {{start: [{{freeze: {LONG_AGO_TO_LATER}}}]}}\n"
    data = json.loads(plan(drillkit, f"{HEAD}{frozen}{KILL}", "--json").out)
    assert data["would"] == "refuse"
    jsonschema.validate(data, schema)
