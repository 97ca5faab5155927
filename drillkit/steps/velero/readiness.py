"""Whether restored workloads serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from drillkit.clients.kube import Kube, Object
from drillkit.clients.kube.resources import (
    DAEMONSETS,
    DEPLOYMENTS,
    PERSISTENT_VOLUME_CLAIMS,
    STATEFULSETS,
    Resource,
)
from drillkit.model.errors import UsageError

WORKLOADS: Mapping[str, Resource] = {
    "deployment": DEPLOYMENTS,
    "statefulset": STATEFULSETS,
    "daemonset": DAEMONSETS,
}


def parse_workload(text: str) -> tuple[Resource, str]:
    """`deployment/web`, `web` (a Deployment), `statefulset/cache`. Raises UsageError."""
    kind, _, name = text.rpartition("/")
    resource = WORKLOADS.get(kind.lower() or "deployment")
    if resource is None or not name:
        raise UsageError(
            f"expected {', '.join(f'{k}/NAME' for k in WORKLOADS)} or the NAME of a "
            f"Deployment: `{text}`"
        )
    return resource, name


def waiting_for(kube: Kube, namespaces: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """What is not ready yet, with how far it is; of `wanted` (in any of the namespaces) or of
    everything there.

    Raises CallError, UsageError.
    """
    left: list[str] = []
    if wanted:
        for text in wanted:
            resource, name = parse_workload(text)
            found = [
                obj for space in namespaces if (obj := kube.find(resource, name, space)) is not None
            ]
            left += _unready(resource, found) if found else [f"{resource.word}/{name} is not there"]
    else:
        for resource in WORKLOADS.values():
            for space in namespaces:
                left += _unready(resource, kube.list(resource, space))
    for space in namespaces:
        left += _unbound(kube, space)
    return left


def _unready(resource: Resource, found: Sequence[Object]) -> Iterator[str]:
    for obj in found:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if resource is DAEMONSETS:
            want, have = status.get("desiredNumberScheduled"), int(status.get("numberReady") or 0)
        else:
            want, have = spec.get("replicas", 1), int(status.get("readyReplicas") or 0)
        seen = int(status.get("observedGeneration") or 0) >= int(
            obj["metadata"].get("generation") or 0
        )
        if want is None or have < int(want) or not seen:
            said = resource.said(obj["metadata"]["name"], obj["metadata"]["namespace"])
            yield f"{said} {have} of {want if want is not None else '?'} ready"


def _unbound(kube: Kube, namespace: str) -> Iterator[str]:
    for claim in kube.list(PERSISTENT_VOLUME_CLAIMS, namespace):
        # A claim of a class that waits for its first consumer stays Pending until a pod wants it;
        # then pods wait, too.
        phase = (claim.get("status") or {}).get("phase")
        if phase == "Lost":
            yield (
                f"{PERSISTENT_VOLUME_CLAIMS.said(claim['metadata']['name'], namespace)} is {phase}"
            )
