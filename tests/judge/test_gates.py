from __future__ import annotations

import pytest

from drillkit.judge.gates import GateWindow, decide, decide_ratio, slo_gate, window_of
from drillkit.judge.run_history import read_run
from drillkit.model.drill import Gate
from drillkit.model.evidence import Sample
from drillkit.model.units import OutOf, Share
from drillkit.model.verdict import Holds
from tests.judge.histories import Tape

TWO_OF_200 = Gate(bad=OutOf(2, 200))


def samples(tape: Tape) -> list[Sample]:
    return [r.entry for r in tape.history() if isinstance(r.entry, Sample)]


def test_a_gate_looks_at_the_last_probes_only() -> None:
    answer = decide(TWO_OF_200, samples(Tape(None).probe("web", 0, 30, bad=[(2, 12)])))
    assert (answer.holds, answer.bad, answer.total) == (Holds.MET, 0, 200)
    assert answer.expected == "at most 2 of 200 bad"
    assert answer.why == "0 bad of 200"


def test_more_bad_ones_than_declared_violate_even_before_the_count_is_full() -> None:
    answer = decide(TWO_OF_200, samples(Tape(None).probe("web", 0, 5, bad=[(4.0, 4.2)])))
    assert (answer.holds, answer.bad, answer.total) == (Holds.VIOLATED, 4, 100)


def test_too_few_probes_are_unknown_and_say_how_many_are_needed() -> None:
    answer = decide(TWO_OF_200, samples(Tape(None).probe("web", 0, 5)))
    assert (answer.holds, answer.why) == (Holds.UNKNOWN, "0 bad of 100; 200 are needed")


def test_no_probes_are_unknown() -> None:
    assert decide(TWO_OF_200, []).holds is Holds.UNKNOWN


def test_the_exact_test_stands_beside_the_count_and_does_not_decide() -> None:
    answer = decide(TWO_OF_200, samples(Tape(None).probe("web", 0, 10)))
    assert answer.holds is Holds.MET
    assert answer.test.startswith("exact test at 95 %: bad share between 0 % and 1.49 %")
    assert answer.test.endswith("so at most 1 % is neither shown nor refuted")


def test_with_a_confidence_the_exact_test_decides_and_takes_as_many_probes_as_it_needs() -> None:
    gate = Gate(bad=OutOf(2, 200), confidence=Share(0.95))
    assert window_of(gate) == 299
    assert decide(gate, samples(Tape(None).probe("web", 0, 10))).holds is Holds.UNKNOWN
    answer = decide(gate, samples(Tape(None).probe("web", 0, 15)))
    assert (answer.holds, answer.total) == (Holds.MET, 300)
    assert answer.expected == "at most 1 % bad, at 95 % confidence"
    assert (
        decide(gate, samples(Tape(None).probe("web", 0, 15, bad=[(5, 6)]))).holds is Holds.VIOLATED
    )


def test_that_none_is_bad_cannot_be_shown_at_any_confidence() -> None:
    answer = decide(
        Gate(bad=OutOf(0, 100), confidence=Share(0.95)), samples(Tape(None).probe("web", 0, 60))
    )
    assert answer.holds is Holds.UNKNOWN
    assert "no number of probes shows that none is bad" in answer.why


def test_drops_of_the_prober_make_a_good_gate_unknown_but_leave_a_bad_one_violated() -> None:
    good = decide(TWO_OF_200, samples(Tape(None).probe("web", 0, 10, dropped={3: 2})))
    assert good.holds is Holds.UNKNOWN
    assert "2 probes were not sent" in good.why
    bad = decide(TWO_OF_200, samples(Tape(None).probe("web", 0, 10, dropped={3: 2}, bad=[(5, 6)])))
    assert bad.holds is Holds.VIOLATED


def test_throttled_probes_measure_the_limiter() -> None:
    answer = decide(
        TWO_OF_200, samples(Tape(None).probe("web", 0, 10, bad=[(5, 6)], cause="throttled"))
    )
    assert answer.holds is Holds.UNKNOWN
    assert "20 probes were throttled" in answer.why


