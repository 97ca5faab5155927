"""An Alertmanager: silences for alerts that page nobody while a drill runs.

A silence expires by itself on the server. It is known again by who made it, `drillkit RUN`, which
only this run writes; its id is the server's choice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from drillkit.clients.effect import Attempts, make
from drillkit.clients.prometheus.errors import api_json, api_refusal
from drillkit.clients.prometheus.promql import alert_named, named_alert
from drillkit.clients.prometheus.wire import Wire, credentials
from drillkit.clients.removal import Patience, Removal, Whose, remove
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.clock import Clock, Fence, utc
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Lives, Phase, Undone
from drillkit.model.errors import Absent, CallError, UsageError

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.model.target import Target

_API = "an Alertmanager (API v2)"
TOTAL_S = 10.0
PATIENCE = Patience(settle_s=15.0, lags=True)
"""Its peers tell each other of a silence within seconds, and any of them may answer."""
CLOCK_MARGIN_S = 60.0
"""It counts as expired only so long after its end: clocks differ."""
_OPERATORS = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
Silence: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class ExpireSilence(UndoAction):
    """Expires the silence that this run made for an alert."""

    kind: ClassVar[str] = "alertmanager.expire-silence"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 900
    """Clean-up may set off alerts as well as the drill."""

    alert: str
    """Its name, or matchers with it."""
    run: str
    ends: float
    """When it expires by itself, in seconds since the epoch."""

    @property
    def resource(self) -> str:
        return f"silence/{self.alert}"

    @property
    def lives(self) -> Lives:
        """An Alertmanager does not end with a target that was started for a run."""
        return "here"

    @property
    def maker(self) -> str:
        """Who made it, as the Alertmanager keeps it."""
        return f"drillkit {self.run}"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """What nobody can be asked about is over once it has expired by itself.

        Raises CallError, DeadlineOver, UsageError.
        """
        alertmanager = clients.alertmanager
        removal = Removal(
            self.resource,
            lambda: alertmanager.found(self),
            _by_its_maker,
            lambda found: alertmanager._expire(self, str(found["id"])),
            PATIENCE,
            marks="name",
        )
        try:
            return remove(removal, context)
        except CallError as why:
            if context.clock.now() < self.ends + CLOCK_MARGIN_S:
                raise
            at = f"{utc(self.ends):%Y-%m-%d %H:%M} UTC"
            return Undone("already-undone", f"it expired by itself at {at}; not looked at: {why}")


def _by_its_maker(found: Silence) -> Whose:
    """Only those that bear the run's name were found."""
    return "ours"


class _AlertmanagerAttempts(Attempts):
    most: ClassVar[int] = 3
    limit_s: ClassVar[float] = 15.0


class Alertmanager:
    """The Alertmanager of a target."""

    def __init__(self, wire: Wire, clock: Clock, fence: Fence) -> None:
        self._wire, self._clock, self._fence = wire, clock, fence

    def silence(self, plan: Planned[ExpireSilence], *, comment: str) -> None:
        """Silence the alert that the plan names, from now until the plan's end. Raises Refused when
        the fence is closed, CallError.
        """
        undo = plan.undo
        matchers = [
            {
                "name": each.label,
                "value": each.value,
                "isRegex": each.op.endswith("~"),
                "isEqual": each.op.startswith("="),
            }
            for each in named_alert(undo.alert)
        ]

        def once(attempts: _AlertmanagerAttempts) -> str:
            if (there := self.found(undo)) is not None:
                return str(there["id"])  # an attempt that was not answered has landed
            body = {
                "matchers": matchers,
                "startsAt": _stamp(utc(self._clock.now())),
                "endsAt": _stamp(utc(undo.ends)),
                "createdBy": undo.maker,
                "comment": comment,
            }

            def send() -> bytes:
                self._fence.check()
                asked = f"silence {undo.resource}"
                return self._wire._change("POST", "/api/v2/silences", body, asked)

            return str(
                api_json(attempts.remembered(send), self._wire.where, dict, _API)["silenceID"]
            )

        make(_AlertmanagerAttempts(plan, self._clock), once, lambda made: {"uid": made})

    def found(self, undo: ExpireSilence) -> Silence | None:
        """The run's silence for an alert, unless it has expired. Raises CallError."""
        name = alert_named(named_alert(undo.alert))
        # Of all silences of the alert, by others too: an Alertmanager selects by matchers only.
        query = {"filter": f"alertname={json.dumps(name)}"}
        content = self._wire.get("/api/v2/silences", query, f"look for {undo.resource}")
        wanted = {(m.label, m.value, m.op) for m in named_alert(undo.alert)}
        for each in api_json(content, self._wire.where, list, _API):
            ours = each.get("createdBy") == undo.maker and _matchers(each) == wanted
            if ours and each["status"]["state"] != "expired":
                silence: Silence = each
                return silence
        return None

    def _expire(self, undo: ExpireSilence, silence_id: str) -> str:
        """End a silence; what holds it up. Raises CallError."""
        try:
            self._wire._change(
                "DELETE", f"/api/v2/silence/{silence_id}", None, f"expire {undo.resource}"
            )
        except Absent:
            return "it is gone"
        return "it was asked to expire"


def open_alertmanager(target: Target, clock: Clock, fence: Fence) -> Alertmanager:
    """The Alertmanager of a target; nothing is sent yet. Raises UsageError when it has none."""
    server = target.prometheus
    if server is None or server.alertmanager is None:
        raise UsageError(
            f"target `{target.name}` has no `prometheus.alertmanager:`; add its URL to targets.yaml"
        )
    known = credentials(server)
    wire = Wire(server.alertmanager, server, known, TOTAL_S, aws=target.aws, refuses=api_refusal)
    return Alertmanager(wire, clock, fence)


def _matchers(silence: Silence) -> set[tuple[str, str, str]]:
    """As (label, value, operator). What an old Alertmanager does not say is equality."""
    return {
        (each["name"], each["value"], _OPERATORS[each.get("isEqual", True), each["isRegex"]])
        for each in silence["matchers"]
    }


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


UNDOS: dict[str, type[UndoAction]] = {ExpireSilence.kind: ExpireSilence}
