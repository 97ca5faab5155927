"""Restores and detection: RTO, RPO and time to detect, from marks, recovery points and alerts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from drillkit.judge import judge
from drillkit.model.evidence import Alert, Check, Comparison, Mark, Reading, RecoveryPoint
from drillkit.model.subjects import CheckOf, ObjectiveOf
from drillkit.model.verdict import Holds, Judged, Verdict
from tests.judge.histories import EPOCH, Tape, drill

MET, UNKNOWN, VIOLATED = Holds.MET, Holds.UNKNOWN, Holds.VIOLATED


def date(at: float) -> datetime:
    return datetime.fromtimestamp(EPOCH + at, UTC)


def restore(
    outcome: str = "ok",
    *,
    verified: bool = True,
    checks: list[Check] | None = None,
    points: list[RecoveryPoint] | None = None,
    **objectives: str,
) -> Tape:
    """A restore from 100 s to 1500 s; data lost at 100 s."""
    step: dict[str, Any] = {
        "name": "database",
        "uses": "rds.point-in-time-restore",
        "objectives": objectives,
    }
    step["checks"] = [{"sql": "select count(*) from orders", "expect": "> 0"}]
    tape = Tape(drill(steps=[step]), clock_offsets={"database": 0.2, "aws": -0.7}).phase(
        "steps", 90, 1500
    )
    tape.step("database", 100, 1500, outcome)
    tape.mark(
        "database", disrupted=100, decided=130, started=140, restored=1100, ready=1300, warm=1350
    )
    if verified:
        tape.mark("database", verified=1400)
    read = Check("orders", "restored-data", 0, ">", 812)
    tape.see(1390, *([read] if checks is None else checks), step="database")
    return tape.see(1395, *(points or []), step="database").closed(1501)


def objective(verdict: Verdict, name: Any) -> Judged:
    return next(j for j in verdict.steps[0].judged if j.about == ObjectiveOf("database", name))


def test_rto_runs_from_the_disruption_to_the_last_passing_check_and_its_parts_add_up() -> None:
    verdict = judge(restore(rto="30m").history())
    step = verdict.steps[0]
    assert verdict.exit_code == 0
    assert verdict.headline == "met: RTO 21 min 40 s (bound 30 min)"
    assert step.rto_s == pytest.approx(1300)
    assert step.split_s == pytest.approx(
        {"decide": 30, "queue": 10, "restore": 960, "ready": 200, "warm": 50, "verify": 50}
    )
    assert sum(step.split_s.values()) == pytest.approx(1300)


def test_an_rto_that_took_too_long_is_violated() -> None:
    verdict = judge(restore(rto="20m").history())
    assert verdict.exit_code == 1
    assert verdict.headline == "violated: RTO 21 min 40 s (bound 20 min)"


@pytest.mark.parametrize(("rto", "holds"), [("20m", VIOLATED), ("30m", UNKNOWN)])
def test_a_restore_that_never_verified_misses_its_rto_once_it_has_passed(
    rto: str, holds: Holds
) -> None:
    judged = objective(judge(restore("cut", verified=False, rto=rto).history()), "rto")
    assert (judged.holds, judged.observed) == (holds, "not restored after 23 min 20 s")


def test_an_rto_that_nobody_measured_is_unknown() -> None:
    verdict = judge(restore(verified=False, rto="10m").history())
    assert objective(verdict, "rto").observed == "not measured: no last passing check"
    assert verdict.exit_code == 3


def test_a_restore_whose_data_nobody_read_is_unknown_however_fast_it_was() -> None:
    verdict = judge(
        restore(checks=[Check("pods ready", "step", True, "==", True)], rto="30m").history()
    )
    assert verdict.exit_code == 3
    assert "nobody read the restored data" in verdict.headline


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        (Check("orders", "restored-data", 0, ">", 0), VIOLATED),
        (Check("orders", "restored-data", 0, ">", None, why="relation does not exist"), UNKNOWN),
        (Check("orders", "restored-data", "> 0", "matches", 3), VIOLATED),
        (Check("orders", "restored-data", "(", "matches", "x"), UNKNOWN),
        (Check("orders", "restored-data", 5, "==", "5"), MET),
        (Check("orders", "restored-data", 5, ">=", "many"), UNKNOWN),
        (Check("orders", "restored-data", "^o", "matches", "ok"), MET),
        (Check("orders", "restored-data", "ok", "!=", "ok"), VIOLATED),
        (Check("orders", "restored-data", 5, "<=", 5), MET),
        (Check("orders", "restored-data", 0, ">", float("nan")), VIOLATED),
    ],
)
def test_a_check_is_compared_by_the_judge(check: Check, holds: Holds) -> None:
    verdict = judge(restore(checks=[check], rto="30m").history())
    assert (
        next(j for j in verdict.steps[0].judged if j.about == CheckOf("database", "orders")).holds
        is holds
    )


def test_only_the_last_attempt_of_a_check_counts() -> None:
    tries = [
        Check("orders", "restored-data", 0, ">", None, why="starting up"),
        Check("orders", "restored-data", 0, ">", 3),
    ]
    assert judge(restore(checks=tries, rto="30m").history()).exit_code == 0


def test_a_declared_check_that_did_not_run_proves_nothing() -> None:
    verdict = judge(restore(checks=[], rto="30m").history())
    assert verdict.exit_code == 3
    assert any(f.observed == "0 ran; a skipped check proves nothing" for f in verdict.findings)


@pytest.mark.parametrize(
    ("basis", "at", "rpo", "holds", "note"),
    [
        ("canary", 95, "10s", MET, "by the heartbeat"),
        ("canary", 80, "10s", VIOLATED, "by the heartbeat"),
        ("newest-row", 95, "10s", MET, "by the newest row, a lower bound of the recovery point"),
        (
            "newest-row",
            80,
            "10s",
            UNKNOWN,
            "by the newest row, a lower bound of the recovery point",
        ),
        ("snapshot", 95, "10s", UNKNOWN, "promised (snapshot), not read from the restored data"),
        (
            "latest-restorable",
            80,
            "10s",
            VIOLATED,
            "promised (latest-restorable), not read from the restored data",
        ),
        ("canary", 101, "10s", MET, "by the heartbeat"),
    ],
)
def test_rpo_by_what_was_found_in_the_restored_data(
    basis: Any, at: float, rpo: str, holds: Holds, note: str
) -> None:
    verdict = judge(restore(points=[RecoveryPoint(date(at), basis, date(100))], rpo=rpo).history())
    judged = objective(verdict, "rpo")
    assert (judged.holds, judged.note) == (holds, f"{note}; clocks apart by up to 0.7 s")
    assert judged.observed == f"RPO {max(0, 100 - at)} s"
    assert (verdict.steps[0].rpo_s is not None) == (basis in ("canary", "newest-row"))


def test_the_heartbeat_is_preferred_to_what_the_provider_promises() -> None:
    points = [
        RecoveryPoint(date(10), "canary", date(100)),
        RecoveryPoint(date(99), "latest-restorable", date(100)),
    ]
    assert (
        objective(judge(restore(points=points, rpo="1m").history()), "rpo").observed == "RPO 90 s"
    )


def test_rpo_without_a_date_of_the_loss_counts_from_the_mark() -> None:
    verdict = judge(restore(points=[RecoveryPoint(date(95), "canary")], rpo="10s").history())
    assert objective(verdict, "rpo").observed == "RPO 5 s"


def test_an_rpo_with_no_record_found_is_unknown() -> None:
    assert objective(judge(restore(rpo="10s").history()), "rpo").holds is UNKNOWN


def test_a_simulated_disruption_is_said_to_be_one() -> None:
    tape = restore(rto="30m").see(99, Mark("disrupted", 99.0, simulated=True), step="database")
    verdict = judge(tape.history())
    assert "simulated disruption" in objective(verdict, "rto").note
    assert verdict.not_proven == (
        "RTO of step database in a real disaster: the disruption was simulated, so nothing was "
        "really lost",
        "that users were served while steps ran: no probe watched it",
    )


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        (Comparison("settings", "db", 40, (("class", "r6g", "t3"),), allowed=("class",)), MET),
        (
            Comparison(
                "settings",
                "db",
                40,
                (("class", "r6g", "t3"), ("ssl", "1", "0")),
                allowed=("class",),
            ),
            VIOLATED,
        ),
        (Comparison("objects", "shop", 0, ()), UNKNOWN),
        (Comparison("checksums", "orders", 12, ()), MET),
    ],
)
def test_what_differs_and_is_not_allowed_violates(comparison: Comparison, holds: Holds) -> None:
    verdict = judge(restore(rto="30m").see(1391, comparison, step="database").history())
    about = f"step/database/comparison/{comparison.of}/{comparison.subject}"
    assert next(j for j in verdict.steps[0].judged if str(j.about) == about).holds is holds


def detecting(
    *evidence: tuple[float, Alert | Reading], within: str = "2m", disrupted: bool = True
) -> Tape:
    step = {
        "name": "database",
        "uses": "chaostoolkit",
        "objectives": {"detect": {"alert": "ShopDown", "within": within}},
    }
    tape = Tape(drill(steps=[step])).phase("steps", 90, 400).step("database", 90, 400)
    if disrupted:
        tape.mark("database", disrupted=100)
    for at, one in evidence:
        tape.see(at, one)
    return tape.closed(401)


def alert(since: float, name: str = "ShopDown") -> Alert:
    return Alert(name, {"severity": "critical"}, "firing", date(since))


def alerts_read(at: float, total: float | None = 0.0) -> tuple[float, Reading]:
    return at, Reading("alerts", "ALERTS", 0.0, total, total)


def test_time_to_detect_runs_from_the_injection_to_the_alert() -> None:
    verdict = judge(detecting((165, alert(160.5)), (150, alert(150, "Other"))).history())
    assert verdict.headline == "met: detected in 60.5 s (bound 2 min)"
    assert verdict.steps[0].detect_s == pytest.approx(60.5)


def test_an_alert_that_came_too_late_is_violated() -> None:
    assert judge(detecting((165, alert(160.5)), within="30s").history()).exit_code == 1


@pytest.mark.parametrize(
    ("evidence", "holds"),
    [
        ((), UNKNOWN),  # perhaps nobody could read alerts
        ((alerts_read(350.0, None),), UNKNOWN),
        ((alerts_read(350.0),), VIOLATED),
        ((alerts_read(150.0),), UNKNOWN),  # nobody looked long enough
        (((95.0, alert(95)),), UNKNOWN),  # it was firing before the injection
    ],
)
def test_an_alert_that_did_not_fire_is_violated_only_if_alerts_could_be_read(
    evidence: Any, holds: Holds
) -> None:
    assert objective(judge(detecting(*evidence).history()), "detect").holds is holds


def test_a_detection_without_an_injection_is_unknown() -> None:
    assert (
        objective(judge(detecting((165, alert(160)), disrupted=False).history()), "detect").holds
        is UNKNOWN
    )


def test_a_person_who_noticed_counts_where_no_alert_is_declared() -> None:
    tape = restore(rto="30m").mark("database", detected=130)
    assert judge(tape.history()).steps[0].detect_s == pytest.approx(30)


def recovering(outcome: str, recovered: float | None, recovery: str = "10s", bad: Any = ()) -> Tape:
    step = {"name": "database", "uses": "chaostoolkit", "objectives": {"recovery": recovery}}
    tape = Tape(drill(steps=[step])).phase("steps", 9, 40).step("database", 9, 40, outcome)
    tape.probe("web", 0, 50, bad=bad).mark("database", disrupted=10)
    return (tape if recovered is None else tape.mark("database", recovered=recovered)).closed(51)


HELD = [("disrupted", 10), ("released", 30), ("recovered", 33)]


@pytest.mark.parametrize(
    ("moments", "bad", "observed"),
    [
        (HELD, [(11, 29.5)], "recovered in 3 s"),
        (HELD, [(11, 35)], "recovered in 5 s"),
        ([*HELD, ("disrupted", 40), ("recovered", 47)], (), "recovered in 7 s"),
        ([*HELD, ("disrupted", 40), ("recovered", 41)], (), "recovered in 3 s"),
        ([("disrupted", 10), ("disrupted", 11), ("recovered", 12), ("recovered", 16)], (), "6 s"),
        ([("disrupted", 10), *HELD, ("released", 35), ("recovered", 36)], (), "recovered in 3 s"),
        ([*HELD, ("disrupted", 40)], (), "not recovered after 10 s"),
    ],
)
def test_recovery_is_from_when_a_fault_was_let_go_and_the_slowest_decides(
    moments: list[tuple[Any, float]], bad: Any, observed: str
) -> None:
    step = {"name": "database", "uses": "chaostoolkit", "objectives": {"recovery": "20s"}}
    failed = moments[-1][0] == "disrupted"
    tape = Tape(drill(steps=[step])).phase("steps", 9, 50)
    tape.step("database", 9, 50, "failed" if failed else "ok").probe("web", 0, 60, bad=bad)
    for moment, at in moments:
        tape.mark("database", **{moment: at})
    judged = objective(judge(tape.closed(61).history()), "recovery")
    assert judged.observed.endswith(observed)


@pytest.mark.parametrize(
    ("outcome", "recovered", "bad", "holds", "observed"),
    [
        ("ok", 15, (), MET, "recovered in 5 s"),
        ("ok", 15, [(11, 18)], MET, "recovered in 8 s"),
        ("ok", 15, [(11, 22)], VIOLATED, "recovered in 12 s"),
        ("ok", 15, [(30, 99)], VIOLATED, "not recovered after 41 s"),
        ("ok", None, (), UNKNOWN, "not measured: it was not seen whole again"),
        ("failed", None, (), VIOLATED, "not recovered after 30 s"),
    ],
)
def test_recovery_waits_for_the_workload_and_for_its_users(
    outcome: str, recovered: float | None, bad: Any, holds: Holds, observed: str
) -> None:
    judged = objective(judge(recovering(outcome, recovered, bad=bad).history()), "recovery")
    assert (judged.holds, judged.observed) == (holds, observed)
