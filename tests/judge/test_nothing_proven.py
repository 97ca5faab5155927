"""The ways to prove nothing, as histories: each is unknown, and its headline says why."""

from __future__ import annotations

from typing import Any

import pytest

from drillkit.judge import judge
from drillkit.judge.abort_guards import LiveBounds
from drillkit.model.drill import Drill
from drillkit.model.evidence import Mark
from drillkit.model.verdict import Holds, Verdict
from tests.judge.histories import Tape, drill, sample_of_second

UNKNOWN, MET, VIOLATED = Holds.UNKNOWN, Holds.MET, Holds.VIOLATED


def of(during: dict[str, Any], **more: Any) -> Drill:
    hypothesis = {"during": {"web": during}, **more.pop("hypothesis", {})}
    return drill(probes={"web": {"http": "http://shop/health"}}, hypothesis=hypothesis, **more)


def run(during: dict[str, Any], *, seconds: int = 30, acted: bool = True, **probe: Any) -> Tape:
    tape = Tape(of(during)).phase("steps", 5, 5 + seconds).step("kill", 5, 5 + seconds)
    tape.probe("web", 0, 5 + seconds, **probe)
    return (tape.hit(6) if acted else tape).closed(6 + seconds)


def verdict(during: dict[str, Any], **more: Any) -> Verdict:
    return judge(run(during, **more).history())


def must_say(found: Verdict, *words: str) -> None:
    assert (found.holds, found.exit_code) == (UNKNOWN, 3), found.headline
    for each in words:
        assert each in found.headline, found.headline


@pytest.mark.parametrize("most", [20, 1000])
@pytest.mark.parametrize("cause", ["refused", "dns", "status", "slow", "4xx"])
def test_a_probe_that_never_had_a_good_answer_shows_neither_health_nor_weakness(
    most: int, cause: str
) -> None:
    must_say(verdict({"bad": most}, bad=[(0, 99)], cause=cause), "not one good answer", "blind")


def test_a_gate_after_that_a_blind_probe_missed_is_no_weakness() -> None:
    after = {"after": {"gates": {"web": {"bad": "1 of 20"}}}}
    tape = Tape(of({"bad": 9}, hypothesis=after)).phase("steps", 5, 20).step("kill", 5, 20).hit(6)
    tape.probe("web", 0, 30, bad=[(0, 99)]).gate(29, "after", "web", "violated", 20, 20)
    must_say(judge(tape.closed(31).history()), "blind")


def test_a_recovery_that_only_a_blind_probe_did_not_see_is_no_weakness() -> None:
    kill = {"name": "kill", "uses": "chaostoolkit", "objectives": {"recovery": "2s"}}
    tape = Tape(of({}, steps=[kill])).phase("steps", 5, 20).step("kill", 5, 20).hit(6)
    tape.mark("kill", disrupted=6.0, recovered=7.0)
    tape.probe("web", 0, 20, bad=[(0, 99)])
    must_say(judge(tape.closed(21).history()), "blind")


def test_a_guard_that_a_blind_probe_fired_stops_the_run_and_shows_no_weakness() -> None:
    guarded = of({"bad": 999}, guards={"abort": [{"probe": "web", "bad": 5}]})
    live = LiveBounds(guarded)
    live.begin(0.0)
    times = [i / 20 for i in range(20)]
    (fired,) = live.add(sample_of_second("web", times, [False] * 20, [0.1] * 20), 1.0)
    assert (fired.holds, fired.by) == (UNKNOWN, "blind")
    assert "not one good answer" in fired.why


def test_a_guard_of_a_probe_that_was_good_once_is_believed() -> None:
    live = LiveBounds(of({"bad": 999}, guards={"abort": [{"probe": "web", "bad": 5}]}))
    live.begin(0.0)
    states = [True] + [False] * 19
    (fired,) = live.add(
        sample_of_second("web", [i / 20 for i in range(20)], states, [0.1] * 20), 1.0
    )
    assert (fired.holds, fired.by) == (VIOLATED, "guard")


@pytest.mark.parametrize(
    ("during", "rate", "seconds"),
    [
        ({"bad": 99_999_999}, 20, 30),
        ({"bad": 30}, 1, 30),
        ({"longest_gap": "10h"}, 20, 30),
        ({"longest_gap": "31s"}, 20, 30),
    ],
)
def test_a_bound_that_nothing_could_have_exceeded_proves_nothing(
    during: dict[str, Any], rate: int, seconds: int
) -> None:
    must_say(verdict(during, rate=rate, seconds=seconds), "could not have exceeded the bound")


