"""Outages from probes. Each is a bracket: it lasted at least from the first failed probe to the
last, and at most from the last good one before to the first good one after; the truth lies between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from drillkit.judge.samples import begins
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import Sample
from drillkit.model.verdict import Outage

KEPT = 2_000
"""Outages of one SLI that are kept, the longest ones: flapping all day long must not fill
the memory.
"""


@dataclass(slots=True)
class Bracket:
    """One outage while and after it is seen. Times are seconds on the run's monotonic axis."""

    first_bad: float
    last_bad: float
    last_ok: float | None
    """None: it was there when probing began."""
    next_ok: float | None = None
    """None: it had not ended when probing did."""
    bad: int = 0

    @property
    def least_s(self) -> float:
        return self.last_bad - self.first_bad

    @property
    def most_s(self) -> float:
        """Upper end; of an outage whose begin or end was not seen: as far as it was seen."""
        after = self.last_bad if self.next_ok is None else self.next_ok
        return after - (self.first_bad if self.last_ok is None else self.last_ok)

    @property
    def whole(self) -> bool:
        """Whether both ends were seen."""
        return self.last_ok is not None and self.next_ok is not None

    @property
    def over_by(self) -> float:
        """When it was over at the latest; infinite while it lasts."""
        return math.inf if self.next_ok is None else self.next_ok


class OutageTracker:
    """Follows one SLI's samples in order."""

    __slots__ = ("_last_ok", "brackets", "count", "last_seen", "open")

    def __init__(self) -> None:
        self.brackets: list[Bracket] = []
        """In order of time; the longest `KEPT` of them if there are many more."""
        self.count = 0
        """Of all, kept or not."""
        self.open: Bracket | None = None
        """The one that lasts."""
        self.last_seen: float | None = None
        self._last_ok: float | None = None

    def add(self, sample: Sample) -> None:
        """Take in the next sample."""
        if not sample.flips:
            return
        all_bad = sample.sent - sample.good
        runs = [
            (start, end, good)
            for (start, good), (end, _) in zip(sample.flips, sample.last, strict=True)
        ]
        bad_runs = sum(not good for _, _, good in runs)
        apart = spacing_s(sample)
        for start, end, good in runs:
            if good:
                self._up(start, end)
            else:
                # A sample counts its bad probes, not those of each run: with several they are
                # counted by the clock.
                by_clock = round((end - start) / apart) + 1 if apart else 1
                self._down(start, end, all_bad if bad_runs == 1 else by_clock)
        self.last_seen = runs[-1][1]

    def _up(self, start: float, end: float) -> None:
        if self.open is not None:
            self.open.next_ok = start
            self.open = None
        self._last_ok = end

    def _down(self, start: float, end: float, bad: int) -> None:
        if self.open is None:
            self.open = Bracket(start, end, self._last_ok)
            self.brackets.append(self.open)
            self.count += 1
            self._prune()
        self.open.last_bad = end
        self.open.bad += bad

    def _prune(self) -> None:
        if len(self.brackets) < 2 * KEPT:
            return
        longest = sorted(self.brackets[:-1], key=lambda b: b.most_s, reverse=True)[:KEPT]
        self.brackets = [*sorted(longest, key=lambda b: b.first_bad), self.brackets[-1]]


def spacing_s(sample: Sample) -> float | None:
    """Seconds between its probes; None: fewer than two."""
    first = begins(sample)
    if first is None or sample.sent < 2:
        return None
    return (sample.last[-1][0] - first) / (sample.sent - 1)


def outages(samples: Iterable[Sample]) -> tuple[Bracket, ...]:
    """The outages in one SLI's samples, in order of time."""
    tracker = OutageTracker()
    for sample in samples:
        tracker.add(sample)
    return tuple(tracker.brackets)


def touching(brackets: Sequence[Bracket], start: float, end: float) -> list[Bracket]:
    """Those that were there at some time between `start` and `end`."""
    return [b for b in brackets if b.first_bad <= end and b.last_bad >= start]


def longest_gap_s(brackets: Iterable[Bracket]) -> float:
    """Upper end of the longest; 0 of none."""
    return max((b.most_s for b in brackets), default=0.0)


def coincide(some: Sequence[Bracket], others: Sequence[Bracket], slack_s: float) -> bool:
    """Whether any of `some` was there at the same time (within `slack_s`) as any of `others`; both
    in order of time.
    """
    i = j = 0
    while i < len(some) and j < len(others):
        if some[i].last_bad + slack_s < others[j].first_bad:
            i += 1
        elif others[j].last_bad + slack_s < some[i].first_bad:
            j += 1
        else:
            return True
    return False


def as_outage(bracket: Bracket, sli: str, step: str) -> Outage:
    """The verdict's form of a bracket."""
    return Outage(
        sli=sli,
        first_bad=bracket.first_bad,
        last_bad=bracket.last_bad,
        least_s=bracket.least_s,
        most_s=bracket.most_s,
        bad=bracket.bad,
        ended=bracket.next_ok is not None,
        step=step,
    )
