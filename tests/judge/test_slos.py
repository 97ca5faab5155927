"""SLOs in a drill: gates by a metrics server's counts, budgets by events and by time, two sources
side by side.
"""

from __future__ import annotations

from typing import Any

import pytest

from drillkit.judge import judge
from drillkit.model.drill import Drill
from drillkit.model.evidence import Reading
from drillkit.model.subjects import GateOf
from drillkit.model.verdict import Holds, Judged, Verdict
from tests.judge.histories import Tape, drill

MET, UNKNOWN, VIOLATED = Holds.MET, Holds.UNKNOWN, Holds.VIOLATED
DAYS_30 = 30 * 86_400.0
TERMS = {
    "api": {"target": 0.995, "window_s": DAYS_30, "kind": "prometheus", "n_window": 1_000_000.0},
    "front": {"target": 0.995, "window_s": DAYS_30, "kind": "probe", "probe": "web"},
}


def of(during: dict[str, Any], gates: list[str] | None = None) -> Drill:
    slos = {"slo": gates or []}
    return drill(
        probes={"web": {"http": "http://shop/health"}},
        hypothesis={"before": slos, "during": during, "after": slos},
    )


def run(
    during: dict[str, Any],
    *readings: tuple[float, Reading],
    gates: list[str] | None = None,
    **probe: Any,
) -> Tape:
    tape = Tape(of(during, gates), slos=TERMS).phase("steps", 20, 320).step("kill", 20, 320)
    tape.probe("web", 0, 340, **probe).hit(21)
    for at, reading in readings:
        tape.see(at, reading)
    for gate in gates or []:
        tape.gate(19.5, "before", gate).gate(335, "after", gate)
    return tape.closed(341)


def reading(
    good: float | None,
    total: float | None,
    place: Any = "during",
    window_s: float = 300.0,
    why: str = "",
) -> Reading:
    return Reading("api", "sum(increase(x[5m]))", window_s, good, total, why, place)


def bound(verdict: Verdict, about: str) -> Judged:
    return next(j for j in verdict.bounds if str(j.about) == about)


def test_a_full_outage_of_five_minutes_consumes_2_31_percent_by_time() -> None:
    verdict = judge(run({"front": {"budget": "2%"}}, bad=[(20, 320)]).history())
    judged = bound(verdict, "during/front/budget")
    assert judged.holds is VIOLATED
    assert judged.expected == "at most 2 % of the error budget"
    assert judged.observed == "2.31 % by time (an estimate), burn 200 of the error budget"
    assert judged.spent == pytest.approx(0.0231, abs=0.0001)


def test_a_budget_that_was_hardly_touched_is_met_and_says_that_the_slo_is_not_shown() -> None:
    verdict = judge(run({"front": {"budget": "2%"}}, bad=[(30, 31)]).history())
    assert verdict.exit_code == 0
    assert any(
        "compliance with api, front over its window" in words for words in verdict.not_proven
    )


def test_metrics_are_charged_by_events_and_state_the_estimate_beside() -> None:
    verdict = judge(
        run({"api": {"budget": "0.5%", "bad": 60}}, (325, reading(9950.0, 10_000.0))).history()
    )
    assert bound(verdict, "during/api/budget").holds is VIOLATED
    assert bound(verdict, "during/api/budget").observed.startswith(
        "1 % by events, 0.0116 % by time (an"
    )
    assert bound(verdict, "during/api/bad").observed == "50 of 10,000 requests bad"
    assert bound(verdict, "during/api/bad").holds is MET


def test_two_sources_judge_one_drill_side_by_side() -> None:
    during = {"web": {"bad": 30}, "api": {"bad": 30}}
    verdict = judge(run(during, (325, reading(9990.0, 10_000.0)), bad=[(30, 31)]).history())
    assert verdict.exit_code == 0
    assert verdict.headline == (
        "met: web 20 of 6,000 requests lost (bound 30); api 10 of 10,000 requests bad (bound 30)"
    )


@pytest.mark.parametrize(
    ("readings", "observed"),
    [
        ([], "no reading while steps ran"),
        (
            [(100.0, reading(100.0, 100.0)), (325.0, reading(None, None, why="HTTP 503"))],
            "HTTP 503",
        ),
        ([(325.0, reading(11.0, 10.0))], "11.0 good of 10.0 cannot be"),
        ([(325.0, reading(0.0, 0.0))], "less than one event was counted (0)"),
        ([(325.0, reading(6e-7, 6e-7))], "less than one event was counted (6e-07)"),
    ],
)
def test_metrics_that_are_missing_or_impossible_are_unknown(readings: Any, observed: str) -> None:
    judged = bound(judge(run({"api": {"bad": 30}}, *readings).history()), "during/api/bad")
    assert (judged.holds, judged.observed) == (UNKNOWN, observed)


def test_a_reading_that_does_not_cover_the_steps_calls_nothing_good() -> None:
    short = judge(run({"api": {"bad": 30}}, (325, reading(100.0, 100.0, window_s=60.0))).history())
    assert bound(short, "during/api/bad").holds is UNKNOWN
    worse = judge(run({"api": {"bad": 30}}, (325, reading(60.0, 100.0, window_s=60.0))).history())
    assert bound(worse, "during/api/bad").holds is VIOLATED


def test_gaps_cannot_be_seen_in_metrics() -> None:
    verdict = judge(run({"api": {"longest_gap": "5s"}}, (325, reading(1.0, 1.0))).history())
    judged = bound(verdict, "during/api/longest_gap")
    assert (judged.holds, judged.expected) == (UNKNOWN, "a probe")


def test_a_budget_of_something_that_is_no_slo_is_unknown() -> None:
    assert (
        bound(judge(run({"web": {"budget": "1%"}}).history()), "during/web/budget").holds is UNKNOWN
    )


@pytest.mark.parametrize(("good", "exit_code"), [(9960.0, 0), (9900.0, 1), (None, 3)])
def test_an_slos_gate_after_is_decided_again_from_its_last_reading(
    good: float | None, exit_code: int
) -> None:
    before, after = reading(9999.0, 10_000.0, "before"), reading(good, good and 10_000.0, "after")
    tape = run({"web": {"bad": 30}}, (19, before), (334, after), gates=["api"])
    assert judge(tape.history()).exit_code == exit_code


def test_an_slos_gate_without_its_readings_stands_as_it_was_decided() -> None:
    assert judge(run({"web": {"bad": 30}}, gates=["api"]).history()).exit_code == 0


def test_a_probes_slo_is_a_gate_over_as_many_probes_as_allow_a_bad_one() -> None:
    assert judge(run({"web": {"bad": 99}}, gates=["front"]).history()).exit_code == 0
    verdict = judge(run({"web": {"bad": 99}}, gates=["front"], bad=[(330, 331)]).history())
    assert verdict.exit_code == 1
    assert (
        next(g for g in verdict.gates if g.about == GateOf("after", "front")).expected
        == "at most 1 of 200 bad"
    )


def test_slo_terms_that_cannot_be_read_make_it_unknown() -> None:
    tape = (
        Tape(of({"web": {"bad": 9}}), slos={"api": {"target": 2, "window_s": 1}})
        .phase("steps", 1, 9)
        .step("kill", 1, 9)
    )
    assert judge(tape.probe("web", 0, 20).closed(21).history()).exit_code == 3
