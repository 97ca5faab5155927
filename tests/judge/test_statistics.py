"""The exact statistics against scipy and published tables."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from drillkit.judge.statistics import (
    at_least,
    at_most,
    exact_test,
    least_bad_to_fail,
    lower_bound,
    most_bad_to_pass,
    pmf,
    quantile_ranks,
    trials_needed,
    upper_bound,
)
from drillkit.model.verdict import Holds

CONFIDENCES = st.sampled_from([0.8, 0.9, 0.95, 0.99, 0.999])
COUNTS = st.integers(1, 200_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, CONFIDENCES)
@settings(max_examples=150, deadline=None)
def test_bounds_are_clopper_pearsons(counts: tuple[int, int], confidence: float) -> None:
    bad, total = counts
    upper = beta.ppf(confidence, bad + 1, total - bad) if bad < total else 1.0
    lower = beta.ppf(1 - confidence, bad, total - bad + 1) if bad else 0.0
    # scipy's own quantile is off by up to 1e-10 for a single bad one among millions, so counts stay
    # below that.
    assert upper_bound(bad, total, confidence) == pytest.approx(upper, rel=2e-13)
    assert lower_bound(bad, total, confidence) == pytest.approx(lower, rel=2e-13)


@given(COUNTS, CONFIDENCES)
@settings(max_examples=100, deadline=None)
def test_each_bound_solves_its_defining_equation(
    counts: tuple[int, int], confidence: float
) -> None:
    bad, total = counts
    # A bound near 1 has an ulp of 2^-53, and a tail moves by as much for every trial.
    tail = pytest.approx(1 - confidence, rel=1e-9, abs=total * 2**-52)
    if 0 < bad < total:
        assert at_most(bad, total, upper_bound(bad, total, confidence)) == tail
        assert at_least(bad, total, lower_bound(bad, total, confidence)) == tail


@given(COUNTS, st.floats(1e-6, 1 - 1e-6))
@settings(max_examples=150, deadline=None)
def test_tails_are_the_binomial_distributions(counts: tuple[int, int], p: float) -> None:
    k, n = counts
    assert pmf(k, n, p) == pytest.approx(binom.pmf(k, n, p), rel=1e-9, abs=1e-300)
    assert at_most(k, n, p) == pytest.approx(binom.cdf(k, n, p), rel=1e-9, abs=1e-15)
    assert at_least(k, n, p) == pytest.approx(binom.sf(k - 1, n, p), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    ("total", "passes", "fails"), [(300, None, 5), (600, 0, 7), (3000, 8, 23), (30_000, 129, 171)]
)
def test_the_table_for_99_5_percent(total: int, passes: int | None, fails: int) -> None:
    assert most_bad_to_pass(total, 0.005) == passes
    assert least_bad_to_fail(total, 0.005) == fails
    assert exact_test(fails, total, 0.005).holds is Holds.VIOLATED
    assert exact_test(fails - 1, total, 0.005).holds is Holds.UNKNOWN
    if passes is not None:
        assert exact_test(passes, total, 0.005).holds is Holds.MET
        assert exact_test(passes + 1, total, 0.005).holds is Holds.UNKNOWN


@pytest.mark.parametrize(
    ("tolerated", "needed"), [(0.05, 59), (0.01, 299), (0.005, 598), (0.001, 2995)]
)
def test_the_smallest_number_of_trials_without_a_bad_one(tolerated: float, needed: int) -> None:
    assert trials_needed(tolerated) == needed
    assert upper_bound(0, needed) <= tolerated < upper_bound(0, needed - 1)


@given(st.integers(1, 60), st.floats(0.001, 0.5), CONFIDENCES)
@settings(max_examples=60, deadline=None)
def test_the_smallest_number_of_trials_with_some_bad_ones(
    bad: int, tolerated: float, confidence: float
) -> None:
    needed = trials_needed(tolerated, bad, confidence)
    assert upper_bound(bad, needed, confidence) <= tolerated * (1 + 1e-12)
    assert needed == bad + 1 or upper_bound(bad, needed - 1, confidence) > tolerated * (1 - 1e-12)


def test_the_interval_of_p95_of_3000_values() -> None:
    assert quantile_ranks(3000, 0.95) == (2826, 2874)


@given(st.integers(30, 20_000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_the_ranks_of_a_quantile_cover_it_and_no_narrower_ones_do(
    total: int, quantile: float
) -> None:
    ranks = quantile_ranks(total, quantile)
    if ranks is None:
        assert binom.cdf(0, total, quantile) > 0.025 or binom.sf(total - 1, total, quantile) > 0.025
        return
    low, high = ranks
    assert binom.cdf(low - 1, total, quantile) <= 0.025 * (1 + 1e-9) or low == 1
    assert binom.cdf(low, total, quantile) > 0.025 * (1 - 1e-9)
    assert binom.sf(high - 1, total, quantile) <= 0.025 * (1 + 1e-9)
    assert binom.sf(high - 2, total, quantile) > 0.025 * (1 - 1e-9)


def test_too_few_values_have_no_interval() -> None:
    assert quantile_ranks(20, 0.99) is None


def test_ten_million_trials_are_judged_at_once() -> None:
    began = time.process_time()
    found = exact_test(50_000, 10_000_000, 0.005)
    assert found.lower == pytest.approx(beta.ppf(0.05, 50_000, 9_950_001), rel=1e-12)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(("bad", "total"), [(1, 0), (-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(bad: int, total: int) -> None:
    with pytest.raises(ValueError, match="0 <= bad <= total"):
        upper_bound(bad, total)


def test_a_confidence_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="confidence between 0 and 1"):
        lower_bound(1, 5, 95.0)


def test_nothing_shows_that_none_is_bad() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        trials_needed(0.0)
    assert exact_test(0, 10_000, 0.0).holds is Holds.UNKNOWN