def test_a_budget_that_a_full_outage_could_not_have_spent_proves_nothing() -> None:
    slo = {"front": {"target": 0.995, "window_s": 2_592_000, "kind": "probe", "probe": "web"}}
    hypothesis = {"during": {"front": {"budget": "50%"}}}
    tape = Tape(
        drill(probes={"web": {"http": "http://shop/health"}}, hypothesis=hypothesis), slos=slo
    )
    tape.phase("steps", 5, 35).step("kill", 5, 35).hit(6).probe("web", 0, 35)
    must_say(judge(tape.closed(36).history()), "could not have exceeded the bound")


@pytest.mark.parametrize("slow", [{}, {0.0: 3.0}])
@pytest.mark.parametrize(("bound", "rate", "needed"), [("p95", 1, 59), ("p99", 9, 299)])
def test_a_percentile_of_too_few_requests_is_neither_met_nor_violated(
    bound: str, rate: int, needed: int, slow: dict[float, float]
) -> None:
    found = verdict({bound: "1s"}, rate=rate, slow=slow)
    must_say(found, f"at least {needed} are needed")
    enough = verdict({bound: "1s"}, rate=20, slow=slow)
    assert enough.holds is (VIOLATED if slow else MET)


@pytest.mark.parametrize("during", [{"bad": 20}, {"longest_gap": "2s"}, {"p95": "1s"}])
def test_bounds_that_hold_while_no_step_does_anything_prove_nothing(during: dict[str, Any]) -> None:
    must_say(verdict(during, acted=False), "no step did anything")


def test_a_bound_that_is_broken_while_no_step_does_anything_is_broken_all_the_same() -> None:
    assert verdict({"bad": 2}, acted=False, bad=[(10, 11)]).holds is VIOLATED


def test_a_gate_after_steps_that_did_nothing_proves_nothing() -> None:
    hypothesis = {"after": {"gates": {"web": {"bad": "1 of 20"}}}}
    tape = Tape(drill(probes={"web": {"http": "http://shop/health"}}, hypothesis=hypothesis))
    tape.phase("steps", 5, 20).step("kill", 5, 20).probe("web", 0, 30)
    tape.gate(29, "after", "web", total=20)
    must_say(judge(tape.closed(31).history()), "nothing was tested")


@pytest.mark.parametrize(
    "action", [{"hit": 0}, {"hit": None, "kind": "probe"}, {"hit": None, "outcome": "skipped"}]
)
def test_actions_that_hit_nothing_are_no_reason_to_believe_a_bound(action: dict[str, Any]) -> None:
    tape = run({"bad": 20}, acted=False).hit(6, **action)
    assert judge(tape.history()).holds is UNKNOWN


def test_a_control_probe_that_holds_proves_nothing_of_what_was_hit() -> None:
    must_say(verdict({"bad": 9}, control=True), "control probe")
    after = {"after": {"gates": {"web": {"bad": "1 of 20"}}}}
    tape = Tape(drill(probes={"web": {"http": "http://shop/health"}}, hypothesis=after))
    tape.phase("steps", 5, 20).step("kill", 5, 20).hit(6)
    tape.probe("web", 0, 30, control=True).gate(29, "after", "web", total=20)
    must_say(judge(tape.closed(31).history()), "nothing declared that could be proven")


def test_a_recovery_longer_than_the_drill_proves_nothing_where_nothing_had_to_recover() -> None:
    def found(recovery: str, **probe: Any) -> Verdict:
        tape = Tape(of({"recovery": recovery}, limit="1m")).phase("steps", 5, 35)
        tape.step("kill", 5, 35).hit(6).mark("kill", disrupted=6.0)
        return judge(tape.probe("web", 0, 35, **probe).closed(36).history())

    must_say(found("10h"), "could not have exceeded the bound")
    assert found("10h", bad=[(6, 8)]).holds is MET  # it was measured
    assert found("30s").holds is MET


def test_a_disruption_that_people_made_counts_as_one_and_a_simulated_one_does_not() -> None:
    real, simulated = (
        run({"bad": 20}, acted=False).see(6, Mark("disrupted", 6.0, simulated=s), step="kill")
        for s in (False, True)
    )
    assert judge(real.history()).holds is MET
    assert judge(simulated.history()).holds is UNKNOWN
