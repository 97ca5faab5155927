"""Literal histories to whole verdicts: every exit code, and the laws that keep `met` honest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from drillkit.judge import judge
from drillkit.model.codec import from_data, to_data
from drillkit.model.drill import Drill
from drillkit.model.evidence import Activity, Check, Mark, Note
from drillkit.model.subjects import BoundOf, GateOf, GuardOf, ObjectiveOf
from drillkit.model.verdict import (
    Finding,
    Holds,
    Judged,
    Outage,
    SliSummary,
    StepVerdict,
    UndoState,
    Verdict,
)
from tests.judge.histories import HYPOTHESIS, KILL, Tape, drill, pod_delete

MET, UNKNOWN, VIOLATED = Holds.MET, Holds.UNKNOWN, Holds.VIOLATED
PROBES: dict[str, Any] = {"web": {"http": "http://shop/health"}}


def web(steps: list[dict[str, Any]] | None = None, **hypothesis: Any) -> Drill:
    return drill(probes=PROBES, hypothesis={**HYPOTHESIS, **hypothesis}, steps=steps or [KILL])


def found(verdict: Verdict, about: str) -> Judged:
    everything = [
        *verdict.gates,
        *verdict.bounds,
        *(j for step in verdict.steps for j in step.judged),
    ]
    return next(j for j in everything if str(j.about) == about)


def finding(verdict: Verdict, about: str) -> Finding:
    return next(f for f in verdict.findings if str(f.about) == about)


def about(number: float) -> Any:
    """Equal to what is nearly so."""
    return pytest.approx(number)


def test_a_drill_whose_bounds_hold_is_met_down_to_the_last_field() -> None:
    verdict = judge(pod_delete().history())
    gap = Outage(
        sli="web",
        first_bad=21.0,
        last_bad=21.25,
        least_s=0.25,
        most_s=about(0.35),
        bad=6,
        ended=True,
        step="kill",
    )
    untouched = {"bad": {}, "outages": (), "longest_gap_s": 0.0}
    quick = dict.fromkeys(("p50_s", "p95_s", "p99_s", "max_s"), 0.005055)

    def web_over(phase: Any, sent: int, good: int, **more: Any) -> SliSummary:
        plain: dict[str, Any] = {
            **untouched,
            **quick,
            "dropped": 0,
            "lateness_p99_s": 0.000303,
            **more,
        }
        return SliSummary(sli="web", phase=phase, sent=sent, good=good, **plain)

    lost = {"bad": {"refused": 6}, "outages": (gap,), "longest_gap_s": pytest.approx(0.35)}
    undecided = (
        "exact test at 95 %: bad share between 0 % and 1.49 %, so at most 1 % is neither shown "
        "nor refuted"
    )
    gate = {
        "holds": MET,
        "expected": "at most 2 of 200 bad",
        "observed": "0 bad of 200",
        "note": undecided,
    }
    recovery = Judged(
        about=ObjectiveOf("kill", "recovery"),
        holds=MET,
        expected="at most 2 min",
        observed="recovered in 2.1 s",
        note="workload whole in 2.1 s, users served in 0.3 s",
        records=(28, 32),
    )
    assert verdict == Verdict(
        run="20270115-080000-x7k2",
        drill="pod-delete",
        target="sandbox",
        holds=MET,
        exit_code=0,
        headline="met: 6 of 400 requests lost (bound 20), longest gap 0.35 s (bound 5 s), "
        "recovered in 2.1 s (bound 2 min)",
        owner="platform@example.com",
        operator="me@here",
        began=datetime(2027, 1, 15, 8, 0, 0, tzinfo=UTC),
        ended=datetime(2027, 1, 15, 8, 1, 1, tzinfo=UTC),
        gates=(
            Judged(about=GateOf("before", "web"), records=(12, 21, 22), **gate),  # type: ignore[arg-type]
            Judged(about=GateOf("after", "web"), records=(57, 66, 67), **gate),  # type: ignore[arg-type]
        ),
        bounds=(
            Judged(
                about=BoundOf("web", "bad"),
                holds=MET,
                expected="at most 20",
                observed="6 of 400 requests lost",
                note="6 refused",
                records=(27, 50),
            ),
            Judged(
                about=BoundOf("web", "longest_gap"),
                holds=MET,
                expected="at most 5 s",
                observed="longest gap 0.35 s",
                note="between 0.25 s and 0.35 s",
                records=(27, 50),
            ),
        ),
        steps=(
            StepVerdict(
                name="kill",
                uses="chaostoolkit",
                holds=MET,
                outcome="ok",
                why="",
                started=20,
                ended=40,
                judged=(recovery,),
                recovery_s=about(2.1),
            ),
        ),
        slis=(
            web_over("before", 400, 400),
            web_over("during", 400, 394, **lost),
            web_over("after", 400, 400),
            web_over("all", 1200, 1194, **lost),
        ),
        undos=(
            UndoState(
                record=29,
                resource="pod/shop/web-1",
                kind="kube.delete-pod",
                phase="irreversible",
                outcome="irreversible",
                detail="a pod is not brought back; waited for a replacement that is ready",
                planned=21.0,
            ),
        ),
    )


def test_a_verdict_is_plain_data_that_names_everything_by_its_path() -> None:
    verdict = judge(pod_delete(bad=[(21, 32)]).history())
    data = json.loads(json.dumps(to_data(verdict)))
    assert data == to_data(verdict)
    assert [each["about"] for each in data["findings"]] == [str(f.about) for f in verdict.findings]
    assert data["bounds"][0]["about"] == "during/web/bad"


def test_too_many_lost_requests_are_violated() -> None:
    verdict = judge(pod_delete(bad=[(21.0, 22.5)]).history())
    assert (verdict.holds, verdict.exit_code) == (VIOLATED, 1)
    assert verdict.headline == (
        "violated: 30 of 400 requests lost (bound 20). "
        "Held: longest gap 1.55 s (bound 5 s), recovered in 2.1 s (bound 2 min)"
    )
    assert finding(verdict, "during/web/bad") == Finding(
        holds=VIOLATED,
        about=BoundOf("web", "bad"),
        expected="at most 20",
        observed="30 of 400 requests lost (30 refused)",
        records=(27, 50),
        owner="platform@example.com",
        advice="look at the causes and when they came: retries, time-outs, what the service calls",
        fault="delete pod of step kill on pod/shop/web-1, at that moment",
        severity="high",
    )


@pytest.mark.parametrize(("length", "holds"), [(4.87, MET), (4.97, VIOLATED)])
def test_the_upper_end_of_the_longest_gap_decides(length: float, holds: Holds) -> None:
    during = {"web": {"longest_gap": "5s"}}
    verdict = judge(pod_delete(web(during=during), bad=[(21.0, 21.0 + length)]).history())
    assert found(verdict, "during/web/longest_gap").holds is holds


def test_an_outage_that_outlives_the_steps_is_charged_to_them_to_its_end() -> None:
    tape = pod_delete(bad=[(39.5, 42.0)])
    assert found(judge(tape.history()), "during/web/bad").observed == "50 of 440 requests lost"


def test_an_outage_nobody_saw_end_is_unknown_below_its_bound() -> None:
    during = {"web": {"longest_gap": "30s"}}
    verdict = judge(pod_delete(web(during=during), bad=[(39.0, 99.0)], until=45.0).history())
    judged = found(verdict, "during/web/longest_gap")
    assert (judged.holds, "not seen from its begin to its end" in judged.doubt) == (UNKNOWN, True)


def test_undeclared_during_is_observed_not_judged_and_the_headline_says_so() -> None:
    verdict = judge(pod_delete(web(during={})).history())
    assert verdict.exit_code == 0
    assert verdict.headline == (
        "met: recovered in 2.1 s (bound 2 min); observed, not judged: 6 of 400 requests lost, "
        "longest gap 0.35 s"
    )
    assert any("only observed" in words for words in verdict.not_proven)


def test_nothing_declared_anywhere_is_unknown() -> None:
    bare = Tape(drill()).phase("steps", 1, 5).step("kill", 1, 5).closed(6)
    verdict = judge(bare.history())
    assert (verdict.holds, verdict.exit_code) == (UNKNOWN, 3)
    assert verdict.headline.startswith("unknown: nothing declared that could be proven")


def test_a_gate_before_alone_proves_nothing() -> None:
    of = drill(probes=PROBES, hypothesis={"before": HYPOTHESIS["before"]})
    tape = Tape(of).phase("before", 1, 12).probe("web", 0, 20).gate(11.5, "before", "web")
    assert (
        judge(tape.phase("steps", 12, 15).step("kill", 12, 15).closed(20).history()).holds
        is UNKNOWN
    )


def test_bounds_without_any_probe_data_are_unknown() -> None:
    tape = (
        Tape(web())
        .phase("steps", 20, 40)
        .step("kill", 20, 40)
        .mark("kill", disrupted=21, recovered=23)
    )
    verdict = judge(tape.gate(50, "before", "web").gate(51, "after", "web").closed(60).history())
    assert found(verdict, "during/web/bad").observed == "no probe gave any while steps ran"
    assert verdict.exit_code == 3


@pytest.mark.parametrize(
    ("probe", "why"),
    [
        ({"dropped": {25: 3}}, "3 probes were not sent"),
        ({"late_us": {25: 80_000, 26: 80_000}}, "late in 2 of 20 seconds"),
        ({"cause": "throttled"}, "throttled (403, 429)"),
    ],
)
def test_the_probers_own_faults_make_good_bounds_unknown(probe: dict[str, Any], why: str) -> None:
    verdict = judge(pod_delete(**probe).history())
    assert verdict.exit_code == 3
    doubt = found(verdict, "during/web/bad").doubt
    assert why in doubt
    assert f", but {doubt}" in verdict.headline


def test_a_control_probe_that_fails_together_makes_violations_unknown() -> None:
    tape = pod_delete(bad=[(21, 32)]).probe("other", 0, 60, bad=[(25, 26)], control=True)
    verdict = judge(tape.history())
    assert (verdict.holds, verdict.exit_code) == (UNKNOWN, 3)
    assert "control probe failed" in found(verdict, "during/web/bad").doubt
    assert (
        "control probe failed together with web"
        in found(verdict, "step/kill/objective/recovery").observed
    )


def test_a_hole_in_the_samples_is_unknown() -> None:
    tape = pod_delete()
    verdict = judge(
        tuple(
            r for r in tape.history() if not (26 < r.mono < 30 and r.data.get("type") == "Sample")
        )
    )
    judged = found(verdict, "during/web/bad")
    assert (judged.holds, judged.note, judged.doubt) == (
        UNKNOWN,
        "6 refused",
        "no probes for 3.1 s",
    )


def test_a_probe_too_slow_to_see_a_gap_proves_none() -> None:
    once = {"web": {"http": "http://shop/health", "rate": "1/s"}}
    for bound, holds in (("500ms", UNKNOWN), ("3s", MET)):
        of = drill(
            probes=once, hypothesis={"during": {"web": {"longest_gap": bound}}}, steps=[KILL]
        )
        judged = found(judge(pod_delete(of, rate=1, bad=[]).history()), "during/web/longest_gap")
        assert judged.holds is holds
        assert ("1 s apart cannot see such a gap" in judged.doubt) is (holds is UNKNOWN)


def test_a_second_that_is_missing_among_slow_probes_is_seen() -> None:
    once = {"web": {"http": "http://shop/health", "rate": "1/s"}}
    of = drill(probes=once, hypothesis={"during": {"web": {"bad": 3}}}, steps=[KILL])
    history = pod_delete(of, rate=1, bad=[]).history()
    assert judge(history).bounds[0].holds is MET
    assert (
        judge(tuple(r for r in history if not (26 < r.mono < 30 and "sent" in r.data)))
        .bounds[0]
        .holds
        is UNKNOWN
    )


@pytest.mark.parametrize(
    ("p95", "slow", "holds"),
    [
        ("100ms", {}, MET),
        ("100ms", {22.0: 0.2}, VIOLATED),
        ("100ms", {39.9: 0.2}, MET),
        ("200ms", {22.0: 0.1999}, UNKNOWN),
    ],
)
def test_a_percentile_is_judged_by_how_many_are_slower_or_failed(
    p95: str, slow: dict[float, float], holds: Holds
) -> None:
    verdict = judge(pod_delete(web(during={"web": {"p95": p95}}), slow=slow).history())
    assert found(verdict, "during/web/p95").holds is holds


def test_failed_requests_count_as_slow_ones() -> None:
    verdict = judge(pod_delete(web(during={"web": {"p95": "100ms"}}), bad=[(21, 23)]).history())
    judged = found(verdict, "during/web/p95")
    assert (judged.holds, judged.observed) == (
        VIOLATED,
        "p95: more than 5 % of the requests failed",
    )
    assert judged.note == "40 of 400 slower or failed; 95 % interval no answer to no answer"


def test_recovery_of_users_runs_from_the_end_of_the_fault() -> None:
    of = web(during={"web": {"recovery": "3s"}})
    for until, holds, took in ((32, MET, 2), (34, VIOLATED, 4)):
        fault = pod_delete(of, bad=[(21, until)]).undo(21, "vs/shop/web")
        verdict = judge(fault.add(30.0, "undo.ended", of="vs/shop/web", outcome="undone").history())
        judged = found(verdict, "during/web/recovery")
        assert (judged.holds, judged.observed) == (holds, f"served again {took} s after the fault")


def test_bounds_of_a_step_add_to_the_drills() -> None:
    own = {**KILL, "hypothesis": {"during": {"web": {"bad": 3}}}}
    verdict = judge(pod_delete(web([own])).history())
    assert found(verdict, "during/web/bad").holds is MET
    assert found(verdict, "step/kill/during/web/bad").holds is VIOLATED
    assert verdict.steps[0].holds is VIOLATED
    assert verdict.exit_code == 1


# Gates


def test_a_gate_before_that_is_missed_refuses_with_nothing_touched() -> None:
    tape = Tape(web()).phase("before", 1, 12).probe("web", 0, 13, bad=[(3, 9)])
    tape.gate(11.5, "before", "web", "violated", 120, 200).add(
        11.6,
        "guard.decided",
        place="start",
        guard="start",
        holds="violated",
        why="web before: 120 bad of 200",
    )
    verdict = judge(tape.closed(14).history())
    assert (verdict.holds, verdict.exit_code) == (UNKNOWN, 4)
    assert verdict.headline == "refused: web before: 120 bad of 200; nothing was touched"
    assert verdict.refused == "web before: 120 bad of 200"
    assert verdict.bounds == ()


def test_a_gate_before_that_is_unknown_refuses_too() -> None:
    tape = (
        Tape(web())
        .phase("before", 1, 12)
        .gate(11.5, "before", "web", "unknown", 0, 0, why="no data")
        .closed(12)
    )
    assert judge(tape.history()).exit_code == 4


def test_a_gate_before_that_was_missed_although_steps_ran_makes_everything_unknown() -> None:
    tape = pod_delete().gate(19.6, "before", "web", "violated", 30, 200)
    assert judge(tape.history()).exit_code == 3


def test_a_gate_after_that_is_missed_is_violated() -> None:
    verdict = judge(
        pod_delete(bad=[(21, 21.3), (50, 53)])
        .gate(54.6, "after", "web", "violated", 60, 200)
        .history()
    )
    assert (verdict.holds, verdict.exit_code) == (VIOLATED, 1)
    assert verdict.headline.startswith(
        "violated: web after the steps: 60 bad of 200 (60 refused) (expected at most 2 of 200 bad)"
    )


def test_a_gate_without_one_good_answer_names_the_cause_and_what_was_asked() -> None:
    verdict = judge(
        pod_delete(bad=[(0, 60)]).gate(54.6, "after", "web", "violated", 200, 200).history()
    )
    observed = found(verdict, "after/web").observed
    assert "200 bad of 200 (200 refused)" in observed
    assert "it asks http://" in observed


def test_a_gate_that_the_journal_calls_met_against_its_samples_is_not() -> None:
    verdict = judge(pod_delete(bad=[(21, 21.3), (50, 53)]).history())
    judged = found(verdict, "after/web")
    assert (judged.holds, verdict.exit_code) == (VIOLATED, 1)
    assert "decided during the run: met" in judged.note


def test_a_gate_rests_on_the_records_it_names() -> None:
    # A second that is written while the decision is on its way to the journal is not part of it.
    plain = pod_delete(bad=[(21, 21.3), (53.4, 54)])
    late = next(r.n for r in plain.history() if r.mono == 54.0 and r.kind == "evidence")
    assert judge(plain.history()).exit_code == 1
    named = pod_delete(bad=[(21, 21.3), (53.4, 54)]).gate(
        54.5, "after", "web", records=[late - 10, late - 1]
    )
    assert found(judge(named.history()), "after/web").holds is MET


def test_a_declared_gate_after_that_was_never_decided_is_unknown() -> None:
    history = tuple(
        r
        for r in pod_delete().history()
        if not (r.kind == "gate.decided" and r.data["place"] == "after")
    )
    verdict = judge(history)
    assert verdict.exit_code == 3
    assert finding(verdict, "after/web").observed == "the run ended before it was decided"


def test_a_steady_state_that_does_not_return_between_steps_is_violated_and_the_rest_not_proven() -> (  # noqa: E501
    None
):
    of = web([{**KILL, "on_failure": "continue"}, {"name": "drain", "uses": "chaostoolkit"}])
    tape = pod_delete(of).gate(39.5, "between", "web", "violated", 60, 200)
    verdict = judge(
        tape.step("drain", 39.6, 39.7, "skipped", "web between: 60 bad of 200").history()
    )
    assert verdict.exit_code == 1
    assert "not proven: drain" in verdict.headline
    assert verdict.not_proven[0] == "step drain was not reached: web between: 60 bad of 200"


# Steps


def test_an_action_that_fails_means_the_experiment_was_not_carried_out() -> None:
    action = Activity(
        "delete-pod", "method", "action", "failed", None, None, 0.1, error="403 forbidden"
    )
    tape = (
        Tape(web())
        .phase("steps", 20, 40)
        .probe("web", 0, 60)
        .gate(19.5, "before", "web")
        .gate(54.5, "after", "web")
    )
    tape.step("kill", 20, 40, "failed", "activity delete-pod failed").see(
        21, action, step="kill"
    ).closed(61)
    verdict = judge(tape.history())
    assert (verdict.holds, verdict.exit_code) == (UNKNOWN, 3)
    assert (
        found(verdict, "step/kill/activity/method/delete-pod").observed == "failed: 403 forbidden"
    )


def test_an_action_that_hits_nothing_is_no_success() -> None:
    action = Activity("delete-pod", "method", "action", "succeeded", 0, None, 0.1)
    verdict = judge(pod_delete().see(21, action, step="kill").history())
    assert verdict.exit_code == 3
    assert found(verdict, "step/kill/activity/method/delete-pod").observed == "it hit nothing"


def test_what_an_action_hit_is_listed_once() -> None:
    action = Activity(
        "delete", "method", "action", "succeeded", 1, None, 0.1, targets=("pod/shop/web-1",)
    )
    assert judge(pod_delete().see(21, action, action, step="kill").history()).steps[0].hit == (
        "pod/shop/web-1",
    )


@pytest.mark.parametrize(
    ("place", "tolerated", "exit_code"),
    [
        ("before", True, 0),
        ("before", False, 3),
        ("during", False, 1),
        ("after", True, 0),
        ("after", False, 1),
    ],
)
def test_an_experiments_own_hypothesis_counts(place: Any, tolerated: bool, exit_code: int) -> None:
    probe = Activity("all-ready", place, "probe", "succeeded", None, tolerated, 0.1)
    assert judge(pod_delete().see(30, probe, step="kill").history()).exit_code == exit_code


def test_an_experiments_hypothesis_after_is_enough_to_prove_something() -> None:
    probe = Activity("all-ready", "after", "probe", "succeeded", None, True, 0.1)
    tape = (
        Tape(drill()).phase("steps", 1, 5).step("kill", 1, 5).see(4, probe, step="kill").closed(6)
    )
    assert judge(tape.history()).exit_code == 3  # it would have held anyway: nothing was done
    verdict = judge(tape.hit(2).history())
    assert (verdict.exit_code, verdict.headline) == (
        0,
        "met: “all-ready” held after the experiment, “act” hit 1; what users felt was not watched",
    )


def test_a_probe_that_could_not_look_is_unknown() -> None:
    probe = Activity(
        "all-ready", "after", "probe", "failed", None, None, 0.1, error="connection refused"
    )
    assert judge(pod_delete().see(30, probe, step="kill").history()).exit_code == 3


def test_an_action_of_a_foreign_extension_is_not_called_undone() -> None:
    action = Activity(
        "stop-vm", "method", "action", "succeeded", 1, None, 0.1, undo_guaranteed=False
    )
    verdict = judge(pod_delete().see(21, action, step="kill").history())
    assert verdict.exit_code == 0
    assert "undo not guaranteed" in verdict.not_proven[0]


@pytest.mark.parametrize("lost", [False, None])
def test_a_fault_that_was_not_in_effect_at_any_reading_makes_the_step_unknown(
    lost: bool | None,
) -> None:
    tape = pod_delete()
    for at, state in ((22, True), (24, lost), (26, True)):
        tape.see(
            at,
            Check("delay", "in-effect", True, "==", state, why="HTTP 500" if state is None else ""),
            step="kill",
        )
    verdict = judge(tape.history())
    assert verdict.exit_code == 3
    assert (
        "2 of 3 readings were as expected" in found(verdict, "step/kill/in-effect/delay").observed
    )


def failed_step(outcome: str, why: str) -> Tape:
    tape = (
        Tape(web())
        .phase("steps", 20, 40)
        .probe("web", 0, 60)
        .gate(19.5, "before", "web")
        .gate(54.5, "after", "web")
    )
    return (
        tape.step("kill", 20, 40, outcome, why)
        .mark("kill", disrupted=21.0, recovered=23.0)
        .closed(61)
    )


@pytest.mark.parametrize(
    ("outcome", "exit_code"),
    [("failed", 1), ("unknown", 3), ("cut", 3), ("exploded", 3), ("ok", 0)],
)
def test_the_outcome_of_a_step_weighs(outcome: str, exit_code: int) -> None:
    verdict = judge(failed_step(outcome, "the workload did not heal").history())
    assert verdict.exit_code == exit_code
    if outcome == "failed":
        assert verdict.headline.startswith("violated: kill: failed: the workload did not heal")


def test_a_missing_prerequisite_explains_a_failed_step() -> None:
    check = Check("chaos-mesh installed", "prerequisite", True, "==", False)
    verdict = judge(failed_step("failed", "no Chaos Mesh").see(20.5, check, step="kill").history())
    assert (verdict.steps[0].holds, verdict.exit_code) == (UNKNOWN, 3)


def test_a_skipped_step_proves_nothing() -> None:
    verdict = judge(failed_step("skipped", "inside a freeze window").history())
    assert verdict.steps[0].outcome == "skipped"
    assert verdict.exit_code == 3


def test_a_step_that_was_never_reached_is_not_proven() -> None:
    of = web([KILL, {"name": "drain", "uses": "chaostoolkit"}])
    verdict = judge(pod_delete(of).history())
    assert verdict.exit_code == 3
    assert [s.outcome for s in verdict.steps] == ["ok", "skipped"]
    assert "step drain was not reached: the run ended before it" in verdict.not_proven


def test_siblings_of_a_group_carry_its_name_and_the_worst_decides() -> None:
    group = {
        "name": "both",
        "parallel": [{"name": "a", "uses": "chaostoolkit"}, {"name": "b", "uses": "chaostoolkit"}],
    }
    tape = Tape(web([group])).phase("steps", 20, 40).probe("web", 0, 60).gate(19.5, "before", "web")
    tape.gate(54.5, "after", "web").step("a", 20, 30, group="both").step(
        "b", 20, 40, "failed", "no", group="both"
    ).closed(61)
    verdict = judge(tape.history())
    assert [(s.name, s.group, s.holds) for s in verdict.steps] == [
        ("a", "both", MET),
        ("b", "both", VIOLATED),
    ]
    assert verdict.exit_code == 1


# Ends


@pytest.mark.parametrize(
    ("by", "exit_code"),
    [
        ("operator", 3),
        ("blind", 3),
        ("deadline", 3),
        ("journal", 3),
        ("bug", 3),
        ("guard", 1),
        ("bound", 1),
    ],
)
def test_an_abort_weighs_by_who_did_it(by: str, exit_code: int) -> None:
    tape = pod_delete().add(30.0, "abort", by=by, why="because")
    verdict = judge(tape.history())
    assert verdict.exit_code == exit_code
    assert verdict.aborted == f"{by}: because"
    assert f"aborted by {by}: because" in verdict.headline


def test_a_guard_that_stopped_because_nobody_could_see_proves_nothing() -> None:
    tape = pod_delete().add(
        29.9, "guard.decided", place="abort", guard="blind: 5s", holds="unknown", why="no samples"
    )
    assert judge(tape.add(30.0, "abort", by="guard", why="no samples").history()).exit_code == 3


def test_an_abort_before_any_step_is_no_refusal() -> None:
    tape = (
        Tape(web()).phase("before", 1, 5).add(4.0, "abort", by="operator", why="Ctrl-C").closed(6)
    )
    verdict = judge(tape.history())
    assert (verdict.exit_code, verdict.refused) == (3, "")


def test_a_start_guard_refuses() -> None:
    why = "alert KubeAPIDown is firing"
    tape = (
        Tape(web())
        .add(1.0, "guard.decided", place="start", guard="alerts: x", holds="violated", why=why)
        .closed(2)
    )
    verdict = judge(tape.history())
    assert (verdict.exit_code, verdict.refused) == (4, f"alerts: x: {why}")


@pytest.mark.parametrize("guard", ["start", "plan"])
def test_a_refusal_is_one_finding(guard: str) -> None:
    """Older journals repeat a declared guard or a gate under `start`."""
    why = "namespace shopp: there is none"
    alone = Tape(web()).add(
        1.0, "guard.decided", place="start", guard=guard, holds="violated", why=why
    )
    (found,) = judge(alone.closed(2).history()).findings
    assert (found.about, found.observed) == (GuardOf("start", guard), why)
    assert "drillkit plan" in found.advice
    assert "wait until the guard holds" not in found.advice
    repeated = Tape(web()).gate(1.0, "before", "web", "violated", 120, 200)
    repeated.add(2.0, "guard.decided", place="start", guard="start", holds="violated", why="web")
    (found,) = judge(repeated.closed(3).history()).findings
    assert found.about == GateOf("before", "web")


def test_a_budget_without_events_is_looked_at_with_the_command_for_it() -> None:
    guard = "budget: api-availability, left: 50%"
    tape = Tape(web()).add(
        1.0,
        "guard.decided",
        place="start",
        guard=guard,
        holds="unknown",
        why="no events in the window",
    )
    verdict = judge(tape.closed(2).history())
    (found,) = verdict.findings
    assert "drillkit slo check api-availability" in found.advice
    assert verdict.refused == f"{guard}: no events in the window"


def test_a_verdict_says_whose_it_is_and_when() -> None:
    verdict = judge(pod_delete().history())
    assert (verdict.owner, verdict.operator) == ("platform@example.com", "me@here")
    data = to_data(verdict)
    assert data["began"] == "2027-01-15T08:00:00+00:00"
    assert data["ended"] == "2027-01-15T08:01:01+00:00"


def test_a_broken_bound_names_the_fault_before_it() -> None:
    delete = Activity(
        "delete pods", "method", "action", "succeeded", 1, None, 1.0, targets=("pod/shop/web-1",)
    )
    tape = pod_delete(bad=[(21.4, 29)]).see(21.6, delete, step="kill")
    assert finding(judge(tape.history()), "during/web/longest_gap").fault == (
        "\u201cdelete pods\u201d of step kill on pod/shop/web-1, 0.4 s before"
    )
    assert finding(judge(pod_delete(bad=[(21.4, 29)]).history()), "during/web/bad").fault == (
        "delete pod of step kill on pod/shop/web-1, 0.4 s before"
    )
    early = judge(pod_delete(bad=[(20.2, 27)]).history())
    assert finding(early, "during/web/longest_gap").fault == "", "it began before anything was done"


def held_before(tape: Tape) -> Tape:
    """The experiment's steady state does not hold, so its method is not run."""
    missed = Activity("there", "before", "probe", "succeeded", None, False, 0.1)
    never = Activity("move", "method", "action", "skipped", None, None, 0.0)
    why = "the experiment's steady state did not hold before, so its method was not run: there"
    tape.phase("steps", 1, 3).see(2, missed, step="kill").see(2.1, never, step="kill")
    return tape.step("kill", 1, 3, "unknown", why)


