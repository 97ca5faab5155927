"""What some choice of the scheduler could leave without a place. Pure.

A pod is held for sure when all the others together cannot take every place from it: each place is
weighed by what share of the others' requests it would take to close it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from drillkit.clients.kube.resources import Object
from drillkit.faults.forecast.nodes import labels_of
from drillkit.faults.forecast.requests import Amounts, host_ports
from drillkit.faults.forecast.room import (
    Displaced,
    Room,
    counted,
    named,
    total,
)
from drillkit.faults.forecast.terms import Term

_LIMITED = frozenset(
    {
        *("persistentVolumeClaim", "ephemeral", "csi", "awsElasticBlockStore", "azureDisk"),
        *("gcePersistentDisk", "iscsi", "rbd"),
    }
)
"""Sorts of volumes of which a node takes so many, or that no two nodes may have."""
SCALE = 10**9
"""Shares are whole numbers of this, rounded down: no error of theirs can make room.
"""


def uncertain(room: Room) -> Iterator[str]:
    """Why some of what is displaced may stay without a place, a reason at a time."""
    whys: dict[str, list[Displaced]] = {}
    everything = total((room.pending, *(each.requests for each in room.displaced)))
    for number, each in enumerate(room.displaced):
        if why := _doubt(room, number, each, everything):
            whys.setdefault(why, []).append(each)
    for why, pods in whys.items():
        yield f"whether {named(pods)} will be held elsewhere is not certain: {why}"


def _doubt(room: Room, number: int, each: Displaced, everything: Amounts) -> str:
    spec = each.pod.get("spec") or {}
    if why := each.unclear or _beyond(spec):
        return why
    if each.near:
        return "it must be near other pods (affinity)"
    if number in room.averse or _shunned(room, each):
        return "another pod must not be near it (anti-affinity)"
    if any(not term.clear for term in each.apart):
        return "its anti-affinity reaches other namespaces"
    if each.apart and each.spread:
        return "it has anti-affinity and a topology spread"
    taking = room.taking(each)
    where = [n for n in room.nodes if n in taking and _apart(room, each, n)]
    if not where:
        return "no node takes it at this moment"
    if each.spread:
        return _by_spread(room, each, where, everything)
    return _by_room(room, each, where, everything)


def _beyond(spec: Object) -> str:
    """What of a pod is not looked at here."""
    if spec.get("schedulerName") not in (None, "", "default-scheduler"):
        return f"scheduler {spec['schedulerName']} decides by rules of its own"
    if spec.get("resourceClaims"):
        return "it claims devices"
    if spec.get("schedulingGates"):
        return "it waits for a scheduling gate"
    if host_ports({"spec": spec}):
        return "it takes a port of its node"
    volumes = spec.get("volumes") or ()
    if any(not _LIMITED.isdisjoint(each) for each in volumes):
        return "nodes take a limited number of volumes, which is not looked at"
    return ""


def _shunned(room: Room, each: Displaced) -> bool:
    """Whether other displaced pods, not of its kind, must not be near it."""
    return any(
        not term.clear or term.selects(each.pod)
        for other in room.displaced
        if other.group != each.group
        for term in other.apart
    )


def _apart(room: Room, each: Displaced, node: str) -> bool:
    """Whether no pod is near that it must not be near."""
    labels = labels_of(room.nodes[node])
    return not any(
        room.domains(term, room.present[term])[labels.get(term.topology, "")] for term in each.apart
    )


def _by_room(room: Room, each: Displaced, where: list[str], everything: Amounts) -> str:
    """By requests, and by how many places pods that keep apart from it can take away."""
    if len(each.apart) > 1:
        return "it has several kinds of anti-affinity"
    rivals, places = 0, {node: node for node in where}
    for term in each.apart:
        near = [o for o in room.displaced if o is not each and term.selects(o.pod)]
        rivals = len(near) + room.coming[term]
        labels = {node: labels_of(room.nodes[node]).get(term.topology) for node in where}
        places = {node: value or f"only {node}" for node, value in labels.items()}
    others = {k: v - each.requests.get(k, 0) for k, v in everything.items()}
    strong: set[str] = set()
    for node in where:
        if _strong(room, each, node, everything):
            strong.add(places[node])
            if len(strong) > rivals:
                return ""
    spare = {node: _spare(room, each, node) for node in where}
    # Of other resources there is enough everywhere: nobody can close a node by them.
    scarce = [k for k in each.requests if any(left[k] < others[k] for left in spare.values())]
    shares: Counter[str] = Counter()
    for node, left in spare.items():
        shares[places[node]] += _share(left, others, scarce)
    kept = sorted(shares.values())[: max(0, len(shares) - rivals)]
    # Of each resource the others have less than it takes to close every place.
    if scarce and sum(kept) >= len(scarce) * SCALE:
        return ""
    return "others may take the room that it needs"


def _spare(room: Room, each: Displaced, node: str) -> Amounts:
    """What a node has left besides the pod itself, of what that asks for."""
    left = room.free(node, room.all)
    return {key: left.get(key, 0) - value for key, value in each.requests.items()}


def _share(spare: Amounts, others: Amounts, scarce: list[str]) -> int:
    """The least share (of `SCALE`) of the others' requests that closes a node to it."""
    if min(spare.values()) < 0:
        return 0
    return min((spare[key] * SCALE // others[key] for key in scarce if others[key]), default=0)


def _strong(room: Room, each: Displaced, node: str, everything: Amounts) -> bool:
    """Whether a node holds it even when it is given all the others, too."""
    return not room.lacks(node, room.all, {key: everything.get(key, 0) for key in each.requests})


def _by_spread(room: Room, each: Displaced, where: list[str], everything: Amounts) -> str:
    if len(each.spread) > 1:
        return "it has several topology spreads"
    (spread,) = each.spread
    nodes = counted(room, each, spread)
    domains = {labels_of(room.nodes[node])[spread.term.topology] for node in nodes}
    live = domains & {
        labels_of(room.nodes[node]).get(spread.term.topology)
        for node in where
        if _strong(room, each, node, everything)
    }
    if not live or spread.few or spread.by_taints:
        return "of its topology spread"
    only = Counter({n: c for n, c in room.staying[spread.term].items() if n in nodes})
    fewest = room.domains(spread.term, only)
    least = min((fewest[value] for value in domains - live), default=None)
    # Where all domains take it, the emptiest does.
    if least is None or _matching(room, spread.term) // len(live) + 1 - least <= spread.skew:
        return ""
    return "of its topology spread"


def _matching(room: Room, term: Term) -> int:
    """How many other pods it counts, at most, when the last comes."""
    displaced = sum(term.selects(each.pod) for each in room.displaced)
    return sum(room.present[term].values()) + displaced - 1 + room.coming[term]
