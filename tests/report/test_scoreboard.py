"""The first page's table: each system with its numbers, how they were measured, what users lost,
what became of the effects.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from drillkit.judge import judge
from drillkit.judge.run_history import read_run
from drillkit.model.verdict import Holds
from drillkit.report import render
from drillkit.report.scoreboard import NOBODY_WATCHED, SystemRow, made_and_gone, scoreboard
from tests.golden.stories import history_of
from tests.judge.histories import Tape, drill, pod_delete


def board(history: Any) -> dict[str, SystemRow]:
    rows = scoreboard(history, read_run(history), judge(history))
    return {f"{row.kind} {row.name}": row for row in rows}


def test_a_database_stands_with_its_times_its_objectives_and_how_they_were_measured() -> None:
    row = board(history_of("restore"))["database microservices-dev-db"]
    (rto,), (rpo,) = row.rto, row.rpo
    assert (rto.value, rto.objective, rto.holds) == ("21 min 32 s", "45 min", Holds.MET)
    assert "simulated" in rto.how
    assert (rpo.value, rpo.objective, rpo.holds) == ("28.5 s", "10 min", Holds.MET)
    assert "heartbeat" in rpo.how
    assert (row.damage, row.undone, row.clean) == ((), "1 made, 1 gone", True)


def test_a_service_stands_with_what_users_lost_against_its_bounds() -> None:
    rows = board(history_of("violated"))
    assert list(rows) == ["service orders-through-the-front-page", "service web"], (
        "a control probe is no system"
    )
    lost, gap = rows["service orders-through-the-front-page"].damage
    assert (lost.value, lost.objective, lost.holds) == (
        "31 of 140 requests lost",
        "20",
        Holds.VIOLATED,
    )
    assert (gap.value, gap.objective) == ("longest gap 3.2 s", "1 s")
    (recovered,) = rows["service web"].rto
    assert (recovered.step, recovered.value, recovered.objective) == ("kill", "3.1 s", "2 min")
    assert "workload whole in 3 s" in recovered.how
    assert rows["service web"].undone == "1 made, 1 gone, 9 not reversible"


def test_what_has_no_bound_is_observed_and_not_judged() -> None:
    gap = next(f for f in board(history_of("violated"))["service web"].damage if "gap" in f.value)
    assert (gap.holds, gap.how) == (None, "observed, not judged")


def test_a_disturbance_that_nobody_watched_is_said_to_be_one() -> None:
    (row,) = board(history_of("unwatched")).values()
    assert [figure.value for figure in row.damage] == [NOBODY_WATCHED]


def test_an_objective_that_was_not_measured_says_why() -> None:
    step = {
        "name": "db",
        "uses": "rds.snapshot-restore",
        "with": {"source": "shop"},
        "objectives": {"rto": "45m", "rpo": "1h"},
    }
    tape = Tape(drill(steps=[step])).phase("steps", 1, 9)
    tape.add(1, "step.started", on="db", uses=step["uses"], disturbs="none", group="")
    history = tape.add(9, "step.ended", on="db", outcome="ok", why="").closed(10).history()
    row = board(history)["database shop"]
    assert [(f.value, f.objective, f.holds) for f in (*row.rto, *row.rpo)] == [
        ("not measured", "45 min", Holds.UNKNOWN),
        ("not measured", "1 h", Holds.UNKNOWN),
    ]
    assert row.rto[0].how == "nothing says when the disruption was"


def test_what_is_left_is_counted_and_named() -> None:
    row = board(history_of("dirty"))["service web"]
    assert not row.clean
    assert row.undone == "4 made, 2 gone, 1 left, 1 kept on purpose"
    page = render(history_of("dirty"), judge(history_of("dirty")), "hash")["report.md"]
    assert "rds/drill-copy" in page.partition("## At a glance")[0], "what is left stands first"


def test_an_effect_takes_one_line_and_its_list_is_folded() -> None:
    tape = pod_delete()
    for i in range(14):
        name = f"configmap/shop/c{i}"
        tape.undo(9.1, name, phase="remove")
        done: dict[str, Any] = {"detail": f"{name} is gone", "attempts": 1}
        tape.add(27.5, "undo.ended", of=name, outcome="undone", **done)
    history = tape.history()
    verdict = judge(history)
    made = [undo for undo in verdict.undos if undo.resource.startswith("configmap/")]
    assert made_and_gone(made) == "14 made, 14 gone"
    texts = render(history, verdict, "hash")
    for file in ("report.html", "report.md"):
        assert re.search(r"<details[^>]*><summary>.*14 made, 14 gone", texts[file])


@pytest.mark.parametrize("file", ["report.html", "report.md"])
def test_a_report_opens_with_verdict_table_not_proven_and_findings(file: str) -> None:
    history = history_of("restore")
    page = render(history, judge(history), "hash")[file]
    wanted = (
        "violated: database: settings",
        "At a glance",
        "Not proven",
        "Findings",
        "What happened when",
        "Steps",
    )
    places = [page.index(text) for text in wanted]
    assert places == sorted(places)


def test_times_are_told_in_the_zone_of_the_drill_too() -> None:
    history = history_of("restore")
    page = render(history, judge(history), "hash")["report.md"]
    assert "2027-01-15 08:00:00 UTC (2027-01-15 09:00:00 CET Europe/Berlin)" in page
    assert "- 08:16:40 / 09:16:40 (+16:40.0) database: restored" in page
    assert "Europe" not in render(history_of("met"), judge(history_of("met")), "hash")["report.md"]


def test_how_fast_people_noticed_and_acted_stands_beside_how_fast_it_recovered() -> None:
    wanted = {"recovery": "2m", "detect": {"alert": "Down", "within": "1m"}, "mitigate": "5m"}
    of = drill(steps=[{"name": "kill", "uses": "chaostoolkit", "objectives": wanted}])
    tape = Tape(of).phase("steps", 1, 90).step("kill", 1, 90)
    tape.mark("kill", disrupted=2, acknowledged=20, mitigated=62, recovered=70)
    row = next(iter(board(tape.closed(91).history()).values()))
    said = {figure.value: figure.objective for figure in row.rto}
    assert said["acknowledged in 18 s"] == ""
    assert said["mitigated in 1 min"] == "5 min"
    assert said["detection not measured"] == "1 min"
