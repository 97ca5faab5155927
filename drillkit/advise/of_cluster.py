"""Rules about namespaces, nodes and certificates."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta

from drillkit.advise.cluster import Alone, Cluster, Node
from drillkit.advise.loose_json import moment, rows, sub, text
from drillkit.advise.rule import Found, Severity, Table
from drillkit.clients.kube.resources import Object
from drillkit.lazy_dataclass import dataclass

NEAR_END = timedelta(days=14)
"""A certificate that lasts less long is near its end; cert-manager renews after two thirds."""


@dataclass(frozen=True, slots=True)
class ClusterNow:
    """The cluster, now."""

    cluster: Cluster
    now: datetime


NAMESPACES: Table[str, Cluster] = Table("namespace")
ALONE: Table[tuple[str, Alone], Cluster] = Table("pods")
NODES: Table[None, Cluster] = Table("nodes")
CERTIFICATES: Table[Object, ClusterNow] = Table("certificate")


@NAMESPACES.rule(
    "no-network-policy",
    "medium",
    why="Every pod of the cluster may speak to these, and these to everything: one that is taken "
    "over reaches all.",
    needs=("policies",),
)
def no_network_policy(namespace: str, cluster: Cluster) -> Found | None:
    """A namespace with workloads and without a NetworkPolicy."""
    if namespace in cluster.policies:
        return None
    return Found(
        "it has no NetworkPolicy",
        f"kubectl apply -f - <<'EOF'\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
        f"metadata: {{name: default-deny-ingress, namespace: {namespace}}}\n"
        "spec: {podSelector: {}, policyTypes: [Ingress]}\nEOF\n"
        "# then allow what must pass, one policy per caller; rehearse it in a copy first",
    )


@ALONE.rule(
    "bare-pod",
    "medium",
    why="No controller replaces a pod that stands alone: with its node it is gone for good.",
)
def bare_pod(found: tuple[str, Alone], cluster: Cluster) -> Found:
    """Pods without a controller."""
    namespace, alone = found
    more = ", ..." if alone.count > len(alone.names) else ""
    return Found(
        f"{alone.count} pods stand alone: {', '.join(alone.names)}{more}",
        "make a Deployment of each that should live on, and delete the others: "
        f"kubectl -n {shlex.quote(namespace)} delete pod {shlex.join(alone.names)}",
    )


@NODES.rule(
    "nodes-in-one-zone",
    "high",
    why="The loss of that zone is the loss of everything.",
    needs=("nodes",),
)
def nodes_in_one_zone(_: None, cluster: Cluster) -> Found | None:
    """All nodes of a cluster in one zone."""
    if len(cluster.nodes) < 2 or len(cluster.zones) != 1:
        return None
    (zone,) = cluster.zones
    what = f"all {len(cluster.nodes)} nodes are in zone {zone}"
    return Found(what, "add a node group, or subnets of the group, in two other zones")


@NODES.rule(
    "group-in-one-zone",
    "medium",
    why="When its zone goes, nothing of this kind is left for what only runs there.",
    proves="zone-evacuation",
    needs=("nodes",),
)
def group_in_one_zone(_: None, cluster: Cluster) -> Iterator[Found]:
    """A node group in one zone, without a sister of its instance type in another."""
    if len(cluster.zones) < 2:
        return  # said of the whole cluster
    groups: dict[str, list[Node]] = {}
    for node in cluster.nodes.values():
        if node.group:
            groups.setdefault(node.group, []).append(node)
    for group, nodes in sorted(groups.items()):
        zones, kinds = {node.zone for node in nodes}, {node.kind for node in nodes}
        sisters = any(
            node.kind in kinds and node.zone not in zones for node in cluster.nodes.values()
        )
        if len(zones) == 1 and not sisters:
            yield Found(
                f"node group {group} ({len(nodes)} nodes) is in zone {next(iter(zones))} only",
                "give the group subnets in other zones, or a sister group per zone",
            )


@CERTIFICATES.rule(
    "certificate-near-end",
    "high",
    why="When it ends, every client that checks it stops.",
)
def certificate_near_end(certificate: Object, facts: ClusterNow) -> Found | None:
    """A certificate that ends soon, or that cannot be renewed."""
    end = moment(sub(certificate, "status").get("notAfter"))
    bad = next(
        (
            each
            for each in rows(certificate, "status", "conditions")
            if each.get("type") == "Ready" and each.get("status") == "False"
        ),
        None,
    )
    meta = sub(certificate, "metadata")
    words = ("-n", text(meta.get("namespace")), text(meta.get("name")))
    mend = f"cmctl status certificate {shlex.join(words)}, then cmctl renew {shlex.join(words)}"
    if end is not None and end - facts.now < NEAR_END:
        days = (end - facts.now).days
        grave: Severity = "critical" if days < 3 else "high"
        return Found(f"it ends {end:%Y-%m-%d}, in {days} days", mend, severity=grave)
    if bad is not None:
        return Found(f"it is not ready: {text(bad.get('message'))}", mend)
    return None
