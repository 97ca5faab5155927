"""What is known of a cluster: reduced while its pages arrive, so that it is as large as its
workloads and nodes, and no larger for its pods.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Set
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias

from drillkit.advise.loose_json import labels, rows, sub, text, whole
from drillkit.clients.kube.resources import (
    DAEMONSETS,
    DEPLOYMENTS,
    HPAS,
    NETWORK_POLICIES,
    NODES,
    PDBS,
    PODS,
    SERVICES,
    STATEFULSETS,
    Object,
    Resource,
)
from drillkit.clients.kube.selectors import selects
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError

if TYPE_CHECKING:
    from drillkit.clients.kube.client import KubeClient

SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease"})
"""Namespaces of the cluster itself: looked at only when one is asked for."""
CILIUM_POLICIES = Resource("cilium.io", "v2", "ciliumnetworkpolicies", kind="CiliumNetworkPolicy")
CERTIFICATES = Resource("cert-manager.io", "v1", "certificates", kind="Certificate")
_GROUPS = (
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "karpenter.sh/nodepool",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
)
_ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
_MAKERS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_OF_ONE_POD = frozenset(
    {
        "pod-template-hash",
        "pod-template-generation",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
    }
)
"""Labels that Kubernetes adds to a pod: its workload has none of them."""
NAMED = 3
"""So many pods that stand alone are named."""


@dataclass(frozen=True, slots=True)
class Node:
    """Where a node is and what it belongs to."""

    zone: str
    group: str
    """Name of its node group, or ''."""
    kind: str
    """Instance type, or ''."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet, as far as rules ask."""

    kind: str
    namespace: str
    name: str
    replicas: int
    labels: Mapping[str, str]
    """Of its pods."""
    selector: Mapping[str, Any]
    pod: Mapping[str, Any]
    """Spec of its pods."""
    claims: bool
    """It has volumes of its own (`volumeClaimTemplates`, or a claim that its pods name)."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.namespace, self.name

    @property
    def said(self) -> str:
        """For people."""
        return f"{self.kind.lower()}/{self.namespace}/{self.name}"

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        return rows(self.pod, "containers")

    @property
    def label_selector(self) -> str:
        """As `--set selector=` takes it."""
        return ",".join(f"{k}={v}" for k, v in labels(self.selector.get("matchLabels")).items())


@dataclass(slots=True)
class Placement:
    """Where a workload's pods run. Two nodes and two zones are as good as many."""

    pods: int = 0
    nodes: set[str] = field(default_factory=set)
    zones: set[str] = field(default_factory=set)

    def add(self, node: str, zone: str) -> None:
        self.pods += 1
        if len(self.nodes) < 2:
            self.nodes.add(node)
        if len(self.zones) < 2:
            self.zones.add(zone)


@dataclass(slots=True)
class Alone:
    """Pods of a namespace that no controller would replace."""

    count: int = 0
    names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Cluster:
    """All that was read. What could not be is in `unread`, and rules that need it say nothing."""

    namespace: str = ""
    """Only this one was looked at; '': all but the cluster's own."""
    workloads: list[Workload] = field(default_factory=list)
    placements: dict[tuple[str, str, str], Placement] = field(default_factory=dict)
    alone: dict[str, Alone] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    zones: set[str] = field(default_factory=set)
    """Of the nodes."""
    budgets: dict[str, list[Object]] = field(default_factory=dict)
    """By namespace, as autoscalers and Services are."""
    scalers: dict[str, list[Object]] = field(default_factory=dict)
    services: dict[str, list[Object]] = field(default_factory=dict)
    policies: set[str] = field(default_factory=set)
    """Namespaces that have a NetworkPolicy."""
    certificates: list[Object] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    """Why, by the name of the field."""

    def knows(self, need: str) -> bool:
        """Whether that was read."""
        return need not in self.unread

    @property
    def namespaces(self) -> list[str]:
        """Those with workloads."""
        return sorted({each.namespace for each in self.workloads})

    def budgets_of(self, workload: Workload) -> list[Object]:
        """Disruption budgets that count its pods."""
        return [
            each
            for each in self.budgets.get(workload.namespace, ())
            if selects(sub(each, "spec", "selector"), workload.labels)
        ]

    def scaler_of(self, workload: Workload) -> Object | None:
        """The autoscaler that sets its replicas."""
        for each in self.scalers.get(workload.namespace, ()):
            aim = sub(each, "spec", "scaleTargetRef")
            if aim.get("kind") == workload.kind and aim.get("name") == workload.name:
                return each
        return None

    def serves(self, workload: Workload) -> bool:
        """Whether a Service sends requests to its pods."""
        return any(
            bool(chosen := labels(sub(each, "spec").get("selector")))
            and chosen.items() <= workload.labels.items()
            for each in self.services.get(workload.namespace, ())
        )


