"""The metrics server of a run: whether it can be read, and by which clock."""

from __future__ import annotations

from drillkit.clients.prometheus import Prometheus, open_prometheus
from drillkit.clock import Clock, Fence
from drillkit.model.errors import CallError, DrillError, Refused
from drillkit.model.slo import Slo
from drillkit.model.target import Target
from drillkit.runner.abort import Stopper
from drillkit.slo.queries import selectors_of

QUERY_S = 10.0
"""One query may take so long."""


class MetricsServer:
    """The server that a target names, or why it cannot be read. Times are the server's."""

    def __init__(self, target: Target, clock: Clock, fence: Fence, stopper: Stopper) -> None:
        self._target, self._clock, self._fence, self._stopper = target, clock, fence, stopper
        self.client: Prometheus | None = None
        self.why = ""
        """What is wrong with the server, or ''."""
        self.offset_s = 0.0
        """How many seconds its clock is ahead of ours."""

    @property
    def readable(self) -> Prometheus | None:
        """What asks it; None where nobody connected to it, or something is wrong with it."""
        return None if self.why else self.client

    @property
    def interval_s(self) -> float:
        """Scrape interval in seconds."""
        return self.client.scrape_interval_s if self.client is not None else 15.0

    def now(self) -> float:
        """Seconds since the epoch by its clock."""
        return self._clock.now() + self.offset_s

    def connect(self) -> None:
        """Never raises: `why` says what is wrong."""
        if self._target.prometheus is None:
            self.why = (
                f"target `{self._target.name}` has no `prometheus:`; add its URL to targets.yaml"
            )
            return
        try:
            self.client = open_prometheus(
                self._target.prometheus, self._clock, QUERY_S, self._obey, self._target.aws
            )
            self.offset_s = self.client.clock_offset_s()
        except DrillError as error:
            self.why = str(error)

    def _obey(self) -> None:
        """Raises Refused when the run was aborted: whatever is being asked, nobody waits for it."""
        if self._stopper.aborted is not None:
            raise Refused(f"stopped: {self._stopper.aborted[1]}")

    def unmatched_for(self, slo: Slo, wait_s: float) -> str:
        """Why it still matches nothing after a while, or ''. Raises Refused when the run is
        aborted.
        """
        deadline = self._clock.mono() + wait_s
        while (why := self._unmatched(slo)) and self._clock.mono() < deadline:
            if self._clock.sleep(self.interval_s, self._fence.closed):
                raise Refused(f"stopped before the steps: {self._fence.why}")
        return why

    def _unmatched(self, slo: Slo) -> str:
        assert self.client is not None
        for selector in selectors_of(slo)[:1]:
            try:
                if not self.client.instant(f"count({selector})", self.now()).series:
                    return f"{selector} matches nothing; is the selector right, and is it scraped?"
            except CallError as error:
                return str(error)
        return ""
