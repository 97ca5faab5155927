"""Grafana: a run as an annotation, a region on the graphs that is closed when it ends.

The region is written with the latest end that the run can have, so that it ends by itself whatever
becomes of the run; its undo moves that end to the moment at which everything was undone. It is
found again by its tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from drillkit.clients.effect import Attempts, make
from drillkit.clients.prometheus.errors import api_json, api_refusal
from drillkit.clients.prometheus.wire import Wire, credentials
from drillkit.clients.removal import Certain, Nothing, Observation, Patience, take_back
from drillkit.clients.retry import patiently
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.clock import Clock, Fence, utc
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Lives, Phase, Undone
from drillkit.model.errors import Absent, CallError, UsageError

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.model.target import Target

TAG = "drillkit"
"""Of every annotation."""
_API = "the API of Grafana"
TOTAL_S = 5.0
PATIENCE = Patience(settle_s=10.0)
ATTEMPTS = 3
CLOSING_S = 10.0
"""No further attempt to close a region begins after this: it ends by itself."""


@dataclass(frozen=True)
class CloseRegion(UndoAction):
    """Moves the end of a run's region to now."""

    kind: ClassVar[str] = "grafana.close-region"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 990
    """When all is undone, but for the lock."""

    run: str
    ends: float
    """When it ends by itself, in seconds since the epoch."""

    @property
    def resource(self) -> str:
        return f"annotation/{self.run}"

    @property
    def lives(self) -> Lives:
        """A Grafana does not end with a target that was started for a run."""
        return "here"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """A Grafana that does not take the end keeps nobody from being done: the region ends by
        itself.
        """
        try:
            grafana = clients.grafana
            return take_back(lambda: self._look(grafana, context), self.resource, PATIENCE, context)
        except (CallError, UsageError) as why:
            at = f"{utc(self.ends):%Y-%m-%d %H:%M} UTC"
            return Undone("kept", f"the region ends by itself at {at}: {why}")

    def _look(self, grafana: Grafana, context: UndoContext) -> Observation:
        # By its tags alone: in another Grafana its number is somebody else's annotation.
        known = patiently(
            lambda: grafana.found(self), context.clock, attempts=ATTEMPTS, limit_s=CLOSING_S
        )
        if not known and context.identity:
            return Certain(Undone("already-undone", "somebody has removed it"))
        if not known:
            return Nothing(Undone("never-happened", f"{self.resource} never came to be"))
        try:
            patiently(
                lambda: grafana._close(self, known),
                context.clock,
                attempts=ATTEMPTS,
                limit_s=CLOSING_S,
            )
        except Absent:
            return Certain(Undone("already-undone", "somebody has removed it"))
        return Certain(Undone("undone", "the region ends now"))


class _GrafanaAttempts(Attempts):
    most: ClassVar[int] = 2
    limit_s: ClassVar[float] = 5.0


class Grafana:
    """The Grafana of a target."""

    def __init__(self, wire: Wire, dashboard: str | None, clock: Clock, fence: Fence) -> None:
        self._wire, self._dashboard = wire, dashboard
        self._clock, self._fence = clock, fence

    def open_region(self, plan: Planned[CloseRegion], *, text: str, tags: tuple[str, ...]) -> None:
        """Mark the time from now to the plan's end. Raises Refused when the fence is closed,
        CallError.
        """
        undo = plan.undo
        body = {
            "time": _ms(self._clock.now()),
            "timeEnd": _ms(undo.ends),
            "tags": [TAG, undo.run, *tags],
            "text": text,
        }
        if self._dashboard is not None:
            body["dashboardUID"] = self._dashboard

        def once(attempts: _GrafanaAttempts) -> str:
            if attempts.doubtful and (there := self.found(undo)):
                return there  # an attempt that was not answered has landed

            def send() -> bytes:
                self._fence.check()
                return self._wire._change("POST", "/api/annotations", body, f"make {undo.resource}")

            return str(api_json(attempts.remembered(send), self._wire.where, dict, _API)["id"])

        make(_GrafanaAttempts(plan, self._clock), once, lambda made: {"uid": made})

    def found(self, undo: CloseRegion) -> str:
        """Id of a run's annotation, or ''. Raises CallError."""
        query = {"tags": [TAG, undo.run], "type": "annotation", "limit": "10"}
        content = self._wire.get("/api/annotations", query, f"look for {undo.resource}")
        for each in api_json(content, self._wire.where, list, _API):
            if {TAG, undo.run} <= set(each.get("tags") or ()):
                return str(each["id"])
        return ""

    def _close(self, undo: CloseRegion, annotation: str) -> None:
        """Let a region end now, or at its own end where that has passed. Raises CallError."""
        end = {"timeEnd": min(_ms(self._clock.now()), _ms(undo.ends))}
        self._wire._change("PATCH", f"/api/annotations/{annotation}", end, f"end {undo.resource}")


def open_grafana(target: Target, clock: Clock, fence: Fence) -> Grafana:
    """The Grafana of a target; nothing is sent yet. Raises UsageError when it has none."""
    server = target.grafana
    if server is None:
        raise UsageError(
            f"target `{target.name}` has no `grafana:`; add its URL and a token to targets.yaml"
        )
    known = credentials(server, "grafana")
    wire = Wire(server.url, server, known, TOTAL_S, refuses=api_refusal)
    return Grafana(wire, server.dashboard, clock, fence)


def _ms(at: float) -> int:
    return round(at * 1000)


UNDOS: dict[str, type[UndoAction]] = {CloseRegion.kind: CloseRegion}
