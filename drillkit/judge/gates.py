"""Gates: does the steady state hold, by declared counts (`bad <= k of n` over the last n probes)?

Used live by the runner and again by the judge on the same samples. The exact one-sided test is
printed beside the count and decides only where a confidence is declared: at 20/s for 30 s it would
call most healthy services unknown.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from drillkit.judge.budget import LEAST_EVENTS
from drillkit.judge.outages import OutageTracker, coincide
from drillkit.judge.statistics import DEFAULT_CONFIDENCE, exact_test, trials_needed
from drillkit.judge.tally import THROTTLED, Doubts, SampleTally
from drillkit.judge.wording import causes, number
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Gate
from drillkit.model.evidence import Sample
from drillkit.model.units import OutOf
from drillkit.model.verdict import Holds

STALE_S = 10.0
"""Probes older than this (or three of their own intervals) say nothing about now."""
LEAST_PROBES = 200
"""Probes behind a gate of an SLO, which declares no count."""


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What the last probes say."""

    holds: Holds
    bad: int
    total: int
    expected: str
    why: str
    """What was found, in words."""
    test: str = ""
    """The exact test, in words."""
    records: tuple[int, ...] = ()


def slo_gate(target: float, confidence: Gate | None = None) -> Gate:
    """The gate that an SLO (objective such as 0.995) makes of probes: as many as allow one bad one,
    at least 200.
    """
    tolerated = 1 - target
    total = max(LEAST_PROBES, math.ceil(1 / tolerated - 1e-9))
    share = confidence.confidence if confidence else None
    return Gate(bad=OutOf(int(tolerated * total + 1e-9), total), confidence=share)


def window_of(gate: Gate) -> int:
    """How many of the last probes a gate looks at. 0: it declares no count."""
    if gate.bad is None:
        return 0
    if gate.confidence is None or gate.bad.bad == 0:
        return gate.bad.total
    needed = trials_needed(gate.bad.bad / gate.bad.total, confidence=gate.confidence.of_one)
    return max(gate.bad.total, needed)


class GateWindow:
    """The last probes of one SLI, as many as a gate needs, and those of the control probes
    beside them.
    """

    def __init__(self, gate: Gate, *, slow_s: float | None = None, sli: str = "") -> None:
        """`slow_s`: the probe's latency threshold; a tenth of it is what the prober's own lateness
        may be.
        `sli`: the SLI's name, needed only where the gate is about a control probe itself."""
        self._gate, self._slow_s, self._sli = gate, slow_s, sli
        self._need = window_of(gate)
        self._samples: deque[tuple[int, Sample]] = deque()
        self._sent = 0
        self._control: deque[Sample] = deque(maxlen=3600)

    def add(self, sample: Sample, n: int = 0) -> None:
        """Take in the next second of the SLI, or of a control probe; `n`: number of its record."""
        if sample.control and sample.sli != self._sli:
            self._control.append(sample)
            return
        self._samples.append((n, sample))
        self._sent += sample.sent
        while self._samples and self._sent - self._samples[0][1].sent >= max(self._need, 1):
            self._sent -= self._samples.popleft()[1].sent

    def clear(self) -> None:
        """Begin anew: what was before does not count."""
        self._samples.clear()
        self._sent = 0

    def answer(self, now: float | None = None) -> GateAnswer:
        """Does the gate hold over the last probes? `now`: monotonic seconds; without it age does
        not matter.
        """
        tally, tracker, control = SampleTally(), OutageTracker(), OutageTracker()
        for n, sample in self._samples:
            tally.add(sample, n)
            tracker.add(sample)
        for sample in self._control:
            control.add(sample)
        doubts = tally.doubts(self._slow_s)
        if coincide(tracker.brackets, control.brackets, 1.0):
            doubts.grave.append("the control probe failed at the same time: the fault may be ours")
        if now is not None and tally.last is not None and tally.first is not None:
            apart_s = (tally.last - tally.first) / max(1, tally.sent - 1)
            if now - tally.last > max(STALE_S, 3 * apart_s):
                doubts.grave.append(f"the last probe is {now - tally.last:.0f} s old")
        return _answer(self._gate, self._need, tally, doubts)


