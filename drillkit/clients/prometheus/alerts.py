"""Which alerts fire, as Prometheus or its Alertmanager tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from drillkit.clients.prometheus.answers import payload
from drillkit.clients.prometheus.errors import HalfAnswer, NotPrometheus
from drillkit.clients.prometheus.promql import Matcher, matches_all
from drillkit.lazy_dataclass import dataclass
from drillkit.model.json_text import load_json

MAX_ALERTS = 10_000


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires."""

    name: str
    labels: Mapping[str, str]
    since: datetime
    """When it began to fire (not when it became pending)."""

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What makes it the same alert the next time."""
        return tuple(sorted(self.labels.items()))


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alerting rule."""

    name: str
    query: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def rules_of(content: bytes, where: str) -> list[AlertRule]:
    """Alerting rules of `/api/v1/rules`."""
    data, _ = payload(content, where, "read rules")
    try:
        return [
            AlertRule(
                str(rule["name"]),
                str(rule.get("query") or ""),
                {str(k): str(v) for k, v in (rule.get("labels") or {}).items()},
                {str(k): str(v) for k, v in (rule.get("annotations") or {}).items()},
            )
            for group in data["groups"]
            for rule in group["rules"]
            if rule.get("type") == "alerting"
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise NotPrometheus(f"{where}: its list of rules has an unknown shape ({error})") from error


def routes_of(content: bytes, where: str) -> Mapping[str, Any]:
    """The configuration in an Alertmanager's `/api/v2/status`; it hides secrets itself."""
    import yaml

    try:
        found = yaml.safe_load(load_json(content)["config"]["original"])
        return {"route": found["route"], "receivers": found["receivers"]}
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise NotPrometheus(
            f"{where}: expected an Alertmanager's status with its configuration "
            f"({type(error).__name__})"
        ) from error


def selected(alerts: Iterable[Firing], matchers: Sequence[Matcher]) -> list[Firing]:
    """Those that satisfy all matchers; without any matcher: none, since Watchdog always fires."""
    return [alert for alert in alerts if matchers and matches_all(matchers, alert.labels)]


def from_prometheus(alerts: bytes, rules: bytes, where: str) -> list[Firing]:
    """Firing alerts of `/api/v1/alerts`. `rules` (`/api/v1/rules`) tells how long each waited
    before it fired.
    """
    data, _ = payload(alerts, where, "read alerts")
    pending = _waits(payload(rules, where, "read rules")[0])
    try:
        found = [
            _firing(
                entry["labels"],
                entry["activeAt"],
                pending.get(entry["labels"].get("alertname", ""), 0.0),
            )
            for entry in data["alerts"][:MAX_ALERTS]
            if entry["state"] == "firing"
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotPrometheus(
            f"{where}: its list of alerts has an unknown shape ({error})"
        ) from error
    return found


def from_alertmanager(
    content: bytes, where: str, silenced: Sequence[Sequence[Matcher]] = ()
) -> list[Firing]:
    """Alerts of an Alertmanager's `/api/v2/alerts` that reach somebody: silenced and inhibited ones
    do not, but for those that satisfy all matchers of one of `silenced`, silenced or not.
    """
    try:
        data = load_json(content)
    except ValueError as error:
        if content.lstrip()[:1] == b"[":
            raise HalfAnswer(
                f"{where}: its list of alerts broke off after {len(content):,} bytes"
            ) from error
        raise NotPrometheus(
            f"{where}: expected an Alertmanager's list of alerts, found no JSON"
        ) from error
    try:
        return [
            _firing(entry["labels"], entry["startsAt"], 0.0)
            for entry in data[:MAX_ALERTS]
            if entry["status"]["state"] == "active"
            or any(matches_all(matchers, entry["labels"]) for matchers in silenced)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise NotPrometheus(
            f"{where}: expected an Alertmanager's list of alerts ({error})"
        ) from error


def _waits(data: Any) -> dict[str, float]:
    """`for` in seconds by the name of the alert. Of several rules of one name the shortest: never
    dated too late.
    """
    found: dict[str, float] = {}
    try:
        for group in data["groups"]:
            for rule in group["rules"]:
                if rule.get("type") == "alerting":
                    wait_s = float(rule.get("duration") or 0)
                    found[rule["name"]] = min(wait_s, found.get(rule["name"], wait_s))
    except (KeyError, TypeError, ValueError) as error:
        raise NotPrometheus(f"the list of rules has an unknown shape ({error})") from error
    return found


def _firing(labels: Mapping[str, str], active_at: str, waits_s: float) -> Firing:
    return Firing(
        labels.get("alertname", ""), dict(labels), _moment(active_at) + timedelta(seconds=waits_s)
    )


def _moment(text: str) -> datetime:
    # Nine digits of fractions are more than Python 3.11 takes.
    at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    return at if at.tzinfo else at.replace(tzinfo=UTC)
