"""Whether the nodes that remain can hold what is displaced, whatever the scheduler chooses. Pure.

It says that a pod cannot be held only where no choice could help, and nothing only where no choice
could harm: bounds from both sides, not a simulation of one scheduler's taste.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import cached_property

from drillkit.clients.kube.pods import controller, controller_kind, is_finished, is_going, node_of
from drillkit.clients.kube.resources import PODS as POD
from drillkit.clients.kube.resources import Object
from drillkit.faults.forecast.nodes import (
    chosen,
    for_good,
    for_now,
    labels_of,
    tolerates_cordon,
)
from drillkit.faults.forecast.requests import (
    Amounts,
    HostPort,
    add_to,
    allocatable,
    host_ports,
    requests_of,
)
from drillkit.faults.forecast.terms import Spread, Term, affinity_terms, spreads
from drillkit.lazy_dataclass import dataclass

ENDING = ("Job",)
"""Controllers whose pods end by themselves, and make room."""
NAMED = 5
"""So many pods a sentence names."""
GROWN_BY = {
    "karpenter.sh/nodepool": "Karpenter",
    "karpenter.sh/provisioner-name": "Karpenter",
    "cloud.google.com/gke-nodepool": "GKE's autoscaler, if it is on,",
    "kubernetes.azure.com/agentpool": "AKS' autoscaler, if it is on,",
}
"""Labels of nodes that something may add more of."""
GROWERS = ("karpenter", "cluster-autoscaler", "aws-cluster-autoscaler")


@dataclass(frozen=True)
class Displaced:
    """A pod that must find another place."""

    pod: Object
    volumes: Sequence[Object] = ()
    """The PersistentVolumes that it is bound to."""
    unclear: str = ""
    """Why it is not known where it may run, or ''."""

    @property
    def said(self) -> str:
        return POD.said(self.pod["metadata"]["name"], self.pod["metadata"]["namespace"])

    @cached_property
    def group(self) -> tuple[str, str]:
        """Its controller: pods of one are alike."""
        owner = controller(self.pod) or {}
        meta = self.pod["metadata"]
        return str(meta.get("namespace")), str(owner.get("uid") or meta["name"])

    @cached_property
    def choice(self) -> str:
        """What of it decides which nodes it may run on: pods that have it in common share them."""
        spec = self.pod.get("spec") or {}
        decide = (
            spec.get("nodeSelector"),
            (spec.get("affinity") or {}).get("nodeAffinity"),
            spec.get("tolerations"),
            [(volume["metadata"], volume.get("spec")) for volume in self.volumes],
        )
        return json.dumps(decide, sort_keys=True)

    @cached_property
    def requests(self) -> Amounts:
        return requests_of(self.pod)

    @cached_property
    def apart(self) -> list[Term]:
        return affinity_terms(self.pod, "podAntiAffinity")

    @cached_property
    def near(self) -> list[Term]:
        return affinity_terms(self.pod, "podAffinity")

    @cached_property
    def spread(self) -> list[Spread]:
        return spreads(self.pod)

    @cached_property
    def terms(self) -> list[Term]:
        return [*self.apart, *self.near, *(each.term for each in self.spread)]


@dataclass
class Room:
    """What stands on nodes besides what is displaced: `add` takes one pod after the other, so that
    of a hundred thousand no more than sums are kept.
    """

    nodes: Mapping[str, Object]
    gone: frozenset[str]
    """Names of nodes that are emptied."""
    displaced: Sequence[Displaced]
    sure: dict[str, Amounts] = field(default_factory=lambda: defaultdict(dict))
    """Requests by node of pods that stay there in any case."""
    all: dict[str, Amounts] = field(default_factory=lambda: defaultdict(dict))
    """Requests by node of all pods."""
    staying: dict[Term, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Pods by node that a term selects and that stay in any case."""
    present: dict[Term, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Pods by node that a term selects."""
    coming: Counter[Term] = field(default_factory=Counter)
    """Pods without a node that a term selects."""
    pending: Amounts = field(default_factory=dict)
    """Requests of pods without a node: they want room, too."""
    ports: dict[str, set[HostPort]] = field(default_factory=lambda: defaultdict(set))
    averse: set[int] = field(default_factory=set)
    """Numbers of displaced pods that some pod does not want near."""
    to_cordoned: bool = False
    """Some pod may be scheduled to cordoned nodes."""
    grower: str = ""
    """What may add nodes, or ''."""

    def __post_init__(self) -> None:
        self._barred: dict[str, Mapping[str, str]] = {}
        self._taking: dict[str, frozenset[str]] = {}
        self._have = {name: allocatable(node) for name, node in self.nodes.items()}
        self._uids = {each.pod["metadata"].get("uid") for each in self.displaced}
        self._terms = list(dict.fromkeys(t for each in self.displaced for t in each.terms))
        self._floor = max((_priority(each.pod) for each in self.displaced), default=0)
        self.to_cordoned = any(tolerates_cordon(each.pod) for each in self.displaced)
        for node in self.nodes.values():
            found = next((who for key, who in GROWN_BY.items() if key in labels_of(node)), "")
            self.grower = self.grower or found

    def add(self, pod: Object) -> None:
        """A pod of the cluster; those that are displaced are passed over."""
        if pod["metadata"].get("uid") in self._uids or is_finished(pod):
            return
        self._look_for_grower(pod)
        node, requests = node_of(pod), requests_of(pod)
        self._note_aversion(pod)
        if not node:
            add_to(self.pending, requests)
            self.coming.update(term for term in self._terms if term.selects(pod))
            self.to_cordoned = self.to_cordoned or tolerates_cordon(pod)
            return
        # A pod of a lower priority may be thrown out for a displaced one.
        stays = not is_going(pod) and controller_kind(pod) not in ENDING
        stays = stays and _priority(pod) >= self._floor
        add_to(self.all[node], requests)
        if stays:
            add_to(self.sure[node], requests)
            self.ports[node] |= host_ports(pod)
        for term in self._terms:
            if term.selects(pod):
                self.present[term][node] += 1
                self.staying[term][node] += stays

    def _look_for_grower(self, pod: Object) -> None:
        labels = labels_of(pod)
        for key in ("app.kubernetes.io/name", "k8s-app", "app"):
            if labels.get(key) in GROWERS:
                self.grower = self.grower or str(labels[key])

    def _note_aversion(self, pod: Object) -> None:
        for term in affinity_terms(pod, "podAntiAffinity"):
            for number, each in enumerate(self.displaced):
                mutual = term in each.apart and term.selects(pod)  # counted from its own side
                if not term.clear or (term.selects(each.pod) and not mutual):
                    self.averse.add(number)

    def domains(self, term: Term, counts: Counter[str]) -> Counter[str]:
        """Counts by node, by the term's label of nodes."""
        found: Counter[str] = Counter()
        for node, count in counts.items():
            value = labels_of(self.nodes[node]).get(term.topology) if node in self.nodes else None
            if value is not None:
                found[value] += count
        return found

    def barred(self, each: Displaced) -> Mapping[str, str]:
        """By node: why it can never take the pod, or ''."""
        if each.choice not in self._barred:
            self._barred[each.choice] = {
                name: for_good(each.pod, node, self.gone, each.volumes)
                for name, node in self.nodes.items()
            }
        return self._barred[each.choice]

    def taking(self, each: Displaced) -> frozenset[str]:
        """The nodes that are not barred and that take the pod at this moment."""
        if each.choice not in self._taking:
            self._taking[each.choice] = frozenset(
                node
                for node, why in self.barred(each).items()
                if not why and not for_now(each.pod, self.nodes[node])
            )
        return self._taking[each.choice]

    def lacks(self, node: str, used: Mapping[str, Amounts], wanted: Amounts) -> str:
        """The first of what is wanted that a node has too little left of, or ''."""
        have, taken = self._have[node], used.get(node) or {}
        for key, value in wanted.items():
            if value > have.get(key, 0) - taken.get(key, 0):
                return key
        return ""

    def free(self, node: str, used: Mapping[str, Amounts]) -> Amounts:
        """What a node has left."""
        taken = used.get(node) or {}
        return {k: v - taken.get(k, 0) for k, v in self._have[node].items()}


def named(pods: Iterable[Displaced]) -> str:
    """For people."""
    names = [each.said for each in pods]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def total(parts: Iterable[Amounts]) -> Amounts:
    """Their sum."""
    found: Amounts = {}
    for part in parts:
        add_to(found, part)
    return found


def counted(room: Room, each: Displaced, spread: Spread) -> set[str]:
    """The nodes whose pods its spread counts."""
    keys = [other.term.topology for other in each.spread]
    return {
        name
        for name, node in room.nodes.items()
        if all(key in labels_of(node) for key in keys)
        and (not spread.by_affinity or chosen(each.pod, node))
    }


def _priority(pod: Object) -> int:
    return int((pod.get("spec") or {}).get("priority") or 0)
