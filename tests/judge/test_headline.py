"""The verdict as a sentence: what is broken first, why something is not believed, what was
not watched.
"""

from __future__ import annotations

from typing import Any

import pytest

from drillkit.judge import judge
from drillkit.judge.wording import causes, lost, title
from drillkit.model.evidence import Activity, Check
from drillkit.model.subjects import (
    ActivityOf,
    BoundOf,
    CheckOf,
    ComparisonOf,
    GateOf,
    GuardOf,
    ObjectiveOf,
    StepEnd,
    StepLack,
    Subject,
    UndoOf,
    WholeRun,
)
from tests.judge.histories import KILL, Tape, drill, pod_delete

TWO: dict[str, Any] = {"web": {"http": "http://shop/health"}, "pages": {"http": "http://shop/"}}


def two_probes(pages_bad: list[tuple[float, float]], **probe: Any) -> Tape:
    during = {"web": {"bad": 20, "longest_gap": "5s"}, "pages": {"longest_gap": "1s"}}
    of = drill(probes=TWO, hypothesis={"during": during}, steps=[KILL])
    return pod_delete(of, bad=[]).probe("pages", 0, 60, bad=pages_bad, **probe)


def test_what_is_broken_stands_first_and_what_held_behind_it_by_probe() -> None:
    assert judge(two_probes([(21, 24)]).history()).headline == (
        "violated: pages longest gap 3.05 s (bound 1 s). Held: web 0 of 400 requests lost (bound "
        "20), longest gap 0 s (bound 5 s); kill recovered in 3 s (bound 2 min)"
    )


def test_what_is_not_believed_says_why() -> None:
    tape = two_probes([(21, 24)]).probe("other", 0, 60, bad=[(22, 23)], control=True)
    assert judge(tape.history()).headline == (
        "unknown: pages longest gap 3.05 s (bound 1 s), but the control probe failed at the same "
        "time: the fault may not be the service's; kill recovery not measured: the control probe "
        "failed together with pages. Held: web 0 of 400 requests lost (bound 20), longest gap 0 s "
        "(bound 5 s)"
    )


def test_an_abort_is_the_reason_and_not_everything_that_follows_from_it() -> None:
    lines = pod_delete().history()
    cut = Tape(None).add(30.0, "abort", by="operator", why="customers complain").history()[0]
    history = (*(r for r in lines if r.mono < 30), cut)
    assert judge(history).headline.startswith(
        "unknown: aborted by operator: customers complain, the run was cut off, not recovered yet. "
        "Held until then: 6 of 180 requests lost (bound 20), longest gap 0.35 s (bound 5 s), "
        "recovered in 2.1 s"
    )


def test_a_weakness_that_was_found_before_an_abort_stands_first() -> None:
    tape = pod_delete(bad=[(21, 29)]).add(30.0, "abort", by="operator", why="enough")
    assert judge(tape.history()).headline.startswith(
        "violated: 160 of 400 requests lost (bound 20), longest gap 8.05 s (bound 5 s); aborted by "
        "operator: enough"
    )


def test_a_wrapped_experiment_is_told_in_a_sentence() -> None:
    of = drill(steps=[{"name": "pods", "uses": "chaostoolkit"}])
    tape = Tape(of).phase("steps", 1, 9).step("pods", 1, 9).hit(2, "pods")
    for place in ("before", "after"):
        tape.see(
            2,
            Activity("all pods are ready", place, "probe", "succeeded", None, True, 0.1),
            step="pods",
        )
    tape.see(3, Check("ready pods of app=web in shop", "step", 3, ">=", 3), step="pods")
    verdict = judge(tape.closed(10).history())
    assert verdict.headline == (
        "met: “all pods are ready” held after the experiment, ready pods of app=web in shop: 3 "
        "(expected at least 3); what users felt was not watched"
    )
    assert "that users were served while steps ran: no probe watched it" in verdict.not_proven


def test_more_reasons_than_a_sentence_holds_are_counted() -> None:
    during = {name: {"bad": 0} for name in ("a", "b", "c", "d", "e")}
    probes = {name: {"http": "http://shop/"} for name in during}
    tape = Tape(drill(probes=probes, hypothesis={"during": during}, steps=[KILL])).phase(
        "steps", 1, 9
    )
    for name in during:
        tape.probe(name, 0, 10, bad=[(5, 6)])
    headline = judge(tape.step("kill", 1, 9).closed(11).history()).headline
    assert headline.startswith("violated: a 20 of 160 requests lost (bound 0); b 20")
    assert headline.endswith("c 20 of 160 requests lost (bound 0); 2 more")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({}, "0 of 1,200 requests lost"),
        ({"5xx": 3, "refused": 1}, "4 of 1,200 requests lost"),
        ({"slow": 4}, "4 of 1,200 requests too slow"),
        ({"throttled": 2}, "2 of 1,200 requests throttled"),
        ({"slow": 4, "timeout": 1}, "5 of 1,200 requests bad: 1 lost, 4 slow"),
    ],
)
def test_only_requests_without_an_answer_are_called_lost(bad: dict[str, int], words: str) -> None:
    assert lost(bad, 1200) == words


