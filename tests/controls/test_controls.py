"""The auditor's matrix: supported, partly or not, with the reason, and never more than was
shown.
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from drillkit.archive.summary import RunSummary, StepMeasure, StepSummary
from drillkit.controls.assess import Matrix, Period, assess
from drillkit.controls.framework import NEEDS, framework, parse, shipped
from drillkit.controls.oscal import assessment_results
from drillkit.model.errors import UsageError
from drillkit.model.former_kinds import rehearsed
from drillkit.model.verdict import Holds
from drillkit.report.controls_page import controls_page
from tests.archive.conftest import DAY_S, summary
from tests.attest.conftest import Archive, sealed  # noqa: F401
from tests.conftest import CommandLine

BEGIN = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
YEAR = Period(BEGIN, BEGIN + 365 * DAY_S)


def step(uses: str, holds: Holds = Holds.MET, system: str = "") -> StepSummary:
    rehearsal = rehearsed(uses, None)
    return StepSummary(
        "it",
        uses,
        holds,
        "ok",
        system,
        {"rto": StepMeasure(60, 600)},
        way=rehearsal.way,
        apart=rehearsal.apart,
    )


def whole_year(**changed: Any) -> list[RunSummary]:
    """Each month a restore, a fault, a failover and a restore in another region."""
    steps = (
        step("rds.point-in-time-restore", system="orders-db"),
        step("chaostoolkit"),
        step("rds.failover"),
        step("rds.cross-region-restore", system="orders-db"),
    )
    return [summary(30 * month, steps=steps, **changed) for month in range(12)]


def matrix(name: str, runs: list[RunSummary], proof: Any = lambda run: "") -> Matrix:
    return assess(framework(name), runs, YEAR, proof, lambda run: True)


def shown(found: Matrix) -> dict[str, str]:
    return {each.control.id: each.shown for each in found.controls}


@pytest.mark.parametrize("name", shipped())
def test_of_no_runs_nothing_is_supported(name: str) -> None:
    found = matrix(name, [])
    for each in found.controls:
        assert each.shown == "not"
        assert all(need.why for need in each.needs)


@pytest.mark.parametrize("name", shipped())
def test_a_year_of_rehearsals_supports_what_one_account_can(name: str) -> None:
    for control, how in shown(matrix(name, whole_year())).items():
        assert how == ("partly" if control == "Art. 12(3)" else "supported"), control


def test_a_restore_in_the_same_account_is_only_partly_apart() -> None:
    found = matrix("dora", whole_year())
    (apart,) = [each for each in found.controls if each.control.id == "Art. 12(3)"]
    assert "same account" in apart.needs[0].why


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"emulated": True}, "emulated"),
        ({"exit_code": 4}, "refused"),
        ({"exit_code": 5}, "left behind"),
    ],
)
def test_what_is_no_rehearsal_never_counts(changed: dict[str, Any], why: str) -> None:
    found = matrix("soc2", whole_year(**changed))
    assert found.counted == ()
    assert all(why in each.why for each in found.excluded)
    assert set(shown(found).values()) <= {"not", "partly"}


def test_a_run_whose_files_are_not_proven_does_not_count() -> None:
    found = matrix("soc2", whole_year(), lambda run: "nobody signed it")
    assert found.counted == ()
    assert {each.why for each in found.excluded} == {"nobody signed it"}


def test_what_was_not_proven_supports_nothing() -> None:
    steps = (
        step("rds.point-in-time-restore", Holds.UNKNOWN, "db"),
        step("chaostoolkit", Holds.UNKNOWN),
    )
    runs = [summary(30 * n, steps=steps, holds=Holds.UNKNOWN) for n in range(12)]
    assert set(shown(matrix("iso27001", runs)).values()) == {"not"}


@pytest.mark.parametrize(
    ("runs", "how", "why"),
    [
        ([summary(1), summary(2)], "supported", "2 runs told people"),
        ([summary(1), summary(2, untold=1)], "partly", "4 messages were accepted, 1 was not"),
        ([summary(1), summary(2, told=0)], "partly", "1 of 2 runs told anybody"),
        ([summary(1, told=0, untold=3)], "not", "no run shows people who were told"),
    ],
)
def test_who_was_told_counts_by_what_was_accepted(
    runs: list[RunSummary], how: str, why: str
) -> None:
    found = matrix("pci", runs)
    (told,) = [need for need in found.controls[0].needs if need.need == "told"]
    assert (told.shown, why in told.why) == (how, True), told.why
    oscal = json.loads(assessment_results(found, datetime(2028, 1, 1, tzinfo=UTC)))
    (result,) = oscal["assessment-results"]["results"]
    sent = [
        f"{run.told} messages of it were accepted"
        if run.told or run.untold
        else "No message was sent of it"
        for run in runs
    ]
    assert [
        each["remarks"].partition(",")[0].rstrip(".") for each in result["observations"]
    ] == sent


@pytest.mark.parametrize(
    ("accepted", "how", "why"),
    [
        ({1, 2, 3}, "supported", "3 runs accepted"),
        ({2}, "partly", "1 of 3 runs accepted by a reviewer"),
        (set(), "not", "no run shows a reviewer who accepted it"),
    ],
)
def test_a_review_counts_where_a_norm_asks_for_one(accepted: set[int], how: str, why: str) -> None:
    runs = [summary(n) for n in (1, 2, 3)]
    names = {summary(n).run for n in accepted}
    found = assess(framework("hipaa"), runs, YEAR, lambda run: "", lambda run: run.run in names)
    (need,) = [need for need in found.controls[0].needs if need.need == "reviewed"]
    assert (need.shown, why in need.why, set(need.runs)) == (how, True, names), need.why


def test_runs_outside_the_period_are_not_looked_at() -> None:
    assert matrix("soc2", [summary(-1), summary(365)]).counted == ()


def test_a_gap_longer_than_promised_is_told_with_its_begin() -> None:
    runs = [run for number, run in enumerate(whole_year()) if number not in (4, 5, 6)]
    found = matrix("iso27001", runs)
    (backups,) = [each for each in found.controls if each.control.id == "A.8.13"]
    assert backups.shown == "partly"
    (cadence,) = [need for need in backups.needs if need.need == "cadence"]
    assert "120 days from 2027-04-01; promised: every 92 days" in cadence.why


def test_the_time_before_the_first_and_after_the_last_run_counts_as_a_gap() -> None:
    found = matrix("iso27001", [summary(180, steps=(step("rds.snapshot-restore", system="db"),))])
    (backups,) = [each for each in found.controls if each.control.id == "A.8.13"]
    assert "185 days from 2027-06-30" in backups.needs[1].why


def test_a_weakness_is_followed_up_when_a_later_run_shows_it_no_more() -> None:
    weak = summary(10, holds=Holds.VIOLATED, findings=("RTO of database",))
    still = summary(20, holds=Holds.VIOLATED, findings=("RTO of database",))
    mended = summary(30)

    def why(runs: list[RunSummary]) -> tuple[str, str]:
        (control,) = [c for c in matrix("soc2", runs).controls if c.control.id == "CC7.5"]
        need = control.needs[1]
        return need.shown, need.why

    assert why([weak, still])[0] == "not"
    assert weak.run in why([weak, still])[1]
    assert why([weak, still, mended])[0] == "supported"
    assert why([weak, summary(30, drill="another")])[0] == "not"


OSCAL_RESULT = {
    "type": "object",
    "required": ["uuid", "title", "description", "start", "reviewed-controls"],
    "properties": {
        "reviewed-controls": {
            "required": ["control-selections"],
            "properties": {"control-selections": {"type": "array", "minItems": 1}},
        },
        "observations": {
            "type": "array",
            "minItems": 1,
            "items": {"required": ["uuid", "description", "methods", "collected"]},
        },
        "findings": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["uuid", "title", "description", "target"],
                "properties": {
                    "target": {
                        "required": ["type", "target-id", "status"],
                        "properties": {
                            "type": {"enum": ["statement-id", "objective-id"]},
                            "target-id": {"pattern": r"^[a-zA-Z_][\w.-]*$"},
                            "status": {
                                "properties": {"state": {"enum": ["satisfied", "not-satisfied"]}}
                            },
                        },
                    }
                },
            },
        },
    },
}
OSCAL = {
    "type": "object",
    "required": ["assessment-results"],
    "properties": {
        "assessment-results": {
            "type": "object",
            "required": ["uuid", "metadata", "import-ap", "results"],
            "properties": {
                "metadata": {"required": ["title", "last-modified", "version", "oscal-version"]},
                "import-ap": {"required": ["href"]},
                "results": {"type": "array", "minItems": 1, "items": OSCAL_RESULT},
            },
        }
    },
}
"""What OSCAL 1.2.2 requires of assessment results, field by field."""


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("runs", [[], whole_year()], ids=["nothing", "a year"])
def test_oscal_has_its_required_fields_and_is_the_same_each_time(
    name: str, runs: list[RunSummary]
) -> None:
    made = datetime(2028, 1, 1, tzinfo=UTC)
    text = assessment_results(matrix(name, runs), made)
    assert text == assessment_results(matrix(name, runs), made)
    document = json.loads(text)
    jsonschema.validate(document, OSCAL)
    (result,) = document["assessment-results"]["results"]
    known = {each["uuid"] for each in result.get("observations", ())}
    used = {
        related["observation-uuid"]
        for finding in result["findings"]
        for related in finding.get("related-observations", ())
    }
    assert used <= known
    uuids = re.findall(r'"uuid": "([^"]+)"', text)
    assert len(uuids) == len(set(uuids))
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab].{3}-.{12}", u) for u in uuids
    )


def test_a_framework_of_ones_own_is_read_and_a_typo_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text("title: Ours\ncontrols: [{id: B1, asks: It comes back., needs: [restore]}]\n")
    assert framework(str(file)).controls[0].id == "B1"
    for text, told in (
        ("title: x\ncontrols: [{id: a, asks: b, needs: [restor]}]", "no need `restor`"),
        ("title: x\ncontrols: [{id: a, asks: b, needs: [cadence]}]", "belong together"),
        ("title: x\ncontrols: []", "no controls"),
        ("[", "expected `title` and `controls`"),
    ):
        with pytest.raises(UsageError, match=re.escape(told)):
            parse(text, "x", "x.yaml")
    with pytest.raises(UsageError, match="there are dora, gdpr"):
        framework("soc3")


def test_every_need_is_asked_by_some_control_that_ships() -> None:
    asked = {n for name in shipped() for c in framework(name).controls for n in c.needs}
    assert asked == set(NEEDS)


def test_the_page_never_says_compliant_of_anybody() -> None:
    page = controls_page(matrix("soc2", whole_year(drill="<b>")))
    assert "<b>" not in page.partition("<main>")[2].replace("<b></b>", "")
    assert "nothing here states compliance" in page
    assert "compliant" not in page


def test_the_command_counts_only_what_is_signed(
    drillkit: CommandLine,
    sealed: Archive,  # noqa: F811
) -> None:
    reports = ("--out", str(sealed.reports), "--period", "2027-01-01..2027-12-31")
    key = ("--key", str(sealed.key.with_suffix(".pub")))
    ran = drillkit("controls", "--framework", "soc2", *reports, *key)
    assert ran.code == 1, ran.said
    assert "3 runs count" in ran.out
    rows = list(
        csv.DictReader(
            io.StringIO(drillkit("controls", "--framework", "pci", *reports, *key, "--csv").out)
        )
    )
    assert [row["need"] for row in rows] == ["disruption", "told", "cadence"]
    unread = drillkit("controls", "--framework", "nist800-53", *reports, *key)
    assert "not        reviewed: no run shows a reviewer" in unread.out
    stranger = drillkit("controls", "--framework", "soc2", *reports)
    assert stranger.code == 2
    assert "whose signature counts?" in stranger.err
    json.loads(drillkit("controls", "--framework", "soc2", *reports, *key, "--oscal").out)
    wrong = drillkit("controls", "--framework", "soc2", "--period", "2027", *key)
    assert wrong.code == 2
    assert "expected two dates" in wrong.err
