"""Rules about workloads. A new rule is one more function here."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from drillkit.advise.cluster import Cluster, Workload
from drillkit.advise.loose_json import rows, sub, text, whole
from drillkit.advise.mends import applied, containers_patched, drill_for, patched, pod_patched
from drillkit.advise.rule import Found, Table

WORKLOADS: Table[Workload, Cluster] = Table("workload")
_FLOATING = frozenset(
    {"latest", "stable", "main", "master", "develop", "dev", "edge", "nightly", "snapshot"}
)
_STORES = (
    *("postgres", "mysql", "mariadb", "percona", "mongo", "redis", "valkey", "keydb"),
    *("cassandra", "scylla", "etcd", "consul", "elasticsearch", "opensearch", "clickhouse"),
    *("rabbitmq", "kafka", "zookeeper", "minio", "influxdb", "couchdb", "neo4j"),
)
_KEPT = re.compile(r"^/(data|bitnami|srv|storage|var/lib|var/opt|opt/[^/]+/data)(/|$)")
_PASSING = re.compile(
    r"(^|/)(tmp|temp|cache|run|logs?|sockets?|etc|usr|config|conf|plugins|init|shared|secrets?)(/|$)"
)


def _several(workload: Workload) -> bool:
    """It has replicas, and is meant to have them."""
    return workload.kind != "DaemonSet" and workload.replicas >= 2


def _serving(workload: Workload) -> bool:
    return workload.kind != "DaemonSet" and workload.replicas >= 1


def _names(containers: list[Mapping[str, Any]]) -> list[str]:
    return [text(each.get("name")) for each in containers]


@WORKLOADS.rule(
    "one-replica",
    "high",
    why="Whenever this pod goes (a node upgrade, an eviction, a crash), nobody serves until "
    "another has started.",
    needs=("scalers",),
)
def one_replica(workload: Workload, cluster: Cluster) -> Found | None:
    """A workload of a single pod."""
    if workload.kind == "DaemonSet" or workload.replicas != 1 or cluster.scaler_of(workload):
        return None
    stateful = workload.kind == "StatefulSet" or workload.claims
    mend = patched(workload, {"replicas": 2})
    if stateful:
        mend = (
            "a second pod helps only where the application replicates its data: use its operator, "
            "a managed service, or rehearse how long a restart takes. Else: " + mend
        )
    return Found("it runs one pod", mend, drill_for("pod-delete", workload))


@WORKLOADS.rule(
    "hpa-minimum",
    "high",
    why="When load is low the autoscaler leaves a single pod, and its loss is an outage.",
)
def hpa_minimum(workload: Workload, cluster: Cluster) -> Found | None:
    """An autoscaler that may go down to one pod."""
    scaler = cluster.scaler_of(workload)
    if scaler is None or whole(sub(scaler, "spec").get("minReplicas"), 1) > 1:
        return None
    name = text(sub(scaler, "metadata").get("name"))
    words = ("kubectl", "-n", workload.namespace, "patch", "hpa", name)
    return Found(
        f"horizontalpodautoscaler {name} has a minimum of "
        f"{whole(sub(scaler, 'spec').get('minReplicas'), 1)}",
        f'{shlex.join(words)} --type merge -p \'{{"spec":{{"minReplicas":2}}}}\'',
        drill_for("pod-delete", workload),
    )


@WORKLOADS.rule(
    "hpa-blind",
    "medium",
    why="An autoscaler without metrics leaves the number of pods as it is, whatever the load.",
    proves="cpu-stress",
)
def hpa_blind(workload: Workload, cluster: Cluster) -> Found | None:
    """An autoscaler that cannot read its metrics."""
    for each in rows(cluster.scaler_of(workload), "status", "conditions"):
        # ScalingDisabled: somebody scaled it to zero on purpose.
        off = each.get("type") == "ScalingActive" and each.get("status") == "False"
        if off and each.get("reason") != "ScalingDisabled":
            why = text(each.get("message")) or text(each.get("reason"))
            mend = "look at metrics-server (kubectl top pods) and at the pods' CPU requests"
            return Found(f"its autoscaler cannot scale: {why}", mend)
    return None


@WORKLOADS.rule(
    "no-budget",
    "medium",
    why="A drain may evict all its pods at once: nothing tells it that some must stay.",
    needs=("budgets",),
)
def no_budget(workload: Workload, cluster: Cluster) -> Found | None:
    """No PodDisruptionBudget counts its pods."""
    if not _several(workload) or not workload.labels or cluster.budgets_of(workload):
        return None
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": workload.name, "namespace": workload.namespace},
        "spec": {
            "maxUnavailable": 1,
            "selector": dict(workload.selector) or {"matchLabels": dict(workload.labels)},
        },
    }
    what = f"no disruption budget covers its {workload.replicas} pods"
    return Found(what, applied(budget), drill_for("node-drain", workload))


@WORKLOADS.rule(
    "budget-allows-nothing",
    "high",
    why="No pod may ever be evicted, so node upgrades and scale-downs block on it, or are forced.",
)
def budget_allows_nothing(workload: Workload, cluster: Cluster) -> Iterator[Found]:
    """A PodDisruptionBudget that never lets a pod go, even when all are healthy."""
    for budget in cluster.budgets_of(workload) if _serving(workload) else ():
        covered = whole(sub(budget, "status").get("expectedPods")) or workload.replicas
        if allowed(sub(budget, "spec"), covered) > 0:
            continue
        name = text(sub(budget, "metadata").get("name"))
        words = ("kubectl", "-n", workload.namespace, "patch", "pdb", name)
        patch = '{"spec":{"minAvailable":null,"maxUnavailable":1}}'
        yield Found(
            f"poddisruptionbudget {name} allows no eviction of its {covered} pods",
            f"{shlex.join(words)} --type merge -p '{patch}'",
            drill_for("node-drain", workload),
        )


def allowed(spec: Mapping[str, Any], covered: int) -> int:
    """How many of so many healthy pods a budget lets go at once."""
    most = spec.get("maxUnavailable")
    if most is not None:
        return _amount(most, covered)
    return covered - _amount(spec.get("minAvailable"), covered)


def _amount(value: Any, of: int) -> int:
    """A number or a percentage, rounded up as Kubernetes does. What is neither counts as 0."""
    if found := re.fullmatch(r"(\d+)%", text(value)):
        return math.ceil(int(found[1]) * of / 100)
    return whole(value)


@WORKLOADS.rule(
    "two-budgets",
    "high",
    why="The API server refuses (500) to evict a pod that two budgets count, so drains never end.",
)
def two_budgets(workload: Workload, cluster: Cluster) -> Found | None:
    """More than one PodDisruptionBudget counts its pods."""
    found = [text(sub(each, "metadata").get("name")) for each in cluster.budgets_of(workload)]
    if len(found) < 2:
        return None
    words = ("kubectl", "-n", workload.namespace, "delete", "pdb", *sorted(found)[1:])
    what = f"several budgets count its pods: {', '.join(sorted(found))}"
    return Found(what, shlex.join(words), drill_for("node-drain", workload))


@WORKLOADS.rule(
    "no-readiness",
    "high",
    why="Requests reach pods that cannot answer yet: errors at each release and each restart.",
    needs=("services",),
)
def no_readiness(workload: Workload, cluster: Cluster) -> Found | None:
    """Pods behind a Service that nobody asks whether they are ready."""
    containers = workload.containers
    if not _serving(workload) or not containers or not cluster.serves(workload):
        return None
    # A pod is ready when all its containers are: one probe speaks for it.
    if any(sub(each, "readinessProbe") for each in containers):
        return None
    probe = {"httpGet": {"path": "/health", "port": _port(containers[0])}, "periodSeconds": 5}
    return Found(
        "no container has a readinessProbe, and a Service sends them requests",
        containers_patched(workload, _names(containers[:1]), {"readinessProbe": probe}),
        f"deployment-restart --set namespace={shlex.quote(workload.namespace)} "
        f"--set name={shlex.quote(workload.name)}",
    )


def _port(container: Mapping[str, Any]) -> int | str:
    port = next(iter(rows(container, "ports")), {})
    return text(port.get("name")) or whole(port.get("containerPort"), 8080)


@WORKLOADS.rule(
    "no-liveness",
    "low",
    why="A process that hangs without ending is never restarted.",
)
def no_liveness(workload: Workload, cluster: Cluster) -> Found | None:
    """Pods that nobody restarts when they hang."""
    containers = workload.containers
    if not _serving(workload) or not containers:
        return None
    if any(sub(each, "livenessProbe") for each in containers):
        return None
    probe = {
        "httpGet": {"path": "/health", "port": _port(containers[0])},
        "periodSeconds": 10,
        "failureThreshold": 6,
    }
    return Found(
        "no container has a livenessProbe",
        containers_patched(workload, _names(containers[:1]), {"livenessProbe": probe}),
        drill_for("memory-stress", workload),
    )


@WORKLOADS.rule(
    "same-probes",
    "medium",
    why="A pod that is only busy is restarted instead of being spared: under load the rest "
    "follows.",
)
def same_probes(workload: Workload, cluster: Cluster) -> Iterator[Found]:
    """Liveness asks what readiness asks, and kills no later."""
    for each in workload.containers:
        ready, live = sub(each, "readinessProbe"), sub(each, "livenessProbe")
        asked = ("httpGet", "tcpSocket", "exec", "grpc")
        if not ready or not live or any(ready.get(key) != live.get(key) for key in asked):
            continue
        # The same question with more patience is what Kubernetes' own manual advises.
        if _patience(live) > _patience(ready):
            continue
        name = text(each.get("name"))
        more = {"failureThreshold": max(6, 3 * whole(ready.get("failureThreshold"), 3))}
        yield Found(
            f"container {name}: liveness asks the same as readiness and gives up no later",
            containers_patched(workload, [name], {"livenessProbe": more}),
            drill_for("cpu-stress", workload),
        )


def _patience(probe: Mapping[str, Any]) -> int:
    return whole(probe.get("periodSeconds"), 10) * whole(probe.get("failureThreshold"), 3)


@WORKLOADS.rule(
    "no-spread",
    "low",
    why="Nothing keeps the scheduler from putting all pods on one node or into one zone.",
    needs=("nodes",),
)
def no_spread(workload: Workload, cluster: Cluster) -> Found | None:
    """Neither topologySpreadConstraints nor anti-affinity."""
    if not _several(workload) or len(cluster.nodes) < 2:
        return None
    pod = workload.pod
    if rows(pod, "topologySpreadConstraints") or sub(pod, "affinity", "podAntiAffinity"):
        return None
    return Found(
        "it has no topologySpreadConstraints and no podAntiAffinity",
        _spread(workload),
        drill_for("zone-evacuation" if len(cluster.zones) > 1 else "node-drain", workload),
    )


def _spread(workload: Workload) -> str:
    keys = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    constraints = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": dict(workload.selector) or {"matchLabels": dict(workload.labels)},
        }
        for key in keys
    ]
    return pod_patched(workload, {"topologySpreadConstraints": constraints})


@WORKLOADS.rule(
    "one-node",
    "high",
    why="All its pods go with one machine, whatever their number.",
    needs=("nodes", "placements"),
)
def one_node(workload: Workload, cluster: Cluster) -> Found | None:
    """All replicas on one node."""
    place = cluster.placements.get(workload.key)
    if not _several(workload) or place is None or place.pods < 2 or len(place.nodes) > 1:
        return None
    if len(cluster.nodes) < 2:
        return None
    (node,) = place.nodes
    what = f"all {place.pods} pods run on node {node}"
    return Found(what, _spread(workload), drill_for("node-drain", workload))


@WORKLOADS.rule(
    "one-zone",
    "high",
    why="All its pods go with one zone, though the cluster has several.",
    needs=("nodes", "placements"),
)
def one_zone(workload: Workload, cluster: Cluster) -> Found | None:
    """All replicas in one zone of several."""
    place = cluster.placements.get(workload.key)
    if not _several(workload) or place is None or place.pods < 2 or len(cluster.zones) < 2:
        return None
    if len(place.nodes) < 2 or len(place.zones) > 1 or "" in place.zones:
        return None
    (zone,) = place.zones
    return Found(
        f"all {place.pods} pods run in zone {zone} of {', '.join(sorted(cluster.zones))}",
        _spread(workload),
        drill_for("zone-evacuation", workload) + f" --set zone={shlex.quote(zone)}",
    )


@WORKLOADS.rule(
    "root-user",
    "medium",
    why="Who breaks out of a process that runs as root is root on the node.",
)
def root_user(workload: Workload, cluster: Cluster) -> Found | None:
    """Containers that may run as root."""
    if workload.kind == "DaemonSet":
        return None
    outer = sub(workload.pod, "securityContext")
    loose = [
        text(each.get("name"))
        for each in workload.containers
        if not _no_root({**outer, **sub(each, "securityContext")})
    ]
    if not loose:
        return None
    what = f"may run as root: {', '.join(loose)}"
    return Found(what, pod_patched(workload, {"securityContext": {"runAsNonRoot": True}}))


def _no_root(context: Mapping[str, Any]) -> bool:
    user = context.get("runAsUser")
    if isinstance(user, int):
        return user > 0
    return context.get("runAsNonRoot") is True


@WORKLOADS.rule(
    "writable-root",
    "low",
    why="What gets into the process can change its programs; what it writes there is lost unseen.",
)
def writable_root(workload: Workload, cluster: Cluster) -> Found | None:
    """Containers with a root file system that can be written."""
    if workload.kind == "DaemonSet":
        return None
    loose = [
        text(each.get("name"))
        for each in workload.containers
        if sub(each, "securityContext").get("readOnlyRootFilesystem") is not True
    ]
    if not loose:
        return None
    fields = {"securityContext": {"readOnlyRootFilesystem": True}}
    mend = containers_patched(workload, loose, fields)
    return Found(f"its root file system can be written: {', '.join(loose)}", mend)


@WORKLOADS.rule(
    "no-requests",
    "medium",
    why="The scheduler counts it as nothing: nodes fill beyond what they hold, and it is evicted "
    "first.",
)
def no_requests(workload: Workload, cluster: Cluster) -> Found | None:
    """Containers without requests of CPU or memory."""
    if sub(workload.pod, "resources", "requests"):
        return None  # since 1.32 a pod may request as a whole
    loose = [text(each.get("name")) for each in workload.containers if not _requests(each)]
    if not loose:
        return None
    fields = {"resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}
    return Found(
        f"no requests of CPU and memory: {', '.join(loose)}",
        containers_patched(workload, loose, fields) + "   # measure first: kubectl top pods",
        drill_for("memory-stress", workload),
    )


def _requests(container: Mapping[str, Any]) -> bool:
    resources = sub(container, "resources")
    # A limit without a request is the request, too.
    named = {**sub(resources, "limits"), **sub(resources, "requests")}
    return {"cpu", "memory"} <= named.keys()


@WORKLOADS.rule(
    "floating-tag",
    "medium",
    why="Two pods of one workload may run different programs, and nobody can go back to the last.",
)
def floating_tag(workload: Workload, cluster: Cluster) -> Found | None:
    """Images without a tag that stays, or a digest."""
    images = [text(each.get("image")) for each in workload.containers]
    floating = sorted({image for image in images if image and _floats(image)})
    if not floating:
        return None
    mend = "name the version and its digest: IMAGE:VERSION@sha256:... (crane digest IMAGE:VERSION)"
    return Found(f"its images float: {', '.join(floating)}", mend)


def _floats(image: str) -> bool:
    if "@sha256:" in image:
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag in _FLOATING


@WORKLOADS.rule(
    "data-in-emptydir",
    "high",
    why="An emptyDir goes with its pod: what was written there is lost at the next eviction.",
)
def data_in_emptydir(workload: Workload, cluster: Cluster) -> Iterator[Found]:
    """What looks like data lies in an emptyDir."""
    volumes = {
        text(each.get("name"))
        for each in rows(workload.pod, "volumes")
        if isinstance(each.get("emptyDir"), Mapping)
        and sub(each, "emptyDir").get("medium") != "Memory"
    }
    for each in workload.containers:
        image = text(each.get("image")).partition("@")[0].rpartition("/")[2].partition(":")[0]
        store = any(name in image.lower() for name in _STORES)
        for mount in rows(each, "volumeMounts"):
            path = text(mount.get("mountPath"))
            if text(mount.get("name")) not in volumes or _PASSING.search(path):
                continue
            keeps = workload.kind == "StatefulSet" and not workload.claims
            if not keeps and not (store and _KEPT.match(path)):
                continue
            yield Found(
                f"{image or text(each.get('name'))} writes to {path}, an emptyDir",
                "give it a PersistentVolumeClaim (volumeClaimTemplates of a StatefulSet), and back "
                "it up; or say that it is a cache by mounting it below /cache",
                drill_for("pod-delete", workload),
            )
