"""Looks at a target before anybody runs a drill on it: reach, identity, clocks, permissions, and
the health of what drills depend on. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from drillkit.advise.of_alerts import critical, told_of
from drillkit.clients import Clients
from drillkit.clients.http_get import fetch
from drillkit.clients.kube.own_permissions import OwnPermissions
from drillkit.clients.kube.permissions import of_every_run
from drillkit.clients.kube.resources import NAMESPACES
from drillkit.clients.prometheus import open_prometheus
from drillkit.clients.velero import Velero
from drillkit.clients.velero.resources import LOCATIONS
from drillkit.clock import Clock, utc
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Drill
from drillkit.model.errors import DrillError, UsageError
from drillkit.model.target import KubernetesTarget, Target
from drillkit.model.units import format_duration
from drillkit.plan.clocks import clock_apart
from drillkit.plan.credentials import lifetimes, when_it_ends
from drillkit.secrets import is_reference, resolve

if TYPE_CHECKING:
    from drillkit.clients.prometheus import AlertRule, Prometheus

NAMED = 5
"""Names that a line gives of many."""
ANSWER_S = 5.0
STALE = timedelta(days=2)
"""A newest good backup that is older than this is worth a word."""


@dataclass(frozen=True, slots=True)
class TargetLook:
    """What was found about one thing."""

    about: str
    state: Literal["ok", "note", "wrong"]
    """`wrong` keeps a run from starting, or from being believed."""
    said: str
    mend: str = ""
    """What to do about it."""


def check_target(target: Target, clients: Clients, clock: Clock) -> Iterator[TargetLook]:
    """Look at everything that the target names. Nothing is changed; what cannot be asked is
    `wrong`.
    """
    if target.kubernetes is not None:
        yield from _cluster(target.kubernetes, clients)
    if target.aws is not None:
        yield from _guarded("AWS", lambda: _account(clients))
    if target.prometheus is not None:
        yield from _guarded("Prometheus", lambda: _prometheus(target, clock))
    for name, url in target.urls.items():
        if url.startswith(("http://", "https://")):
            yield from _guarded(f"URL {name}", partial(_url, name, url))
    yield from _credentials(target, clients, clock)
    yield from _secrets(target)


def _guarded(about: str, look: Callable[[], Iterator[TargetLook]]) -> Iterator[TargetLook]:
    try:
        yield from look()
    except DrillError as error:
        yield TargetLook(about, "wrong", str(error))


def _cluster(kubernetes: KubernetesTarget, clients: Clients) -> Iterator[TargetLook]:
    try:
        version, uid = clients.kube.server_version(), clients.verify_cluster()
    except DrillError as error:
        yield TargetLook("cluster", "wrong", str(error))
        return
    yield TargetLook("cluster", "ok", f"Kubernetes {version} answers, as {clients.kube.who}")
    if kubernetes.cluster_uid:
        yield TargetLook("identity", "ok", f"it is the pinned cluster {uid}")
    else:
        yield TargetLook(
            "identity",
            "note",
            f"it is cluster {uid}, and the target pins none",
            f"write `cluster_uid: {uid}` under `kubernetes`, so that no run reaches another one",
        )
    if clients.kube.emulated():
        yield TargetLook(
            "cluster", "note", "it is a practice cluster: runs on it prove nothing real"
        )
    yield from _guarded("clock", lambda: _clock("the cluster's", clients.kube.clock_offset_s()))
    yield from _guarded("namespace", lambda: _namespace(kubernetes, clients))
    yield from _guarded("permissions", lambda: _permissions(kubernetes, clients))
    yield from _guarded("Velero", lambda: _velero(clients))


def _clock(whose: str, offset_s: float) -> Iterator[TargetLook]:
    said = clock_apart(whose, offset_s)
    if not said:
        apart = format_duration(round(abs(offset_s), 1))
        yield TargetLook("clock", "ok", f"{whose} clock is {apart} from this machine's")
        return
    yield TargetLook(
        "clock",
        "note",
        said,
        "synchronise both (NTP): an RPO is uncertain by what the clocks are apart",
    )


def _namespace(kubernetes: KubernetesTarget, clients: Clients) -> Iterator[TargetLook]:
    name = kubernetes.namespace
    if clients.kube.find(NAMESPACES, name) is not None:
        yield TargetLook("namespace", "ok", f"`{name}` is there for the lock of a run")
        return
    yield TargetLook(
        "namespace",
        "wrong",
        f"expected namespace `{name}` for the lock of a run, found none",
        f"kubectl create namespace {name}, or name another one as `kubernetes.namespace`",
    )


def _permissions(kubernetes: KubernetesTarget, clients: Clients) -> Iterator[TargetLook]:
    needed = of_every_run(kubernetes.namespace)
    lacking = OwnPermissions(clients.kube).lacking(needed)
    for each in lacking:
        yield TargetLook(
            "permissions",
            "wrong",
            f"not allowed to {each}" + (f" ({each.reason})" if each.reason else ""),
            "grant it to the identity of this kubeconfig",
        )
    if not lacking:
        yield TargetLook("permissions", "ok", "what every run needs is allowed")


def _velero(clients: Clients) -> Iterator[TargetLook]:
    if not clients.kube.serves(LOCATIONS):
        yield TargetLook(
            "Velero", "note", "it is not installed; drills that restore with it cannot run"
        )
        return
    places = sorted({each["metadata"]["namespace"] for each in clients.kube.list(LOCATIONS)})
    if not places:
        yield TargetLook(
            "Velero", "wrong", "it has no storage location", "velero backup-location create ..."
        )
    for place in places:
        velero = Velero(clients.kube, place)
        for location in velero.locations():
            state: Literal["ok", "wrong"] = "ok" if location.available else "wrong"
            said = f"storage location {place}/{location.name} is {location.why or 'available'}"
            yield TargetLook("Velero", state, said)
        yield from _schedules(velero)


def _schedules(velero: Velero) -> Iterator[TargetLook]:
    for schedule in velero.schedules():
        name = str(schedule["metadata"]["name"])
        if (schedule.get("spec") or {}).get("paused"):
            yield TargetLook(
                "Velero", "note", f"schedule {name} is paused", "velero schedule unpause"
            )
            continue
        state = velero.newest(name).good
        at = state.started if state is not None else None
        if at is None:
            yield TargetLook("Velero", "note", f"schedule {name} has no good backup yet")
            continue
        age = utc(velero.kube.now()) - at
        said = f"the newest good backup of schedule {name} is {format_duration(age)} old"
        yield TargetLook("Velero", "note" if age > STALE else "ok", said)


def _account(clients: Clients) -> Iterator[TargetLook]:
    account = clients.verify_account()
    yield TargetLook(
        "AWS", "ok", f"it is the pinned account {account} in {clients.aws.target.region}"
    )
    if (offset_s := clients.aws.clock_offset_s) is not None:
        yield from _clock("AWS'", offset_s)


def _prometheus(target: Target, clock: Clock) -> Iterator[TargetLook]:
    assert target.prometheus is not None
    server = open_prometheus(target.prometheus, clock, aws=target.aws)
    offset_s = server.clock_offset_s()
    yield TargetLook("Prometheus", "ok", f"{server.where} answers")
    yield from _clock("Prometheus'", offset_s)
    up = server.instant("count(up == 0) or vector(0)", clock.now() + offset_s)
    down = int(up.series[0].samples[-1][1]) if up.series and up.series[0].samples else 0
    if down:
        yield TargetLook("Prometheus", "note", f"{down} of its targets are down: look at /targets")
    firing = server.firing()
    names = ", ".join(sorted({each.name for each in firing})[:NAMED])
    yield TargetLook("alerts", "ok", f"{len(firing)} fire now" + (f": {names}" if names else ""))
    yield from _guarded("paging", lambda: paging(server))


def paging(server: Prometheus) -> Iterator[TargetLook]:
    """Who would be told of critical alerts. Raises CallError."""
    rules = [each for each in server.alert_rules() if critical(each)]
    if not rules:
        yield TargetLook(
            "paging",
            "note",
            "no alerting rule is critical: a drill that goes wrong pages nobody",
            "make a rule with severity=critical of what users must not feel",
        )
        return
    yield from paged(rules, server.alert_routes())


def paged(rules: Sequence[AlertRule], routes: Mapping[str, Any]) -> Iterator[TargetLook]:
    """Who would be told of alerts, one line for each set of people. `routes`: of the Alertmanager;
    empty where nobody knows it.
    """
    if not routes:
        yield TargetLook(
            "paging",
            "note",
            f"nobody knows who is paged of {_names(rules)}",
            "write `alertmanager: URL` under `prometheus`, so that its routes can be read",
        )
        return
    by_people: dict[str, list[AlertRule]] = {}
    for rule in rules:
        told = sorted(told_of(rule, routes).items())
        by_people.setdefault("; ".join(f"{who} ({how})" for who, how in told), []).append(rule)
    for people, alerts in sorted(by_people.items()):
        if people:
            yield TargetLook("paging", "ok", f"{_names(alerts)} would page {people}")
            continue
        yield TargetLook(
            "paging",
            "note",
            f"{_names(alerts)} would page nobody: no receiver of its route tells anybody",
            "give the route a receiver with an integration; see amtool config routes test",
        )


def expected_pages(drill: Drill, target: Target, clock: Clock) -> Iterator[TargetLook]:
    """Who would be paged by the alerts that a drill says it causes (`guards.expected_alerts`)."""
    expected = drill.guards.expected_alerts
    if not expected or target.prometheus is None:
        return
    server = open_prometheus(target.prometheus, clock, aws=target.aws)
    about = f"drill {drill.drill}"
    try:
        rules = [each for each in server.alert_rules() if each.name in expected]
        for look in paged(rules, server.alert_routes()) if rules else ():
            yield replace(look, about=about)
    except DrillError as error:
        yield TargetLook(about, "wrong", f"who would be paged cannot be asked: {error}")
        return
    if unknown := sorted({*expected} - {each.name for each in rules}):
        yield TargetLook(
            about,
            "note",
            f"it expects {', '.join(unknown)}, which no alerting rule of {server.where} is called",
            "correct `guards.expected_alerts`, or make the rule",
        )


def _names(rules: Sequence[AlertRule]) -> str:
    names = list(dict.fromkeys(each.name for each in rules))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _url(name: str, url: str) -> Iterator[TargetLook]:
    status = fetch(url, ANSWER_S).status
    state: Literal["ok", "note"] = "ok" if status < 500 else "note"
    yield TargetLook(f"URL {name}", state, f"{url} answers with {status}")


def _credentials(target: Target, clients: Clients, clock: Clock) -> Iterator[TargetLook]:
    """Until when what the target is reached with is good."""
    now = utc(clock.now())
    for each in lifetimes(target, clients):
        if each.ends_before(now):
            yield TargetLook("credentials", "wrong", when_it_ends(each, now), "log in again")
        else:
            yield TargetLook(
                "credentials", "note" if each.unknown else "ok", when_it_ends(each, now)
            )


def _secrets(target: Target) -> Iterator[TargetLook]:
    """Whether what the target refers to can be had here; the values are looked at by nobody."""
    given: Mapping[str, str] = {
        **{f"databases.{name}": value for name, value in target.databases.items()},
        **({"canary_key": target.canary_key} if target.canary_key else {}),
    }
    for what, reference in given.items():
        if not is_reference(reference) or reference.startswith("aws-secret:"):
            continue
        try:
            resolve(reference, what)
        except UsageError as error:
            yield TargetLook("secrets", "wrong", str(error))
        else:
            yield TargetLook("secrets", "ok", f"{what}: {reference} is there")
