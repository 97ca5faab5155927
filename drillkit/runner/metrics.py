"""What a metrics server says during a run: gates, readings of objectives, alerts, guards of
the start.

One thread asks, so that nobody waits for a slow server: a gate gets the last answer there is.
Windows end one scrape interval before now, when every target has surely been scraped and stored;
times are the server's.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from drillkit.clients.prometheus import Prometheus
from drillkit.clients.prometheus.alerts import selected
from drillkit.clients.prometheus.promql import matchers_of, named_alert
from drillkit.clock import Clock
from drillkit.journal.file import Journal
from drillkit.judge.gates import GateAnswer
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill, Guard
from drillkit.model.drill import Gate as Expectation
from drillkit.model.errors import CallError, JournalLost, Refused
from drillkit.model.evidence import ALERTS_SLI, Alert, Reading
from drillkit.model.records import GuardDecided, Progress, SloTerms
from drillkit.model.slo import Probed, Slo
from drillkit.model.target import Target
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds
from drillkit.runner.abort import Stopper
from drillkit.runner.alerts import Alerts, words
from drillkit.runner.metrics_server import QUERY_S, MetricsServer
from drillkit.runner.readings import decidable, exact, gate_answer, reading_of, terms_of
from drillkit.slo.counts import LEAST_INTERVALS, Counting, Cumulative
from drillkit.slo.status import events_in_window, stand

GATE_S = 10.0
"""A gate's window: so long, or four scrape intervals, or one slice; the longest of them."""
READY_INTERVALS = 6
"""Scrape intervals that a selector has to match anything."""
TICK_S = 0.1
POLLED_S = 2.0
"""A gate that nobody looked at for so long is decided: it is asked no more."""
TOLD_S = 15.0
"""A wait that may last longer is announced."""


@dataclass(frozen=True, slots=True)
class _AwaitedGate:
    """A gate that somebody waits for."""

    expectation: Expectation
    place: Literal["before", "after"]
    since: float
    """Earliest begin of its window, seconds since the epoch."""


