"""What a restore with Velero must be allowed to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import (
    CONFIGMAPS,
    NAMESPACES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUMES,
    PODS,
    SECRETS,
    SERVICES,
)
from drillkit.clients.velero.resources import BACKUPS, DOWNLOADS, LOCATIONS, RESTORES, SCHEDULES
from drillkit.model.permissions import Permission
from drillkit.steps.base import Act
from drillkit.steps.velero.arguments import VeleroRestoreArguments
from drillkit.steps.velero.inventory import COMPARED
from drillkit.steps.velero.isolation import control_namespace


def restore_permissions(arguments: VeleroRestoreArguments, act: Act) -> Iterator[Permission]:
    """The namespaces that are restored into do not exist yet, so no Role can stand in them: what is
    done there is asked for everywhere.
    """
    velero, outside = arguments.velero, control_namespace(act.target)
    yield from needs("create get list delete", RESTORES, velero)
    yield from needs("create get delete", DOWNLOADS, velero)
    yield from needs("list", BACKUPS, velero)
    if arguments.backup is not None:
        yield from needs("get", BACKUPS, velero)
    else:
        yield from needs("get", SCHEDULES, velero)
    yield from needs("list", LOCATIONS, velero)
    yield from needs("create get delete", CONFIGMAPS, velero, reason="resource modifiers")
    seal = "probe pods that show the seal to hold"
    yield from needs("create get delete", PODS, outside, reason=seal)
    yield from needs("get", PODS, outside, subresource="log", reason=seal)
    copy = "the namespace that is restored into"
    yield from needs("create get delete", NAMESPACES, reason=copy)
    yield from needs("create get", NETWORK_POLICIES, reason=copy)
    yield from needs("create get delete", PODS, reason=copy)
    yield from needs("get", PODS, subresource="log", reason=copy)
    for resource in COMPARED:
        yield from needs("list", resource, reason=copy)
    yield from needs("list", PERSISTENT_VOLUMES, reason=copy)
    if arguments.volumes:
        keeps = "volumes of the copy that would stay after it (Retain)"
        yield from needs("patch delete", PERSISTENT_VOLUMES, reason=keeps)
    if any(isinstance(check.http, Mapping) for check in act.checks):
        yield from needs("get", SERVICES, subresource="proxy", reason="check `http`")
    if any(check.canary is not None for check in act.checks):
        for source in ("", *arguments.namespaces):
            yield from needs("get", CONFIGMAPS, source, reason="check `canary`")
            yield from needs("get", SECRETS, source, reason="check `canary`")
