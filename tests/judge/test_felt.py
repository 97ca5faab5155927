"""What a fault puts into the way of requests is looked for in the probes of the same run: what
nobody met proves nothing.
"""

from __future__ import annotations

from typing import Any

import pytest

from drillkit.judge import judge
from drillkit.model.evidence import Check, Injection, Reading
from drillkit.model.verdict import Holds, Verdict
from tests.judge.histories import Tape, drill

DELAY = Injection("delay", "150 ms latency", 0.15, 0.5)
SMALL = Injection("delay", "1 ms latency", 0.001)
LOSS = Injection("loss", "10 % packet loss")
DNS = Injection("errors", "DNS error for orders*", share=0.5)
BEGIN, START, END = 0, 10, 30


def verdict(*injected: Injection, baseline: bool = True, **probe: Any) -> Verdict:
    kill = {"name": "kill", "uses": "chaostoolkit", "objectives": {"recovery": "2m"}}
    tape = Tape(
        drill(
            probes={"web": {"http": "http://shop/health"}},
            hypothesis={"during": {"web": {"bad": 200}}},
            steps=[kill],
        )
    )
    tape.phase("steps", START, END).step("kill", START, END).hit(START + 1)
    tape.mark("kill", disrupted=START + 1, released=END - 2, recovered=END - 1)
    tape.see(START + 1, *injected, step="kill")
    return judge(tape.probe("web", BEGIN if baseline else START, END, **probe).closed(31).history())


SLOWER = {START + 2.0: 0.2}


@pytest.mark.parametrize(
    ("injected", "probe", "said"),
    [
        (DELAY, {}, "150 ms latency was felt by no probe"),
        (DELAY, {"slow": {START + 2.0: 0.02}}, "hardly any of 400 requests was slower"),
        (DELAY, {"slow": {0.0: 0.2}}, "hardly any"),  # it was as slow before
        (DELAY, {"bad": [(12, 13)]}, "hardly any"),  # refused ones are not slow ones
        (SMALL, {"slow": {START + 2.0: 0.006}}, "inject more"),
        (LOSS, {}, "10 % packet loss was felt by no probe"),
        (DNS, {}, "hardly any of 400 requests failed of it"),
        (DNS, {"slow": SLOWER}, "hardly any"),
        (DNS, {"bad": [(0, 1), (20, 20.5)], "cause": "dns"}, "hardly any"),
        (DELAY, {"slow": SLOWER, "baseline": False}, "has no baseline"),
    ],
)
def test_what_no_probe_met_proves_nothing(
    injected: Injection, probe: dict[str, Any], said: str
) -> None:
    found = verdict(injected, **probe)
    assert (found.holds, found.exit_code) == (Holds.UNKNOWN, 3), found.headline
    assert said in found.headline
    assert all(bound.holds is Holds.UNKNOWN for bound in found.bounds)
    assert any("felt" in str(judged.about) for judged in found.findings), found.headline


@pytest.mark.parametrize(
    ("injected", "probe"),
    [
        (DELAY, {"slow": SLOWER}),
        (DELAY, {"bad": [(12, 14)], "cause": "timeout"}),
        (LOSS, {"slow": SLOWER}),
        (LOSS, {"bad": [(12, 14)]}),
        (DNS, {"bad": [(12, 14)], "cause": "5xx"}),
    ],
)
def test_what_a_probe_met_is_judged_by_the_bounds(
    injected: Injection, probe: dict[str, Any]
) -> None:
    found = verdict(injected, **probe)
    assert found.holds is Holds.MET, found.headline


def test_a_weakness_is_one_though_nobody_knows_what_made_it() -> None:
    assert verdict(SMALL, bad=[(12, 29)]).holds is Holds.VIOLATED


def test_a_fault_that_is_proven_by_itself_may_be_absorbed_without_a_trace() -> None:
    found = verdict()
    assert found.holds is Holds.MET, found.headline


