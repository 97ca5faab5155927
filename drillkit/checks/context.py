"""What a check is handed: the run it belongs to, and where the restored data can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Protocol

from drillkit.clients import Clients
from drillkit.clients.sql import Database
from drillkit.clock import Clock, Deadline, Fence
from drillkit.journal.book import Book
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import StepCheck
from drillkit.model.evidence import Evidence
from drillkit.model.target import Target


class Names(Protocol):
    """Names that a run gives to things."""

    @property
    def id(self) -> str: ...


class Context(Protocol):
    """The part of a step's surroundings that its checks need."""

    @property
    def name(self) -> str: ...
    @property
    def run(self) -> Names: ...
    @property
    def target(self) -> Target: ...
    @property
    def book(self) -> Book: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def fence(self) -> Fence: ...
    @property
    def deadline(self) -> Deadline: ...
    @property
    def checks(self) -> tuple[StepCheck, ...]: ...

    def observe(self, evidence: Evidence) -> None:
        """Write down what was seen."""

    def mark(self, moment: Any, *, at: float | None = None, simulated: bool = False) -> None:
        """Write down a moment."""

    def say(self, text: str) -> None:
        """Tell who is watching."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What a restore made."""

    name: str
    """For people: `rds instance/eu-central-1/dr-x`."""
    disrupted: datetime
    """When the data was lost."""
    database: Database | None = None
    """Where the copy listens; None: it is no database."""
    original: Database | None = None
    """Where the original listens; None: it is gone."""
    login: str = ""
    """Reference to `user:password` of both, or ''."""
    looks: Mapping[str, Callable[[Context, Copy, StepCheck], Any]] = field(default_factory=dict)
    """Kinds of check that this copy answers in a way of its own, by key (`http`, `canary`); each
    gives a `Look`.
    """
    beside: bool = True
    """Whether it stands beside the original. False: it is the original, which came back."""
    urls: Callable[[Mapping[str, Any]], str] | None = None
    """URL of a restored service (`{service: web, path: /health}`); raises UsageError. None: there
    are no services.
    """
