from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillkit.judge import outages as module
from drillkit.judge.outages import (
    Bracket,
    OutageTracker,
    coincide,
    longest_gap_s,
    outages,
    touching,
)
from drillkit.model.codec import encode_evidence
from drillkit.model.evidence import Sample
from drillkit.model.sample_codec import read_sample as sample_of
from tests.judge.histories import sample_of_second


def seconds(states: list[bool], rate: int) -> list[Sample]:
    found = []
    for second in range(math.ceil(len(states) / rate)):
        part = states[second * rate : (second + 1) * rate]
        times = [round(second + i / rate, 6) for i in range(len(part))]
        found.append(sample_of_second("web", times, part, [0.001] * len(part)))
    return found


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.sampled_from([1, 4, 20]))
def test_every_run_of_failed_probes_is_one_bracket_wherever_seconds_cut_it(
    states: list[bool], rate: int
) -> None:
    expected: list[list[int]] = []
    for i, good in enumerate(states):
        if not good and (i == 0 or states[i - 1]):
            expected.append([])
        if not good:
            expected[-1].append(i)
    found = outages(seconds(states, rate))
    assert [b.first_bad for b in found] == pytest.approx(
        [run[0] / rate for run in expected], abs=2e-6
    )
    assert [b.last_bad for b in found] == pytest.approx(
        [run[-1] / rate for run in expected], abs=2e-6
    )
    assert [b.bad for b in found] == [len(run) for run in expected]
    assert [b.last_ok is None for b in found] == [run[0] == 0 for run in expected]
    assert [b.next_ok is None for b in found] == [run[-1] == len(states) - 1 for run in expected]


@given(st.floats(3.0, 5.0), st.floats(0.06, 4.0), st.sampled_from([20, 50]))
def test_the_truth_lies_in_the_bracket(start: float, length: float, rate: int) -> None:
    states = [not start <= i / rate < start + length for i in range(12 * rate)]
    (found,) = outages(seconds(states, rate))
    assert found.least_s <= length <= found.most_s + 2e-6
    assert found.most_s - found.least_s == pytest.approx(2 / rate, abs=1e-5)


def test_a_sample_survives_the_journal() -> None:
    (sample,) = seconds([True, False, False, True], 4)
    assert sample_of(encode_evidence(sample)) == sample


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "red"},
        {"good": 4},
        {"flips": [[0.0, True]]},
        {"latency_us": {"x": 1}},
        {"bad": None},
    ],
)
def test_a_sample_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    (sample,) = seconds([True, False, False, True], 4)
    with pytest.raises(ValueError, match=r"Sample|invalid literal"):
        sample_of({**encode_evidence(sample), **change})


def test_outages_of_two_probes_coincide_within_the_slack() -> None:
    some, others = [Bracket(1, 2, 0.9, 2.1), Bracket(10, 11, 9.9, 11.1)], [Bracket(4, 5, 3.9, 5.1)]
    assert not coincide(some, others, 1.0)
    assert coincide(some, [Bracket(11.5, 12, 11, 13)], 1.0)
    assert not coincide(some, [], 1.0)


def test_only_outages_inside_the_window_count() -> None:
    brackets = [Bracket(1, 2, 0.9, 2.1), Bracket(10, 14, 9.9, 14.1)]
    assert longest_gap_s(touching(brackets, 0, 5)) == pytest.approx(1.2)
    assert longest_gap_s(touching(brackets, 12, 13)) == pytest.approx(4.2)
    assert longest_gap_s(touching(brackets, 5, 6)) == 0


def test_flapping_for_hours_keeps_the_longest_outages_and_counts_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEPT", 10)
    tracker = OutageTracker()
    for sample in seconds([True, False] * 50 + [True, False, False, False] + [True, False] * 50, 4):
        tracker.add(sample)
    assert tracker.count == 101
    assert len(tracker.brackets) <= 20
    assert longest_gap_s(tracker.brackets) == pytest.approx(1.0)
    assert tracker.brackets == sorted(tracker.brackets, key=lambda b: b.first_bad)
