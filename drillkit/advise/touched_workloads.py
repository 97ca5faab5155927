"""What is fragile in the workloads that a drill is about to touch. Each run asks, so that nothing
is loaded here that only a look at a whole target needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from drillkit.advise import of_cluster, of_workloads
from drillkit.advise.cluster import Cluster
from drillkit.advise.rule import Advice
from drillkit.lazy_dataclass import dataclass

_NOUNS = {
    "nodes": "nodes under workloads",
    "placements": "pods",
    "workloads": "workloads",
    "budgets": "disruption budgets",
    "scalers": "autoscalers",
    "services": "services",
    "policies": "network policies",
}
"""What people call what could not be read."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, gravest first."""

    advice: tuple[Advice, ...]
    looked: tuple[str, ...]
    """What was looked at, one sentence each."""
    unread: tuple[str, ...]
    """What could not be looked at, so that nothing is said of it."""


def survey_touched(clusters: Iterable[Cluster]) -> Survey:
    """What is fragile in what was read."""
    found: list[Advice] = []
    looked: list[str] = []
    unread: list[str] = []
    for cluster in clusters:
        found += judged(cluster)
        if names := [each.said for each in cluster.workloads]:
            looked.append(", ".join(names))
        noun = f"of {cluster.namespace}"
        unread += [f"{_NOUNS[name]} {noun}: {why}" for name, why in cluster.unread.items()]
    ordered = sorted(dict.fromkeys(found), key=lambda each: each.rank)
    return Survey(tuple(ordered), tuple(looked), tuple(dict.fromkeys(unread)))


def judged(cluster: Cluster) -> Iterator[Advice]:
    """What the rules of workloads, namespaces and nodes find in it."""
    knows = cluster.knows
    for workload in cluster.workloads:
        yield from of_workloads.WORKLOADS.judge(workload, workload.said, cluster, knows)
    for namespace in cluster.namespaces:
        yield from of_cluster.NAMESPACES.judge(namespace, f"namespace/{namespace}", cluster, knows)
    for namespace, alone in sorted(cluster.alone.items()):
        said = f"pods/{namespace}"
        yield from of_cluster.ALONE.judge((namespace, alone), said, cluster, knows)
    if not cluster.namespace:
        yield from of_cluster.NODES.judge(None, "nodes", cluster, knows)