def test_an_experiment_that_its_own_steady_state_kept_from_beginning_is_a_refusal() -> None:
    verdict = judge(held_before(Tape(drill())).closed(6).history())
    assert verdict.exit_code == 4
    assert "steady state did not hold before" in verdict.headline
    assert verdict.headline.endswith("nothing was touched")


def test_it_is_none_when_another_step_or_an_effect_has_touched_something() -> None:
    tape = held_before(Tape(drill())).undo(2.5, "node/n1", step="kill")
    tape.add(2.6, "undo.ended", of="node/n1", outcome="undone")
    assert judge(tape.closed(6).history()).exit_code == 3


def test_a_run_that_holds_a_lease_and_is_refused_touched_nothing() -> None:
    tape = Tape(web()).undo(0.5, "lease/drillkit/x", phase="remove", step="")
    tape.add(
        1.0, "guard.decided", place="start", guard="alerts: x", holds="unknown", why="HTTP 503"
    )
    tape.add(2.0, "undo.ended", of="lease/drillkit/x", outcome="undone").closed(3)
    assert judge(tape.history()).exit_code == 4


def test_open_undos_are_dirty_and_outrank_everything() -> None:
    tape = (
        pod_delete(bad=[(21, 32)])
        .undo(21, "node/n1")
        .undo(22, "node/n2")
        .add(30.0, "undo.ended", of="node/n2", outcome="undone")
    )
    tape.add(55.5, "undo.failed", of="node/n1", why="connection refused", attempts=5)
    verdict = judge(tape.history())
    assert (verdict.holds, verdict.exit_code) == (VIOLATED, 5)
    assert verdict.headline.startswith("dirty, 1 of 2 undos are open (node/n1); violated: ")
    assert [(u.resource, u.outcome, u.detail) for u in verdict.undos if u.phase == "relieve"] == [
        ("node/n1", "open", "connection refused"),
        ("node/n2", "undone", ""),
    ]
    assert finding(verdict, "cleanup/node/n1").advice.startswith("run `drillkit recover`")


