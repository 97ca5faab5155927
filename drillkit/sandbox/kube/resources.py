"""Which resources the API serves: the built-in ones and those that custom resource
definitions add.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from drillkit.sandbox.kube.objects import Gvr, Object

ALL_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
READ_ONLY = ("get", "list", "watch")


@dataclass(frozen=True)
class Resource:
    """One kind of object, as discovery describes it."""

    group: str
    plural: str
    kind: str
    namespaced: bool
    versions: tuple[str, ...] = ("v1",)
    """Those served, the preferred one first."""
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    categories: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    """Field selectors beyond metadata.name and metadata.namespace."""
    storage: Gvr | None = None
    """Where the objects live if that is another resource's storage (events.k8s.io shares the
    core events).
    """
    custom: bool = False
    """Whether a custom resource definition made it."""
    schemas: Mapping[str, Object] = field(default_factory=dict, hash=False)
    """By version, the OpenAPI schema of a custom resource."""
    columns: Mapping[str, list[Object]] = field(default_factory=dict, hash=False)
    """By version, the additional printer columns of a custom resource."""
    list_kind: str = ""

    @property
    def gvr(self) -> Gvr:
        """Its key in the store."""
        return self.storage or (self.group, self.plural)

    @property
    def has_status(self) -> bool:
        """Whether status is a subresource."""
        return "status" in self.subresources

    @property
    def counts_generations(self) -> bool:
        """Whether a change of the desired state moves metadata.generation."""
        return self.custom or self.group in (
            "apps",
            "batch",
            "policy",
            "networking.k8s.io",
            "autoscaling",
        )

    def api_version(self, version: str = "") -> str:
        """The ``apiVersion`` of its objects in that version, by default the preferred one."""
        version = version or self.versions[0]
        return f"{self.group}/{version}" if self.group else version


_ALL = ("all",)
_ST = ("status",)
_SCALABLE = ("status", "scale")
_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_RBAC = "rbac.authorization.k8s.io"

_BUILTIN = (
    Resource(
        "",
        "pods",
        "Pod",
        True,
        short=("po",),
        categories=_ALL,
        fields=_POD_FIELDS,
        subresources=("status", "log", "exec", "eviction"),
    ),
    Resource(
        "", "nodes", "Node", False, short=("no",), subresources=_ST, fields=("spec.unschedulable",)
    ),
    Resource(
        "",
        "namespaces",
        "Namespace",
        False,
        short=("ns",),
        subresources=_ST,
        fields=("status.phase",),
    ),
    Resource("", "events", "Event", True, short=("ev",), fields=_EVENT_FIELDS),
    Resource(
        "",
        "services",
        "Service",
        True,
        short=("svc",),
        subresources=_ST,
        categories=_ALL,
        fields=("spec.clusterIP", "spec.type"),
    ),
    Resource("", "endpoints", "Endpoints", True, short=("ep",)),
    Resource("", "configmaps", "ConfigMap", True, short=("cm",)),
    Resource("", "secrets", "Secret", True, fields=("type",)),
    Resource("", "serviceaccounts", "ServiceAccount", True, short=("sa",), subresources=("token",)),
    Resource(
        "",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        True,
        short=("pvc",),
        subresources=_ST,
    ),
    Resource("", "persistentvolumes", "PersistentVolume", False, short=("pv",), subresources=_ST),
    Resource(
        "",
        "replicationcontrollers",
        "ReplicationController",
        True,
        short=("rc",),
        subresources=_SCALABLE,
        categories=_ALL,
    ),
    Resource("", "resourcequotas", "ResourceQuota", True, short=("quota",), subresources=_ST),
    Resource("", "limitranges", "LimitRange", True, short=("limits",)),
    Resource(
        "apps",
        "deployments",
        "Deployment",
        True,
        short=("deploy",),
        subresources=_SCALABLE,
        categories=_ALL,
    ),
    Resource(
        "apps",
        "replicasets",
        "ReplicaSet",
        True,
        short=("rs",),
        subresources=_SCALABLE,
        categories=_ALL,
    ),
    Resource(
        "apps",
        "statefulsets",
        "StatefulSet",
        True,
        short=("sts",),
        subresources=_SCALABLE,
        categories=_ALL,
    ),
    Resource(
        "apps", "daemonsets", "DaemonSet", True, short=("ds",), subresources=_ST, categories=_ALL
    ),
    Resource("apps", "controllerrevisions", "ControllerRevision", True),
    Resource(
        "batch",
        "jobs",
        "Job",
        True,
        subresources=_ST,
        categories=_ALL,
        fields=("status.successful",),
    ),
    Resource(
        "batch", "cronjobs", "CronJob", True, short=("cj",), subresources=_ST, categories=_ALL
    ),
    Resource(
        "policy",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        True,
        short=("pdb",),
        subresources=_ST,
    ),
    Resource(
        "autoscaling",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        True,
        versions=("v2",),
        short=("hpa",),
        subresources=_ST,
        categories=_ALL,
    ),
    Resource("networking.k8s.io", "networkpolicies", "NetworkPolicy", True, short=("netpol",)),
    Resource("networking.k8s.io", "ingresses", "Ingress", True, short=("ing",), subresources=_ST),
    Resource("storage.k8s.io", "storageclasses", "StorageClass", False, short=("sc",)),
    Resource("coordination.k8s.io", "leases", "Lease", True),
    Resource("discovery.k8s.io", "endpointslices", "EndpointSlice", True),
    # Only read here: everybody writes core events; what this group demands of one is not kept.
    Resource(
        "events.k8s.io",
        "events",
        "Event",
        True,
        short=("ev",),
        storage=("", "events"),
        verbs=READ_ONLY,
        fields=(
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "type",
            "reportingController",
        ),
    ),
    Resource(_RBAC, "roles", "Role", True),
    Resource(_RBAC, "rolebindings", "RoleBinding", True),
    Resource(_RBAC, "clusterroles", "ClusterRole", False),
    Resource(_RBAC, "clusterrolebindings", "ClusterRoleBinding", False),
    Resource(
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        False,
        verbs=("create",),
    ),
    Resource(
        "authorization.k8s.io",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        False,
        verbs=("create",),
    ),
    Resource(
        "authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", False, verbs=("create",)
    ),
    Resource(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        False,
        short=("crd", "crds"),
        subresources=_ST,
        categories=("api-extensions",),
    ),
)

METRICS = (
    Resource(
        "metrics.k8s.io", "pods", "PodMetrics", True, versions=("v1beta1",), verbs=("get", "list")
    ),
)
"""Served while a cluster measures its pods; never stored."""

BUILTIN: Mapping[Gvr, Resource] = MappingProxyType({(r.group, r.plural): r for r in _BUILTIN})


_BUILTIN_GROUPS = frozenset(resource.group for resource in _BUILTIN)


def is_builtin_group(group: str) -> bool:
    """Whether the API itself serves that group, rather than a custom resource definition."""
    return group in _BUILTIN_GROUPS


class Registry:
    """The resources one store serves."""

    def __init__(self) -> None:
        self._custom: dict[Gvr, Resource] = {}
        self.metrics = False

    def find(self, group: str, plural: str) -> Resource | None:
        """The resource of that group and plural."""
        return BUILTIN.get((group, plural)) or self._custom.get((group, plural))

    def all(self) -> Iterator[Resource]:
        """Every served resource, the built-in ones first."""
        yield from BUILTIN.values()
        yield from self._custom.values()
        if self.metrics:
            yield from METRICS

    def groups(self) -> dict[str, list[str]]:
        """Versions by group, the preferred one first; the core group is the empty name."""
        found: dict[str, list[str]] = {}
        for resource in self.all():
            versions = found.setdefault(resource.group, [])
            versions.extend(v for v in resource.versions if v not in versions)
        return found

    def define(self, crd: Object) -> Resource:
        """Serves what a custom resource definition declares; replaces its earlier declaration."""
        resource = resource_of(crd)
        self._custom[resource.gvr] = resource
        return resource

    def forget(self, gvr: Gvr) -> None:
        """Stops serving a custom resource."""
        self._custom.pop(gvr, None)


def resource_of(crd: Object) -> Resource:
    """The resource a custom resource definition describes."""
    spec = crd["spec"]
    names = spec["names"]
    served = [version for version in spec["versions"] if version.get("served")]
    served.sort(key=lambda version: _priority(version["name"]), reverse=True)
    has_status = any("status" in (version.get("subresources") or {}) for version in served)
    schemas = {v["name"]: (v.get("schema") or {}).get("openAPIV3Schema") or {} for v in served}
    return Resource(
        group=spec["group"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        versions=tuple(version["name"] for version in served),
        short=tuple(names.get("shortNames") or ()),
        subresources=("status",) if has_status else (),
        categories=tuple(names.get("categories") or ()),
        custom=True,
        schemas=schemas,
        columns={v["name"]: v.get("additionalPrinterColumns") or [] for v in served},
        list_kind=names.get("listKind") or "",
    )


def _priority(version: str) -> tuple[int, int, int]:
    """Kubernetes' order of versions: v2 before v1 before v1beta2 before v1alpha1."""
    digits = version.removeprefix("v")
    for rank, stage in ((1, "beta"), (0, "alpha")):
        major, found, minor = digits.partition(stage)
        if found and major.isdigit():
            return rank, int(major), int(minor or 0)
    return (2, int(digits), 0) if digits.isdigit() else (-1, 0, 0)
