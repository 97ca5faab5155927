"""Who is hit: exact pods, by what the selector matches now, by readiness, by the target's caps."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from drillkit.clients.kube.pods import controller_kind, is_going, is_mirror, is_ready
from drillkit.clients.kube.resources import NAMESPACES, PODS, SERVICES, Object
from drillkit.clients.kube.selectors import parse_selector, selects
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Refused, StepFailed
from drillkit.model.target import Target
from drillkit.model.units import Amount

if TYPE_CHECKING:
    from drillkit.clients.kube.client import KubeClient

Order: TypeAlias = Literal["alphabetic", "oldest", "random"]
_TOOLS: tuple[tuple[str, str, str], ...] = (
    # (label, value, what of it the drill depends on)
    ("app.kubernetes.io/name", "velero", "Velero restores backups"),
    ("deploy", "velero", "Velero restores backups"),
    ("app.kubernetes.io/part-of", "chaos-mesh", "Chaos Mesh ends its faults"),
    ("app.kubernetes.io/name", "chaos-mesh", "Chaos Mesh ends its faults"),
)
_SHARED: tuple[tuple[str, str, str], ...] = (
    ("k8s-app", "kube-dns", "CoreDNS finds every Service"),
    ("app.kubernetes.io/name", "coredns", "CoreDNS finds every Service"),
    ("app.kubernetes.io/name", "ingress-nginx", "the ingress leads probes and users in"),
    ("app.kubernetes.io/name", "traefik", "the ingress leads probes and users in"),
    ("app.kubernetes.io/name", "contour", "the ingress leads probes and users in"),
    ("app.kubernetes.io/name", "kubernetes-ingress", "the ingress leads probes and users in"),
    ("istio", "ingressgateway", "the ingress gateway leads probes and users in"),
)
"""What all of a cluster goes through: some of its pods may be hit by a drain, never all of them."""


@dataclass(frozen=True, slots=True)
class Victims:
    """Pods chosen among those that match."""

    chosen: tuple[Object, ...]
    ready: int
    """How many of the selector were ready."""
    known: frozenset[str]
    """UIDs of all pods that matched."""
    seen: tuple[str, ...] = ()
    """All pods that matched: of a rollout that begins, the new ones are there before any is
    ready.
    """

    @property
    def others(self) -> tuple[str, ...]:
        """Those that matched and are not chosen, as they are called."""
        return tuple(name for name in self.seen if name not in self.names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(said(pod) for pod in self.chosen)


def said(pod: Object) -> str:
    """A pod for people."""
    return PODS.said(pod["metadata"]["name"], pod["metadata"]["namespace"])


def ready_pods(
    kube: KubeClient, target: Target, namespace: str, selector: str, *, daemonsets: bool = False
) -> tuple[list[Object], list[Object]]:
    """(pods that may be hit, all that match). Raises StepFailed when there is no such namespace or
    nothing to hit.
    """
    if not namespace or not selector:
        raise Refused(
            "expected a namespace and a label selector: drillkit never hits everything by default"
        )
    pods = kube.list(PODS, namespace, selector=selector)
    if not pods and kube.find(NAMESPACES, namespace) is None:
        raise StepFailed(f"expected namespace {namespace}, the cluster has none of that name")
    depends = dependencies(kube, target)
    able = [
        p
        for p in pods
        if is_ready(p) and not is_mirror(p) and (daemonsets or controller_kind(p) != "DaemonSet")
    ]
    whys = {depends(pod) or _shared_said(pod) for pod in able} - {""}
    if whys:
        raise Refused(
            f"selector {selector} in {namespace} matches pods that must not be hit, or that the "
            f"drill itself needs: {'; '.join(sorted(whys))}"
        )
    if not able:
        raise StepFailed(
            f"expected ready pods of {selector} in namespace {namespace}, found "
            f"none: {_census(pods, daemonsets)}"
        )
    return able, pods


def _shared_said(pod: Object) -> str:
    _, what = shared(pod)
    return f"{said(pod)}: {what}" if what else ""


def _census(pods: Iterable[Object], daemonsets: bool) -> str:
    counts: dict[str, int] = {}
    for pod in pods:
        if is_going(pod):
            what = "terminating"
        elif is_mirror(pod):
            what = "mirror pods"
        elif is_ready(pod) and controller_kind(pod) == "DaemonSet" and not daemonsets:
            what = "of a DaemonSet (not asked for)"
        else:
            phase = (pod.get("status") or {}).get("phase") or "Unknown"
            what = "running but not ready" if phase == "Running" else str(phase).lower()
        counts[what] = counts.get(what, 0) + 1
    return (
        ", ".join(f"{n} {what}" for what, n in counts.items()) or "no pod matches; check the labels"
    )


def choose_pods(
    kube: KubeClient,
    target: Target,
    namespace: str,
    selector: str,
    count: int | str,
    *,
    order: str = "alphabetic",
    seed: int | None = None,
    daemonsets: bool = False,
) -> Victims:
    """The pods to hit. Raises StepFailed, Refused (a cap, a dependency of the drill), CallError."""
    able, pods = ready_pods(kube, target, namespace, selector, daemonsets=daemonsets)
    number = how_many(
        count, len(able), target.caps.pods, f"pods of {selector} in {namespace}", target, "pods"
    )
    return Victims(
        tuple(ordered(able, order, seed)[:number]),
        len(able),
        frozenset(p["metadata"]["uid"] for p in pods),
        tuple(sorted(map(said, pods))),
    )


def reached(kube: KubeClient, pods: Iterable[Object]) -> int:
    """How many pods a request may come to: a Service selects them, or they listen on their node.
    Raises CallError.
    """
    pods, found = list(pods), 0
    for namespace in sorted({pod["metadata"]["namespace"] for pod in pods}):
        selectors = [
            selector
            for service in kube.list(SERVICES, namespace)
            if (selector := (service.get("spec") or {}).get("selector"))
        ]
        for pod in pods:
            labels = pod["metadata"].get("labels") or {}
            if pod["metadata"]["namespace"] == namespace and (
                _on_node(pod) or any(each.items() <= labels.items() for each in selectors)
            ):
                found += 1
    return found


def _on_node(pod: Object) -> bool:
    spec = pod.get("spec") or {}
    ports = [port for c in spec.get("containers") or [] for port in c.get("ports") or []]
    return bool(spec.get("hostNetwork")) or any(port.get("hostPort") for port in ports)


def how_many(count: int | str, total: int, cap: str, what: str, target: Target, key: str) -> int:
    """The number that `count` is of `total`. Raises Refused above the cap, StepFailed when there
    are not so many.
    """
    try:
        number = Amount.parse(str(count)).of(total)
    except ValueError as error:
        raise Refused(f"count: {error}") from error
    if number > total:
        raise StepFailed(f"expected {number} {what}, found {total} that are ready")
    allowed = Amount.parse(cap).of(total)
    if number > allowed:
        raise Refused(
            f"{number} of {total} {what} are more than target `{target.name}` allows at once "
            f"({cap}, that is {allowed}); ask for fewer, or raise `caps.{key}` of the target"
        )
    return number


def ordered(objects: Iterable[Object], order: str, seed: int | None) -> list[Object]:
    """By name, by age, or shuffled by a seed. Raises Refused for another order, or `random` without
    a seed.
    """
    by_name = sorted(
        objects, key=lambda o: (o["metadata"].get("namespace", ""), o["metadata"]["name"])
    )
    match order:
        case "alphabetic":
            return by_name
        case "oldest":
            return sorted(by_name, key=lambda o: str(o["metadata"].get("creationTimestamp", "")))
        case "random":
            if seed is None:
                raise Refused(
                    "order `random` needs a `seed`: the same drill must be able to hit the "
                    "same again"
                )
            random.Random(int(seed)).shuffle(by_name)
            return by_name
    raise Refused(f"order: expected one of {', '.join(get_args(Order))}, found {order!r}")


def dependencies(
    kube: KubeClient, target: Target, environment: Mapping[str, str] = os.environ
) -> Callable[[Object], str]:
    """What tells of a pod why it must not be hit, or '': the drill depends on it, or the target's
    caps keep it.
    """
    caps = target.caps
    never = [(text, parse_selector(text)) for text in caps.never_pods]
    service = _prometheus(kube, target)
    own = environment.get("HOSTNAME", "") if environment.get("KUBERNETES_SERVICE_HOST") else ""

    def why(pod: Object) -> str:
        meta = pod["metadata"]
        labels = meta.get("labels") or {}
        if forbidden := caps.forbid(meta["namespace"]):
            return f"{said(pod)}: {forbidden}"
        for text, selector in never:
            if selects(selector, labels):
                return f"{said(pod)}: pods of {text} may never be hit (`caps.never_pods`)"
        if own and meta["name"] == own:
            return f"{said(pod)} runs the drill"
        if service and meta["namespace"] == service[0] and service[1].items() <= labels.items():
            return f"{said(pod)} is the Prometheus that the drill reads"
        for label, value, what in _TOOLS:
            if labels.get(label) == value:
                return f"{said(pod)}: {what}"
        return ""

    return why


def shared(pod: Object) -> tuple[str, str]:
    """(selector of pods like it, what of the cluster goes through them), or ('', '')."""
    labels = pod["metadata"].get("labels") or {}
    for label, value, what in _SHARED:
        if labels.get(label) == value:
            return f"{label}={value}", what
    return "", ""


def all_of_shared(kube: KubeClient, leaving: Iterable[Object]) -> list[str]:
    """What all of the cluster goes through and would be left without a ready pod. Raises
    CallError.
    """
    leaving = list(leaving)
    uids = {pod["metadata"]["uid"] for pod in leaving}
    found: dict[tuple[str, str, str], None] = {}
    for pod in leaving:
        if (like := shared(pod))[0]:
            found[(pod["metadata"]["namespace"], *like)] = None
    return [
        f"all ready pods of {selector} in {namespace} would go at once: {what}"
        for namespace, selector, what in found
        if not any(
            is_ready(pod) and pod["metadata"]["uid"] not in uids
            for pod in kube.list(PODS, namespace, selector=selector)
        )
    ]


def _prometheus(kube: KubeClient, target: Target) -> tuple[str, Mapping[str, str]] | None:
    """Namespace and selector of the Service that the target's Prometheus URL names, if it is one of
    the cluster.
    """
    if target.prometheus is None:
        return None
    parts = (urlsplit(target.prometheus.url).hostname or "").split(".")
    if len(parts) < 2 or (len(parts) > 2 and parts[2] != "svc"):
        return None
    service = kube.find(SERVICES, parts[0], parts[1])
    selector = ((service or {}).get("spec") or {}).get("selector") or {}
    return (parts[1], selector) if selector else None
