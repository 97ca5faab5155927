"""Clocks that are apart, or set while a run goes on: an RPO is corrected, or unknown, never
bent.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drillkit.judge import judge
from drillkit.model.evidence import Alert, Backup, Check, Reading, RecoveryPoint
from drillkit.model.records import History
from drillkit.model.subjects import ObjectiveOf
from drillkit.model.verdict import Holds, Judged
from tests.judge.histories import EPOCH, Tape, drill

UNKNOWN, MET, VIOLATED = Holds.UNKNOWN, Holds.MET, Holds.VIOLATED
HOUR = 3600.0


def date(at: float) -> datetime:
    return datetime.fromtimestamp(EPOCH + at, UTC)


def restore(point: RecoveryPoint, rpo: str = "10m", **offsets: float) -> Tape:
    """Data lost at 100 s by the runner's clock, restored from then to 1500 s."""
    step = {"name": "database", "uses": "rds.point-in-time-restore", "objectives": {"rpo": rpo}}
    tape = Tape(drill(steps=[step]), clock_offsets=offsets).phase("steps", 90, 1500)
    tape.step("database", 100, 1500)
    tape.mark("database", disrupted=100, started=140, restored=1100, verified=1400)
    read = Check("orders", "restored-data", 0, ">", 812)
    return tape.see(1390, read, point, step="database").closed(1501)


def moved(history: History, by_s: float, since: float) -> History:
    """The same run with the runner's date set at a moment."""
    return tuple(replace(r, at=r.at + by_s) if r.mono >= since else r for r in history)


def rpo(history: History) -> tuple[Judged, float | None]:
    step = judge(history).steps[0]
    about = ObjectiveOf("database", "rpo")
    return next(j for j in step.judged if j.about == about), step.rpo_s


@pytest.mark.parametrize("ahead_s", [HOUR, -HOUR, 86_400.0, 0.0, 0.9])
@pytest.mark.parametrize(("loss_s", "holds"), [(60.0, MET), (1200.0, VIOLATED)])
def test_an_rpo_is_what_it_is_however_far_the_data_s_clock_is_ahead(
    ahead_s: float, loss_s: float, holds: Holds
) -> None:
    point = RecoveryPoint(date(100 + ahead_s - loss_s), "canary", date(100))
    judged, measured = rpo(restore(point, aws=ahead_s).history())
    assert judged.holds is holds
    assert measured == pytest.approx(loss_s, abs=1)


@pytest.mark.parametrize("basis", ["canary", "newest-row"])
def test_an_offset_that_nobody_measured_shows_as_data_younger_than_their_restore(
    basis: str,
) -> None:
    point = RecoveryPoint(date(100 + HOUR - 60), basis, date(100))  # type: ignore[arg-type]
    judged, measured = rpo(restore(point).history())
    assert (judged.holds, measured) == (UNKNOWN, None)
    assert "younger than its restore" in judged.doubt


def test_two_far_sides_that_disagree_decide_only_what_both_decide() -> None:
    point = RecoveryPoint(date(40), "canary", date(100))
    near, _ = rpo(restore(point, aws=0.0, cluster=300.0).history())
    assert near.holds is MET
    far, _ = rpo(restore(point, aws=0.0, cluster=HOUR).history())
    assert far.holds is UNKNOWN
    assert "clocks apart by up to 1 h" in far.doubt


@pytest.mark.parametrize("by_s", [HOUR, -HOUR, -86_400.0])
@pytest.mark.parametrize("since", [95.0, 700.0, 1395.0])
@pytest.mark.parametrize("loss_s", [60.0, 1200.0])
def test_a_date_that_was_set_during_the_run_leaves_an_rpo_unknown(
    by_s: float, since: float, loss_s: float
) -> None:
    point = RecoveryPoint(date(100 - loss_s), "canary", date(100))
    judged, _ = rpo(moved(restore(point, aws=0.0).history(), by_s, since))
    assert judged.holds is UNKNOWN
    assert "our date moved by" in judged.doubt


def test_a_date_that_moved_by_less_than_is_decided_still_decides() -> None:
    point = RecoveryPoint(date(40), "canary", date(100))
    judged, _ = rpo(moved(restore(point, aws=0.0).history(), 5.0, 700.0))
    assert judged.holds is MET


def test_both_dates_by_the_data_s_own_clock_need_no_correction() -> None:
    point = RecoveryPoint(date(40 + HOUR), "newest-row", date(100 + HOUR), same_clock=True)
    judged, measured = rpo(moved(restore(point, aws=HOUR).history(), -HOUR, 700.0))
    assert (judged.holds, measured) == (MET, 60.0)


def alerted(since_s: float, **offsets: float) -> Tape:
    detect = {"alert": "Down", "within": "1m"}
    step = {"name": "kill", "uses": "chaostoolkit", "objectives": {"detect": detect}}
    tape = Tape(drill(steps=[step]), clock_offsets=offsets).phase("steps", 90, 200)
    tape.step("kill", 90, 200).mark("kill", disrupted=100.0)
    tape.see(180, Reading("alerts", "alerts", 0.0, None, 1.0))
    return tape.see(150, Alert("Down", {}, "firing", date(since_s))).closed(201)


def test_a_time_to_detect_is_by_the_metrics_server_s_clock() -> None:
    for since_s, offset_s, holds in ((130, 0, MET), (130 + HOUR, HOUR, MET), (110, -60, VIOLATED)):
        verdict = judge(alerted(since_s, prometheus=offset_s).history())
        assert verdict.steps[0].judged[0].holds is holds, offset_s


def test_a_time_to_detect_is_not_measured_by_dates_that_were_set() -> None:
    verdict = judge(moved(alerted(130).history(), HOUR, 120))
    assert verdict.steps[0].judged[0].holds is UNKNOWN


def test_a_backup_that_was_drawn_at_random_tells_no_recovery_point() -> None:
    point = RecoveryPoint(date(-7 * 86_400), "canary", date(100))
    tape = restore(point)
    tape.see(150, Backup(name="b-2", of="schedule shop", how="random"), step="database")
    judged, measured = rpo(tape.history())
    assert judged.holds is UNKNOWN
    assert "drawn at random" in judged.observed
    assert measured is None
