"""Latency buckets: log-linear, 64 to an octave, so that none is wider than 1.6 % of its values."""

from __future__ import annotations

_STEPS_BITS = 6


def bucket_us(latency_us: int) -> int:
    """Upper bound (inclusive, microseconds) of the bucket that a latency belongs to; exact below 128 us.

    The bound is in its own bucket: `bucket_us(bucket_us(x)) == bucket_us(x)`.
    """
    shift = latency_us.bit_length() - _STEPS_BITS - 1
    if shift <= 0:
        return max(0, latency_us)
    return latency_us | ((1 << shift) - 1)
