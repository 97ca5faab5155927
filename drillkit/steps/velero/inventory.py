"""What the backup lists against what is there now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drillkit.clients.kube import Kube, NotServed
from drillkit.clients.kube.resources import (
    CONFIGMAPS,
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    PERSISTENT_VOLUME_CLAIMS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
    Resource,
)
from drillkit.model.evidence import Comparison

_ACCOUNTS = Resource("", "v1", "serviceaccounts", kind="ServiceAccount")
_LIMITS = Resource("", "v1", "limitranges", kind="LimitRange")
_QUOTAS = Resource("", "v1", "resourcequotas", kind="ResourceQuota")
COMPARED = (
    CONFIGMAPS,
    SECRETS,
    SERVICES,
    _ACCOUNTS,
    _LIMITS,
    _QUOTAS,
    PERSISTENT_VOLUME_CLAIMS,
    DEPLOYMENTS,
    STATEFULSETS,
    DAEMONSETS,
    CRONJOBS,
)
"""Kinds that somebody wrote. Pods, ReplicaSets and Jobs are made anew under other names by what
controls them.
"""
_MADE_BY_THE_CLUSTER = frozenset(
    {"v1/ConfigMap/kube-root-ca.crt", "v1/ConfigMap/openshift-service-ca.crt"}
)
_TOKENS = ("-token-", "-dockercfg-")
"""In the names of Secrets that clusters make for service accounts."""


def compare(
    kube: Kube,
    backup: str,
    backed_up: Mapping[str, Iterable[str]],
    restored: Mapping[str, Iterable[str]],
    namespaces: Mapping[str, str],
    allowed: Iterable[str] = (),
) -> Comparison:
    """Objects of the mapped namespaces: those that the backup lists, and those that stand in
    the copies.

    `backed_up` and `restored` are Velero's own lists (`apps/v1/Deployment` -> `shop/web`; with
    `(created)` behind it in that of the restore). What Velero says it failed to restore differs
    whatever its kind. Raises CallError.
    """
    differs: dict[str, tuple[str, str | None, str | None]] = {}
    compared = 0
    for resource in COMPARED:
        kind = f"{resource.api_version}/{resource.kind}"
        wanted = [name.partition("/") for name in backed_up.get(kind) or ()]
        for source, copy in namespaces.items():
            names = {
                name for namespace, _, name in wanted if namespace == source and _counts(kind, name)
            }
            there = _names(kube, resource, copy) if names else set()
            compared += len(names)
            for name in sorted(names - there):
                what = f"{resource.word}/{source}/{name}"
                differs[what] = (what, "backed up", None)
    for kind, texts in restored.items():
        for text in texts:
            name, _, action = text.rstrip(")").partition("(")
            if action == "failed":
                what = f"{kind.rpartition('/')[2].lower()}/{name}"
                differs.setdefault(what, (what, "backed up", "failed"))
    return Comparison(
        "objects", f"backup {backup}", compared, tuple(differs.values()), tuple(allowed)
    )


def _counts(kind: str, name: str) -> bool:
    if f"{kind}/{name}" in _MADE_BY_THE_CLUSTER:
        return False
    return not (kind == "v1/Secret" and any(sign in name for sign in _TOKENS))


def _names(kube: Kube, resource: Resource, namespace: str) -> set[str]:
    try:
        return {obj["metadata"]["name"] for obj in kube.list(resource, namespace)}
    except NotServed:
        return set()
