"""What people are told of a drill while nobody sits before it. Pure nouns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from drillkit.lazy_dataclass import dataclass
from drillkit.model.verdict import Holds

Event: TypeAlias = Literal[
    "planned",
    "started",
    "held",
    "aborted",
    "needs-person",
    "met",
    "violated",
    "unknown",
    "refused",
    "dirty",
    "overdue",
]
EVENTS: tuple[Event, ...] = get_args(Event)
ENDINGS: frozenset[Event] = frozenset({"met", "violated", "unknown", "refused", "dirty"})
"""A run has ended, and this is what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Somewhere that is told what happens to drills."""

    uses: str
    """Which notifier: `slack`, `teams`, `pagerduty`, `email`, `webhook`, `apprise`, `heartbeat`,
    or one of a plug-in. `drillkit kinds` lists them.
    """
    with_: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments. Secrets are references (`env:NAME`, `file:PATH`)."""
    who: str = ""
    """Who hears it, for reports: `#payments-oncall`. Its address may be a secret, which no report
    tells; without this they tell a host.
    """
    events: tuple[Literal[Event, "ended"], ...] = ()
    """What it is told of; `ended` is each of `met`, `violated`, `unknown`, `refused`, `dirty`.
    Default: all that the notifier is meant for.
    """


@dataclass(frozen=True, slots=True)
class Number:
    """Something that was judged: what was found against what was expected."""

    what: str
    found: str
    expected: str
    holds: Holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message, before it takes a receiver's form. It holds no secret."""

    event: Event
    drill: str
    target: str
    headline: str
    """One sentence: what happened."""
    at: datetime
    run: str = ""
    """'' where it is about no run."""
    owner: str = ""
    operator: str = ""
    numbers: tuple[Number, ...] = ()
    """The worst first."""
    advice: str = ""
    """How to stop it, or what to do next."""
    link: str = ""
    """Where the report is, or will be when the run is over."""
    exit_code: int | None = None
    """Of a run that has ended."""
    which: str = ""
    """Where it is about no run: what tells it from the next one of its kind, such as a date."""

    @property
    def title(self) -> str:
        """`drill pod-delete on prod: violated`."""
        return f"drill {self.drill} on {self.target}: {self.event.replace('-', ' a ')}"

    @property
    def key(self) -> str:
        """The same for the same thing that happened, whoever tells it, however often."""
        if self.run:
            return f"{self.run}/{self.event}"
        return f"{self.drill}/{self.target}/{self.event}/{self.which}"