def read_cluster(kube: KubeClient, namespace: str = "") -> Cluster:
    """Look at a cluster, or at one namespace of it. Reads only; what is refused is noted."""
    reader = _Reader(kube, Cluster(namespace))
    reader.take("nodes", NODES, _node)
    for resource in (DEPLOYMENTS, STATEFULSETS, DAEMONSETS):
        reader.take("workloads", resource, functools.partial(_workload, resource.kind))
    reader.take("placements", PODS, functools.partial(_pod, reader.cluster.nodes))
    reader.take("budgets", PDBS, lambda part, obj: _keep(part.budgets, obj))
    reader.take("scalers", HPAS, lambda part, obj: _keep(part.scalers, obj))
    reader.take("services", SERVICES, lambda part, obj: _keep(part.services, obj))
    reader.take("policies", NETWORK_POLICIES, _policy)
    reader.take("policies", CILIUM_POLICIES, _policy, optional=True)
    reader.take(
        "certificates",
        CERTIFICATES,
        lambda part, obj: part.certificates.append(_slim(obj)),
        optional=True,
    )
    return reader.cluster


Refusal: TypeAlias = Callable[[Resource, str], str]
"""Why a resource is not to be listed in a namespace ('': in all), or ''."""


def read_touched(
    kube: KubeClient, namespace: str, touched: Set[tuple[str, str]], refusal: Refusal
) -> Cluster:
    """Look at the workloads of a namespace that are `touched`: (kind in lower case, name) of pods
    and workloads. Reads only, and nothing that there is a `refusal` for; what is refused is noted.

    What a workload is, is read off its pods: whoever may break these may list them, and need not be
    allowed to list what made them.
    """
    reader = _Reader(kube, Cluster(namespace), refusal)
    cluster = reader.cluster
    reader.take("nodes", NODES, _node)
    pods = _TouchedPods(cluster.nodes, touched)
    reader.take("placements", PODS, pods.take)
    if "placements" in cluster.unread:
        cluster.unread["workloads"] = cluster.unread["placements"]
    cluster.workloads = pods.workloads(cluster)
    reader.take("budgets", PDBS, lambda part, obj: _keep(part.budgets, obj))
    reader.take("scalers", HPAS, lambda part, obj: _keep(part.scalers, obj))
    reader.take("services", SERVICES, lambda part, obj: _keep(part.services, obj))
    reader.take("policies", NETWORK_POLICIES, _policy)
    return cluster


class _TouchedPods:
    """Pods as they pass: one of each workload is kept, and which workloads are touched."""

    def __init__(self, nodes: Mapping[str, Node], touched: Set[tuple[str, str]]) -> None:
        self._nodes = nodes
        self._touched = touched
        self._one: dict[tuple[str, str, str], Object] = {}
        self._chosen: set[tuple[str, str, str]] = set()

    def take(self, part: Cluster, pod: Object) -> None:
        touched = ("pod", text(sub(pod, "metadata").get("name"))) in self._touched
        key = _maker(pod)
        if key is None:
            if touched:
                _pod(self._nodes, part, pod)
            return
        _pod(self._nodes, part, pod)
        if key[0] not in _MAKERS:
            return
        self._one[key] = pod
        if touched or (key[0].lower(), key[2]) in self._touched:
            self._chosen.add(key)

    def workloads(self, cluster: Cluster) -> list[Workload]:
        """Those that are touched, by name."""
        found = []
        for key in sorted(self._chosen):
            pod = self._one[key]
            marks = labels(sub(pod, "metadata").get("labels"))
            marks = {name: mark for name, mark in marks.items() if name not in _OF_ONE_POD}
            claims = any(each.get("persistentVolumeClaim") for each in rows(pod, "spec", "volumes"))
            running = cluster.placements.get(key, Placement()).pods
            found.append(
                Workload(*key, running, marks, {"matchLabels": marks}, sub(pod, "spec"), claims)
            )
        return found


