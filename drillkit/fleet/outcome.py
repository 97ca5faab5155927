"""What came of one target: its run's journal says it, or its Job where there is no run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from drillkit.fleet.waves import Result
from drillkit.lazy_dataclass import dataclass
from drillkit.secrets import excerpt

if TYPE_CHECKING:
    from drillkit.archive.summary import RunSummary

_OF_CODES: Mapping[int, Result] = {0: "met", 1: "violated", 3: "unknown", 4: "refused", 5: "dirty"}
_WORDS_MOST = 400


@dataclass(frozen=True, slots=True)
class FleetMeasure:
    """One number of one step."""

    step: str
    name: str
    """`rto`, `rpo`, `recovery`, ..."""
    value_s: float
    bound_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOutcome:
    """What came of one target."""

    target: str
    result: Result
    why: str
    """The run's headline, or why there is no run."""
    at: float
    """When that was known, in seconds since the epoch."""
    run: str = ""
    """Id of the run; '' where none began."""
    started: float | None = None
    ended: float | None = None
    measured: tuple[FleetMeasure, ...] = ()
    outage_s: float = 0.0
    """All outages that users had."""
    longest_gap_s: float = 0.0
    lost: int = 0
    """Requests."""
    emulated: bool = False
    """The target is not real: no evidence of anything that is."""


def of_run(summary: RunSummary, at: float) -> TargetOutcome:
    """Of a run that has ended, or of what is left of one."""
    return TargetOutcome(
        target=summary.target,
        result=_OF_CODES[summary.exit_code],
        why=summary.headline,
        at=at,
        run=summary.run,
        started=summary.started,
        ended=summary.ended,
        measured=tuple(
            FleetMeasure(step, name, number.value_s, number.bound_s)
            for step, name, number in summary.measures()
        ),
        outage_s=summary.outage_s,
        longest_gap_s=summary.longest_gap_s,
        lost=summary.lost,
        emulated=summary.emulated,
    )


def of_process(target: str, code: int | None, words: str, at: float) -> TargetOutcome:
    """Of a Job whose process has ended and left no run. `code`: how it ended, None where it never
    began; `words`: the last that it, or its cluster, said.
    """
    said = excerpt(" ".join(words.split()), _WORDS_MOST, end=True)
    if code == 4:
        return TargetOutcome(target=target, result="refused", why=said or "refused", at=at)
    ended = "" if code is None else f"its process ended with {code} before a run began"
    why = ": ".join(filter(None, (ended, said))) or "its Job ended and nothing says why"
    return TargetOutcome(target=target, result="not run", why=why, at=at)
