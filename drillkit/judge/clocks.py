"""How far clocks are apart: that of the runner, and those that dated what others wrote."""

from __future__ import annotations

from drillkit.judge.run_history import RunRead
from drillkit.lazy_dataclass import dataclass
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds

OFFSET_S = 1.0
"""Clocks that are apart by less are not corrected."""
DRIFT_S = 0.5
"""A date that moves by less is disciplined, not set."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """How far the clocks that dated the recovery point are ahead of the runner's, in seconds."""

    least_s: float = 0.0
    most_s: float = 0.0
    """Offset and drift at their worst."""
    nominal_s: float = 0.0
    """What a loss is corrected by."""
    note: str = ""

    @classmethod
    def of_far_sides(cls, run: RunRead) -> Clocks:
        """What record 1 measured of every far side but the metrics server, which dates no data, and
        what the runner's own date moved since.
        """
        measured = run.opened.clock_offsets.items()
        offsets = [offset_s for side, offset_s in measured if side != "prometheus"]
        least, most = min(offsets, default=0.0), max(offsets, default=0.0)
        drift_s = run.clock_drift_s if run.clock_drift_s > DRIFT_S else 0.0
        apart_s = max(abs(least), abs(most))
        # Dates of HTTP tell whole seconds: less than that is no offset, only not known better.
        nominal_s = (least + most) / 2 if apart_s > OFFSET_S else 0.0
        notes = [clock_note(run)]
        if nominal_s:
            notes.append(f"corrected by {format_duration(abs(nominal_s))}")
        if drift_s:
            notes.append(f"our date moved by {format_duration(round(drift_s, 1))} during the run")
        said = "; ".join(note for note in notes if note)
        return cls(min(least, nominal_s) - drift_s, max(most, nominal_s) + drift_s, nominal_s, said)

    @property
    def doubt(self) -> str:
        return f"the clocks do not tell: {self.note}"

    def decide(self, corrected_s: float, limit_s: float) -> Holds:
        """Whether a corrected loss is within its limit at the worst, or beyond it at the best."""
        found_s = corrected_s - self.nominal_s
        return Holds.at_most(limit_s, found_s + self.least_s, found_s + self.most_s)


def clock_note(run: RunRead) -> str:
    """How far the other side's clock was off, if it was measured."""
    off = [abs(offset_s) for offset_s in run.opened.clock_offsets.values()]
    return f"clocks apart by up to {format_duration(max(off))}" if off else ""