def test_a_dirty_run_is_at_least_unknown() -> None:
    verdict = judge(pod_delete().undo(21, "node/n1").history())
    assert (verdict.holds, verdict.exit_code) == (UNKNOWN, 5)


@pytest.mark.parametrize(
    "outcome", ["undone", "already-undone", "never-happened", "not-ours", "kept"]
)
def test_every_end_of_an_undo_closes_it(outcome: str) -> None:
    tape = pod_delete().undo(21, "node/n1").add(30.0, "undo.failed", of="node/n1", why="busy")
    verdict = judge(tape.add(31.0, "undo.ended", of="node/n1", outcome=outcome).history())
    assert verdict.exit_code == 0
    assert verdict.undos[-1].outcome == outcome


def test_what_a_person_has_undone_by_hand_is_their_word_and_never_met() -> None:
    tape = pod_delete().undo(21, "node/n1")
    word = {"outcome": "by-hand", "detail": "ann@laptop: uncordoned it"}
    verdict = judge(tape.add(31.0, "undo.ended", of="node/n1", **word).history())
    assert (verdict.holds, verdict.exit_code) == (UNKNOWN, 3)
    assert "ann@laptop: uncordoned it" in verdict.headline


def test_a_crashed_run_is_unknown_and_what_was_proven_stays() -> None:
    crashed = tuple(r for r in pod_delete().history() if r.mono < 35)
    verdict = judge(crashed)
    assert (verdict.crashed, verdict.holds, verdict.exit_code) == (True, UNKNOWN, 3)
    assert verdict.steps[0].why == "it did not end: the run was cut off"
    worse = tuple(r for r in pod_delete(bad=[(21, 23)]).history() if r.mono < 35)
    assert judge(worse).exit_code == 1


