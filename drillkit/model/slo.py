"""A service level objective as drillkit understands it: what an OpenSLO document says once all its
references are followed. Where an SLI is read from is a kind of its own: counters of a metrics
server, a threshold on one of its values, or a probe of the drill.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass

Operator: TypeAlias = Literal["lt", "lte", "gt", "gte"]


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter's selector such as `http_requests_total{job="web"}`: summed, and counted over
    any window.
    """

    selector: str


@dataclass(frozen=True, slots=True)
class Windowed:
    """A query that the server evaluates over a window: `{{.window}}` stands where its
    length goes.
    """

    template: str
    per_second: bool = False
    """It gives a rate: multiplied by the window it is a count."""

    def over(self, window: str) -> str:
        """The query with its window, such as `300s`, put in."""
        return self.template.replace("{{.window}}", window)


Query: TypeAlias = Counter | Windowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Good (or bad) events of all events. Exactly one of `good` and `bad`."""

    good: Query | None = None
    bad: Query | None = None
    total: Query


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value that must be on the right side of a limit, once per slice of time."""

    query: str
    """`{{.window}}`, if it is there, stands for the slice's length."""
    op: Operator
    value: float

    def good(self, found: float) -> bool:
        """Whether a value is on the right side."""
        match self.op:
            case "lt":
                return found < self.value
            case "lte":
                return found <= self.value
            case "gt":
                return found > self.value
            case "gte":
                return found >= self.value


@dataclass(frozen=True, slots=True)
class Probed:
    """Answers to a probe of the drill."""

    probe: str
    slow: timedelta | None = None
    """A good answer later than this is bad."""


Sli: TypeAlias = Ratio | Threshold | Probed


@dataclass(frozen=True, slots=True)
class Slices:
    """Time cut into slices, each good or bad as a whole (OpenSLO's Timeslices)."""

    length: timedelta
    target: float
    """Share of good events that makes a slice of a ratio good."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """A window that begins anew at fixed dates."""

    start: datetime
    """First begin, with its zone."""
    count: int
    unit: Literal["d", "w", "M", "Q", "Y"]


@dataclass(frozen=True, slots=True)
class BurnAlert:
    """An alert of an AlertCondition: it fires while the budget burns faster than `threshold`
    over `lookback`.
    """

    name: str
    severity: str
    threshold: float
    lookback: timedelta
    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """One objective."""

    name: str
    title: str
    description: str = ""
    service: str = ""
    owner: str = ""
    target: float
    """0.995."""
    window: timedelta
    """Its length; of a calendar window the nominal one (a month has 30 days)."""
    calendar: Calendar | None = None
    sli: Sli
    slices: Slices | None = None
    """None: events are counted (OpenSLO's Occurrences)."""
    alerts: tuple[BurnAlert, ...] = ()

    @property
    def tolerated(self) -> float:
        """Share of bad events that the objective allows: 0.005."""
        return 1 - self.target
