"""Reads what a forecast needs: what is on all nodes, volumes of displaced pods, budgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.pods import controller_kind, is_finished
from drillkit.clients.kube.resources import (
    NODES,
    PDBS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    Object,
)
from drillkit.faults.forecast import Displaced, Forecast, Room, blocked_by, forecast
from drillkit.model.permissions import Permission

if TYPE_CHECKING:
    from drillkit.clients.kube.client import KubeClient

RUNS_ON_ITS_OWN = ("Job",)
"""Controllers whose pods come to an end by themselves: nobody waits for as many as before."""


def foresee_room(kube: KubeClient, gone: Iterable[str], evict: Sequence[Object]) -> Forecast:
    """Whether the other nodes can hold what is evicted from these. Raises CallError."""
    nodes = {str(node["metadata"]["name"]): node for node in kube.list(NODES)}
    replaced = [pod for pod in evict if controller_kind(pod) and not is_finished(pod)]
    awaited = [pod for pod in replaced if controller_kind(pod) not in RUNS_ON_ITS_OWN]
    displaced = _with_volumes(kube, awaited)
    names = frozenset(gone)
    room = kube.reduce(PODS, into=lambda: Room(nodes, names, displaced), add=Room.add)
    for pod in replaced:
        if controller_kind(pod) in RUNS_ON_ITS_OWN:  # made anew, and waited for by nobody
            room.add({**pod, "spec": {**pod["spec"], "nodeName": ""}})
    return forecast(room)


def foresee_budgets(kube: KubeClient, evict: Sequence[Object]) -> Forecast:
    """Whether disruption budgets let these go. Raises CallError."""
    budgets = [each for namespace in _namespaces(evict) for each in kube.list(PDBS, namespace)]
    return blocked_by(evict, budgets)


def permissions_of(evict: Sequence[Object]) -> tuple[Permission, ...]:
    """What reading takes."""
    budgets = [
        each
        for namespace in _namespaces(evict)
        for each in needs("list", PDBS, namespace, reason="whether evictions would block")
    ]
    why = "whether volumes can follow their pods"
    claiming = _namespaces([pod for pod in evict if _claims(pod)])
    claims = [
        each
        for namespace in claiming
        for each in needs("list", PERSISTENT_VOLUME_CLAIMS, namespace, reason=why)
    ]
    volumes = needs("list", PERSISTENT_VOLUMES, reason=why) if claiming else ()
    return (*budgets, *claims, *volumes)


def _namespaces(pods: Iterable[Object]) -> list[str]:
    return sorted({str(pod["metadata"]["namespace"]) for pod in pods})


def _claims(pod: Object) -> list[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    named = [each["persistentVolumeClaim"] for each in volumes if each.get("persistentVolumeClaim")]
    return [str(each.get("claimName")) for each in named]


def _with_volumes(kube: KubeClient, pods: Sequence[Object]) -> list[Displaced]:
    claiming = _namespaces([pod for pod in pods if _claims(pod)])
    bound = {
        (namespace, str(claim["metadata"]["name"])): str(
            (claim.get("spec") or {}).get("volumeName")
        )
        for namespace in claiming
        for claim in kube.list(PERSISTENT_VOLUME_CLAIMS, namespace)
        if (claim.get("spec") or {}).get("volumeName")
    }
    wanted = set(bound.values())

    def keep(found: dict[str, Object], volume: Object) -> None:
        if volume["metadata"]["name"] in wanted:
            found[str(volume["metadata"]["name"])] = volume

    volumes: dict[str, Object] = {}
    if wanted:
        volumes = kube.reduce(PERSISTENT_VOLUMES, into=dict[str, Object], add=keep)
    return [_displaced(pod, bound, volumes) for pod in pods]


def _displaced(
    pod: Object, bound: dict[tuple[str, str], str], volumes: dict[str, Object]
) -> Displaced:
    namespace = str(pod["metadata"]["namespace"])
    found = {claim: volumes.get(bound.get((namespace, claim), "")) for claim in _claims(pod)}
    loose = [claim for claim, volume in found.items() if volume is None]
    unclear = f"its claim {loose[0]} is bound to no volume that can be seen" if loose else ""
    return Displaced(pod, [volume for volume in found.values() if volume is not None], unclear)