def test_a_crashed_run_that_was_recovered_is_clean_but_unknown() -> None:
    tape = Tape(web()).phase("steps", 20).step("kill", 20).undo(21, "node/n1").probe("web", 0, 30)
    recovered = tape.add(5000.0, "run.recovered", by="me").add(
        5001.0, "undo.ended", of="node/n1", outcome="undone"
    )
    verdict = judge(recovered.closed(5002).history())
    assert (verdict.crashed, verdict.exit_code) == (True, 3)
    assert "recovered afterwards" in verdict.headline


def test_a_torn_line_is_of_whoever_came_afterwards_maybe_after_a_reboot() -> None:
    """The new boot's monotonic clock is neither the run's end nor a time in which nobody probed."""
    lines = [r for r in pod_delete().history() if r.mono < 30.0]
    torn = (
        Tape(None)
        .add(500.0, "journal.torn", bytes=9, text="x")
        .add(501.0, "run.recovered", by="me")
        .history()
    )
    verdict = judge((*lines, *torn))
    bad = found(verdict, "during/web/bad")
    assert (bad.holds, bad.doubt) == (MET, "")
    assert "recovered afterwards" in verdict.headline


def test_a_run_that_ended_dirty_and_was_recovered_later_did_not_crash() -> None:
    tape = pod_delete().undo(21, "node/n1").add(5000.0, "run.recovered", by="me")
    verdict = judge(tape.add(5001.0, "undo.ended", of="node/n1", outcome="undone").history())
    assert (verdict.crashed, verdict.exit_code) == (False, 0)


