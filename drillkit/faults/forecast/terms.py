"""Which other pods a pod wants near, or does not. Pure.

Source: Kubernetes' documentation, "Inter-pod affinity and anti-affinity" and "Pod Topology Spread
Constraints".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from drillkit.clients.kube.resources import Object
from drillkit.clients.kube.selectors import selects
from drillkit.faults.forecast.nodes import labels_of
from drillkit.lazy_dataclass import dataclass

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, slots=True)
class Term:
    """Pods of some labels, counted by a label of their nodes."""

    topology: str
    namespaces: tuple[str, ...]
    selector: str
    """A LabelSelector as JSON, so that equal ones are counted once."""
    clear: bool = True
    """Whether all of it is understood; else it may select more or less."""

    def selects(self, pod: Object) -> bool:
        return pod["metadata"].get("namespace") in self.namespaces and selects(
            json.loads(self.selector), labels_of(pod)
        )


@dataclass(frozen=True, slots=True)
class Spread:
    """A topology spread constraint that keeps pods from being scheduled."""

    term: Term
    skew: int
    by_affinity: bool
    """Only nodes that its node selector and affinity choose are counted."""
    by_taints: bool
    """Only nodes whose taints it tolerates are counted."""
    few: bool
    """It counts as unmet while there are fewer domains than it wants."""


def affinity_terms(pod: Object, kind: Literal["podAffinity", "podAntiAffinity"]) -> list[Term]:
    """Required ones; what is only preferred decides nothing."""
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get(kind) or {}
    return list(_terms(pod, affinity.get(_REQUIRED) or ()))


def _terms(pod: Object, given: Any) -> Iterator[Term]:
    own = str(pod["metadata"].get("namespace", ""))
    for each in given:
        spaces = tuple(sorted(each.get("namespaces") or ())) or (own,)
        clear = each.get("namespaceSelector") is None and not each.get("mismatchLabelKeys")
        wanted = _with_keys(each, pod)
        yield Term(str(each.get("topologyKey")), spaces, wanted, clear)


def spreads(pod: Object) -> list[Spread]:
    """Those that are hard."""
    return [
        Spread(
            Term(
                str(each.get("topologyKey")),
                (str(pod["metadata"].get("namespace", "")),),
                _with_keys(each, pod),
            ),
            int(each.get("maxSkew") or 1),
            each.get("nodeAffinityPolicy", "Honor") == "Honor",
            each.get("nodeTaintsPolicy", "Ignore") == "Honor",
            int(each.get("minDomains") or 1) > 1,
        )
        for each in (pod.get("spec") or {}).get("topologySpreadConstraints") or ()
        if each.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"
    ]


def _with_keys(term: Mapping[str, Any], pod: Object) -> str:
    """Its selector, narrowed to pods that have the same values of `matchLabelKeys`."""
    selector = term.get("labelSelector")
    keys = [key for key in term.get("matchLabelKeys") or () if key in labels_of(pod)]
    if selector is None or not keys:
        return json.dumps(selector, sort_keys=True)
    same = [{"key": k, "operator": "In", "values": [labels_of(pod)[k]]} for k in keys]
    narrowed = {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *same]}
    return json.dumps(narrowed, sort_keys=True)
