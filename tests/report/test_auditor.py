"""What auditors ask, answered as far as it was said or seen, and said to be missing where not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from drillkit.controls.framework import shipped
from drillkit.judge import judge
from drillkit.judge.run_history import read_run
from drillkit.model.codec import to_data
from drillkit.model.draw import moment, position
from drillkit.model.evidence import Backup, Check
from drillkit.report import render
from drillkit.report.auditor import answers, supported
from tests.golden.stories import PROD, ended, history_of, opened
from tests.judge.histories import HYPOTHESIS, KILL, drill, pod_delete


def asked(history: Any) -> dict[str, tuple[str, ...]]:
    return {a.asked: a.said for a in answers(read_run(history), judge(history))}


def restore_of(uses: str, *seen: Backup, **arguments: Any) -> dict[str, tuple[str, ...]]:
    step = {"name": "db", "uses": uses, "with": arguments}
    tape = opened(drill(steps=[step])).phase("steps", 1, 9)
    tape.add(1, "step.started", on="db", uses=uses, disturbs="none", group="")
    for each in seen:
        tape.see(2, each, step="db")
    tape.add(9, "step.ended", on="db", outcome="ok", why="")
    return asked(tape.closed(10).history())


def test_what_the_drill_says_stands_in_the_report() -> None:
    found = asked(history_of("restore"))
    assert found["Scope"] == ("shop", "its database")
    assert found["Not in scope"] == ("billing",)
    assert found["Scenario"] == ("component test", "announced")
    assert found["References"] == ("plan: DRP 4.2",)
    assert found["Participants"] == ("ada@example.com: incident lead",)
    assert found["Frequency promised"][0].startswith("monthly")
    for file in ("report.html", "report.md"):
        page = render(history_of("restore"), judge(history_of("restore")), "hash")[file]
        assert "incident lead" in page


def test_what_nobody_said_is_said_to_be_missing() -> None:
    history = history_of("met")
    found = asked(history)
    assert found["Scope"] == found["Retention"] == found["To be told before"] == ()
    page = render(history, judge(history), "hash")["report.md"]
    assert "| Retention | not stated" in page
    assert "| Backups restored | nothing was restored |" in page
    html = render(history, judge(history), "hash")["report.html"]
    assert '<span class="unknown">not stated: ' in html
    assert "<code>audit</code> may say it" in html
    assert '<span class="soft">nothing was restored</span>' in html


def test_a_target_speaks_for_its_drills_and_a_drill_goes_before_it() -> None:
    of = drill(audit={"retention": "1 year", "references": {"plan": "DRP 5"}, "informed": ["ops"]})
    target = {
        "name": "prod",
        "audit": {
            "retention": "7 years, s3://evidence",
            "objectives_from": "board, 2026-03",
            "references": {"plan": "DRP 4", "risk": "R-17"},
            "informed": ["board", "ops"],
        },
    }
    found = asked(opened(of, target).closed(1).history())
    assert found["Retention"] == ("1 year",)
    assert found["Objectives set by"] == ("board, 2026-03",)
    assert found["References"] == ("plan: DRP 5", "risk: R-17")
    assert found["To be told before"] == ("ops", "board")


@pytest.mark.parametrize(
    ("uses", "arguments", "chosen", "apart"),
    [
        ("velero.restore", {"schedule": "daily"}, "the newest good one", "sealed namespaces"),
        ("velero.restore", {"backup": "b-17"}, "b-17, by its name", "sealed namespaces"),
        (
            "rds.snapshot-restore",
            {"source": "db"},
            "the newest good one",
            "same account and region",
        ),
        ("rds.snapshot-restore", {"source": "db", "from": "fresh"}, "took itself", "same account"),
        ("rds.cross-region-restore", {"source": "db"}, "the newest good one", "another region"),
        ("rds.point-in-time-restore", {"source": "db", "to": "latest"}, "the point latest", "same"),
    ],
)
def test_a_restore_is_never_more_apart_than_it_was(
    uses: str, arguments: dict[str, str], chosen: str, apart: str
) -> None:
    found = restore_of(uses, **arguments)
    assert chosen in found["How they were chosen"][0]
    assert "not recorded" in found["How they were chosen"][0]
    assert found["Restored apart from the source"][0].startswith("db: partly, ")
    assert apart in found["Restored apart from the source"][0]


NAMES = ("b-1", "b-2", "b-3")
DRAWN = NAMES[position("run/db", NAMES)]
WEEK = (datetime(2027, 1, 8, tzinfo=UTC), datetime(2027, 1, 15, tzinfo=UTC))


@pytest.mark.parametrize(
    ("backup", "said"),
    [
        ({"how": "latest", "among": NAMES}, "the latest of 3: 1 of 3 tested"),
        ({"how": "named", "among": NAMES}, "b-3, by its name: number 3 of 3"),
        ({"how": "named"}, "how many others there are: not recorded"),
        ({"how": "fresh"}, "took itself"),
        (
            {"how": "random", "among": NAMES, "seed": "run/db", "name": DRAWN},
            "of 3 (b-1 to b-3), drawn at random with the seed run/db; drawn again it is the same",
        ),
        (
            {"how": "random", "among": NAMES, "seed": "other", "name": "b-0"},
            "DRAWN AGAIN IT IS ANOTHER ONE",
        ),
        ({"how": "latest", "between": WEEK}, "the latest moment of 2027-01-08 00:00:00 UTC to"),
        (
            {"how": "random", "between": WEEK, "seed": "s", "moment": moment("s", *WEEK)},
            "drawn again it is the same",
        ),
    ],
)
def test_population_and_sample_are_told_and_a_draw_is_made_once_more(
    backup: dict[str, Any], said: str
) -> None:
    seen = Backup(**{"name": "b-3", "of": "schedule daily", **backup})
    found = restore_of("velero.restore", seen, schedule="daily")
    assert said in found["How they were chosen"][0]


@pytest.mark.parametrize(
    ("backup", "said"),
    [
        ({"encrypted": True, "kms_key": "k-1"}, "encrypted (k-1); immutability not known"),
        (
            {"encrypted": False, "immutable": False, "lock": "none"},
            "NOT encrypted; NOT immutable (none)",
        ),
        (
            {"immutable": True, "immutable_until": WEEK[1], "lock": "Object Lock, COMPLIANCE"},
            "immutable until 2027-01-15 00:00:00 UTC (Object Lock, COMPLIANCE)",
        ),
        ({"bytes": 5 * 1024**3, "counted": "its archive"}, "5.0 GiB (its archive)"),
        ({"place": "s3://b/velero", "region": "eu-central-1"}, "in s3://b/velero, eu-central-1"),
        ({"unread": ("vault: denied",)}, "vault: denied"),
    ],
)
def test_a_backup_is_told_as_its_keeper_tells_it_and_never_better(
    backup: dict[str, Any], said: str
) -> None:
    seen = Backup(**{"name": "b-3", "of": "schedule daily", "how": "latest", **backup})
    assert said in restore_of("velero.restore", seen, schedule="daily")["Backups restored"][0]


def test_a_finding_has_its_severity_and_the_date_and_ticket_that_the_drill_gives_it() -> None:
    said = {
        "remedy": {"violated": "14d", "unknown": "90d"},
        "tickets": {"during/web/bad": "OPS-12"},
    }
    probes = {"web": {"http": "http://shop/health"}}
    of = drill(probes=probes, hypothesis=HYPOTHESIS, steps=[KILL], audit=said)
    tape = pod_delete(of, bad=[(21.0, 31.0)])
    verdict = judge(tape.history())
    broken = next(f for f in verdict.findings if str(f.about) == "during/web/bad")
    last = verdict.ended.date() if verdict.ended else date.min
    assert (broken.severity, broken.ticket) == ("high", "OPS-12")
    assert broken.due is not None
    assert (broken.due - last).days == 14
    assert to_data(broken)["ticket"] == "OPS-12"
    others = [f for f in verdict.findings if f.holds == "unknown"]
    assert all(f.severity == "medium" and f.due and (f.due - last).days == 90 for f in others)


def test_an_action_item_keeps_the_date_that_a_person_gave_it() -> None:
    item = judge(history_of("restore")).findings[-1]
    assert (item.severity, str(item.due)) == ("low", "2027-01-29")


def test_a_run_names_the_controls_that_it_supports_and_one_on_a_sandbox_none() -> None:
    uses = "rds.snapshot-restore"
    given = {"with": {"source": "orders-db"}, "objectives": {"rto": "1h"}}
    of = drill(steps=[{"name": "db", "uses": uses, **given}])
    tape = opened(of, PROD).phase("steps", 1, 90)
    tape.add(1, "step.started", on="db", uses=uses, disturbs="none", group="")
    tape.add(90, "step.ended", on="db", outcome="ok", why="").mark(
        "db", disrupted=2, restored=60, verified=80
    )
    tape.see(79, Check("rows of orders", "restored-data", 1, ">=", 812), step="db")
    history = ended(tape, 91).history()
    found = supported(history, judge(history))
    said = dict(text.split(": ", 1) for text in found.said)
    assert set(shipped()) - set(said) == {"pci"}, "which asks for a cadence"
    assert "A1.3 (restore, objectives)" in said["soc2"]
    for story in ("met", "refused", "dirty"):
        history = history_of(story)
        assert supported(history, judge(history)).said == ()