@pytest.mark.parametrize(
    ("late_us", "slow_s", "holds"),
    [
        ({3: 60_000}, None, Holds.MET),  # one hiccup decides nothing
        ({3: 60_000, 4: 60_000}, None, Holds.UNKNOWN),  # 50 ms where no threshold is declared
        ({3: 30_000, 4: 30_000}, 0.5, Holds.MET),  # a tenth of 500 ms
        ({3: 30_000, 4: 30_000}, 0.2, Holds.UNKNOWN),
        ({3: 1_500_000}, None, Holds.UNKNOWN),  # a stall hides everything
    ],
)
def test_a_late_prober_is_not_believed(
    late_us: dict[int, int], slow_s: float | None, holds: Holds
) -> None:
    for bad in ((), ((5, 7),)):
        found = decide(
            TWO_OF_200,
            samples(Tape(None).probe("web", 0, 10, late_us=late_us, bad=bad)),
            slow_s=slow_s,
        )
        assert found.holds is (Holds.VIOLATED if bad and holds is Holds.MET else holds)


def test_a_control_probe_that_fails_too_makes_it_unknown() -> None:
    tape = (
        Tape(None)
        .probe("web", 0, 10, bad=[(5, 6)])
        .probe("other", 0, 10, bad=[(5, 6)], control=True)
    )
    answer = decide(TWO_OF_200, samples(tape))
    assert answer.holds is Holds.UNKNOWN
    assert "control probe failed at the same time" in answer.why


def test_a_control_probe_that_fails_at_another_time_changes_nothing() -> None:
    tape = (
        Tape(None)
        .probe("web", 0, 10, bad=[(5, 6)])
        .probe("other", 0, 10, bad=[(8.5, 9)], control=True)
    )
    assert decide(TWO_OF_200, samples(tape)).holds is Holds.VIOLATED


def test_a_gate_may_be_about_the_control_probe_itself() -> None:
    window = GateWindow(TWO_OF_200, sli="other")
    for sample in samples(Tape(None).probe("other", 0, 10, control=True)):
        window.add(sample)
    assert window.answer().holds is Holds.MET


def test_old_probes_say_nothing_about_now() -> None:
    window = GateWindow(TWO_OF_200)
    for sample in samples(Tape(None).probe("web", 0, 10)):
        window.add(sample)
    assert window.answer(12.0).holds is Holds.MET
    assert window.answer(25.0).holds is Holds.UNKNOWN
    window.clear()
    assert window.answer(12.0).total == 0


def test_a_gate_without_a_count_is_unknown() -> None:
    assert decide(Gate(), samples(Tape(None).probe("web", 0, 10))).holds is Holds.UNKNOWN


def test_an_slo_asks_for_as_many_probes_as_allow_a_bad_one() -> None:
    assert slo_gate(0.995).bad == OutOf(1, 200)
    assert slo_gate(0.999).bad == OutOf(1, 1000)
    assert slo_gate(0.95).bad == OutOf(10, 200)


@pytest.mark.parametrize(
    ("good", "total", "holds", "why"),
    [
        (995.0, 1000.0, Holds.MET, "99.5 % good (5 bad of 1,000)"),
        (994.0, 1000.0, Holds.VIOLATED, "99.4 % good (6 bad of 1,000)"),
        (None, None, Holds.UNKNOWN, "HTTP 503"),
        (0.0, 0.0, Holds.UNKNOWN, "HTTP 503"),
        (float("nan"), 10.0, Holds.UNKNOWN, "HTTP 503"),
        (11.0, 10.0, Holds.UNKNOWN, "11 good of 10 cannot be"),
    ],
)
def test_counts_of_a_metrics_server(
    good: float | None, total: float | None, holds: Holds, why: str
) -> None:
    answer = decide_ratio(good, total, 0.995, why="HTTP 503")
    assert (answer.holds, answer.why) == (holds, why)


def test_counts_of_a_metrics_server_at_a_confidence() -> None:
    assert decide_ratio(995.0, 1000.0, 0.995, confidence=0.95).holds is Holds.UNKNOWN
    assert decide_ratio(99_600.0, 100_000.0, 0.995, confidence=0.95).holds is Holds.MET


def test_histories_of_gates_are_read() -> None:
    assert [
        seen.what.sli for seen in read_run(Tape(None).gate(1.0, "before", "web").history()).gates
    ] == ["web"]
