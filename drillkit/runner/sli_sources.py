"""Objectives that a probe of the drill sees: its samples, counted as the judge will count
them again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from drillkit.clock import Clock
from drillkit.judge.gates import GateAnswer, GateWindow, slo_gate
from drillkit.model.drill import Drill
from drillkit.model.drill import Gate as Expectation
from drillkit.model.evidence import Sample
from drillkit.model.records import Record
from drillkit.model.slo import Probed, Slo


class ProbedSource:
    """The objectives of a run whose SLI is a probe."""

    def __init__(self, drill: Drill, slos: Mapping[str, Slo], clock: Clock) -> None:
        self._slos = {
            name: (slo, slo.sli) for name, slo in slos.items() if isinstance(slo.sli, Probed)
        }
        self._probes, self._clock = drill.probes, clock
        self._windows: dict[str, GateWindow] = {}
        self._lock = threading.Lock()

    def feed(self, sample: Sample, record: Record) -> None:
        """One more second, from the journal."""
        with self._lock:
            for name, window in self._windows.items():
                if sample.control or sample.sli == self._slos[name][1].probe:
                    window.add(sample, record.n)

    def knows(self, sli: str) -> bool:
        return sli in self._slos

    def fresh(self, sli: str, expectation: Expectation, place: str) -> None:
        slo, probed = self._slos[sli]
        gate = expectation if expectation.bad is not None else slo_gate(slo.target, expectation)
        limits = [
            each for each in (probed.slow, self._probes[probed.probe].slow) if each is not None
        ]
        slow_s = min(each.total_seconds() for each in limits) if limits else None
        with self._lock:
            self._windows[sli] = GateWindow(gate, slow_s=slow_s, sli=probed.probe)

    def answer(self, sli: str) -> GateAnswer:
        with self._lock:
            return self._windows[sli].answer(self._clock.mono())
