"""What a Sample says of its second."""

from __future__ import annotations

from drillkit.judge.histogram import slower_than
from drillkit.model.evidence import Sample


def begins(sample: Sample) -> float | None:
    """Intended time of its first probe; None: nothing was sent."""
    return sample.flips[0][0] if sample.flips else None


def ends(sample: Sample) -> float | None:
    """Intended time of its last probe."""
    return sample.last[-1][0] if sample.last else None


def bad_of(sample: Sample, slow_s: float | None) -> int:
    """How many failed, or surely took longer than `slow_s` seconds where that is tighter than the
    probe's own.
    """
    failed = sample.sent - sample.good
    if slow_s is None:
        return failed
    return max(
        failed, failed - sample.bad.get("slow", 0) + slower_than(sample.latency_us, slow_s).least
    )
