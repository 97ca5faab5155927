"""A line of the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeAlias

from drillkit.lazy_dataclass import dataclass
from drillkit.model.records.codec import decode
from drillkit.model.records.entries import Entry


@dataclass(frozen=True, slots=True)
class Record:
    """One line: when, by whom, about which step, and what it says."""

    n: int
    """Number, from 1."""
    at: float
    """Date: seconds since the epoch."""
    mono: float
    """Monotonic seconds; durations come from these. Comparable only within one `boot`."""
    by: str
    """Writer: `runner`, `worker:STEP`, `sampler`, `recover`."""
    kind: str
    step: str
    """Name of the step it belongs to, or ''."""
    data: Mapping[str, Any]
    """As it stands in the journal; what it means is in `entry`."""
    entry: Entry = field(init=False, repr=False, compare=False)
    """What it says, read once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "entry", decode(self.kind, self.data))


History: TypeAlias = tuple[Record, ...]
