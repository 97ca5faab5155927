"""What the API fills in on creation, for the kinds whose clients look at it."""

from __future__ import annotations

import base64
from typing import Any

from drillkit.sandbox.kube.objects import Object

_NOT_READY = [
    {
        "key": f"node.kubernetes.io/{state}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for state in ("not-ready", "unreachable")
]
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def fill(kind: str, obj: Object) -> None:
    """Completes ``obj`` in place. Applying it twice changes nothing."""
    filler = _FILLERS.get(kind)
    if filler is not None:
        if not isinstance(obj.get("spec"), dict) and kind not in _WITHOUT_SPEC:
            obj["spec"] = {}
        filler(obj)


def _set(target: Object, **values: Any) -> None:
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


def _pod_spec(spec: Object) -> None:
    _set(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        securityContext={},
    )
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or []:
            if isinstance(container, dict):
                _container(container)


def _container(container: Object) -> None:
    image = str(container.get("image") or "")
    latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
    _set(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if latest else "IfNotPresent",
    )
    for port in container.get("ports") or []:
        _set(port, protocol="TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(probe := container.get(name), dict):
            _set(probe, **_PROBE)
            if isinstance(probe.get("httpGet"), dict):
                _set(probe["httpGet"], path="/", scheme="HTTP")


def _pod(obj: Object) -> None:
    spec = obj["spec"]
    _pod_spec(spec)
    _set(
        spec,
        serviceAccountName="default",
        serviceAccount=spec.get("serviceAccountName") or "default",
        enableServiceLinks=True,
        preemptionPolicy="PreemptLowerPriority",
        priority=0,
    )
    if spec.get("tolerations") is None:
        spec["tolerations"] = [dict(toleration) for toleration in _NOT_READY]
    if obj.get("status") is None:
        obj["status"] = {"phase": "Pending", "qosClass": _quality(spec)}


def _quality(spec: Object) -> str:
    """The quality-of-service class by requests and limits."""
    resources = [container.get("resources") or {} for container in spec.get("containers") or []]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    for each in resources:
        limits = each.get("limits") or {}
        if not {"cpu", "memory"} <= limits.keys() or (each.get("requests") or limits) != limits:
            return "Burstable"
    return "Guaranteed"


def _workload(obj: Object) -> None:
    _set(obj["spec"], replicas=1)
    _template(obj)


def _template(obj: Object) -> None:
    template = obj["spec"].get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        _pod_spec(template["spec"])


def _deployment(obj: Object) -> None:
    _workload(obj)
    spec = obj["spec"]
    _set(spec, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    _set(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        _set(spec["strategy"], rollingUpdate={})
        _set(spec["strategy"]["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _statefulset(obj: Object) -> None:
    _workload(obj)
    spec = obj["spec"]
    _set(spec, podManagementPolicy="OrderedReady", revisionHistoryLimit=10, updateStrategy={})
    _set(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _set(spec["updateStrategy"], rollingUpdate={"partition": 0})
    _set(
        spec, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"}
    )


def _daemonset(obj: Object) -> None:
    _template(obj)
    _set(obj["spec"], revisionHistoryLimit=10, updateStrategy={})
    _set(obj["spec"]["updateStrategy"], type="RollingUpdate")
    if obj["spec"]["updateStrategy"]["type"] == "RollingUpdate":
        _set(obj["spec"]["updateStrategy"], rollingUpdate={"maxUnavailable": 1, "maxSurge": 0})


def _job(obj: Object) -> None:
    spec = obj["spec"]
    _template(obj)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _set(
        spec,
        parallelism=1,
        backoffLimit=6,
        suspend=False,
        completionMode="NonIndexed",
        podReplacementPolicy="TerminatingOrFailed",
        manualSelector=False,
    )
    uid = obj["metadata"].get("uid")
    if uid and not spec["manualSelector"] and isinstance(spec.get("template"), dict):
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        name = obj["metadata"]["name"]
        meta = spec["template"].setdefault("metadata", {})
        meta["labels"] = {
            **(meta.get("labels") or {}),
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }


def _cronjob(obj: Object) -> None:
    spec = obj["spec"]
    _set(
        spec,
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )
    template = spec.get("jobTemplate")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        _template(template)


def _service(obj: Object) -> None:
    spec = obj["spec"]
    _set(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    for port in spec.get("ports") or []:
        _set(port, protocol="TCP", targetPort=port.get("port"))
    _set(obj, status={"loadBalancer": {}})


def _namespace(obj: Object) -> None:
    meta = obj["metadata"]
    meta["labels"] = {
        **(meta.get("labels") or {}),
        "kubernetes.io/metadata.name": meta.get("name", ""),
    }
    _set(obj["spec"], finalizers=["kubernetes"])
    _set(obj, status={"phase": "Active"})


def _secret(obj: Object) -> None:
    _set(obj, type="Opaque")
    plain = obj.pop("stringData", None)
    if plain:
        encoded = {
            key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()
        }
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _claim(obj: Object) -> None:
    _set(obj["spec"], volumeMode="Filesystem")
    _set(obj, status={"phase": "Pending"})


def _volume(obj: Object) -> None:
    _set(obj["spec"], volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain")
    _set(obj, status={"phase": "Available"})


def _storage_class(obj: Object) -> None:
    _set(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _binding(obj: Object) -> None:
    for subject in obj.get("subjects") or []:
        if subject.get("kind") in ("User", "Group"):
            _set(subject, apiGroup="rbac.authorization.k8s.io")


def _definition(obj: Object) -> None:
    names = obj["spec"].get("names") or {}
    kind = str(names.get("kind") or "")
    _set(names, singular=kind.lower(), listKind=f"{kind}List")
    _set(obj["spec"], conversion={"strategy": "None"})


_WITHOUT_SPEC = {"Secret", "StorageClass", "RoleBinding", "ClusterRoleBinding"}
_FILLERS = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _workload,
    "ReplicationController": _workload,
    "StatefulSet": _statefulset,
    "DaemonSet": _daemonset,
    "Job": _job,
    "CronJob": _cronjob,
    "Service": _service,
    "Namespace": _namespace,
    "Secret": _secret,
    "PersistentVolumeClaim": _claim,
    "PersistentVolume": _volume,
    "StorageClass": _storage_class,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "CustomResourceDefinition": _definition,
}
