"""Guards: what keeps a drill from starting, and what stops it. Each decision is written down."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from drillkit.clock import Clock, utc
from drillkit.journal.file import Journal
from drillkit.judge.abort_guards import Fired, LiveBounds
from drillkit.model.drill import Drill, Guard
from drillkit.model.errors import JournalLost, Refused
from drillkit.model.evidence import Reading, Sample
from drillkit.model.records import GuardDecided, Record, SloTerms
from drillkit.model.verdict import Holds
from drillkit.runner.abort import Stopper
from drillkit.runner.start_guards import decisions

if TYPE_CHECKING:
    from drillkit.spec.freezes import Freeze


class GuardSaysNo(Refused):
    """A drill may not start, and the journal says already why."""


class AbortGuards:
    """Watches the samples as they come and aborts the run when a guard of `guards.abort` fires."""

    def __init__(self, drill: Drill, journal: Journal, stopper: Stopper, clock: Clock) -> None:
        self._drill, self._bounds = drill, LiveBounds(drill)
        self._journal, self._stopper, self._clock = journal, stopper, clock

    def know(self, slos: Mapping[str, SloTerms]) -> None:
        """The terms of the SLOs that guards are about; before `begin`."""
        self._bounds = LiveBounds(self._drill, slos)

    def begin(self) -> None:
        """The steps begin: guards count from here on."""
        self._bounds.begin(self._clock.mono())

    def feed(self, sample: Sample, record: Record) -> None:
        """One second of one probe."""
        self._act_on(self._bounds.add(sample, record.mono))

    def read(self, record: Record) -> None:
        """Any record: a metrics server's answer counts as well as a probe's."""
        if isinstance(record.entry, Reading):
            self._act_on(self._bounds.add_reading(record.entry, record.mono))

    def tick(self) -> None:
        """Nothing came: that is what `blind` is about."""
        self._act_on(self._bounds.tick(self._clock.mono()))

    def _act_on(self, fired: list[Fired]) -> None:
        for guard in fired:
            decided = GuardDecided("abort", guard.guard, guard.holds, guard.why)
            with contextlib.suppress(JournalLost):
                self._journal.append(decided, step="")
            self._stopper.abort(guard.by, f"{guard.guard}: {guard.why}")


def check_start(
    drill: Drill,
    journal: Journal,
    clock: Clock,
    freezes: Mapping[str, Freeze],
    by_metrics: Callable[[Guard], tuple[Holds, str]],
) -> None:
    """Decide the window and the guards of `guards.start`. Raises GuardSaysNo for the first that
    says no, and for one that nobody can decide. See `start_guards.decisions`.
    """
    for decision in decisions(drill, utc(clock.now()), freezes, by_metrics):
        journal.append(GuardDecided("start", decision.guard, decision.holds, decision.why))
        if decision.holds is not Holds.MET:
            raise GuardSaysNo(f"{decision.guard}: {decision.why}")
