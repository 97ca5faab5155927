"""Alerts while a run goes on: written down when they begin and end, and an abort when one fires
that nobody expects.
"""

from __future__ import annotations

from collections.abc import Mapping

from drillkit.clients.prometheus import Firing
from drillkit.clients.prometheus.alerts import selected
from drillkit.clients.prometheus.promql import Matcher, matchers_of
from drillkit.judge.abort_guards import guard_text
from drillkit.model.drill import Drill, Guard
from drillkit.model.evidence import Alert


class Alerts:
    """The alerts that a drill is about: those its guards select, those it expects, those it wants
    to be detected by.
    """

    def __init__(self, drill: Drill) -> None:
        """Raises ValueError for matchers that cannot be read."""
        self._guards: list[tuple[Guard, tuple[Matcher, ...]]] = [
            (guard, matchers_of(guard.alerts))
            for guard in drill.guards.abort
            if guard.alerts is not None
        ]
        wanted = [
            step.objectives.detect.alert
            for step in drill.every_step
            if step.objectives.detect is not None and step.objectives.detect.alert is not None
        ]
        self.expected = frozenset((*drill.guards.expected_alerts, *wanted))
        self._firing: dict[tuple[tuple[str, str], ...], Firing] = {}
        self._before: set[tuple[tuple[str, str], ...]] | None = None
        self._asked = self._begun = False
        self._fired: set[str] = set()

    @property
    def any(self) -> bool:
        """Whether the drill is about alerts at all."""
        return bool(self._guards or self.expected)

    def begin(self) -> None:
        """The steps begin: what fires already is not of the drill's making."""
        self._begun = True
        if self._asked:
            self._before = set(self._firing)

    def take(self, found: list[Firing]) -> tuple[list[Alert], list[tuple[str, str]]]:
        """What changed since the last time, as evidence, and guards that say stop: (guard, why)."""
        now = {alert.key: alert for alert in found if self._concerns(alert)}
        changed = [
            self._alert(alert, "firing") for key, alert in now.items() if key not in self._firing
        ]
        changed += [
            self._alert(alert, "resolved") for key, alert in self._firing.items() if key not in now
        ]
        self._firing, self._asked = now, True
        if self._begun and self._before is None:  # nobody had looked before the steps began
            self._before = set(now)
        return changed, self._abort() if self._before is not None else []

    def _concerns(self, alert: Firing) -> bool:
        return alert.name in self.expected or any(
            selected([alert], matchers) for _, matchers in self._guards
        )

    def _alert(self, alert: Firing, state: str) -> Alert:
        return Alert(
            alert.name,
            alert.labels,
            "firing" if state == "firing" else "resolved",
            alert.since,
            alert.name in self.expected,
        )

    def _abort(self) -> list[tuple[str, str]]:
        assert self._before is not None
        fresh = [
            a
            for key, a in self._firing.items()
            if key not in self._before and a.name not in self.expected
        ]
        stops = []
        for guard, matchers in self._guards:
            if guard_text(guard) not in self._fired and (hits := selected(fresh, matchers)):
                self._fired.add(guard_text(guard))
                stops.append((guard_text(guard), f"unexpected alert: {words(hits)}"))
        return stops


def words(alerts: list[Firing]) -> str:
    """`WebErrors since 12:03:04 (service=web)`."""
    return ", ".join(
        f"{a.name} since {a.since:%H:%M:%S} UTC{_labels(a.labels)}" for a in alerts[:5]
    ) + (f" and {len(alerts) - 5} more" if len(alerts) > 5 else "")


def _labels(labels: Mapping[str, str]) -> str:
    shown = [
        f"{key}={value}"
        for key, value in sorted(labels.items())
        if key not in ("alertname", "severity")
    ]
    return f" ({', '.join(shown[:3])})" if shown else ""
