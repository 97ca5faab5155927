"""The faults in force, read from the cluster's objects, as rules for the proxy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drillkit.sandbox.cluster.faults.chaosmesh import DNS, INJECTED, NETWORK, STRESS
from drillkit.sandbox.cluster.proxy.rules import BusyRule, HttpRule, NameRule, PacketRule, Rules
from drillkit.sandbox.cluster.values import go_duration
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import Gvr, Object

VIRTUAL_SERVICES: Gvr = ("networking.istio.io", "virtualservices")
FAULT_RESOURCES: frozenset[Gvr] = frozenset({NETWORK, STRESS, DNS, VIRTUAL_SERVICES})

CPU_WORKER_DELAY_S = 0.05
"""What one fully loaded CPU stress worker adds to each request of its pod."""
MEMORY_WORKER_DELAY_S = 0.02
BUSY_LIMIT_S = 1.0
_BYTES = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KI": 2**10,
    "MI": 2**20,
    "GI": 2**30,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
}


def current_rules(view: View, extra: Iterable[PacketRule] = ()) -> Rules:
    """All rules in force; `extra` are those of LitmusChaos experiments under way."""
    packets = [rule for obj in view.all(NETWORK) for rule in network_rules(obj)]
    stressed = [stress_rule(obj) for obj in view.all(STRESS)]
    named = [name_rule(obj) for obj in view.all(DNS)]
    return Rules(
        packets=(*packets, *extra),
        http=tuple(
            rule for obj in _oldest_first(view.all(VIRTUAL_SERVICES)) for rule in route_rules(obj)
        ),
        busy=tuple(rule for rule in stressed if rule is not None),
        names=tuple(rule for rule in named if rule is not None),
    )


def injected(obj: Object, key: str = ".") -> frozenset[str]:
    """The pods (`namespace/name`) in which a fault is in force now."""
    records = ((obj.get("status") or {}).get("experiment") or {}).get("containerRecords") or []
    chosen = (r for r in records if r["phase"] == INJECTED and r.get("selectorKey", ".") == key)
    return frozenset("/".join(record["id"].split("/")[:2]) for record in chosen)


def network_rules(obj: Object) -> list[PacketRule]:
    """A NetworkChaos: packets from its pods to the targets, the other way round, or both."""
    spec, pods = obj["spec"], injected(obj)
    if not pods:
        return []
    peers: frozenset[str] | None = None
    if spec.get("target"):
        peers = injected(obj, ".Target")
    elif spec.get("externalTargets"):
        peers = frozenset()  # addresses outside the sandbox: nothing in here is reached by them
    effect = packet_effect(spec)
    name = title(obj)
    direction = spec.get("direction", "to")
    rules = []
    if direction in ("to", "both"):
        rules.append(PacketRule(name, pods, peers, **effect))
    if direction in ("from", "both"):
        rules.append(PacketRule(name, peers, pods, **effect))
    return rules


def packet_effect(spec: Object) -> dict[str, Any]:
    """Delay, jitter and loss of a NetworkChaos, or the partition. Duplicates and bandwidth have no
    effect here.
    """
    action = spec.get("action", "delay")
    if action == "partition":
        return {"drop": True}
    effect: dict[str, Any] = {}
    if action in ("delay", "netem") and spec.get("delay"):
        delay = spec["delay"]
        effect["delay_s"] = go_duration(delay.get("latency") or "0").total_seconds()
        effect["jitter_s"] = go_duration(delay.get("jitter") or "0").total_seconds()
    lost = [
        float((spec.get(kind) or {}).get(kind) or 0) / 100
        for kind in ("loss", "corrupt")
        if action in (kind, "netem")
    ]
    if any(lost):
        effect["loss"] = min(1.0, sum(lost))
    return effect


def stress_rule(obj: Object) -> BusyRule | None:
    """A StressChaos, felt as longer answers."""
    pods = injected(obj)
    stressors = obj["spec"].get("stressors") or {}
    cpu, memory = stressors.get("cpu") or {}, stressors.get("memory") or {}
    delay_s = CPU_WORKER_DELAY_S * cpu.get("workers", 0) * (cpu.get("load") or 100) / 100
    delay_s += MEMORY_WORKER_DELAY_S * memory.get("workers", 0)
    return BusyRule(title(obj), pods, min(delay_s, BUSY_LIMIT_S)) if pods and delay_s else None


def stress_usage(view: View, pod: str) -> tuple[float, int]:
    """(cores, bytes) that stressors pretend to use in a pod."""
    cores, size = 0.0, 0
    for obj in view.all(STRESS):
        if pod not in injected(obj):
            continue
        stressors = obj["spec"].get("stressors") or {}
        cpu, memory = stressors.get("cpu") or {}, stressors.get("memory") or {}
        cores += cpu.get("workers", 0) * (cpu.get("load") or 100) / 100
        size += memory.get("workers", 0) * bytes_of(str(memory.get("size") or "0"))
    return cores, size


def bytes_of(text: str) -> int:
    """A size such as `256MB`; percentages and what cannot be read count as nothing."""
    digits = text.rstrip("BKMGIbkmgi")
    unit = text[len(digits) :].upper()
    return (
        int(float(digits) * _BYTES[unit])
        if digits.replace(".", "", 1).isdigit() and unit in _BYTES
        else 0
    )


def name_rule(obj: Object) -> NameRule | None:
    """A DNSChaos; without patterns it hits every name."""
    pods = injected(obj)
    return (
        NameRule(title(obj), pods, tuple(obj["spec"].get("patterns") or ("*",))) if pods else None
    )


def route_rules(obj: Object) -> list[HttpRule]:
    """A VirtualService's HTTP routes in order, those without a fault too: they shield what comes
    after them.
    """
    namespace = obj["metadata"]["namespace"]
    hosts = tuple(
        host if "." in host or host == "*" else f"{host}.{namespace}.svc.cluster.local"
        for host in obj["spec"].get("hosts") or []
    )
    rules = []
    for route in obj["spec"].get("http") or []:
        fault = route.get("fault") or {}
        delay, abort = fault.get("delay") or {}, fault.get("abort") or {}
        rules.append(
            HttpRule(
                title(obj),
                hosts,
                tuple(route.get("match") or ()),
                delay_share=_share(delay),
                delay_s=go_duration(delay.get("fixedDelay") or "0").total_seconds(),
                abort_share=_share(abort),
                abort_status=int(abort.get("httpStatus") or 503),
            )
        )
    return rules


def _share(fault: Mapping[str, Any]) -> float:
    """Istio's percentage, by the new field or the old one; none means no request."""
    value = (fault.get("percentage") or {}).get("value")
    return min(1.0, float(fault.get("percent", 0) if value is None else value) / 100)


def title(obj: Object) -> str:
    """How a fault is named in answers, logs and the truth."""
    return f"{obj['kind']} {obj['metadata']['namespace']}/{obj['metadata']['name']}"


def _oldest_first(objects: Iterable[Object]) -> list[Object]:
    return sorted(
        objects, key=lambda obj: (obj["metadata"]["creationTimestamp"], obj["metadata"]["name"])
    )