class Metrics:
    """The metrics server of one run; a `Source` of the steady state."""

    def __init__(
        self,
        drill: Drill,
        slos: Mapping[str, Slo],
        target: Target,
        journal: Journal,
        clock: Clock,
        stopper: Stopper,
    ) -> None:
        self._drill, self._all, self._target = drill, slos, target
        self._slos = {name: slo for name, slo in slos.items() if not isinstance(slo.sli, Probed)}
        self._journal, self._clock, self._stopper = journal, clock, stopper
        self._alerts = Alerts(drill)
        self._silenced = tuple(map(named_alert, drill.announce.silence))
        self._server = MetricsServer(target, clock, journal.fence, stopper)
        self._lock = threading.Lock()
        self._gates: dict[str, _AwaitedGate] = {}
        self._answers: dict[str, GateAnswer] = {}
        self._polled: dict[str, float] = {}
        self._began: float | None = None
        self._ended: float | None = None
        self._over = threading.Event()
        self._final = threading.Event()
        self._thread: threading.Thread | None = None
        self.terms: dict[str, SloTerms] = {}

    @property
    def needed(self) -> bool:
        """Whether the drill reads anything from a metrics server."""
        guards = (*self._drill.guards.start, *self._drill.guards.abort)
        return (
            bool(self._slos)
            or self._alerts.any
            or any(guard.alerts is not None for guard in guards)
        )

    @property
    def interval_s(self) -> float:
        """Scrape interval in seconds."""
        return self._server.interval_s

    # --- before the run ---------------------------------------------------------------------------

    def open(self) -> Mapping[str, SloTerms]:
        """Connect and learn what record 1 holds: the terms of the SLOs. Never raises: `check` says
        what is wrong.
        """
        if self.needed:
            self._server.connect()
        client = self._server.readable
        for name, slo in self._all.items():
            terms = terms_of(name, slo)
            if client is not None and terms.kind == "prometheus":
                try:
                    n_window = events_in_window(client, slo, self._server.now())
                    terms = replace(terms, n_window=n_window)
                except (CallError, Refused):
                    # budgets are charged by time then; whether it answers, gates will tell
                    client = None
            self.terms[name] = terms
        return self.terms

    def clock_offset_s(self) -> float | None:
        """How far the server's clock is ahead of ours; None: it was not asked."""
        return self._server.offset_s if self._server.readable is not None else None

    def start(self) -> None:
        """Begin to ask for alerts and gates. Raises Refused when something is read from a server
        that cannot be.
        """
        if not self.needed:
            return
        if self._server.why:
            raise Refused(self._no_server())
        self._thread = threading.Thread(target=self._work, name="metrics", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Every objective's total must match something, else nobody would see anything.
        Raises Refused.
        """
        for name, slo in self._slos.items():
            if why := self._server.unmatched_for(slo, READY_INTERVALS * self.interval_s):
                raise Refused(f"SLO {name}: {why}")

    def _no_server(self) -> str:
        what = f"SLO {', '.join(self._slos)}" if self._slos else "alerts"
        return f"{what}: cannot be read: {self._server.why}"

    def unreadable(self, wait_s: float) -> Iterator[str]:
        """What a run would refuse by `start` and `check`. `wait_s`: how long at most the first
        scrapes are waited for, as after a server's start.
        """
        if self.needed and self._server.why:
            yield self._no_server()
            return
        most_s = min(wait_s, READY_INTERVALS * self.interval_s)
        for name, slo in self._slos.items():
            if why := self._server.unmatched_for(slo, most_s):
                yield f"SLO {name}: {why}"

    def start_guard(self, guard: Guard) -> tuple[Holds, str]:
        """Whether a guard of the start lets the drill begin, and what was found. Never
        raises CallError.
        """
        slo = self._all.get(guard.budget or guard.slo or "")
        if slo is not None and isinstance(slo.sli, Probed):
            return (
                Holds.UNKNOWN,
                f"{slo.name} is seen by a probe of the drill, which has no past to judge by",
            )
        client = self._server.readable
        if client is None:
            return Holds.UNKNOWN, self._server.why or "there is no metrics server to ask"
        try:
            if guard.alerts is not None:
                hits = selected(client.firing(self._silenced), matchers_of(guard.alerts))
                return (
                    (Holds.VIOLATED, f"firing: {words(hits)}")
                    if hits
                    else (Holds.MET, "none fires")
                )
            assert slo is not None
            return self._standing(guard, slo, client)
        except CallError as error:
            return Holds.UNKNOWN, str(error)

    def _standing(self, guard: Guard, slo: Slo, client: Prometheus) -> tuple[Holds, str]:
        found = stand(client, slo, self._server.now() - self.interval_s, burns=False)
        self._observe(reading_of(slo.name, found.count, found.covered_s, "guard"))
        if guard.slo is not None:
            return found.answer.holds, found.answer.why
        if found.remaining is None or guard.left is None:
            return Holds.UNKNOWN, found.answer.why
        said = f"{found.remaining * 100:.3g} % of its error budget is left"
        return (Holds.MET if found.remaining >= guard.left.of_one else Holds.VIOLATED), said

    # --- a source of the steady state -------------------------------------------------------------

    def knows(self, sli: str) -> bool:
        return sli in self._slos

    def fresh(self, sli: str, expectation: Expectation, place: str) -> None:
        now = self._server.now()
        # What was before the steps is the steady state; after a fault only what came since counts.
        since = (
            now
            if self._began is not None
            else now - self.interval_s - self._gate_s(self._slos[sli])
        )
        with self._lock:
            self._polled[sli] = self._clock.mono()
            self._gates[sli] = _AwaitedGate(
                expectation, "after" if place == "after" else "before", since
            )
            wanted = gate_answer(self._slos[sli], expectation)
            needed = format_duration(
                max(0.0, since + self._gate_s(self._slos[sli]) + self.interval_s - now)
            )
            why = (
                f"no answer yet: scrapes of the next {needed} are needed"
                if since >= now
                else "no answer yet"
            )
            self._answers[sli] = GateAnswer(Holds.UNKNOWN, 0, 0, wanted.expected, why)

    def answer(self, sli: str) -> GateAnswer:
        with self._lock:
            self._polled[sli] = self._clock.mono()
            return self._answers[sli]

    def _gate_s(self, slo: Slo) -> float:
        slice_s = slo.slices.length.total_seconds() if slo.slices else 0.0
        return max(GATE_S, 4 * self.interval_s, slice_s)

    # --- while it runs ----------------------------------------------------------------------------

    def begin(self) -> None:
        """The steps begin."""
        self._alerts.begin()
        self._began = self._server.now()

    def ended(self) -> None:
        """The steps are over: what is read for `during` ends here."""
        if self._began is not None and self._ended is None:
            self._ended = self._server.now()

    def stop(self) -> None:
        """Wait until the last reading of the steps can be had and is there, then ask no more."""
        if self._thread is None:
            return
        if self._began is not None and self._stopper.aborted is None and self._slos:
            last = max(
                (end for end in map(self._last_end, self._slos.values()) if end is not None),
                default=0.0,
            )
            wait_s = max(0.0, last - self._server.now()) + 3 * self.interval_s + QUERY_S
            ends = self._clock.mono() + wait_s
            if not self._final.is_set() and wait_s > TOLD_S:
                text = f"waiting for the last samples of {', '.join(self._slos)}"
                text += f", {wait_s:.0f} s at most; Ctrl-C goes on without them"
                self._journal.append(Progress(text), durable=False, step="")
            while not self._final.is_set() and self._clock.mono() < ends:
                if self._clock.sleep(TICK_S, self._stopper.haste.skip_remove):
                    break
        self._over.set()
        self._thread.join(QUERY_S)

    def _work(self) -> None:
        try:
            self._ask_on()
        except (JournalLost, Refused):
            return  # whoever lost it aborts the run; who aborted it wants no more answers
        except Exception as bug:
            self._stopper.abort("bug", f"reading metrics: {type(bug).__name__}: {bug}")
            raise

    def _ask_on(self) -> None:
        assert self._server.client is not None
        counting = Counting(self._server.client)
        sums: dict[str, Cumulative] = {}
        every_s = max(1.0, self.interval_s)
        next_round, next_gates = 0.0, 0.0
        while not self._over.is_set():
            if self._clock.mono() >= next_gates and self._ask_gates(counting):
                next_gates = self._clock.mono() + every_s
            if self._clock.mono() >= next_round:
                next_round = self._clock.mono() + every_s
                self._ask_alerts()
                self._read_during(counting, sums)
            self._clock.sleep(TICK_S, self._over)

    def _ask_gates(self, counting: Counting) -> bool:
        """Answer every gate whose window is there; whether there was one."""
        with self._lock:
            recent = self._clock.mono() - POLLED_S
            gates = {
                name: gate for name, gate in self._gates.items() if self._polled[name] >= recent
            }
        asked = False
        for name, gate in gates.items():
            slo, end = self._slos[name], self._server.now() - self.interval_s
            length_s = self._gate_s(slo)
            if end - gate.since < length_s - 1e-6:
                continue
            asked = True
            count = decidable(counting.count(slo, end - length_s, end), slo, gate.expectation)
            n = self._observe(reading_of(name, count, length_s, gate.place))
            answer = replace(gate_answer(slo, gate.expectation, count), records=(n,))
            with self._lock:
                if self._gates.get(name) is gate:
                    self._answers[name] = answer
        return asked

    def _ask_alerts(self) -> None:
        if not self._alerts.any or self._server.client is None:
            return
        try:
            found = self._server.client.firing(self._silenced)
        except CallError as error:
            self._observe(Reading(ALERTS_SLI, "alerts", 0.0, None, None, str(error)))
            return
        changed, stops = self._alerts.take(found)
        for alert in changed:
            self._observe(alert)
        self._observe(Reading(ALERTS_SLI, "alerts", 0.0, None, float(len(found))))
        for guard, why in stops:
            self._journal.append(GuardDecided("abort", guard, Holds.VIOLATED, why), step="")
            self._stopper.abort("guard", f"{guard}: {why}")

    def _read_during(self, counting: Counting, sums: dict[str, Cumulative]) -> None:
        """Everything since the first step, until the last reading holds all that happened while
        steps ran.
        """
        if self._began is None or self._final.is_set():
            return
        now = self._server.now() - self.interval_s
        ends = {name: self._last_end(slo) for name, slo in self._slos.items()}
        for name, slo in self._slos.items():
            sums.setdefault(name, Cumulative(counting, slo, self._began))
            end = min(now, ends[name] or now)
            if end - self._began > 1e-3:
                self._observe(
                    reading_of(name, exact(sums[name].read(end)), end - self._began, "during")
                )
        for guard in self._drill.guards.abort:
            if guard.window is not None and (burnt := self._slos.get(guard.slo or "")) is not None:
                window_s = guard.window.total_seconds()
                count = exact(counting.count(burnt, now - window_s, now, partial=True))
                self._observe(reading_of(burnt.name, count, window_s, "watch"))
        if all(end is not None and now >= end for end in ends.values()):
            self._final.set()

    def _last_end(self, slo: Slo) -> float | None:
        """Where the last window of the steps ends: one interval after them, or with the slice that
        they ended in.
        """
        if self._began is None or self._ended is None:
            return None
        if slo.slices is not None:
            length_s = slo.slices.length.total_seconds()
            return self._began + math.ceil((self._ended - self._began) / length_s) * length_s
        return max(self._ended + self.interval_s, self._began + LEAST_INTERVALS * self.interval_s)

    def _observe(self, evidence: Reading | Alert) -> int:
        return self._journal.append(evidence, durable=False, step="")
