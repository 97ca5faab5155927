"""Latency buckets: log-linear, 64 to an octave, so that none is wider than 1.6 % of its values.

A histogram maps a bucket's upper bound to a count. A failed probe has no latency, so it is in none;
where a bound says "95 of 100 requests faster than", the failed ones are counted as slow beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, MutableMapping

from drillkit.lazy_dataclass import dataclass

_STEPS_BITS = 6
RELATIVE_ERROR = 1 / (1 << _STEPS_BITS)
"""Most by which a value read from a bucket's upper bound is too high."""


def bucket_us(latency_us: int) -> int:
    """Upper bound (inclusive, microseconds) of the bucket that a latency belongs to; exact below
    128 us.

    The bound is in its own bucket: `bucket_us(bucket_us(x)) == bucket_us(x)`.
    """
    shift = latency_us.bit_length() - _STEPS_BITS - 1
    if shift <= 0:
        return max(0, latency_us)
    return latency_us | ((1 << shift) - 1)


def floor_us(bucket: int) -> int:
    """Lower bound (inclusive, microseconds) of the bucket with that upper bound."""
    shift = bucket.bit_length() - _STEPS_BITS - 1
    return bucket if shift <= 0 else bucket & ~((1 << shift) - 1)


def merge(into: MutableMapping[int, int], more: Mapping[int, int]) -> None:
    """Add a histogram to another."""
    for bucket, count in more.items():
        try:
            into[bucket] += count  # nearly always there: a day has millions of these
        except KeyError:
            into[bucket] = count


def merged(several: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """One histogram of several."""
    found: dict[int, int] = {}
    for one in several:
        merge(found, one)
    return found


def percentile_s(histogram: Mapping[int, int], share: float) -> float | None:
    """Latency in seconds that `share` (0..1) of the values do not exceed, by nearest rank; None of
    no values.

    The bucket's upper bound: at most 1.6 % (`RELATIVE_ERROR`) above the true value, never below it.
    """
    total = sum(histogram.values())
    if not total:
        return None
    rank, passed = max(1, math.ceil(share * total - 1e-9)), 0
    for bucket in sorted(histogram):
        passed += histogram[bucket]
        if passed >= rank:
            return bucket / 1e6
    raise AssertionError("ranks end with the last bucket")


@dataclass(frozen=True, slots=True)
class Slower:
    """How many values exceed a threshold, as far as buckets can tell."""

    least: int
    most: int


def slower_than(histogram: Mapping[int, int], threshold_s: float) -> Slower:
    """Number of values above `threshold_s` seconds. The bucket it lies in can belong to
    either side.
    """
    threshold_us = threshold_s * 1e6
    least = most = 0
    for bucket, count in histogram.items():
        if bucket > threshold_us:
            most += count
            if floor_us(bucket) > threshold_us:
                least += count
    return Slower(least, most)
