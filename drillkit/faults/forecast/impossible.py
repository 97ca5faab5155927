"""What no choice of the scheduler could hold: each reason is a bound that only more room, or fewer
pods, could change. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from drillkit.faults.forecast.nodes import labels_of
from drillkit.faults.forecast.requests import Amounts, clash, host_ports
from drillkit.faults.forecast.room import Displaced, Room, counted, named, total
from drillkit.faults.forecast.terms import Spread, Term


def impossible(room: Room) -> Iterator[str]:
    """Why some of what is displaced certainly stays without a place."""
    able: list[tuple[Displaced, frozenset[str]]] = []
    for each in room.displaced:
        if each.unclear:
            continue
        whys = dict(_refusals(room, each))
        where = frozenset(node for node, why in whys.items() if not why)
        if not where:
            yield f"{each.said} finds no other node: {_census(whys, room)}"
        able.append((each, where))
    able = [(each, where) for each, where in able if where]
    yield from _too_little(room, able)
    groups: dict[tuple[str, str], list[tuple[Displaced, frozenset[str]]]] = {}
    for each, where in able:
        groups.setdefault(each.group, []).append((each, where))
    for alike in groups.values():
        pods, nodes = [each for each, _ in alike], frozenset().union(*(w for _, w in alike))
        yield from _too_many(room, pods, nodes)
        yield from _too_few_domains(room, pods, nodes)


def _refusals(room: Room, each: Displaced) -> Iterator[tuple[str, str]]:
    apart = [(term, room.domains(term, room.staying[term])) for term in each.apart if term.clear]
    near = [domains for term in each.near if (domains := _near(room, each, term)) is not None]
    skewed = [(spread, *_skew(room, each, spread)) for spread in each.spread]
    ports = host_ports(each.pod)
    for node, why in room.barred(each).items():
        labels = labels_of(room.nodes[node])
        if not why:
            lacks = room.lacks(node, room.sure, each.requests)
            why = f"short of {lacks}" if lacks else ""
        if not why and ports and clash(ports, room.ports.get(node, ())):
            why = "without a free host port"
        if not why and any(counts[labels.get(term.topology, "")] for term, counts in apart):
            why = "beside a pod that it must not be near (anti-affinity)"
        if not why and any(labels.get(key) not in values for key, values in near):
            why = "far from a pod that it must be near (affinity)"
        if not why and any(_too_skewed(labels, *each) for each in skewed):
            why = "against its topology spread"
        yield node, why


def _near(room: Room, each: Displaced, term: Term) -> tuple[str, frozenset[str]] | None:
    """(label, values) of the only places where it may run; None where that is open."""
    others = any(term.selects(other.pod) for other in room.displaced)
    if not term.clear or others or room.coming[term] or term.selects(each.pod):
        return None
    return term.topology, frozenset(room.domains(term, room.present[term]))


def _skew(room: Room, each: Displaced, spread: Spread) -> tuple[Counter[str], int, int | None]:
    """(pods that stay, by domain; one more if it counts itself; the most that the emptiest domain
    can have that takes no pods)."""
    nodes = counted(room, each, spread)
    only = Counter({n: c for n, c in room.staying[spread.term].items() if n in nodes})
    counts, own = room.domains(spread.term, only), int(spread.term.selects(each.pod))
    if spread.by_taints or room.to_cordoned:
        return counts, own, None
    most = room.domains(spread.term, room.present[spread.term])
    open_ = {
        labels_of(node).get(spread.term.topology)
        for name, node in room.nodes.items()
        if name not in room.gone and not (node.get("spec") or {}).get("unschedulable")
    }
    values = {labels_of(room.nodes[node])[spread.term.topology] for node in nodes}
    return counts, own, min((most[value] for value in values - open_), default=None)


def _too_skewed(
    labels: Mapping[str, str], spread: Spread, counts: Counter[str], own: int, least: int | None
) -> bool:
    here = labels.get(spread.term.topology)
    if here is None:
        return True
    return least is not None and counts[here] + own - least > spread.skew


def _too_little(room: Room, able: Sequence[tuple[Displaced, frozenset[str]]]) -> Iterator[str]:
    """Pods that are confined to some nodes and need more together than these have."""
    for nodes in dict.fromkeys(where for _, where in able):
        inside = [each for each, where in able if where <= nodes]
        if len(inside) < 2:
            continue
        needed = total(each.requests for each in inside)
        has = total(_positive(room.free(node, room.sure)) for node in nodes)
        for key, value in needed.items():
            if value > has.get(key, 0):
                yield (
                    f"{named(inside)} need {amount(key, value)} together and the nodes that may "
                    f"take them have {amount(key, has.get(key, 0))} left"
                )
                return


def _too_many(room: Room, pods: Sequence[Displaced], nodes: frozenset[str]) -> Iterator[str]:
    """Pods that are alike, of which each node holds so many and no more."""
    if len({tuple(sorted(each.requests.items())) for each in pods}) > 1:
        return
    wanted = pods[0].requests
    places = 0
    for node in nodes:
        free = room.free(node, room.sure)
        places += min(max(0, free.get(key, 0)) // value for key, value in wanted.items())
        if places >= len(pods):
            return
    yield f"{named(pods)}: {len(pods)} are displaced and the other nodes have room for {places}"


def _too_few_domains(room: Room, pods: Sequence[Displaced], nodes: frozenset[str]) -> Iterator[str]:
    """Pods that keep away from each other, and fewer places apart than pods."""
    for term in pods[0].apart:
        if not term.clear or not all(
            term in each.apart and term.selects(each.pod) for each in pods
        ):
            continue
        values = [labels_of(room.nodes[node]).get(term.topology) for node in nodes]
        # Where a node lacks the label, nothing is near.
        places = len({value for value in values if value is not None})
        if None not in values and places < len(pods):
            yield (
                f"{named(pods)} must not be near each other (anti-affinity by {term.topology}): "
                f"{len(pods)} are displaced and {places} places are free"
            )
            return


def _positive(amounts: Amounts) -> Amounts:
    return {key: max(0, value) for key, value in amounts.items()}


def _census(whys: Mapping[str, str], room: Room) -> str:
    counts = Counter(why for node, why in whys.items() if node not in room.gone)
    if not counts:
        return "no other node is there"
    return ", ".join(
        f"{count} {'node is' if count == 1 else 'nodes are'} {why}"
        for why, count in counts.most_common()
    )


def amount(key: str, thousandths: int) -> str:
    """For people: `1.5 cpu`, `512 MiB of memory`."""
    value = thousandths / 1000
    if key in ("memory", "ephemeral-storage"):
        size, unit = (value / 2**30, "GiB") if value >= 2**30 else (value / 2**20, "MiB")
        return f"{size:.4g} {unit} of {key}"
    return f"{value:.4g} {key}"
