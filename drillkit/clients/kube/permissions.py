"""Permissions in words of resources, and those that every run needs."""

from __future__ import annotations

from drillkit.clients.kube.lease import LOCK
from drillkit.clients.kube.resources import (
    EVENTS,
    HPAS,
    LEASES,
    NAMESPACES,
    NETWORK_POLICIES,
    PDBS,
    POD_METRICS,
    PODS,
    SERVICES,
    Resource,
)
from drillkit.model.permissions import Permission


def needs(
    verbs: str,
    resource: Resource,
    namespace: str = "",
    *,
    subresource: str = "",
    name: str = "",
    reason: str = "",
) -> tuple[Permission, ...]:
    """One permission for each of `verbs`, which stand apart: `needs("get patch", NODES)`."""
    return tuple(
        Permission(verb, resource.plural, resource.group, subresource, namespace, name, reason)
        for verb in verbs.split()
    )


def of_every_run(lock_namespace: str) -> tuple[Permission, ...]:
    """What any run on a cluster needs: to see which cluster it is, and to hold its lock there."""
    lock = "the run's lock"
    return (
        *needs(
            "get",
            NAMESPACES,
            "kube-system",
            name="kube-system",
            reason="its UID tells clusters apart",
        ),
        *needs("create", LEASES, lock_namespace, reason=lock),
        *needs("get patch delete", LEASES, lock_namespace, name=LOCK, reason=lock),
    )


def of_announcing(lock_namespace: str) -> tuple[Permission, ...]:
    """What posting an Event about the run's lock needs."""
    why = "the Event that announces the drill"
    return (
        *needs("create", EVENTS, lock_namespace, reason=why),
        # Whether an attempt that was not answered has landed.
        *needs("get", EVENTS, lock_namespace, reason=why),
    )


def of_diagnosis(namespace: str) -> tuple[Permission, ...]:
    """What is looked at when something fails in a namespace. A run goes on without them."""
    why = "what the report shows when something fails"
    return (
        *needs("list", PODS, namespace, reason=why),
        *needs("list", EVENTS, namespace, reason=why),
        *needs("get", PODS, namespace, subresource="log", reason=why),
        *needs("list", POD_METRICS, namespace, reason=why),
    )


def of_weaknesses(namespace: str) -> tuple[Permission, ...]:
    """What is looked at before anything is broken in a namespace. A run goes on without them; what
    concerns the whole cluster is looked at only where the drill needs it itself.
    """
    why = "what the report tells of weaknesses before anything is broken"
    several = (PDBS, HPAS, SERVICES, NETWORK_POLICIES)
    return tuple(one for each in several for one in needs("list", each, namespace, reason=why))
