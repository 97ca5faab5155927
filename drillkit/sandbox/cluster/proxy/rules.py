"""Faults as the proxy sees them: data that crosses the control channel, and the pure questions
asked of it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

EXTERNAL = ""
"""The source of a request that comes from outside the cluster; pods are `namespace/name`."""

_READABLE = frozenset({"name", "uri", "method", "headers"})

FIRST_RETRANSMISSION_S = 0.2
"""Linux' minimum retransmission timeout (TCP_RTO_MIN); it doubles with every further loss of the
same packet.
"""


@dataclass(frozen=True)
class PacketRule:
    """Something done to packets on their way from one set of pods to another; None is everybody,
    outside included.
    """

    name: str
    from_pods: frozenset[str] | None
    to_pods: frozenset[str] | None
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    """Share of packets lost, 0 to 1."""
    drop: bool = False
    """Nothing passes: a partition."""

    def covers(self, sender: str, receiver: str) -> bool:
        return (self.from_pods is None or sender in self.from_pods) and (
            self.to_pods is None or receiver in self.to_pods
        )


@dataclass(frozen=True)
class HttpRule:
    """A fault of a VirtualService route: delays or answers a share of the requests for
    its hosts.
    """

    name: str
    hosts: tuple[str, ...]
    """Fully qualified, `*` as a prefix allowed."""
    matches: tuple[Mapping[str, Any], ...] = ()
    """Istio HTTPMatchRequests (uri, method, headers); empty matches everything."""
    delay_share: float = 0.0
    delay_s: float = 0.0
    abort_share: float = 0.0
    abort_status: int = 0

    def covers(self, host: str, method: str, path: str, headers: Mapping[str, str]) -> bool:
        if not any(fnmatch.fnmatchcase(host, pattern) for pattern in self.hosts):
            return False
        return not self.matches or any(
            _matches(match, method, path, headers) for match in self.matches
        )


@dataclass(frozen=True)
class BusyRule:
    """Pods whose CPU or memory is under stress: each request to them takes longer."""

    name: str
    pods: frozenset[str]
    delay_s: float


@dataclass(frozen=True)
class NameRule:
    """Pods that cannot resolve host names matching the patterns."""

    name: str
    pods: frozenset[str]
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Rules:
    """All faults in force."""

    packets: tuple[PacketRule, ...] = ()
    http: tuple[HttpRule, ...] = ()
    busy: tuple[BusyRule, ...] = ()
    names: tuple[NameRule, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON data; `from_json` reads it back."""
        return _plain(asdict(self))  # type: ignore[no-any-return]

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Rules:
        """Rules that `to_json` wrote."""
        return Rules(
            tuple(
                PacketRule(
                    **{**r, "from_pods": _pods(r["from_pods"]), "to_pods": _pods(r["to_pods"])}
                )
                for r in data["packets"]
            ),
            tuple(
                HttpRule(**{**r, "hosts": tuple(r["hosts"]), "matches": tuple(r["matches"])})
                for r in data["http"]
            ),
            tuple(BusyRule(**{**r, "pods": frozenset(r["pods"])}) for r in data["busy"]),
            tuple(
                NameRule(**{**r, "pods": frozenset(r["pods"]), "patterns": tuple(r["patterns"])})
                for r in data["names"]
            ),
        )


@dataclass
class Passage:
    """What happens to packets in one direction of one request."""

    delay_s: float = 0.0
    drop: bool = False
    because: list[str] = field(default_factory=list)


def passage(rules: Rules, sender: str, receiver: str, draw: Callable[[], float]) -> Passage:
    """The way from `sender` to `receiver`: delays add up; a lost packet costs retransmissions, as
    TCP would have it.

    `draw` gives numbers in [0, 1).
    """
    way = Passage()
    for rule in rules.packets:
        if not rule.covers(sender, receiver):
            continue
        way.because.append(rule.name)
        way.drop = way.drop or rule.drop or rule.loss >= 1
        way.delay_s += max(0.0, rule.delay_s + (2 * draw() - 1) * rule.jitter_s)
        wait_s = FIRST_RETRANSMISSION_S
        while not way.drop and rule.loss and draw() < rule.loss:
            way.delay_s += wait_s
            wait_s *= 2
    return way


def busy_s(rules: Rules, pod: str) -> float:
    """How much longer a request to `pod` takes because the pod is under stress."""
    return sum(rule.delay_s for rule in rules.busy if pod in rule.pods)


def http_fault(
    rules: Rules, host: str, method: str, path: str, headers: Mapping[str, str]
) -> HttpRule | None:
    """The first route that covers the request; like Istio, the first match wins even if it has
    no fault.
    """
    return next((rule for rule in rules.http if rule.covers(host, method, path, headers)), None)


def unresolvable(rules: Rules, pod: str, host: str) -> NameRule | None:
    """The fault that keeps `pod` from resolving `host`, if any."""
    for rule in rules.names:
        if pod in rule.pods and any(
            fnmatch.fnmatchcase(host, pattern) for pattern in rule.patterns
        ):
            return rule
    return None


def _matches(match: Mapping[str, Any], method: str, path: str, headers: Mapping[str, str]) -> bool:
    if match.keys() - _READABLE:
        # a condition that cannot be read here: the fault must not become wider than was asked
        return False
    pairs = [(match.get("uri"), path), (match.get("method"), method)]
    pairs += [
        (wanted, headers.get(name.lower(), ""))
        for name, wanted in (match.get("headers") or {}).items()
    ]
    return all(wanted is None or _string_match(wanted, value) for wanted, value in pairs)


def _string_match(wanted: Mapping[str, str], value: str) -> bool:
    if "exact" in wanted:
        return value == wanted["exact"]
    if "prefix" in wanted:
        return value.startswith(wanted["prefix"])
    if "regex" in wanted:
        import re

        return re.fullmatch(wanted["regex"], value) is not None
    return bool(value)


def _pods(value: list[str] | None) -> frozenset[str] | None:
    return None if value is None else frozenset(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
