from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drillkit.judge.histogram import (
    RELATIVE_ERROR,
    bucket_us,
    floor_us,
    merged,
    percentile_s,
    slower_than,
)

LATENCIES = st.lists(st.integers(0, 60_000_000), min_size=1, max_size=300)


def histogram(latencies: list[int]) -> dict[int, int]:
    return merged({bucket_us(latency): 1} for latency in latencies)


@given(st.integers(0, 10**10))
def test_a_bucket_holds_its_values_and_is_at_most_two_percent_wide(latency: int) -> None:
    top, bottom = bucket_us(latency), floor_us(bucket_us(latency))
    assert bottom <= latency <= top
    assert bucket_us(bottom) == bucket_us(top) == top
    assert top - bottom <= RELATIVE_ERROR * bottom
    assert RELATIVE_ERROR < 0.02


@given(LATENCIES, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_never_too_low_and_at_most_two_percent_too_high(
    latencies: list[int], share: float
) -> None:
    true = sorted(latencies)[math.ceil(share * len(latencies) - 1e-9) - 1] / 1e6
    found = percentile_s(histogram(latencies), share)
    assert found is not None
    assert true <= found <= true * (1 + RELATIVE_ERROR) + 1e-12


@given(LATENCIES, st.integers(0, 60_000_000))
def test_the_number_of_slower_ones_lies_between_the_two_that_buckets_can_tell(
    latencies: list[int], limit: int
) -> None:
    found = slower_than(histogram(latencies), limit / 1e6)
    assert found.least <= sum(latency > limit for latency in latencies) <= found.most


def test_nothing_has_no_percentile() -> None:
    assert percentile_s({}, 0.95) is None


def test_histograms_add_up() -> None:
    assert merged([{100: 2, 200: 1}, {200: 3}]) == {100: 2, 200: 4}


def test_a_latency_before_its_intended_time_counts_as_none() -> None:
    assert bucket_us(-5) == pytest.approx(0)
