"""Abort guards and live figures, second by second, from samples and readings as they stream in.

Pure: the caller brings the time. Guards look at what happened since `begin` (the first step); a
guard fires once. Wall-clock guards (`alerts`, `freeze`) are not about samples and are the
runner's own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

from drillkit.judge.budget import tolerated
from drillkit.judge.histogram import merged, percentile_s
from drillkit.judge.outages import OutageTracker
from drillkit.judge.sample_stats import BLIND
from drillkit.judge.samples import bad_of
from drillkit.judge.slos import spent
from drillkit.judge.statistics import lower_bound
from drillkit.lazy_dataclass import dataclass
from drillkit.model.codec import to_data
from drillkit.model.drill import Drill, Guard
from drillkit.model.evidence import Reading, Sample
from drillkit.model.records import SloTerms
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds

LIVE_S = 10
"""Seconds behind the live figures."""


@dataclass(frozen=True, slots=True)
class Fired:
    """A guard that says stop. Its fields are those of a `guard.decided` record, and who the abort
    is by.
    """

    guard: str
    """The guard as a drill writes it."""
    holds: Holds
    """Violated: the service suffers more than was declared; unknown: nobody sees it."""
    why: str
    by: Literal["guard", "blind"]


@dataclass(frozen=True, slots=True)
class Now:
    """One SLI over the last seconds."""

    sli: str
    sent: int
    bad: int
    good_share: float | None
    p95_s: float | None
    failing_s: float
    """How long the outage that lasts has lasted at most; 0: there is none."""


def guard_text(guard: Guard) -> str:
    """A guard as a drill writes it: `probe: web, longest_gap: 5s`."""
    return ", ".join(f"{key}: {value}" for key, value in to_data(guard).items())


class LiveBounds:
    """Watches the abort guards of a drill."""

    def __init__(self, drill: Drill, slos: Mapping[str, SloTerms] | None = None) -> None:
        self._slos = dict(slos or {})
        self._open = [
            guard
            for guard in drill.guards.abort
            if guard.subject in ("probe", "budget", "slo", "blind")
        ]
        self._rolling = {
            (guard.slo, guard.window.total_seconds()): deque[tuple[float, int, int]]()
            for guard in self._open
            if guard.slo and guard.window
        }
        self._began: float | None = None
        self._seen: float | None = None
        self._trackers: dict[str, OutageTracker] = {}
        self._bad: dict[str, int] = {}
        self._good: set[str] = set()
        self._spending: dict[str, tuple[int, int, int]] = {}
        self._last: dict[str, deque[Sample]] = {}
        self._readings: dict[str, tuple[float, Reading]] = {}

    @property
    def unwatched(self) -> list[str]:
        """Guards that can never fire because nothing is known of their SLO: refuse to start
        with these.
        """
        return [
            guard_text(g)
            for g in self._open
            if (g.budget or g.slo) and (g.budget or g.slo) not in self._slos
        ]

    def begin(self, at: float) -> None:
        """The steps begin at `at` (monotonic seconds): guards count from here on, blindness is
        measured from here.
        """
        self._began = self._seen = at

    def add(self, sample: Sample, at: float) -> list[Fired]:
        """Take in one second of one probe, written at `at`. The guards that now fire."""
        self._last.setdefault(sample.sli, deque(maxlen=LIVE_S)).append(sample)
        if sample.good:
            self._good.add(sample.sli)
        if sample.control:
            return []
        tracker = self._trackers.setdefault(sample.sli, OutageTracker())
        tracker.add(sample)
        for slo in self._slos.values():
            if slo.kind == "probe" and slo.sli == sample.sli:
                self._charge(slo, sample, at)
        if self._began is None:
            tracker.brackets = [tracker.open] if tracker.open else []
            return []
        if sample.sent:
            self._seen = at
        self._bad[sample.sli] = self._bad.get(sample.sli, 0) + sample.sent - sample.good
        fired = self._decide(at)
        tracker.brackets = (
            [tracker.open] if tracker.open else []
        )  # the judge keeps them; here they were looked at
        return fired

    def add_reading(self, reading: Reading, at: float) -> list[Fired]:
        """Take in a metrics server's answer, written at `at`. The guards that now fire."""
        if reading.total is not None and self._began is not None:
            self._seen = at
        self._readings[reading.sli] = (at, reading)
        return self._decide(at)

    def tick(self, at: float) -> list[Fired]:
        """Nothing came: the guards that fire at `at` because of that. Call it about once
        a second.
        """
        return self._decide(at)

    def now(self) -> list[Now]:
        """Every SLI over the last seconds, controls too."""
        return [self._now(sli, samples) for sli, samples in self._last.items()]

    def _now(self, sli: str, samples: Sequence[Sample]) -> Now:
        sent, good = sum(s.sent for s in samples), sum(s.good for s in samples)
        p95 = percentile_s(merged(s.latency_us for s in samples), 0.95)
        tracker = self._trackers.get(sli)
        failing = tracker.open.most_s if tracker and tracker.open else 0.0
        return Now(sli, sent, sent - good, good / sent if sent else None, p95, failing)

    def _charge(self, slo: SloTerms, sample: Sample, at: float) -> None:
        """A budget is spent by the drill alone; a burn rate looks back over its window, the time
        before it too.
        """
        failed = bad_of(sample, slo.slow_s)
        if self._began is not None:
            bad, sent, seconds = self._spending.get(slo.name, (0, 0, 0))
            self._spending[slo.name] = (bad + failed, sent + sample.sent, seconds + 1)
        for (name, window_s), rolling in self._rolling.items():
            if name != slo.name:
                continue
            rolling.append((at, failed, sample.sent))
            while rolling[0][0] <= at - window_s:
                rolling.popleft()

    def _decide(self, at: float) -> list[Fired]:
        if self._began is None:
            return []
        fired = []
        for guard in list(self._open):
            why = self._why(guard, at)
            if why:
                self._open.remove(guard)
                blind = guard.subject == "blind" or self._never_good(guard)
                why += f"; {BLIND}" if self._never_good(guard) else ""
                holds = Holds.UNKNOWN if blind else Holds.VIOLATED
                fired.append(Fired(guard_text(guard), holds, why, "blind" if blind else "guard"))
        return fired

    def _never_good(self, guard: Guard) -> bool:
        """Whether a guard speaks for a probe that has not had one good answer: a probe that is
        wrong shows no weakness, and stops the drill all the same.
        """
        slo = self._slos.get(guard.budget or guard.slo or "")
        sli = guard.probe or (slo.sli if slo is not None and slo.kind == "probe" else None)
        return sli is not None and sli not in self._good

    def _why(self, guard: Guard, at: float) -> str:
        match guard.subject:
            case "probe":
                return self._probe(guard)
            case "budget":
                return self._budget(guard)
            case "slo":
                return self._burn(guard, at)
            case _:
                return self._blind(guard, at)

    def _probe(self, guard: Guard) -> str:
        assert guard.probe is not None
        tracker = self._trackers.get(guard.probe)
        if guard.longest_gap is not None and tracker is not None:
            longest = max((b.most_s for b in tracker.brackets), default=0.0)
            if longest > guard.longest_gap.total_seconds():
                return f"{guard.probe} did not answer for {format_duration(longest)}"
        bad = self._bad.get(guard.probe, 0)
        if guard.bad is not None and bad > guard.bad:
            return f"{bad:,} requests of {guard.probe} failed"
        return ""

    def _budget(self, guard: Guard) -> str:
        assert guard.budget is not None
        slo = self._slos.get(guard.budget)
        if slo is None or guard.spent is None:
            return ""
        bad, total, length_s = self._spent_by(slo)
        found = spent(slo, bad, total, length_s) if total else None
        if found is None or found.decides <= guard.spent.of_one:
            return ""
        return f"of the budget of {slo.name} this drill spent {found.words()}"

    def _spent_by(self, slo: SloTerms) -> tuple[float, float, float]:
        if slo.kind == "probe":
            return self._spending.get(slo.name, (0, 0, 0))
        _, reading = self._readings.get(slo.sli, (0.0, None))
        if (
            reading is None
            or reading.place != "during"
            or reading.good is None
            or reading.total is None
        ):
            return 0.0, 0.0, 0.0
        return reading.total - reading.good, reading.total, reading.window_s

    def _burn(self, guard: Guard, at: float) -> str:
        slo = self._slos.get(guard.slo or "")
        if slo is None or guard.burn is None or guard.window is None:
            return ""
        window_s = guard.window.total_seconds()
        if slo.kind == "probe":
            seconds = self._rolling[(slo.name, window_s)]
            bad, total = sum(s[1] for s in seconds), sum(s[2] for s in seconds)
        else:
            read_at, reading = self._readings.get(slo.sli, (0.0, None))
            fits = (
                reading is not None
                and abs(reading.window_s - window_s) < 0.5
                and at - read_at <= window_s
            )
            if not fits or reading is None or reading.good is None or reading.total is None:
                return ""
            bad, total = round(reading.total - reading.good), round(reading.total)
        if total <= 0 or not 0 <= bad <= total:
            return ""
        least = lower_bound(bad, total) / tolerated(slo.target)
        if least <= guard.burn:
            return ""
        window = format_duration(window_s)
        return (
            f"{slo.name} burns at no less than {least:.3g} over {window} ({bad:,} bad of {total:,})"
        )

    def _blind(self, guard: Guard, at: float) -> str:
        assert guard.blind is not None
        assert self._seen is not None
        blind_s = at - self._seen
        if blind_s <= guard.blind.total_seconds():
            return ""
        return f"neither probes nor metrics gave anything for {format_duration(blind_s)}"
