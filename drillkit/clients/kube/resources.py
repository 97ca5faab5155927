"""Which resources of the API there are, as far as drillkit speaks of them."""

from __future__ import annotations

from typing import Any, TypeAlias
from urllib.parse import quote

from drillkit.lazy_dataclass import dataclass

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as the API sends it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the API, such as `apps/v1 deployments`."""

    group: str
    version: str
    plural: str
    namespaced: bool = True
    kind: str = ""

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def word(self) -> str:
        """How people and kubectl call one of them: `deployment`."""
        return (self.kind or self.plural).lower()

    def path(self, name: str = "", namespace: str = "", subresource: str = "") -> str:
        """Path of the collection or of one object. Raises ValueError for a namespaced object
        without a namespace.
        """
        if name and self.namespaced and not namespace:
            raise ValueError(
                f"{self.word}/{name} needs a namespace: drillkit never assumes `default`"
            )
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def said(self, name: str, namespace: str = "") -> str:
        """One object for people: `pod/shop/web-5d9c-x7k2p`, `node/n1`."""
        return "/".join(
            part for part in (self.word, namespace if self.namespaced else "", name) if part
        )


PODS = Resource("", "v1", "pods", kind="Pod")
NODES = Resource("", "v1", "nodes", False, kind="Node")
NAMESPACES = Resource("", "v1", "namespaces", False, kind="Namespace")
SERVICES = Resource("", "v1", "services", kind="Service")
CONFIGMAPS = Resource("", "v1", "configmaps", kind="ConfigMap")
SECRETS = Resource("", "v1", "secrets", kind="Secret")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", kind="ServiceAccount")
EVENTS = Resource("", "v1", "events", kind="Event")
PERSISTENT_VOLUME_CLAIMS = Resource(
    "", "v1", "persistentvolumeclaims", kind="PersistentVolumeClaim"
)
PERSISTENT_VOLUMES = Resource("", "v1", "persistentvolumes", False, kind="PersistentVolume")
DEPLOYMENTS = Resource("apps", "v1", "deployments", kind="Deployment")
REPLICASETS = Resource("apps", "v1", "replicasets", kind="ReplicaSet")
STATEFULSETS = Resource("apps", "v1", "statefulsets", kind="StatefulSet")
DAEMONSETS = Resource("apps", "v1", "daemonsets", kind="DaemonSet")
JOBS = Resource("batch", "v1", "jobs", kind="Job")
CRONJOBS = Resource("batch", "v1", "cronjobs", kind="CronJob")
HPAS = Resource("autoscaling", "v2", "horizontalpodautoscalers", kind="HorizontalPodAutoscaler")
PDBS = Resource("policy", "v1", "poddisruptionbudgets", kind="PodDisruptionBudget")
LEASES = Resource("coordination.k8s.io", "v1", "leases", kind="Lease")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", kind="EndpointSlice")
INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", kind="Ingress")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", kind="NetworkPolicy")
CRDS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    False,
    kind="CustomResourceDefinition",
)
POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", kind="PodMetrics")
NETWORK_CHAOS = Resource("chaos-mesh.org", "v1alpha1", "networkchaos", kind="NetworkChaos")
STRESS_CHAOS = Resource("chaos-mesh.org", "v1alpha1", "stresschaos", kind="StressChaos")
DNS_CHAOS = Resource("chaos-mesh.org", "v1alpha1", "dnschaos", kind="DNSChaos")
POD_CHAOS = Resource("chaos-mesh.org", "v1alpha1", "podchaos", kind="PodChaos")
VIRTUAL_SERVICES = Resource(
    "networking.istio.io", "v1beta1", "virtualservices", kind="VirtualService"
)
CHAOS_ENGINES = Resource("litmuschaos.io", "v1alpha1", "chaosengines", kind="ChaosEngine")
CHAOS_RESULTS = Resource("litmuschaos.io", "v1alpha1", "chaosresults", kind="ChaosResult")
CHAOS_EXPERIMENTS = Resource(
    "litmuschaos.io", "v1alpha1", "chaosexperiments", kind="ChaosExperiment"
)
