"""The reduction of raw samples against a counter whose truth is known."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillkit.clients.prometheus.answers import Series
from drillkit.clients.prometheus.counters import grown, growth, hole

EVER = -1e18
"""Born after this: every series without a baseline was."""


def samples(*values: float) -> list[tuple[float, float]]:
    return [(float(i), v) for i, v in enumerate(values)]


def total(
    found: list[tuple[float, float]], start: float, end: float, born_after: float = EVER
) -> float:
    return sum(amount for _, amount in grown(found, start, end, born_after=born_after)[0])


def test_growth_is_counted_from_the_last_sample_before_the_window():
    assert total(samples(5, 7, 10, 14, 20), 1.5, 3.0) == 7  # 7 -> 14


def test_a_reset_counts_from_zero():
    found, resets, _ = grown(samples(10, 12, 3, 4), 0, 3, born_after=EVER)

    assert sum(amount for _, amount in found) == 2 + 3 + 1
    assert resets == 1


def test_a_series_born_inside_the_window_counts_its_first_value():
    found, _, born = grown([(5.0, 7.0), (6.0, 9.0)], 0, 10, born_after=2)

    assert sum(amount for _, amount in found) == 9
    assert born


def test_a_series_that_was_there_before_anybody_looked_counts_from_its_first_value():
    assert total([(5.0, 700.0), (6.0, 702.0)], 0, 10, born_after=5.0) == 2


def test_a_gap_loses_nothing():
    assert total([(0.0, 1.0), (60.0, 41.0)], 0, 60) == 40


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_what_is_no_counter_is_no_count(value):
    with pytest.raises(ValueError, match="cannot be"):
        total([(0.0, 1.0), (1.0, value)], 0, 2)


def test_a_hole_in_the_samples_is_found_with_its_begin():
    assert hole([1, 2, 3, 9, 10], 0, 11) == (3, 6)
    assert hole([], 0, 11) == (0, 11)


def test_slices_hold_what_grew_in_them():
    found = growth([Series({}, tuple(samples(0, 1, 3, 6, 10)))], 0, 4, born_after=EVER)

    assert found.slices(0, 2, 2) == [3, 7]


events = st.lists(st.integers(0, 50), min_size=1, max_size=60)


@given(events, st.data())
def test_every_event_between_two_scrapes_is_counted_once_whatever_restarts(happened, data):
    """A process counts events and restarts right after some scrapes; a scrape sees what it
    counted since.
    """
    restarts = data.draw(st.lists(st.booleans(), min_size=len(happened), max_size=len(happened)))
    seen, value = [(0.0, 0.0)], 0
    for at, (more, restart) in enumerate(zip(happened, restarts, strict=True), 1):
        if (
            restart and more < value
        ):  # a restart that ends above the old value cannot be seen by anybody
            value = 0
        value += more
        seen.append((float(at), float(value)))

    assert total(seen, 0, len(happened)) == sum(happened)


@given(st.lists(st.integers(0, 9), min_size=3, max_size=50), st.data())
def test_windows_that_meet_add_up_to_the_whole(values, data):
    found = samples(*values)
    a, b, c = sorted(data.draw(st.lists(st.floats(-1, len(values)), min_size=3, max_size=3)))

    whole, one, two = (total(found, x, y, born_after=-0.5) for x, y in ((a, c), (a, b), (b, c)))

    assert whole == one + two


@given(st.lists(events, min_size=1, max_size=5))
def test_the_growth_of_a_sum_is_the_sum_of_the_growths_with_pods_replaced_at_any_time(pods):
    """Each pod lives after the one before it, as a series of its own that begins at its
    first count.
    """
    several, at, truth = [], 10.0, 0
    for i, happened in enumerate(pods):
        counts = list(accumulate(happened))
        several.append(
            Series({"pod": str(i)}, tuple((at + t, float(c)) for t, c in enumerate(counts)))
        )
        at += len(counts)
        truth += sum(happened)

    found = growth(several, 5.0, at, born_after=6.0)

    assert found.total == truth
    assert found.born == len(pods)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e6)), max_size=40),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_growth_is_never_negative_and_lies_inside_the_window(points, one, other):
    start, end = sorted((one, other))
    found = growth([Series({}, tuple(sorted(points)))], start, end, born_after=EVER)

    assert all(amount >= 0 and start < at <= end for at, amount in found.steps)
