"""A run that reads nothing from a metrics server: what stands in for `Metrics`, without
its imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drillkit.model.drill import Drill, Gate, Guard
from drillkit.model.records import SloTerms
from drillkit.model.slo import Slo
from drillkit.model.verdict import Holds
from drillkit.spec.mentions import mentions_alerts


def is_metered(drill: Drill, slos: Mapping[str, Slo]) -> bool:
    """Whether a run of the drill has anything to do with objectives or alerts."""
    return bool(slos) or mentions_alerts(drill)


class NoMetrics:
    """See `Metrics`: nothing is known here, nothing is asked."""

    terms: Mapping[str, SloTerms] = {}

    def open(self) -> Mapping[str, SloTerms]:
        return self.terms

    def clock_offset_s(self) -> None:
        return None

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