def decide(gate: Gate, samples: Iterable[Sample], *, slow_s: float | None = None) -> GateAnswer:
    """Does a gate hold over the last probes of these samples (one SLI and, if any, the controls),
    in order?
    """
    window = GateWindow(gate, slow_s=slow_s)
    for sample in samples:
        window.add(sample)
    return window.answer()


def decide_ratio(
    good: float | None,
    total: float | None,
    target: float,
    *,
    confidence: float | None = None,
    why: str = "",
) -> GateAnswer:
    """Does an objective such as 0.995 hold by a metrics server's counts? No data, or none that can
    be: unknown.

    `confidence`: decide by the exact test at it; `why`: what came instead of data.
    """
    expected = f"at least {target * 100:.6g} % good"
    if (
        good is None
        or total is None
        or not math.isfinite(good)
        or not math.isfinite(total)
        or total <= 0
    ):
        return GateAnswer(Holds.UNKNOWN, 0, 0, expected, why or "no data")
    if not 0 <= good <= total:
        return GateAnswer(
            Holds.UNKNOWN, 0, round(total), expected, f"{good:g} good of {total:g} cannot be"
        )
    if total < LEAST_EVENTS:
        why = f"less than one event was counted ({total:.2g})"
        return GateAnswer(Holds.UNKNOWN, 0, 0, expected, why)
    bad, events = total - good, max(1, round(total))
    if confidence is not None:
        expected += f", at {confidence * 100:g} % confidence"
        holds = exact_test(min(round(bad), events), events, 1 - target, confidence).holds
    else:
        holds = Holds.MET if bad <= (1 - target) * total * (1 + 1e-12) else Holds.VIOLATED
    found = f"{good / total * 100:.4g} % good ({number(bad)} bad of {number(total)})"
    test = exact_words(
        min(round(bad), events), events, 1 - target, confidence or DEFAULT_CONFIDENCE
    )
    return GateAnswer(holds, round(bad), round(total), expected, found, test)


def exact_words(
    bad: int, total: int, tolerated: float, confidence: float = DEFAULT_CONFIDENCE
) -> str:
    """The exact test as a sentence; '' where there is nothing to test."""
    if total <= 0 or not 0 < tolerated < 1 or not 0 <= bad <= total:
        return ""
    found = exact_test(bad, total, tolerated, confidence)
    said = {
        Holds.MET: "shown",
        Holds.VIOLATED: "refuted",
        Holds.UNKNOWN: "neither shown nor refuted",
    }[found.holds]
    return (
        f"exact test at {confidence * 100:g} %: bad share between {percent(found.lower)} and "
        f"{percent(found.upper)}, so at most {percent(tolerated)} is {said}"
    )


def percent(share: float) -> str:
    """0.005 as `0.5 %`."""
    return f"{share * 100:.3g} %"


def _answer(gate: Gate, need: int, tally: SampleTally, doubts: Doubts) -> GateAnswer:
    bad, sent = tally.failed, tally.sent
    if gate.bad is None:
        return GateAnswer(
            Holds.UNKNOWN,
            bad,
            sent,
            "a declared count",
            "declared was no count such as `bad: 2 of 200`",
        )
    most, of = gate.bad.bad, gate.bad.total
    found = f"{bad:,} bad of {sent:,}"
    if gate.confidence is None:
        confidence, expected = DEFAULT_CONFIDENCE, f"at most {most:,} of {of:,} bad"
        certain = bad - tally.bad.get(THROTTLED, 0)
        holds = Holds.at_most(most, certain, bad)
    else:
        confidence = gate.confidence.of_one
        expected = f"at most {percent(most / of)} bad, at {confidence * 100:g} % confidence"
        holds = exact_test(bad, sent, most / of, confidence).holds if sent else Holds.UNKNOWN
        if most == 0:
            found += "; no number of probes shows that none is bad: declare one that may be"
    if holds is Holds.MET and sent < need:
        holds, found = Holds.UNKNOWN, f"{found}; {need:,} are needed"
    if bad and holds is not Holds.MET:
        found += f" ({causes(tally.bad)})"
    test = exact_words(bad, sent, most / of, confidence)
    return GateAnswer(
        doubts.weigh(holds),
        bad,
        sent,
        expected,
        "; ".join([found, *doubts.words]),
        test,
        tally.records,
    )