def test_times_of_another_boot_are_moved_onto_the_runs_axis() -> None:
    history = (
        pod_delete()
        .undo(21, "node/n1")
        .add(5000.0, "run.recovered", by="me")
        .add(5001.0, "undo.ended", of="node/n1", outcome="undone")
        .history()
    )
    rebooted = tuple(
        type(r)(
            r.n, r.at, r.mono - 4990 if r.mono >= 5000 else r.mono, r.by, r.kind, r.step, r.data
        )
        for r in history
    )
    assert judge(rebooted).undos[-1].ended == pytest.approx(5001.0)
    assert judge(rebooted).exit_code == 0


# What cannot be read


def test_an_empty_history_is_unknown() -> None:
    verdict = judge(())
    assert (verdict.holds, verdict.exit_code, verdict.crashed) == (UNKNOWN, 3, True)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("effect.imagined", {}),
        ("evidence", {"type": "Telepathy", "from": "web"}),
        ("evidence", {"type": "Mark", "moment": "doomed", "at": 3.0}),
        ("evidence", {"type": "Sample", "sli": "web"}),
        ("gate.decided", {"place": "after", "sli": "web", "holds": "perhaps"}),
        ("undo.ended", {"of": 9999, "outcome": "undone"}),
        ("step.ended", {}),
        ("abort", {}),
    ],
)
def test_what_this_version_does_not_know_makes_it_unknown(kind: str, data: dict[str, Any]) -> None:
    verdict = judge(pod_delete().add(30.0, kind, **data).history())
    assert (verdict.holds, verdict.exit_code) == (UNKNOWN, 3)
    assert "not understood" in verdict.headline


