"""Counts the probes of each second, by their intended times, and makes a Sample of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from drillkit.judge.histogram import bucket_us
from drillkit.model.evidence import Sample

_ROUNDING_S = 1e-9
"""Intended times are sums of floats: one that should be 3.0 must not fall into second 2."""


class Second:
    """The probes whose intended times lie in one second."""

    __slots__ = (
        "_bad",
        "_intended",
        "_latency_us",
        "_lateness_us",
        "_states",
        "dropped",
        "end",
        "pending",
    )

    def __init__(self, end: float) -> None:
        self.end = end
        self.dropped = 0
        self.pending = 0
        """Sent, and nothing known of them yet."""
        self._intended: list[float] = []
        self._states: list[bool | None] = []  # None: pending or dropped
        self._bad: dict[str, int] = {}
        self._latency_us: dict[int, int] = {}
        self._lateness_us: list[int] = []

    def sent(self, intended: float, lateness_s: float) -> int:
        """A probe left. Its place in this second."""
        self.pending += 1
        self._intended.append(intended)
        self._states.append(None)
        self._lateness_us.append(round(lateness_s * 1e6))
        return len(self._states) - 1

    def answered(self, place: int, cause: str | None, latency_s: float) -> None:
        """A probe came to its end. Good and slow ones have a latency; of the others no answer was
        of use.
        """
        self.pending -= 1
        self._states[place] = cause is None
        if cause is not None:
            self._bad[cause] = self._bad.get(cause, 0) + 1
        if cause in (None, "slow"):
            bucket = bucket_us(round(latency_s * 1e6))
            self._latency_us[bucket] = self._latency_us.get(bucket, 0) + 1

    def unknown(self) -> None:
        """A probe left, but whether it was good will not be known, by our own fault."""
        self.pending -= 1
        self.dropped += 1

    def sample(self, sli: str, control: bool) -> Sample:
        """What is known of this second."""
        outcomes = zip(self._intended, self._states, strict=True)
        known = [(round(at, 6), good) for at, good in outcomes if good is not None]
        flips, last = _runs(known)
        late = sorted(self._lateness_us)
        bad = dict(sorted(self._bad.items()))
        return Sample(
            sli=sli,
            sent=len(known),
            good=len(known) - sum(bad.values()),
            bad=bad,
            latency_us=dict(sorted(self._latency_us.items())),
            flips=flips,
            last=last,
            lateness_p99_us=late[(len(late) * 99 - 1) // 100] if late else 0,
            dropped=self.dropped,
            control=control,
        )


Points = tuple[tuple[float, bool], ...]


def _runs(known: list[tuple[float, bool]]) -> tuple[Points, Points]:
    """First and last probe of each run of equal outcomes."""
    starts = [n for n, (_, good) in enumerate(known) if n == 0 or known[n - 1][1] != good]
    ends = [n - 1 for n in starts[1:]] + ([len(known) - 1] if known else [])
    return tuple(known[n] for n in starts), tuple(known[n] for n in ends)


class ProbeTally:
    """All open seconds of one probe, in order."""

    def __init__(self, sli: str, control: bool, start: float) -> None:
        """`start`: beginning of the first second, on the monotonic axis."""
        self._sli = sli
        self._control = control
        self._start = start
        self._begun = 0
        self._open: deque[Second] = deque()

    def second(self, intended: float) -> Second:
        """The second that an intended time belongs to. Intended times never go back."""
        while not self._open or self._open[-1].end <= intended + _ROUNDING_S:
            self._begin()
        return self._open[-1]

    def closed(self, until: float) -> Iterator[Sample]:
        """Samples of the seconds that lie before `until`, one after the other, as long as nothing
        is pending in them.

        In order, because the runs of two seconds can only be joined if nothing is missing
        between them.
        """
        while True:
            if not self._open:
                self._begin()
            if self._open[0].end > until + _ROUNDING_S or self._open[0].pending:
                return
            yield self._open.popleft().sample(self._sli, self._control)

    def rest(self) -> Iterator[Sample]:
        """Samples of whatever was counted and not yet handed out. Call it when nothing
        is pending.
        """
        while self._open:
            sample = self._open.popleft().sample(self._sli, self._control)
            if sample.sent or sample.dropped:
                yield sample

    def _begin(self) -> None:
        self._begun += 1
        self._open.append(Second(self._start + self._begun))
