"""A metrics server that speaks Prometheus' query API: Prometheus, Mimir, Thanos, Amazon Managed
Prometheus. Reads only.

`Prometheus` answers with data or raises a CallError that says what came instead; `counters` reduces
raw samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drillkit.clients.prometheus.alerts import (
    AlertRule,
    Firing,
    from_alertmanager,
    from_prometheus,
    routes_of,
    rules_of,
)
from drillkit.clients.prometheus.answers import QueryAnswer, answer_of, payload
from drillkit.clients.prometheus.promql import Matcher
from drillkit.clients.prometheus.wire import TOTAL_S, Wire, credentials
from drillkit.clock import Clock
from drillkit.model.errors import CallError
from drillkit.model.target import AwsTarget, PrometheusTarget

__all__ = ["MAX_POINTS", "AlertRule", "Firing", "Prometheus", "QueryAnswer", "open_prometheus"]

MAX_POINTS = 11_000
"""Points of one series that Prometheus gives in a range query at most."""
MAX_FOUND = 1000


class Prometheus:
    """One metrics server."""

    def __init__(
        self, wire: Wire, alertmanager: Wire | None, clock: Clock, scrape_interval_s: float
    ) -> None:
        self._wire, self._alertmanager, self._clock = wire, alertmanager, clock
        self.scrape_interval_s = scrape_interval_s

    @property
    def where(self) -> str:
        """Its address, without secrets."""
        return self._wire.where

    def instant(self, query: str, at: float) -> QueryAnswer:
        """Evaluate a query at a moment (seconds since the epoch, the server's clock).
        Raises CallError.

        `selector[range]` gives the raw samples.
        """
        form = {"query": query, "time": f"{at:.3f}", "timeout": self._limit()}
        return answer_of(self._wire.post("/api/v1/query", form, "query"), self.where, "query")

    def range(self, query: str, start: float, end: float, step_s: float) -> QueryAnswer:
        """Evaluate a query from `start` to `end` every `step_s` seconds. Raises CallError,
        ValueError when that is more than MAX_POINTS."""
        if step_s <= 0 or (end - start) / step_s > MAX_POINTS:
            raise ValueError(
                f"expected at most {MAX_POINTS:,} points, asked for {end - start:g} s every "
                f"{step_s:g} s"
            )
        form = {
            "query": query,
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": f"{step_s:g}",
            "timeout": self._limit(),
        }
        return answer_of(
            self._wire.post("/api/v1/query_range", form, "query a range"),
            self.where,
            "query a range",
        )

    def series(
        self, selectors: Sequence[str], start: float, end: float
    ) -> tuple[Mapping[str, str], ...]:
        """Labels of series that had samples between two moments, of at most MAX_FOUND.
        Raises CallError.
        """
        form = {
            "match[]": list(selectors),
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "limit": str(MAX_FOUND),
        }
        data, _ = payload(
            self._wire.post("/api/v1/series", form, "list series"), self.where, "list series"
        )
        found: list[Any] = data if isinstance(data, list) else []
        return tuple(found[:MAX_FOUND])

    def firing(self, silenced: Sequence[Sequence[Matcher]] = ()) -> list[Firing]:
        """Alerts that fire now, from the Alertmanager if the target has one. Raises CallError.

        `silenced`: matchers of alerts that count although somebody has silenced them; whoever
        silences them for a while must not be blind for them.
        """
        if self._alertmanager is not None:
            wanted = "true" if silenced else "false"
            query = {"active": "true", "silenced": wanted, "inhibited": "false"}
            content = self._alertmanager.get("/api/v2/alerts", query, "read alerts")
            return from_alertmanager(content, self._alertmanager.where, silenced)
        alerts = self._wire.get("/api/v1/alerts", {}, "read alerts")
        rules = self._wire.get("/api/v1/rules", {"type": "alert"}, "read rules")
        return from_prometheus(alerts, rules, self.where)

    def alert_rules(self) -> list[AlertRule]:
        """Its alerting rules. Raises CallError."""
        content = self._wire.get("/api/v1/rules", {"type": "alert"}, "read rules")
        return rules_of(content, self.where)

    def alert_routes(self) -> Mapping[str, Any]:
        """The configuration of the target's Alertmanager, empty where it has none. Raises
        CallError.
        """
        if self._alertmanager is None:
            return {}
        content = self._alertmanager.get("/api/v2/status", {}, "read its configuration")
        return routes_of(content, self._alertmanager.where)

    def clock_offset_s(self) -> float:
        """How far its clock is ahead of ours, in seconds. Raises CallError."""
        before = self._clock.now()
        content = self._wire.post(
            "/api/v1/query", {"query": "time()", "timeout": self._limit()}, "ask for its time"
        )
        after = self._clock.now()
        answer = answer_of(content, self.where, "ask for its time")
        if not answer.series:
            raise CallError(f"{self.where}: expected its time, found no answer to `time()`")
        return answer.series[0].samples[0][1] - (before + after) / 2

    def stored_until(self) -> float:
        """The latest moment of which all is known, on its own clock: one scrape interval ago, when
        every target had been scraped and stored. Raises CallError.
        """
        return self._clock.now() + self.clock_offset_s() - self.scrape_interval_s

    def _limit(self) -> str:
        return f"{max(1, int(self._wire.total_s))}s"


def open_prometheus(
    target: PrometheusTarget,
    clock: Clock,
    total_s: float = TOTAL_S,
    before: Callable[[], None] = lambda: None,
    aws: AwsTarget | None = None,
) -> Prometheus:
    """A client for a target; nothing is sent yet.

    `total_s`: seconds that one request may take. `before` is called before each request; what it
    raises ends the asking, however many requests a question takes. `aws`: the target's account,
    whose profile signs where `sigv4_region` is set. Raises UsageError for a reference that cannot
    be resolved, Denied when there is nothing to sign with.
    """
    known = credentials(target)
    alertmanager = None
    if target.alertmanager is not None:
        alertmanager = Wire(target.alertmanager, target, known, total_s, before, aws, clock=clock)
    wire = Wire(target.url, target, known, total_s, before, aws, clock=clock)
    return Prometheus(wire, alertmanager, clock, target.scrape_interval.total_seconds())