def test_an_undo_that_ended_in_a_way_this_version_does_not_know_stays_open() -> None:
    tape = (
        pod_delete().undo(21, "node/n1").add(30.0, "undo.ended", of="node/n1", outcome="teleported")
    )
    assert judge(tape.history()).exit_code == 5


def test_a_drill_that_this_version_cannot_read_is_unknown_and_its_undos_are_still_shown() -> None:
    tape = Tape(None).add(
        0.0,
        "run.opened",
        run="r",
        drill={"drill": "x", "quantum": True, "steps": []},
        target={"name": "t"},
    )
    verdict = judge(tape.step("kill", 1, 2).undo(1.5, "node/n1").closed(3).history())
    assert (verdict.exit_code, verdict.run, verdict.target) == (5, "r", "t")
    assert [s.name for s in verdict.steps] == ["kill"]


def test_progress_and_torn_lines_are_not_judged() -> None:
    tape = (
        pod_delete().add(30.0, "progress", text="hello").add(0.5, "journal.torn", bytes=7, text="{")
    )
    assert judge(tape.history()).exit_code == 0


def test_action_items_are_findings_with_owner_and_date() -> None:
    note = from_data(
        Note,
        {
            "by": "ann",
            "text": "add a PDB",
            "about": "action-item",
            "owner": "bob",
            "due": "2027-02-01",
        },
    )
    verdict = judge(pod_delete().see(50, note).history())
    assert (verdict.findings[0].owner, str(verdict.findings[0].due), verdict.exit_code) == (
        "bob",
        "2027-02-01",
        0,
    )


def test_a_mark_alone_proves_nothing() -> None:
    tape = (
        Tape(drill())
        .phase("steps", 1, 5)
        .step("kill", 1, 5)
        .see(2, Mark("disrupted", 2.0), step="kill")
        .closed(6)
    )
    assert judge(tape.history()).exit_code == 3
