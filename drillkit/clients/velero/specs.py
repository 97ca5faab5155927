"""What is asked of Velero: bodies of Backups, Restores and resource modifiers. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from drillkit.clients.kube.resources import Object

KINDS = (
    "configmaps",
    "secrets",
    "serviceaccounts",
    "services",
    "pods",
    "replicationcontrollers",
    "limitranges",
    "resourcequotas",
    "persistentvolumeclaims",
    "persistentvolumes",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "replicasets.apps",
    "controllerrevisions.apps",
    "jobs.batch",
    "cronjobs.batch",
    "volumesnapshots.snapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
)
"""What a drill restores unless more is listed: core (no Endpoints: they name the original's pods),
apps and batch, and the snapshots that claims come back from. No Ingress, no certificates, nothing
that an operator would act upon."""
OPENING = "networkpolic"
"""In the name of every kind that could open the seal: policies add up, one may allow what
ours forbids.
"""
_TEMPLATES = {
    "pods": ("spec",),
    "replicationcontrollers": ("spec", "template", "spec"),
    "deployments.apps": ("spec", "template", "spec"),
    "statefulsets.apps": ("spec", "template", "spec"),
    "daemonsets.apps": ("spec", "template", "spec"),
    "replicasets.apps": ("spec", "template", "spec"),
    "jobs.batch": ("spec", "template", "spec"),
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where the spec of a pod stands in each kind."""
_OF_LOAD_BALANCERS = (
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "loadBalancerIP",
    "loadBalancerClass",
    "loadBalancerSourceRanges",
    "allocateLoadBalancerNodePorts",
)


def backup_spec(
    namespaces: Sequence[str], *, ttl: timedelta, location: str = "", volumes: bool | None = None
) -> Object:
    """Spec of a Backup of some namespaces, which Velero itself deletes after `ttl`. `volumes` None:
    as Velero does.
    """
    spec: Object = {"includedNamespaces": list(namespaces), "ttl": go_duration(ttl)}
    if location:
        spec["storageLocation"] = location
    if volumes is not None:
        spec["snapshotVolumes"] = volumes
    return spec


def restore_spec(
    backup: str,
    namespaces: Mapping[str, str],
    *,
    more_kinds: Iterable[str] = (),
    modifiers: str = "",
    operations: timedelta | None = None,
    volumes: bool = True,
) -> Object:
    """Spec of a Restore of a backup's namespaces into others. It never touches what exists already.

    `operations`: how long item operations (data movers) may take; without `volumes` claims come
    back empty.
    """
    spec: Object = {
        "backupName": backup,
        "includedNamespaces": sorted(namespaces),
        "namespaceMapping": dict(namespaces),
        "includedResources": [
            *_kinds(volumes),
            *(kind for kind in more_kinds if kind not in KINDS),
        ],
        "existingResourcePolicy": "none",
        "preserveNodePorts": False,
    }
    if not volumes:
        spec["restorePVs"] = False
    if modifiers:
        spec["resourceModifier"] = {"kind": "ConfigMap", "name": modifiers}
    if operations is not None:
        spec["itemOperationTimeout"] = go_duration(operations)
    return spec


def _kinds(volumes: bool) -> list[str]:
    return [
        kind
        for kind in KINDS
        if volumes or not kind.startswith(("persistentvolumes", "volumesnapshot"))
    ]


def go_duration(duration: timedelta) -> str:
    """As Velero reads it: `720h0m0s`."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s"


def safe_modifiers() -> Mapping[str, str]:
    """Data of the ConfigMap whose rules make a copy harmless: nothing scheduled, nothing exposed,
    nothing unsealed.

    CronJobs are suspended; Services of type LoadBalancer become ClusterIP; pods leave the node's
    own network, to which no NetworkPolicy applies.
    """
    plain: dict[str, Any] = dict.fromkeys(_OF_LOAD_BALANCERS)
    rules = [
        _rule("cronjobs.batch", {"spec": {"suspend": True}}),
        _rule(
            "services",
            {"spec": {"type": "ClusterIP", **plain}},
            {"path": "/spec/type", "value": "LoadBalancer"},
        ),
    ]
    for kind, path in _TEMPLATES.items():
        patch: dict[str, Any] = {"hostNetwork": False}
        for key in reversed(path):
            patch = {key: patch}
        rules.append(
            _rule(kind, patch, {"path": f"/{'/'.join(path)}/hostNetwork", "value": "true"})
        )
    # JSON is YAML as well, and quotes itself.
    return {
        "modifiers.yaml": json.dumps({"version": "v1", "resourceModifierRules": rules}, indent=1)
    }


def _rule(kind: str, merge: Mapping[str, Any], *matches: Mapping[str, str]) -> Object:
    conditions: Object = {"groupResource": kind}
    if matches:
        conditions["matches"] = list(matches)
    return {"conditions": conditions, "mergePatches": [{"patchData": json.dumps(merge)}]}
