"""From a record's data to a Sample, fast: an hour has thousands, and the general codec is made
for dozens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from drillkit.model.evidence import Sample

_FIELDS = frozenset(f.name for f in fields(Sample)) | {"type"}


def read_sample(data: Mapping[str, Any]) -> Sample:
    """The Sample of a record's data. Raises ValueError for what this version does not know or
    cannot be.
    """
    if not data.keys() <= _FIELDS:
        raise ValueError(f"Sample has no field {', '.join(sorted(data.keys() - _FIELDS))}")
    try:
        sample = Sample(
            data["sli"],
            data["sent"],
            data["good"],
            dict(data["bad"]),
            {int(bucket): count for bucket, count in data["latency_us"].items()},
            tuple([(at, good) for at, good in data["flips"]]),
            tuple([(at, good) for at, good in data["last"]]),
            data["lateness_p99_us"],
            data["dropped"],
            data.get("control", False),
        )
        fits = _fits(sample)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a Sample that cannot be read: {error!r}") from error
    if not fits:
        raise ValueError(f"a Sample of `{sample.sli}` whose fields contradict each other")
    return sample


def _fits(sample: Sample) -> bool:
    """Whether fields are what they are called, and add up."""
    counts = (
        sample.sent,
        sample.good,
        sample.lateness_p99_us,
        sample.dropped,
        *sample.bad.values(),
        *sample.latency_us.values(),
    )
    # No bool is a count; the type itself is asked for, not what it derives from.
    if not isinstance(sample.sli, str) or set(map(type, counts)) != {int} or min(counts) < 0:
        return False
    runs, ends = sample.flips, sample.last
    in_order = all([type(at) in (int, float) and at >= 0 for at, _ in (*runs, *ends)])
    return (
        in_order
        and len(runs) == len(ends)
        and bool(runs) == bool(sample.sent)
        and sample.sent == sample.good + sum(sample.bad.values())
        and isinstance(sample.control, bool)
    )
