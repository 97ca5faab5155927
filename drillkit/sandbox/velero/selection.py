"""Which objects a Backup or Restore means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from drillkit.sandbox.kube.objects import Object, labels_of
from drillkit.sandbox.kube.resources import Registry, Resource
from drillkit.sandbox.kube.selectors import selects
from drillkit.sandbox.velero.names import EXCLUDE

NEVER = frozenset(
    (
        "nodes",
        "events",
        "events.events.k8s.io",
        "backups.velero.io",
        "restores.velero.io",
        "leases.coordination.k8s.io",
        "downloadrequests.velero.io",
        "deletebackuprequests.velero.io",
        "serverstatusrequests.velero.io",
        "csinodes.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "backuprepositories.velero.io",
    )
)
"""Resources that are never restored (Velero's list, and requests to Velero itself)."""


def group_resource(resource: Resource) -> str:
    """`deployments.apps`, `pods`."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def canonical(names: Iterable[str], registry: Registry) -> set[str]:
    """User-given resource names (`deploy`, `Deployment`, `deployments`, `deployments.apps`) as
    group resources.
    """
    found: set[str] = set()
    for name in names:
        plain = name.partition(".")[0].lower()
        matches = [
            group_resource(resource)
            for resource in registry.all()
            if plain in (resource.plural, resource.kind.lower(), *resource.short)
            and ("." not in name or group_resource(resource) == name.lower())
        ]
        found.update(matches or [name])
    return found


@dataclass(frozen=True)
class Selection:
    """Includes and excludes of one spec; what is not included by name is included when nothing
    is named.
    """

    included_resources: set[str]
    excluded_resources: set[str]
    included_namespaces: tuple[str, ...]
    excluded_namespaces: tuple[str, ...]
    selectors: tuple[Object, ...]
    cluster_resources: bool | None

    def resource(self, name: str) -> bool:
        """Whether objects of this group resource are meant."""
        if name in self.excluded_resources:
            return False
        return not self.included_resources or name in self.included_resources

    def namespace(self, name: str) -> bool:
        """Whether this namespace is meant; names may be patterns."""
        if any(fnmatchcase(name, pattern) for pattern in self.excluded_namespaces):
            return False
        return not self.included_namespaces or any(
            fnmatchcase(name, p) for p in self.included_namespaces
        )

    def every_namespace(self) -> bool:
        """Whether no namespace was named at all."""
        return not self.excluded_namespaces and self.included_namespaces in ((), ("*",))

    def labels(self, obj: Object) -> bool:
        """Whether one of the selectors, if any, selects the object."""
        return not self.selectors or any(
            selects(selector, labels_of(obj)) for selector in self.selectors
        )


def selection(spec: Object, registry: Registry) -> Selection:
    """What a Backup's or Restore's spec means."""
    star = {"*"}
    included = {*(spec.get("includedResources") or ())} | {
        *(spec.get("includedNamespaceScopedResources") or ()),
        *(spec.get("includedClusterScopedResources") or ()),
    }
    excluded = {*(spec.get("excludedResources") or ())} | {
        *(spec.get("excludedNamespaceScopedResources") or ()),
        *(spec.get("excludedClusterScopedResources") or ()),
    }
    selectors = [spec["labelSelector"]] if spec.get("labelSelector") else []
    return Selection(
        included_resources=canonical(included - star, registry) if not included & star else set(),
        excluded_resources=canonical(excluded, registry),
        included_namespaces=tuple(spec.get("includedNamespaces") or ()),
        excluded_namespaces=tuple(spec.get("excludedNamespaces") or ()),
        selectors=tuple(selectors + list(spec.get("orLabelSelectors") or ())),
        cluster_resources=spec.get("includeClusterResources"),
    )


def is_excluded(obj: Object) -> bool:
    """Whether its owner asked for it to be left out of every backup."""
    return labels_of(obj).get(EXCLUDE) == "true"


def invalid_spec(spec: Object) -> list[str]:
    """Velero's complaints about includes and excludes that contradict each other."""
    complaints = []
    for kind, included, excluded in (
        ("resource", "includedResources", "excludedResources"),
        ("namespace", "includedNamespaces", "excludedNamespaces"),
    ):
        both = {*(spec.get(included) or ())} & {*(spec.get(excluded) or ())}
        complaints += [
            f"Invalid included/excluded {kind} lists: excludes list cannot contain an item in the "
            f"includes list: {name}"
            for name in sorted(both)
        ]
    if spec.get("labelSelector") and spec.get("orLabelSelectors"):
        complaints.append(
            "encountered labelSelector as well as orLabelSelectors in spec, only one can "
            "be specified"
        )
    return complaints
