"""A target: where drills run, and what holds there whatever a drill says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from fnmatch import fnmatchcase

from drillkit.lazy_dataclass import dataclass
from drillkit.model.audit import Audit
from drillkit.model.evidence import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesTarget:
    """A cluster."""

    kubeconfig: str | None = None
    """File; default: KUBECONFIG, ~/.kube/config, or the pod's own service account."""
    context: str | None = None
    """Context of that file. Default: its current one."""
    cluster_uid: str | None = None
    """UID of the namespace kube-system: a run refuses when it is another. Required on
    protected targets.
    """
    namespace: str = "drillkit"
    """Where the run's Lease lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsTarget:
    """An AWS account."""

    account: str
    """Account id: a run refuses when it is another."""
    region: str
    """Region of the originals."""
    dr_region: str | None = None
    """Region for cross-region restores."""
    profile: str | None = None
    """Profile of the AWS configuration."""
    credentials_file: str | None = None
    """Shared credentials file, of which `profile` is taken, or `default`. Default: the AWS
    configuration's own.
    """
    endpoint_url: str | None = None
    """Another endpoint than AWS' own."""
    subnet_group: str | None = None
    """Subnet group of restored copies; never the original's network."""
    security_groups: tuple[str, ...] = ()
    """Security groups of restored copies, without egress."""
    cache_subnet_group: str | None = None
    """Subnet group of restored caches."""
    dr_subnet_group: str | None = None
    """Subnet group in the DR region."""
    dr_security_groups: tuple[str, ...] = ()
    """Security groups in the DR region."""
    dr_kms_key: str | None = None
    """Key for encrypted copies in the DR region."""

    @property
    def read_profile(self) -> str | None:
        """The profile that the target says; None leaves it to the environment. Whoever names a file
        means what is in it, not keys that happen to stand in the environment.
        """
        return self.profile or ("default" if self.credentials_file else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebTarget:
    """A service that is reached by its URL."""

    url: str
    """Base URL, without `/api`."""
    bearer: str | None = None
    """Reference to a token: `env:NAME` or `file:PATH`."""
    basic: str | None = None
    """Reference to `user:password`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """More request headers, such as a tenant's; a value may be a reference."""
    ca_file: str | None = None
    """Certificate authority."""
    client_cert: str | None = None
    """Client certificate (mTLS)."""
    client_key: str | None = None
    """Its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusTarget(WebTarget):
    """A Prometheus, Mimir, Thanos or Amazon Managed Prometheus."""

    url: str
    """Base URL, without `/api/v1`."""
    sigv4_region: str | None = None
    """Sign requests for Amazon Managed Prometheus in this region."""
    alertmanager: str | None = None
    """Base URL of the Alertmanager. Default: alerts are read from Prometheus."""
    scrape_interval: timedelta = timedelta(seconds=15)
    """How often it scrapes what the SLIs read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrafanaTarget(WebTarget):
    """A Grafana. Its token needs the permission to write annotations (`annotations:write`,
    `annotations:create`, `annotations:read`), as the role Editor has it.
    """

    dashboard: str | None = None
    """UID of the dashboard that annotations stand on. Default: on none, for those that ask for
    annotations by tag (`drillkit`).
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What no drill on this target may exceed."""

    pods: str = "50%"
    """Pods of one selector at once: a number or a percentage."""
    nodes: str = "1"
    """Nodes at once: a number or a percentage."""
    instances: int = 2
    """Restored database instances at once."""
    instance_classes: tuple[str, ...] = ()
    """Classes that restored copies may have (`db.t4g.*`, `cache.t4g.*`). Default: any."""
    instance_storage: int | None = None
    """GiB that one restored copy may have."""
    instance_hours: float | None = None
    """Hours that the restored instances of one run may live together: each as long as `limit` and
    `cleanup_limit` of the drill allow.
    """
    pods_of_run: int | None = None
    """Pods that one run may delete and evict in all."""
    namespaces: tuple[str, ...] = ()
    """Nothing is touched outside these (`shop`, `perf-*`). Default: all may be touched."""
    never_namespaces: tuple[str, ...] = ()
    """Nothing is touched in these."""
    never_pods: tuple[str, ...] = ()
    """Pods that these label selectors match (`tier=payments`) are never deleted, evicted or
    disturbed.
    """
    zones: tuple[str, ...] = ()
    """Only nodes of these zones are drained. Default: of all."""
    duration: timedelta | None = None
    """No drill has a longer `limit` and `cleanup_limit` together."""

    def forbid(self, namespace: str) -> str:
        """Why nothing of a namespace may be touched, or ''."""
        if any(fnmatchcase(namespace, each) for each in self.never_namespaces):
            return f"namespace {namespace} may never be touched (`caps.never_namespaces`)"
        if self.namespaces and not any(fnmatchcase(namespace, each) for each in self.namespaces):
            listed = ", ".join(self.namespaces)
            return f"namespace {namespace} is none of `caps.namespaces` ({listed})"
        return ""

    def forbid_copy(self, instance_class: str, storage_gib: int) -> str:
        """Why nothing of that class and size may be restored, or ''. A class that nobody knows is
        none of those that are allowed.
        """
        classes = self.instance_classes
        if classes and not any(fnmatchcase(instance_class, each) for each in classes):
            found = f"class {instance_class}" if instance_class else "a class that is not known"
            return f"{found} is none of `caps.instance_classes` ({', '.join(classes)})"
        if self.instance_storage is not None and storage_gib > self.instance_storage:
            return (
                f"{storage_gib} GiB are more than {self.instance_storage} GiB "
                "(`caps.instance_storage`)"
            )
        return ""

    def forbid_hours(self, instances: int, longest: timedelta) -> str:
        """Why so many restored instances may not live so long each, or ''."""
        hours = instances * longest.total_seconds() / 3600
        if self.instance_hours is None or hours <= self.instance_hours:
            return ""
        return (
            f"{instances} restored instances may live {hours:.3g} hours together; "
            f"{self.instance_hours:g} are allowed (`caps.instance_hours`)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A target that drillkit starts for the run and stops afterwards."""

    module: str
    """Python module to run; its first line of output is JSON: kubeconfig, urls, aws,
    prometheus, cluster_uid.
    """
    arguments: tuple[str, ...] = ()
    """Arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetJob:
    """Where and as whom this target's Jobs of a fleet run (`drillkit fleet`)."""

    hub: str | None = None
    """Another target: Jobs are submitted to its cluster. Default: to the one that they test."""
    namespace: str = "drillkit"
    """Where they run."""
    service_account: str | None = None
    """Whom they run as. Default: `drillkit-DRILL-TARGET`, as `drillkit fleet accounts` makes it."""
    secret: str | None = None
    """A Secret there whose keys become the Job's environment, such as AWS_ACCESS_KEY_ID. Default:
    none, for accounts that AWS knows (IRSA, EKS Pod Identity).
    """
    kubeconfig_secret: str | None = None
    """A Secret there whose key `kubeconfig` leads to the target. Default: the account's own token,
    which leads to the cluster that the Job runs in.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a drill runs: what must not travel with it."""

    name: str = ""
    """Filled from its key."""
    protected: bool = False
    """`--yes` is not enough: the operator types the target's name."""
    kubernetes: KubernetesTarget | None = None
    """The cluster."""
    aws: AwsTarget | None = None
    """The AWS account."""
    prometheus: PrometheusTarget | None = None
    """Where SLIs are read."""
    grafana: GrafanaTarget | None = None
    """Where drills are marked that `announce` themselves."""
    urls: Mapping[str, str] = field(default_factory=dict)
    """URLs that drills use as `${target.urls.NAME}`."""
    databases: Mapping[str, str] = field(default_factory=dict)
    """Credentials of databases by instance, as references (`env:`, `file:`, `aws-secret:`)
    to `user:password`.
    """
    canary_key: str | None = None
    """Reference (`env:`, `file:`, `aws-secret:`) to the key that heartbeats are signed with."""
    caps: Caps = Caps()
    """Upper limits."""
    approvals: int = 0
    """So many people must approve a plan before it runs here (`drillkit approve`)."""
    approvers: Mapping[str, str] = field(default_factory=dict)
    """Their public keys by name: files beside targets.yaml, as `drillkit keygen` writes them."""
    launch: Launch | None = None
    """Start it for the run."""
    fleet: FleetJob = FleetJob()
    """Where and as whom its Jobs of a fleet run."""
    emulated: tuple[str, ...] = ()
    """What is not real about it, for the top of the report."""
    values: Mapping[str, Scalar] = field(default_factory=dict)
    """Other values that drills use as `${target.values.NAME}`."""
    audit: Audit = field(default_factory=Audit)
    """What auditors ask, for all drills on it; a drill's own `audit` goes before it."""
