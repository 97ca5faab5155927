"""What a record of a recovery test must hold, field by field: where each stands in the pages and in
the signed statement, and that what nobody said is said to be missing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any

import pytest

from drillkit.archive.summary import summarize
from drillkit.attest.manifest import Manifest
from drillkit.attest.statement import statements
from drillkit.judge import judge
from drillkit.model.records import History, RunOpened
from drillkit.report import render
from tests.golden.stories import history_of
from tests.judge.histories import Tape, drill

AUDIT = {
    "scope": {"in": ["shop"], "out": ["billing"]},
    "scenario": {"type": "switchover", "announced": False},
    "references": {"risk": "R-17", "change": "CHG-1203"},
    "objectives_from": "board, BIA 2026-03",
    "participants": {"ada@example.com": "incident lead"},
    "informed": ["support desk"],
    "approved": "CAB 2026-W40",
    "remedy": {"violated": "30d"},
    "tickets": {"step/database/comparison/settings/microservices-dev-db": "OPS-12"},
    "retention": "7 years, s3://evidence",
}


@dataclass(frozen=True)
class Field:
    """`shown`: what both pages must say where it is known; `lacking`: what they say where it is
    not; `signed`: a path in the signed statement, with '' for nothing to look for.
    """

    shown: tuple[str, ...]
    lacking: tuple[str, ...] = ()
    signed: str = ""


FIELDS = {
    "1 test id": Field(("20270115-080000-x7k2",), signed="run"),
    "2 start, end, zone": Field(
        ("2027-01-15 08:00:00 UTC to 2027-01-15 08:25:00 UTC", "Europe/Berlin"), signed="started"
    ),
    "3 owner, operator, participants, told": Field(
        ("platform@example.com", "ada@runner-1", "ada@example.com: incident lead", "#drills"),
        ("Participants not stated", "To be told before not stated", "no message was sent"),
        "told",
    ),
    "4 boundary": Field(
        ("cluster 6f8f3a52", "account 123456789012", "region eu-central-1", "billing"),
        ("Scope not stated", "Not in scope not stated", "clusters, regions not recorded"),
        "audit.scope.out",
    ),
    "5 scenario, references": Field(
        ("switchover test", "not announced", "risk: R-17"),
        ("Scenario not stated", "References not stated"),
        "audit.scenario.type",
    ),
    "6 objectives, by whom, measured": Field(
        ("database: RTO 45 min, RPO 10 min", "board, BIA 2026-03", "21 min 32 s"),
        ("Objectives none is declared", "Objectives set by not stated"),
        "objectives.database.rto",
    ),
    "7 effects and undo": Field(("2 made, 2 gone",), ("nothing was changed",), "undos.undone"),
    "8 backup": Field(
        ("db-XYZ", "20 GiB", "encrypted (arn:aws:kms", "NOT immutable", "5 min 20 s old"),
        ("Backups restored nothing was restored",),
        "backups",
    ),
    "9 population and sample": Field(
        ("the latest moment of 2027-01-08",), ("How they were chosen nothing",), "backups"
    ),
    "10 checks": Field(("canary heartbeat", "more than 0", "12043"), ("none was read",), "checks"),
    "11 isolation": Field(
        ("partly, beside the source",), ("Restored apart from the source nothing",)
    ),
    "12 deviations": Field(("Deviations none",)),
    "13 findings": Field(
        ("severity high", "bob@example.com", "2027-02-14", "OPS-12", "drillkit history"),
        signed="findings",
    ),
    "14 approval, review": Field(
        ("CAB 2026-W40", "ada, who signed the plan with SHA-256 2c2c", "drillkit verify"),
        ("Approved before by not stated",),
        "approvedBy",
    ),
    "15 controls": Field(("Controls it supports", "drillkit controls")),
    "16 period, next, frequency": Field(
        ("monthly, after this run on 2027-02-15", "Audit period"),
        ("the drill has no cadence",),
        "cadence",
    ),
    "17 versions and digests": Field(
        ("chaostoolkit-lib 1.44.0", "0a0a0a", "2c2c2c", "time stamp"), signed="digests.plan"
    ),
    "18 retention": Field(
        ("7 years, s3://evidence",), ("Retention not stated",), "audit.retention"
    ),
    "19 emulated": Field(("Not real all is real",)),
}


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def flat(name: str, page: str) -> str:
    """What a reader sees, without marks, on one line; case is lowered."""
    if name.endswith(".html"):
        reader = _Text()
        reader.feed(page)
        page = " ".join(reader.said)
    for mark in ("|", "`", "\\", "*"):
        page = page.replace(mark, " ")
    return " ".join(page.replace("\N{NO-BREAK SPACE}", " ").lower().split())


def told() -> History:
    """The stored restore, of which everything was said."""
    history = history_of("restore")
    record = history[0]
    data: dict[str, Any] = json.loads(json.dumps(record.data))
    data["drill"]["audit"] = AUDIT
    data["target"]["aws"] = {"account": "123456789012", "region": "eu-central-1"}
    data["digests"] |= {"plan": "2c" * 32, "approval by ada": "3d" * 32}
    return (replace(record, data=data), *history[1:])


def silent() -> History:
    """A run of which nobody said anything."""
    tape = Tape(drill(owner="", steps=[{"name": "look", "uses": "wait"}]))
    return tape.phase("steps", 1, 2).closed(3).history()


@pytest.fixture(scope="module")
def pages() -> dict[str, dict[str, str]]:
    """Both pages of both runs, as a reader sees them."""
    return {
        story: {
            name: flat(name, page)
            for name, page in render(history, judge(history), "hash").items()
            if name in ("report.md", "report.html")
        }
        for story, history in (("told", told()), ("silent", silent()))
    }


@pytest.mark.parametrize("page", ["report.md", "report.html"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_stands_in_each_page_or_is_said_to_be_missing(
    pages: dict[str, dict[str, str]], field: str, page: str
) -> None:
    for text in FIELDS[field].shown:
        assert text.lower().replace(": ", " ") in pages["told"][page].replace(": ", " "), text
    for text in FIELDS[field].lacking:
        assert text.lower() in pages["silent"][page], text


def signed(history: History) -> Any:
    first = history[0].entry
    assert isinstance(first, RunOpened)
    manifest = Manifest(first.run, first.drill_name, first.target_name, {})
    _, ours = statements(manifest, "0" * 64, history, first, judge(history), 2)
    return json.loads(ours)["predicate"]


def test_a_field_stands_in_what_is_signed_or_is_named_there_as_not_stated() -> None:
    said, unsaid = signed(told()), signed(silent())
    for name, field in FIELDS.items():
        found: Any = said
        for part in filter(None, field.signed.split(".")):
            found = found[part]
        assert found, name
    assert said["notStated"] == []
    stated = {"scope", "scenario", "objectives_from", "references", "participants", "informed"}
    assert {*stated, "approved", "retention"} <= set(unsaid["notStated"])
    assert said["told"][2]["accepted"] is False
    assert said["findings"][0]["ticket"] == "OPS-12"


@pytest.mark.parametrize(
    ("target", "real"),
    [
        ({"name": "prod"}, True),
        ({"name": "sandbox", "emulated": ["all"]}, False),
        ({"name": "prod", "of a later version": 1}, True),
        ({"name": "sandbox", "emulated": ["all"], "of a later version": 1}, False),
        ("a target of another shape", False),
    ],
)
def test_what_is_not_known_to_be_real_is_no_evidence(target: Any, real: bool) -> None:
    history = silent()
    history = (replace(history[0], data={**history[0].data, "target": target}), *history[1:])
    run = summarize(history)
    assert run is not None
    assert run.emulated is not real
    assert bool(signed(history)["emulated"]) is not real
    said = flat("report.md", render(history, judge(history), "hash")["report.md"])
    assert ("not real all is real" in said) is real