class _Reader:
    """Takes lists in, one after the other."""

    def __init__(
        self,
        kube: KubeClient,
        cluster: Cluster,
        refusal: Refusal = lambda resource, namespace: "",
    ) -> None:
        self._kube = kube
        self.cluster = cluster
        self._refusal = refusal

    def take(
        self,
        name: str,
        resource: Resource,
        add: Callable[[Cluster, Object], None],
        *,
        optional: bool = False,
    ) -> None:
        """Hand each object to `add`. `optional`: a cluster need not know the resource.

        A list that must be begun anew begins with nothing, so that no object counts twice.
        """
        namespace = self.cluster.namespace if resource.namespaced else ""
        passed = frozenset[str]() if namespace else SYSTEM
        if why := self._refusal(resource, namespace):
            self.cluster.unread[name] = why
            return

        def take_one(part: Cluster, obj: Object) -> None:
            if isinstance(obj, dict) and text(sub(obj, "metadata").get("namespace")) not in passed:
                add(part, obj)

        try:
            if not optional or self._kube.serves(resource):
                self._merge(self._kube.reduce(resource, namespace, into=Cluster, add=take_one))
        except CallError as error:
            self.cluster.unread[name] = str(error)

    def _merge(self, part: Cluster) -> None:
        for each in dataclasses.fields(Cluster):
            have, more = getattr(self.cluster, each.name), getattr(part, each.name)
            if isinstance(have, list):
                have.extend(more)
            elif isinstance(have, dict | set):
                have.update(more)


def _node(part: Cluster, obj: Object) -> None:
    marks = labels(sub(obj, "metadata").get("labels"))
    zone = next((marks[key] for key in _ZONES if key in marks), "")
    group = next((marks[key] for key in _GROUPS if key in marks), "")
    kind = marks.get("node.kubernetes.io/instance-type", "")
    part.nodes[text(sub(obj, "metadata").get("name"))] = Node(zone, group, kind)
    if zone:
        part.zones.add(zone)


def _workload(kind: str, part: Cluster, obj: Object) -> None:
    meta, spec = sub(obj, "metadata"), sub(obj, "spec")
    pod = sub(spec, "template", "spec")
    claims = [each.get("persistentVolumeClaim") for each in rows(pod, "volumes")]
    part.workloads.append(
        Workload(
            kind,
            text(meta.get("namespace")),
            text(meta.get("name")),
            whole(spec.get("replicas"), 1),
            labels(sub(spec, "template", "metadata").get("labels")),
            sub(spec, "selector"),
            pod,
            bool(rows(spec, "volumeClaimTemplates") or any(claims)),
        )
    )


def _pod(nodes: Mapping[str, Node], part: Cluster, obj: Object) -> None:
    meta, status = sub(obj, "metadata"), sub(obj, "status")
    node = text(sub(obj, "spec").get("nodeName"))
    if not node or status.get("phase") != "Running" or meta.get("deletionTimestamp"):
        return
    key = _maker(obj)
    if key is None:
        alone = part.alone.setdefault(text(meta.get("namespace")), Alone())
        alone.count += 1
        if len(alone.names) < NAMED:
            alone.names.append(text(meta.get("name")))
        return
    zone = nodes[node].zone if node in nodes else ""
    if key not in part.placements:
        part.placements[key] = Placement()
    part.placements[key].add(node, zone)


def _maker(pod: Object) -> tuple[str, str, str] | None:
    """The workload that a pod is of; None: it stands alone."""
    meta = sub(pod, "metadata")
    owner = next((each for each in rows(meta, "ownerReferences") if each.get("controller")), None)
    if owner is None:
        return None
    kind, of = text(owner.get("kind")), text(owner.get("name"))
    made = text(sub(meta, "labels").get("pod-template-hash"))
    if kind == "ReplicaSet" and made:
        # A Deployment names its ReplicaSets after itself and this label.
        kind, of = "Deployment", of.removesuffix(f"-{made}")
    return kind, text(meta.get("namespace")), of


def _keep(by_namespace: dict[str, list[Object]], obj: Object) -> None:
    by_namespace.setdefault(text(sub(obj, "metadata").get("namespace")), []).append(_slim(obj))


def _policy(part: Cluster, obj: Object) -> None:
    part.policies.add(text(sub(obj, "metadata").get("namespace")))


def _slim(obj: Object) -> Object:
    """An object without what nobody asks: its history of fields may be most of it."""
    meta = {k: v for k, v in sub(obj, "metadata").items() if k != "managedFields"}
    return {**obj, "metadata": meta}
