"""A run that reads nothing from a metrics server: what stands in for `Metrics`, without
its imports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from drillkit.model.drill import Drill, Gate, Guard
from drillkit.model.records import SloTerms
from drillkit.model.slo import Slo
from drillkit.model.target import Target
from drillkit.model.verdict import Holds
from drillkit.spec.mentions import mentions_alerts

if TYPE_CHECKING:
    from drillkit.clock import Clock
    from drillkit.journal.file import Journal
    from drillkit.runner.abort import Stopper
    from drillkit.runner.metrics import Metrics


def is_metered(drill: Drill, slos: Mapping[str, Slo]) -> bool:
    """Whether a run of the drill has anything to do with objectives or alerts."""
    return bool(slos) or mentions_alerts(drill)


def metrics_of(
    drill: Drill,
    slos: Mapping[str, Slo],
    target: Target,
    journal: Journal,
    clock: Clock,
    stopper: Stopper,
) -> Metrics | NoMetrics:
    """What reads the metrics server for a run; its imports are made only where it is needed."""
    if not is_metered(drill, slos):
        return NoMetrics()
    from drillkit.runner.metrics import Metrics

    return Metrics(drill, slos, target, journal, clock, stopper)


class NoMetrics:
    """See `Metrics`: nothing is known here, nothing is asked."""

    terms: Mapping[str, SloTerms] = {}

    def open(self) -> Mapping[str, SloTerms]:
        return self.terms

    def clock_offset_s(self) -> None:
        return None

    def unreadable(self, wait_s: float) -> Iterator[str]:
        yield from ()

    def start(self) -> None: ...

    def check(self) -> None: ...

    def start_guard(self, guard: Guard) -> tuple[Holds, str]:
        return Holds.UNKNOWN, "there is no metrics server to ask"

    def begin(self) -> None: ...

    def ended(self) -> None: ...

    def stop(self) -> None: ...

    def knows(self, sli: str) -> bool:
        return False

    def fresh(self, sli: str, expectation: Gate, place: str) -> None:
        raise KeyError(sli)

    def answer(self, sli: str) -> Any:
        raise KeyError(sli)