def test_failures_that_metrics_counted_show_it_too() -> None:
    tape = Tape(drill(steps=[{"name": "kill", "uses": "chaostoolkit"}]))
    tape.phase("steps", START, END).step("kill", START, END).hit(START + 1)
    tape.see(START + 1, DNS, Check("back", "step", 1, ">=", 1), step="kill")
    unseen = judge(tape.closed(31).history())
    assert unseen.holds is Holds.UNKNOWN
    assert "no probe watched" in unseen.headline
    tape.see(END, Reading("api", "q", 20.0, 90.0, 100.0))
    assert judge(tape.history()).holds is Holds.MET


def test_a_recovery_that_nobody_waited_for_is_not_missed() -> None:
    """Evictions that a budget held back to the end: some pods went, nobody looked for others."""
    kill = {"name": "kill", "uses": "chaostoolkit", "objectives": {"recovery": "5s"}}
    tape = Tape(drill(steps=[kill])).phase("steps", START, END)
    tape.step("kill", START, END, "failed", "it could not be evicted")
    tape.hit(END - 1, outcome="failed").mark("kill", disrupted=START + 1)
    tape.see(END - 1, Check("evictions", "prerequisite", 3, ">=", 1, "budget web"), step="kill")
    found = judge(tape.closed(31).history())
    assert found.holds is Holds.UNKNOWN, found.headline


APART = Check("pods that requests come to", "felt", 1, ">=", 0, "no Service leads to them")
HEALTHY = {"api": {"target": 0.99, "window_s": 2_592_000, "kind": "prometheus"}}
UNFELT: dict[str, tuple[dict[str, Any], str]] = {
    "a gate of a probe": ({"after": {"gates": {"web": {"bad": "1 of 20"}}}}, "web"),
    "a gate of metrics": ({"after": {"slo": ["api"]}}, "api"),
    "a bound of metrics": ({"during": {"api": {"bad": 20}}}, ""),
    "a budget by metrics": ({"during": {"api": {"budget": "0.0001%"}}}, ""),
}


@pytest.mark.parametrize("name", UNFELT)
def test_what_holds_after_a_fault_that_no_request_could_meet_would_have_held_anyway(
    name: str,
) -> None:
    hypothesis, gate = UNFELT[name]

    def judged(*seen: Check) -> Verdict:
        tape = Tape(
            drill(probes={"web": {"http": "http://shop/health"}}, hypothesis=hypothesis),
            slos=HEALTHY,
        )
        tape.phase("steps", START, END).step("kill", START, END).hit(START + 1)
        tape.see(START + 1, *seen, step="kill").probe("web", BEGIN, END + 5)
        tape.see(
            END, Reading("api", "q", 20.0, 1000.0, 1000.0, place="after" if gate else "during")
        )
        if gate:
            tape.gate(END + 4, "after", gate, total=20)
        return judge(tape.closed(END + 6).history())

    assert judged().holds is Holds.MET
    found = judged(APART)
    assert (found.holds, found.exit_code) == (Holds.UNKNOWN, 3), found.headline
    assert "no Service leads to them" in found.headline


def test_a_workload_that_no_request_comes_to_may_be_shown_to_heal() -> None:
    kill = {"name": "kill", "uses": "chaostoolkit", "objectives": {"recovery": "2m"}}
    hypothesis = {"after": {"gates": {"web": {"bad": "1 of 20"}}}}
    tape = Tape(
        drill(probes={"web": {"http": "http://shop/health"}}, hypothesis=hypothesis, steps=[kill])
    )
    tape.phase("steps", START, END).step("kill", START, END).hit(START + 1)
    tape.see(START + 1, APART, step="kill").mark("kill", disrupted=START + 1, recovered=END - 1)
    tape.probe("web", BEGIN, END + 5).gate(END + 4, "after", "web", total=20)
    found = judge(tape.closed(END + 6).history())
    assert found.holds is Holds.MET, found.headline
