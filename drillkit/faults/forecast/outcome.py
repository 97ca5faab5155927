"""What a forecast says."""

from __future__ import annotations

from drillkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Forecast:
    """Neither: all goes well, whatever the scheduler chooses, as long as nothing else changes."""

    cannot: tuple[str, ...] = ()
    """What certainly fails as things are."""
    unsure: tuple[str, ...] = ()
    """What may fail, and why nobody can tell."""