def test_causes_are_words_and_the_most_frequent_stands_first() -> None:
    assert (
        causes({"refused": 2, "5xx": 70, "new-cause": 1})
        == "70 answered 5xx, 2 refused, 1 new-cause"
    )


@pytest.mark.parametrize(
    ("about", "path", "words"),
    [
        (
            BoundOf("web", "longest_gap"),
            "during/web/longest_gap",
            "web during the steps: longest gap",
        ),
        (
            BoundOf("web", "p95", "kill"),
            "step/kill/during/web/p95",
            "kill: web during the step: p95",
        ),
        (GateOf("before", "web"), "before/web", "web before the steps"),
        (GateOf("after", "web", "kill"), "step/kill/after/web", "kill: web after the step"),
        (ActivityOf("kill", "method", "rm"), "step/kill/activity/method/rm", "kill: rm"),
        (
            ActivityOf("kill", "after", "all are ready"),
            "step/kill/activity/after/all are ready",
            "kill: all are ready, after the experiment",
        ),
        (
            CheckOf("kill", "ready pods of deployment/shop/web"),
            "step/kill/check/ready pods of deployment/shop/web",
            "kill: ready pods of deployment/shop/web",
        ),
        (ObjectiveOf("kill", "rto"), "step/kill/objective/rto", "kill: RTO"),
        (
            ComparisonOf("db", "settings", "db-1"),
            "step/db/comparison/settings/db-1",
            "db: settings of db-1",
        ),
        (StepEnd("kill"), "step/kill", "kill"),
        (StepLack("db", "restored-data"), "step/db/restored-data", "db: restored data read"),
        (CheckOf("", "canary"), "run/check/canary", "run: canary"),
        (
            GuardOf("start", "window 02:00-05:00"),
            "guard/start/window 02:00-05:00",
            "guard window 02:00-05:00",
        ),
        (GuardOf("start", "start"), "guard/start/start", "start"),
        (UndoOf("node/n1"), "cleanup/node/n1", "undo of node/n1"),
        (WholeRun("opening"), "run/opened", "record 1"),
    ],
)
def test_what_a_judgement_is_about_has_a_path_and_a_name_for_people(
    about: Subject, path: str, words: str
) -> None:
    assert str(about) == path
    assert title(about) == words


def test_a_step_is_not_named_among_its_own() -> None:
    assert title(ObjectiveOf("kill", "recovery"), step="kill") == "recovery"
    assert title(ObjectiveOf("other", "recovery"), step="kill") == "other: recovery"


def test_two_things_never_share_a_path() -> None:
    pairs: list[tuple[Subject, Subject]] = [
        (BoundOf("a/b", "bad"), BoundOf("a", "bad")),
        (CheckOf("a/check/b", "c"), CheckOf("a", "b/check/c")),
        (CheckOf("kill", "objective/recovery"), ObjectiveOf("kill", "recovery")),
        (ActivityOf("kill", "after", "x"), CheckOf("kill", "after/x")),
    ]
    for one, other in pairs:
        assert str(one) != str(other)


@pytest.mark.parametrize(
    "name", ["pods/recovery", "web/longest_gap", "x/restored-data", "a/activity/b"]
)
def test_a_name_with_a_slash_gets_nobody_elses_advice_nor_title(name: str) -> None:
    of = drill(
        probes={"web": TWO["web"]}, hypothesis={"during": {"web": {"bad": 20}}}, steps=[KILL]
    )
    tape = pod_delete(of, bad=[]).see(25, Check(name, "step", 1, "==", 2), step="kill")
    verdict = judge(tape.history())
    (finding,) = [f for f in verdict.findings if isinstance(f.about, CheckOf)]
    assert finding.about == CheckOf("kill", name)
    assert finding.advice.startswith("read the same by hand")
    assert title(finding.about) == f"kill: {name}"
    assert f"{name}: 2 (expected 1)" in verdict.headline


def test_a_probe_whose_name_has_a_slash_keeps_it_in_every_sentence() -> None:
    probes = {"shop/web": TWO["web"], "other": TWO["pages"]}
    during = {"shop/web": {"longest_gap": "1s"}, "other": {"bad": 0}}
    tape = pod_delete(drill(probes=probes, hypothesis={"during": during}, steps=[KILL]))
    tape.probe("shop/web", 0, 60, bad=[(21, 24)]).probe("other", 0, 60)
    verdict = judge(tape.history())
    assert verdict.headline.startswith("violated: shop/web longest gap 3.05 s (bound 1 s)")
    (finding,) = [f for f in verdict.findings if f.about == BoundOf("shop/web", "longest_gap")]
    assert finding.advice.startswith("look at the outages")
