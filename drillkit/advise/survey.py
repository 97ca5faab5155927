"""Looking at everything that rules ask for, and letting them judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from drillkit.advise import of_alerts, of_aws, of_cluster, of_velero, of_workloads
from drillkit.advise.cluster import Cluster, read_cluster
from drillkit.advise.loose_json import sub, text
from drillkit.advise.rule import Advice, Table
from drillkit.advise.touched_workloads import Survey, judged
from drillkit.clients.kube.resources import NAMESPACES
from drillkit.clock import utc
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, DrillError, UsageError
from drillkit.model.slo import Slo
from drillkit.model.spelling import near

if TYPE_CHECKING:
    from drillkit.clients import Clients

TABLES: tuple[Table[Any, Any], ...] = (
    of_workloads.WORKLOADS,
    of_cluster.NAMESPACES,
    of_cluster.ALONE,
    of_cluster.NODES,
    of_cluster.CERTIFICATES,
    of_aws.INSTANCES,
    of_aws.CLUSTERS,
    of_aws.CACHES,
    of_velero.INSTALL,
    of_velero.EACH_SCHEDULE,
    of_velero.EACH_LOCATION,
    of_velero.EACH_NAMESPACE,
    of_alerts.SLOS,
    of_alerts.ALERTS,
)
"""All rules there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known on this machine beside the target."""

    slos: Sequence[Slo] = ()
    proven: Mapping[str, str] | None = None
    """Date of the last proven restore by the name of a database; None: nobody could tell."""
    rpos: Mapping[str, timedelta] = field(default_factory=dict)


def survey(clients: Clients, known: Known, namespace: str = "") -> Survey:
    """Look at a target, or at one namespace of its cluster. Reads only.

    What is refused or cannot be reached is told in `unread`. Raises WrongTarget; UsageError where
    there is no such namespace.
    """
    if namespace and clients.target.kubernetes is None:
        raise UsageError(
            f"expected a target with a cluster to look at namespace `{namespace}`: target "
            f"`{clients.target.name}` has none"
        )
    found: list[Advice] = []
    looked: list[str] = []
    unread: list[str] = []
    for part in (_cluster, _account, _watching):
        advice, said, missed = part(clients, known, namespace)
        found += advice
        looked += said
        unread += missed
    ordered = sorted(dict.fromkeys(found), key=lambda each: each.rank)
    return Survey(tuple(ordered), tuple(looked), tuple(dict.fromkeys(unread)))


def _told(unread: Mapping[str, str]) -> list[str]:
    return [f"{name}: {why}" for name, why in unread.items()]


def _cluster(
    clients: Clients, known: Known, namespace: str
) -> tuple[list[Advice], list[str], list[str]]:
    if clients.target.kubernetes is None:
        return [], [], []
    clients.verify_cluster()
    cluster = read_cluster(clients.kube, namespace)
    unsure = []
    if namespace and not cluster.workloads and not cluster.alone:
        unsure = _must_be_there(clients, namespace)
    claims = of_velero.claims_of([(each.namespace, each.claims) for each in cluster.workloads])
    backups = of_velero.Backups(utc(clients.kube.now()), claims=claims)
    of_velero.read_backups(clients.kube, backups, _locks(clients))
    found = [*judged(cluster), *_of_certificates(cluster, utc(clients.kube.now()))]
    found += _of_backups(backups, namespace)
    pods = sum(each.pods for each in cluster.placements.values())
    said = f"{len(cluster.workloads)} workloads in {len(cluster.namespaces)} namespaces"
    left = "" if namespace else "; the cluster's own (kube-system, ...) are left out"
    looked = [f"{said}, {pods} pods on {len(cluster.nodes)} nodes{left}"]
    if backups.installed and backups.knows("velero"):
        looked.append(f"Velero: {len(backups.schedules)} schedules")
    return found, looked, [*unsure, *_told(cluster.unread), *_told(backups.unread)]


def _must_be_there(clients: Clients, namespace: str) -> list[str]:
    """That nothing was found in a namespace is no praise where there is none of that name. Gives
    why nobody can tell.
    """
    try:
        names = [str(each["metadata"]["name"]) for each in clients.kube.list(NAMESPACES)]
    except CallError as error:
        return [f"whether there is a namespace {namespace}, in which nothing was found: {error}"]
    if namespace in names:
        return []
    meant = near(namespace, names)
    hint = f"did you mean `{meant}`?" if meant else "kubectl get namespaces lists them"
    raise UsageError(
        f"target `{clients.target.name}`: expected a namespace `{namespace}`, found none; {hint}"
    )


def _of_certificates(cluster: Cluster, now: datetime) -> Iterator[Advice]:
    facts = of_cluster.ClusterNow(cluster, now)
    for each in cluster.certificates:
        meta = sub(each, "metadata")
        said = f"certificate/{text(meta.get('namespace'))}/{text(meta.get('name'))}"
        yield from of_cluster.CERTIFICATES.judge(each, said, facts)


def _of_backups(backups: of_velero.Backups, namespace: str) -> Iterator[Advice]:
    for space in backups.claims:
        said = f"namespace/{space}"
        yield from of_velero.EACH_NAMESPACE.judge(space, said, backups, backups.knows)
    if namespace:
        return
    yield from of_velero.INSTALL.judge(None, "velero", backups, backups.knows)
    for each in backups.schedules:
        said = f"schedule/{text(sub(each, 'metadata').get('name'))}"
        yield from of_velero.EACH_SCHEDULE.judge(each, said, backups, backups.knows)
    for each in backups.locations:
        said = f"backupstoragelocation/{text(sub(each, 'metadata').get('name'))}"
        yield from of_velero.EACH_LOCATION.judge(each, said, backups, backups.knows)


def _locks(clients: Clients) -> Any:
    """Whether a bucket locks its objects; None where it cannot be asked."""

    def ask(bucket: str) -> bool | None:
        if clients.target.aws is None:
            return None
        try:
            asked = f"look at the object lock of {bucket}"
            answer = clients.aws.service("s3").read(
                "GetObjectLockConfiguration", asked, Bucket=bucket
            )
        except CallError as error:
            return False if "ObjectLockConfigurationNotFound" in str(error) else None
        return sub(answer, "ObjectLockConfiguration").get("ObjectLockEnabled") == "Enabled"

    return ask


def _account(
    clients: Clients, known: Known, namespace: str
) -> tuple[list[Advice], list[str], list[str]]:
    if clients.target.aws is None or namespace:
        return [], [], []
    clients.verify_account()
    account = of_aws.Account(utc(clients.aws.now()), proven=known.proven or {}, rpos=known.rpos)
    if known.proven is None:
        account.unread["proven"] = "reports could not be read, so nobody knows what is proven"
    of_aws.read_account(clients, account)
    found = [
        advice
        for table, kind, things, key in (
            (of_aws.INSTANCES, "rds", account.instances, "DBInstanceIdentifier"),
            (of_aws.CLUSTERS, "aurora", account.clusters, "DBClusterIdentifier"),
            (of_aws.CACHES, "elasticache", account.caches, "ReplicationGroupId"),
        )
        for each in things
        for advice in table.judge(each, f"{kind}/{text(each.get(key))}", account, account.knows)
    ]
    looked = (
        f"{len(account.instances)} databases, {len(account.clusters)} Aurora clusters, "
        f"{len(account.caches)} caches"
    )
    return found, [looked], _told(account.unread)


def _watching(
    clients: Clients, known: Known, namespace: str
) -> tuple[list[Advice], list[str], list[str]]:
    if clients.target.prometheus is None or namespace:
        return [], [], []
    from drillkit.clients.prometheus import open_prometheus

    watching = of_alerts.Watching()
    try:
        prometheus = open_prometheus(
            clients.target.prometheus, clients.clock, aws=clients.target.aws
        )
    except DrillError as error:
        return [], [], [f"prometheus: {error}"]
    of_alerts.read_watching(prometheus, watching)
    found: list[Advice] = []
    for slo in known.slos:
        found += of_alerts.SLOS.judge(slo, f"slo/{slo.name}", watching, watching.knows)
    for rule in watching.rules:
        found += of_alerts.ALERTS.judge(rule, f"alert/{rule.name}", watching, watching.knows)
    looked = f"{len(watching.rules)} alerting rules, {len(known.slos)} SLOs"
    return found, [looked], _told(watching.unread)
