"""Which nodes a fault empties: a named one, some of those that match, or those of a zone; never so
many that nothing could take their pods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillkit.clients.kube.pods import condition, is_ready, node_of
from drillkit.clients.kube.resources import NODES, PODS, Object
from drillkit.faults.pod_selection import how_many, ordered
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Refused, StepFailed

if TYPE_CHECKING:
    from drillkit.clients.kube.client import KubeClient
    from drillkit.model.target import Target

ZONE_LABEL = "topology.kubernetes.io/zone"


def is_schedulable(node: Object) -> bool:
    """Ready and not cordoned."""
    cordoned = (node.get("spec") or {}).get("unschedulable")
    return (condition(node, "Ready") or {}).get("status") == "True" and not cordoned


@dataclass(frozen=True, slots=True)
class NodeChoice:
    """How nodes are chosen, in one of three ways: by name, by their labels, by the pods they run.
    Raises Refused for none or several of these.
    """

    name: str | None
    selector: str | None
    pod_namespace: str | None
    pod_selector: str | None
    count: int | str = 1
    order: str = "alphabetic"
    seed: int | None = None

    def __post_init__(self) -> None:
        ways = sum(bool(way) for way in (self.name, self.selector, self.pod_selector))
        if ways != 1 or bool(self.pod_selector) != bool(self.pod_namespace):
            raise Refused(
                "expected one of `node`, `node_selector`, or `pod_selector` with `pod_namespace`"
            )

    def of(self, kube: KubeClient, target: Target) -> list[Object]:
        """The nodes. Raises StepFailed when none can be chosen, Refused above the target's caps."""
        everything = kube.list(NODES)
        names, what = self._candidates(kube)
        candidates = [node for node in everything if node["metadata"]["name"] in names]
        able = [node for node in candidates if is_schedulable(node)]
        if not able:
            raise StepFailed(
                f"expected {what}, found none ({len(candidates)} match, cordoned or not ready)"
            )
        number = len(able)
        if not self.name:
            number = how_many(self.count, len(able), "100%", what, target, "nodes")
        chosen = ordered(able, self.order, self.seed)[:number]
        return _allowed(chosen, everything, target)

    def _candidates(self, kube: KubeClient) -> tuple[set[str], str]:
        """Names of the nodes that match, and what is looked for."""
        if self.name:
            return {self.name}, f"a schedulable node {self.name}"
        if self.selector:
            matching = {
                node["metadata"]["name"] for node in kube.list(NODES, selector=self.selector)
            }
            return matching, f"schedulable nodes of {self.selector}"
        pods = kube.list(PODS, str(self.pod_namespace), selector=str(self.pod_selector))
        names = {node_of(pod) for pod in pods if is_ready(pod)}
        of = f"{self.pod_selector} in {self.pod_namespace}"
        return names, f"schedulable nodes with ready pods of {of}"


def nodes_of_zone(kube: KubeClient, target: Target, zone: str) -> list[Object]:
    """The schedulable nodes of a zone. Raises StepFailed where there are none, Refused where no
    other zone could take their pods, or above the target's caps.
    """
    everything = kube.list(NODES)
    zones = sorted({z for n in everything if (z := _zone(n))})
    chosen = [node for node in everything if _zone(node) == zone and is_schedulable(node)]
    if not chosen:
        raise StepFailed(
            f"expected schedulable nodes in zone {zone}, found none; zones: "
            f"{', '.join(zones) or 'none'}"
        )
    if not any(is_schedulable(node) and _zone(node) != zone for node in everything):
        raise Refused(
            f"zone {zone} is the only one with schedulable nodes: nothing could take its pods"
        )
    return _allowed(ordered(chosen, "alphabetic", None), everything, target)


def _zone(node: Object) -> str:
    return str((node["metadata"].get("labels") or {}).get(ZONE_LABEL) or "")


def _allowed(chosen: list[Object], everything: list[Object], target: Target) -> list[Object]:
    zones = target.caps.zones
    if zones and (outside := [n["metadata"]["name"] for n in chosen if _zone(n) not in zones]):
        raise Refused(
            f"{', '.join(outside)}: target `{target.name}` allows nodes of zones "
            f"{', '.join(zones)} only (`caps.zones`)"
        )
    schedulable = [node for node in everything if is_schedulable(node)]
    how_many(len(chosen), len(schedulable), target.caps.nodes, "schedulable nodes", target, "nodes")
    if len(schedulable) <= len(chosen):
        raise Refused(
            f"{len(chosen)} of {len(schedulable)} schedulable nodes: nothing could take their pods"
        )
    return chosen
