"""Rules about objectives and alerts: is somebody told?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from drillkit.advise.loose_json import labels, rows, sub, text
from drillkit.advise.rule import Found, Table
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError
from drillkit.model.slo import Counter, Probed, Ratio, Slo, Threshold, Windowed

if TYPE_CHECKING:
    from drillkit.clients.prometheus import AlertRule, Prometheus

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=\s*[{\[])")
_RUNBOOK = ("runbook_url", "runbook", "runbook_link")
_WAYS = "_configs"
"""How keys of a receiver end that name a way to tell somebody."""
_CRITICAL = frozenset({"critical", "page", "p1", "sev1"})


@dataclass(slots=True)
class Watching:
    """What is watched, and who is told."""

    rules: Sequence[AlertRule] = ()
    routes: Mapping[str, Any] = field(default_factory=dict)
    """The Alertmanager's configuration."""
    unread: dict[str, str] = field(default_factory=dict)

    def knows(self, need: str) -> bool:
        """Whether that was read."""
        return need not in self.unread and not (need == "routes" and not self.routes)


def read_watching(prometheus: Prometheus, watching: Watching) -> None:
    """Look at alerting rules, and at the routes of the Alertmanager if the target has one."""
    try:
        watching.rules = prometheus.alert_rules()
    except DrillError as error:
        watching.unread["rules"] = str(error)
    try:
        watching.routes = prometheus.alert_routes()
    except DrillError as error:
        watching.unread["routes"] = str(error)


SLOS: Table[Slo, Watching] = Table("slo")
ALERTS: Table[Any, Watching] = Table("alert")


@SLOS.rule(
    "slo-without-alert",
    "high",
    why="The budget may be spent before anybody knows: users tell first.",
    proves="detection",
    needs=("rules",),
)
def slo_without_alert(slo: Slo, facts: Watching) -> Found | None:
    """An objective that no alert watches."""
    metrics = _metrics(slo)
    if not metrics:
        return None  # a probe of drills: nothing a server could watch
    for rule in facts.rules:
        named = slo.name in (rule.labels.get("slo"), rule.labels.get("sloth_slo"))
        if named or metrics & set(_METRIC.findall(rule.query)) or _recorded(rule, slo):
            return None
    have = "its AlertPolicy is in no rule of Prometheus" if slo.alerts else "it has no AlertPolicy"
    return Found(
        f"no alerting rule reads {', '.join(sorted(metrics))} ({have})",
        "make rules that alert on its burn rate (Sloth, Pyrra, or by hand: 14.4 over 1 h and 5 m)",
    )


def _recorded(rule: AlertRule, slo: Slo) -> bool:
    """A rule that reads what other rules have recorded names the objective among its labels."""
    return f'"{slo.name}"' in rule.query


def _metrics(slo: Slo) -> set[str]:
    match slo.sli:
        case Ratio(good=good, bad=bad, total=total):
            queries = [each for each in (good, bad, total) if each is not None]
        case Threshold(query=query):
            queries = [Windowed(query)]
        case Probed():
            queries = []
    texts = [each.selector if isinstance(each, Counter) else each.template for each in queries]
    bare = {each for each in texts if re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", each)}
    return bare | {name for each in texts for name in _METRIC.findall(each)}


def critical(rule: AlertRule) -> bool:
    """Whether it is there to wake somebody."""
    return rule.labels.get("severity", "").lower() in _CRITICAL


@ALERTS.rule(
    "alert-without-runbook",
    "low",
    why="Whoever is woken at 03:00 must find out alone what it means and what to do.",
    proves="detection",
)
def alert_without_runbook(rule: AlertRule, facts: Watching) -> Found | None:
    """A critical alert without a link to a runbook."""
    if not critical(rule) or any(rule.annotations.get(key) for key in _RUNBOOK):
        return None
    mend = "annotations: {runbook_url: https://...}, with symptoms, diagnosis, resolution, rollback"
    return Found("it is critical and has no runbook_url", mend)


@ALERTS.rule(
    "alert-without-route",
    "critical",
    why="It fires and nobody is told.",
    proves="detection",
    needs=("routes",),
)
def alert_without_route(rule: AlertRule, facts: Watching) -> Found | None:
    """A critical alert whose receiver tells nobody."""
    if not critical(rule) or told_of(rule, facts.routes):
        return None
    told = _routed(rule, facts.routes)
    return Found(
        f"it is routed to {', '.join(sorted(told)) or 'nobody'}, which tells nobody",
        "give its route a receiver with an integration: amtool config routes test "
        "severity=critical",
    )


def told_of(rule: AlertRule, routes: Mapping[str, Any]) -> dict[str, str]:
    """Receivers that tell somebody of an alert, and by what: `oncall` to `pagerduty, slack`.

    Args:
        routes: `route` and `receivers` of the Alertmanager's configuration.
    """
    named = _routed(rule, routes)
    found: dict[str, str] = {}
    for each in rows(routes, "receivers"):
        ways = [
            key.removesuffix(_WAYS) for key, value in each.items() if key.endswith(_WAYS) and value
        ]
        if ways and (name := text(each.get("name"))) in named:
            found[name] = ", ".join(sorted(ways))
    return found


def _routed(rule: AlertRule, routes: Mapping[str, Any]) -> set[str]:
    return receivers({**rule.labels, "alertname": rule.name}, sub(routes, "route"))


def receivers(found: Mapping[str, str], route: Mapping[str, Any]) -> set[str]:
    """Names of the receivers that an alert with these labels reaches: the deepest routes that
    match, and further ones only after `continue: true`.

    https://prometheus.io/docs/alerting/latest/configuration/#route
    """
    names: set[str] = set()
    for child in rows(route, "routes"):
        if not _matches(found, child):
            continue
        inherited = {"receiver": route.get("receiver"), **child}
        names |= receivers(found, inherited)
        if child.get("continue") is not True:
            return names
    return names or {text(route.get("receiver"))} - {""}


def _matches(found: Mapping[str, str], route: Mapping[str, Any]) -> bool:
    equal = labels(route.get("match"))
    like = labels(route.get("match_re"))
    if any(found.get(key, "") != value for key, value in equal.items()):
        return False
    if any(not re.fullmatch(value, found.get(key, "")) for key, value in like.items()):
        return False
    given = route.get("matchers")
    return all(_holds(found, each) for each in given if isinstance(each, str)) if given else True


def _holds(found: Mapping[str, str], matcher: str) -> bool:
    parts = re.fullmatch(r'\s*\{?\s*([^=!~\s]+)\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*\}?\s*', matcher)
    if parts is None:
        return True  # nobody is told of a route that cannot be read
    value, operator, wanted = found.get(parts[1], ""), parts[2], parts[3]
    if operator in ("=~", "!~"):
        return (re.fullmatch(wanted, value) is not None) == (operator == "=~")
    return (value == wanted) == (operator == "=")
