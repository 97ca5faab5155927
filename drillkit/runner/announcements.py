"""What those who look after a target see of a run before its first effect: an Event on the lock,
a region in Grafana, and alerts that page nobody.

Each is an effect with its undo on disk. What is only news keeps nobody from a drill when it cannot
be told; an alert that is to page nobody and would does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from drillkit.clients import Clients
from drillkit.clients.kube.irreversible import PostEvent
from drillkit.clients.kube.lease import LOCK
from drillkit.clients.kube.resources import LEASES
from drillkit.clock import Clock, utc
from drillkit.journal.book import Book
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill
from drillkit.model.errors import CallError, Refused, TargetError, UsageError
from drillkit.model.records import ANNOUNCED, MessageSent
from drillkit.model.target import Target
from drillkit.runner.messages import how_to_stop
from drillkit.steps.base import RunNames

REASON = "DrillStarts"
"""Of the Event."""


@dataclass(frozen=True, slots=True)
class Announcer:
    """Tells of one run."""

    drill: Drill
    target: Target
    names: RunNames
    book: Book
    clients: Clients
    clock: Clock

    def announce(self, longest_s: float) -> None:
        """Say all that the drill wants to be said. `longest_s`: how long it may take, with its
        clean-up. Raises Refused when an alert cannot be silenced, or the run was stopped.
        """
        asked, ends = self.drill.announce, self.clock.now() + longest_s
        for alert in asked.silence:
            self._silence(alert, ends)
        if asked.event:
            assert self.target.kubernetes is not None
            namespace = self.target.kubernetes.namespace
            with self._news("Kubernetes Event", f"lease {namespace}/{LOCK}"):
                self._event(ends, namespace)
        if asked.grafana:
            with self._news("annotation in Grafana", f"tags {', '.join(self._tags)}"):
                self._region(ends)

    @contextlib.contextmanager
    def _news(self, what: str, where: str) -> Iterator[None]:
        failed = ""
        try:
            yield
        except (CallError, TargetError, UsageError) as why:
            failed = str(why) or type(why).__name__
        self.book.append(MessageSent(ANNOUNCED, what, where, failed), durable=False)

    @property
    def _tags(self) -> tuple[str, str]:
        """By which Grafana shows it."""
        return self.names.drill, self.target.name

    def _text(self, ends: float) -> str:
        owner = f" of {self.drill.owner}" if self.drill.owner else ""
        return (
            f"Drill {self.names.drill}{owner} begins on {self.target.name} (run {self.names.id}); "
            f"it is over, with its clean-up, by {utc(ends):%Y-%m-%d %H:%M} UTC. "
            f"{how_to_stop(self.names.id, self.target)}"
        )

    def _silence(self, alert: str, ends: float) -> None:
        from drillkit.clients.alertmanager import ExpireSilence

        plan = self.book.plan(ExpireSilence(alert, self.names.id, ends))
        try:
            self.clients.alertmanager.silence(plan, comment=self._text(ends))
        except (CallError, UsageError) as why:
            what = f"alert `{alert}` cannot be silenced, so it might page somebody: {why}"
            raise Refused(what) from why

    def _event(self, ends: float, namespace: str) -> None:
        lock = self.clients.kube.get(LEASES, LOCK, namespace)
        plan = self.book.plan(PostEvent(f"{LOCK}.{self.names.id}", namespace, self.names.id))
        self.clients.kube.create_event(plan, reason=REASON, message=self._text(ends), about=lock)

    def _region(self, ends: float) -> None:
        from drillkit.clients.grafana import CloseRegion

        plan = self.book.plan(CloseRegion(self.names.id, ends))
        self.clients.grafana.open_region(plan, text=self._text(ends), tags=self._tags)
