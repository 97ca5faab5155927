"""The steady state while a run is going on: does the hypothesis hold now, and within how long?

Sources of SLIs (the sampler's probes; a metrics server) are asked the same question; each gate's
answer goes into the journal with the records it rests on.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from drillkit.clock import Clock, Deadline, Fence
from drillkit.journal.file import Journal
from drillkit.journal.wire import serve
from drillkit.judge.gates import GateAnswer, GateWindow
from drillkit.model.drill import Drill, GateSet
from drillkit.model.drill import Gate as Expectation
from drillkit.model.errors import Refused
from drillkit.model.evidence import Sample
from drillkit.model.records import GateDecided, Record
from drillkit.model.subjects import GatePlace
from drillkit.model.verdict import Holds

if TYPE_CHECKING:
    from drillkit.sampler.process import Sampler
    from drillkit.secrets import Vault

ASK_EVERY_S = 0.1


class SliSource(Protocol):
    """Something that knows SLIs."""

    def knows(self, sli: str) -> bool:
        """Whether this SLI is one of its."""

    def fresh(self, sli: str, expectation: Expectation, place: str) -> None:
        """Begin anew: only what comes from now on counts. `place`: before, between or after."""

    def answer(self, sli: str) -> GateAnswer:
        """Does the gate hold by what came since `fresh`?"""


class ProbeSource:
    """The sampler's probes, in a process of their own whose samples come back through
    the journal.
    """

    def __init__(
        self,
        drill: Drill,
        journal: Journal,
        clock: Clock,
        vault: Callable[[], Vault] | None = None,
    ) -> None:
        """`vault` opens the account whose Secrets Manager probes refer to."""
        self._drill, self._journal, self._clock, self._vault = drill, journal, clock, vault
        self._windows: dict[str, GateWindow] = {}
        self._lock = threading.Lock()
        self._sampler: Sampler | None = None
        self._thread: threading.Thread | None = None

    def start(self, lock_fd: int) -> None:
        """Start sampling, if the drill has probes. Main thread only. Raises UsageError,
        DrillError.
        """
        if not self._drill.probes:
            return
        from drillkit.sampler.process import Sampler

        ours, theirs = socket.socketpair()
        with theirs:
            self._sampler = Sampler.start(
                self._drill.probes, theirs.fileno(), keep_fds=(lock_fd,), vault=self._vault
            )
        self._thread = threading.Thread(
            target=serve, args=(self._journal, ours, "sampler"), daemon=True
        )
        self._thread.start()

    def died(self) -> str:
        """Why nobody samples any more though somebody should, or ''."""
        if self._sampler is None or self._sampler.alive:
            return ""
        return f"the sampler ended by itself: {self._sampler.last_words() or 'it said nothing'}"

    def stop(self) -> str:
        """Stop sampling and wait for the last samples. Why it was not alive any more, or ''."""
        if self._sampler is None:
            return ""
        died = self.died()
        self._sampler.stop()
        assert self._thread is not None
        self._thread.join(5)
        return died

    def feed(self, sample: Sample, record: Record) -> None:
        """One more second, from the journal."""
        with self._lock:
            for sli, window in self._windows.items():
                if sli == sample.sli or sample.control:
                    window.add(sample, record.n)

    def knows(self, sli: str) -> bool:
        return sli in self._drill.probes

    def fresh(self, sli: str, expectation: Expectation, place: str) -> None:
        slow = self._drill.probes[sli].slow
        with self._lock:
            self._windows[sli] = GateWindow(
                expectation, slow_s=slow.total_seconds() if slow else None, sli=sli
            )

    def answer(self, sli: str) -> GateAnswer:
        with self._lock:
            return self._windows[sli].answer(self._clock.mono())


class SteadyState:
    """The hypothesis of one run."""

    def __init__(
        self, journal: Journal, clock: Clock, fence: Fence, sources: tuple[SliSource, ...]
    ) -> None:
        self._journal, self._clock, self._fence, self._sources = journal, clock, fence, sources

    def hold(self, place: GatePlace, gates: GateSet, *, default_within: timedelta) -> str:
        """Wait until all gates hold, each within its time, and write down what came of each.

        '' when they hold, else why not. One flaky sample decides nothing: a gate is asked again
        until its time is over. Raises Refused when the run is aborted meanwhile.
        """
        wanted: Mapping[str, Expectation] = {
            **{name: Expectation() for name in gates.slo},
            **gates.gates,
        }
        asked: dict[str, tuple[SliSource, Deadline]] = {}
        for sli, expectation in wanted.items():
            source = next(s for s in self._sources if s.knows(sli))
            source.fresh(sli, expectation, place)
            within = expectation.within or gates.within or default_within
            asked[sli] = (source, Deadline.after(within.total_seconds(), self._clock))
        began = self._clock.mono()
        answers: dict[str, GateAnswer] = {}
        while asked:
            for sli, (source, deadline) in list(asked.items()):
                answer = source.answer(sli)
                if answer.holds is Holds.MET or deadline.over:
                    answers[sli] = answer
                    self._write(place, sli, answer, self._clock.mono() - began)
                    del asked[sli]
            if asked and self._clock.sleep(ASK_EVERY_S, self._fence.closed):
                raise Refused(
                    f"stopped while waiting for the steady state {place}: {self._fence.why}"
                )
        bad = {sli: answer for sli, answer in answers.items() if answer.holds is not Holds.MET}
        return "; ".join(
            f"{sli} {place}: expected {answer.expected}, observed {answer.why}"
            for sli, answer in bad.items()
        )

    def _write(self, place: GatePlace, sli: str, answer: GateAnswer, took_s: float) -> None:
        decided = GateDecided(
            place,
            sli,
            answer.holds,
            bad=answer.bad,
            total=answer.total,
            expected=answer.expected,
            why=answer.why,
            test=answer.test,
            records=answer.records,
            took_s=round(took_s, 3),
        )
        self._journal.append(decided, step="")
