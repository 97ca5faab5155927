"""The JSON types of the fields that the API reads, so that a body of wrong types is refused instead
of stumbled over.

A shape is a type, a list of one shape, a dict of named shapes (other names are free), or a dict
with the single key ``*``: a map whose values have that shape. Null counts as absent, as it does
for Kubernetes.
"""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.kube.errors import bad_request

Shape = Any

_TEXTS = {"*": str}
_INT_OR_TEXT = (int, str)
_META: Shape = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "uid": str,
    "resourceVersion": str,
    "deletionTimestamp": str,
    "labels": _TEXTS,
    "annotations": _TEXTS,
    "finalizers": [str],
    "ownerReferences": [
        {"apiVersion": str, "kind": str, "name": str, "uid": str, "controller": bool}
    ],
    "managedFields": [{"manager": str, "operation": str, "subresource": str, "fieldsV1": dict}],
}
_PROBE = {
    "httpGet": {"path": str, "port": _INT_OR_TEXT},
    "periodSeconds": int,
    "initialDelaySeconds": int,
}
_CONTAINER: Shape = {
    "name": str,
    "image": str,
    "command": [str],
    "args": [str],
    "env": [{"name": str, "value": str}],
    "ports": [{"name": str, "containerPort": int, "protocol": str}],
    "resources": {"limits": dict, "requests": dict},
    "volumeMounts": [{"name": str, "mountPath": str}],
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "startupProbe": _PROBE,
}
_POD: Shape = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [{"name": str}],
    "nodeName": str,
    "nodeSelector": _TEXTS,
    "restartPolicy": str,
    "serviceAccountName": str,
    "terminationGracePeriodSeconds": int,
    "activeDeadlineSeconds": int,
    "tolerations": [{"key": str, "operator": str, "effect": str}],
    "topologySpreadConstraints": [dict],
    "affinity": dict,
}
_TEMPLATE: Shape = {"metadata": _META, "spec": _POD}
_SELECTOR: Shape = {
    "matchLabels": _TEXTS,
    "matchExpressions": [{"key": str, "operator": str, "values": [str]}],
}
_ROLLING = {
    "type": str,
    "rollingUpdate": {"maxSurge": _INT_OR_TEXT, "maxUnavailable": _INT_OR_TEXT, "partition": int},
}
_WORKLOAD: Shape = {
    "replicas": int,
    "selector": _SELECTOR,
    "template": _TEMPLATE,
    "strategy": _ROLLING,
    "updateStrategy": _ROLLING,
    "minReadySeconds": int,
    "revisionHistoryLimit": int,
    "progressDeadlineSeconds": int,
    "paused": bool,
    "serviceName": str,
    "volumeClaimTemplates": [{"metadata": _META, "spec": dict}],
}
_JOB: Shape = {
    "parallelism": int,
    "completions": int,
    "backoffLimit": int,
    "activeDeadlineSeconds": int,
    "ttlSecondsAfterFinished": int,
    "suspend": bool,
    "manualSelector": bool,
    "selector": _SELECTOR,
    "template": _TEMPLATE,
}
_SPECS: dict[str, Shape] = {
    "Pod": _POD,
    "Node": {"unschedulable": bool, "taints": [{"key": str, "value": str, "effect": str}]},
    "Namespace": {"finalizers": [str]},
    "Deployment": _WORKLOAD,
    "ReplicaSet": _WORKLOAD,
    "StatefulSet": _WORKLOAD,
    "DaemonSet": _WORKLOAD,
    "Job": _JOB,
    "CronJob": {
        "schedule": str,
        "suspend": bool,
        "concurrencyPolicy": str,
        "jobTemplate": {"metadata": _META, "spec": _JOB},
        "successfulJobsHistoryLimit": int,
        "failedJobsHistoryLimit": int,
    },
    "PodDisruptionBudget": {
        "minAvailable": _INT_OR_TEXT,
        "maxUnavailable": _INT_OR_TEXT,
        "selector": _SELECTOR,
        "unhealthyPodEvictionPolicy": str,
    },
    "Service": {
        "type": str,
        "clusterIP": str,
        "selector": _TEXTS,
        "ports": [
            {"name": str, "port": int, "nodePort": int, "protocol": str, "targetPort": _INT_OR_TEXT}
        ],
    },
    "Lease": {
        "holderIdentity": str,
        "leaseDurationSeconds": int,
        "renewTime": str,
        "acquireTime": str,
    },
    "CustomResourceDefinition": {
        "group": str,
        "scope": str,
        "names": {
            "plural": str,
            "singular": str,
            "kind": str,
            "listKind": str,
            "shortNames": [str],
            "categories": [str],
        },
        "versions": [
            {
                "name": str,
                "served": bool,
                "storage": bool,
                "schema": {"openAPIV3Schema": dict},
                "subresources": dict,
                "additionalPrinterColumns": [
                    {"name": str, "jsonPath": str, "type": str, "priority": int}
                ],
            }
        ],
    },
}
_STATUS: Shape = {
    "phase": str,
    "conditions": [{"type": str, "status": str, "reason": str, "message": str}],
    "containerStatuses": [{"name": str, "ready": bool, "restartCount": int, "state": dict}],
}
_RULE: Shape = {
    "verbs": [str],
    "apiGroups": [str],
    "resources": [str],
    "resourceNames": [str],
    "nonResourceURLs": [str],
}
_ROLE_BINDING: Shape = {
    "roleRef": {"apiGroup": str, "kind": str, "name": str},
    "subjects": [{"kind": str, "name": str, "namespace": str}],
}
_WHOLE: dict[str, Shape] = {
    "ConfigMap": {"data": _TEXTS, "binaryData": _TEXTS, "immutable": bool},
    "Secret": {"data": _TEXTS, "stringData": _TEXTS, "type": str, "immutable": bool},
    "Event": {
        "involvedObject": dict,
        "regarding": dict,
        "source": dict,
        "message": str,
        "note": str,
        "reason": str,
    },
    "Role": {"rules": [_RULE]},
    "ClusterRole": {"rules": [_RULE]},
    "RoleBinding": _ROLE_BINDING,
    "ClusterRoleBinding": _ROLE_BINDING,
    "Endpoints": {"subsets": [{"addresses": [{"ip": str}], "ports": [{"port": int}]}]},
    "EndpointSlice": {
        "addressType": str,
        "endpoints": [{"addresses": [str]}],
        "ports": [{"port": int}],
    },
}


def mismatch(kind: str, obj: dict[str, Any], *, custom: bool) -> str:
    """What is mistyped in an object, in the words of Kubernetes; empty if nothing is.

    The rest of a custom resource is its schema's business.
    """
    if custom:
        return _find({"metadata": obj.get("metadata")}, {"metadata": _META}, kind)
    shape = {
        "metadata": _META,
        "spec": _SPECS.get(kind, dict),
        "status": _STATUS,
        **_WHOLE.get(kind, {}),
    }
    return _find(obj, shape, kind)


def require(value: Any, shape: Shape, name: str) -> None:
    """Raises 400 unless ``value``, called ``name`` in the message, has that shape."""
    told = unfit(value, shape, name)
    if told:
        raise bad_request(told)


def unfit(value: Any, shape: Shape, name: str) -> str:
    """What is mistyped in ``value``, called ``name`` in the message; empty if nothing is."""
    return _find(value, shape, name)


def _find(value: Any, shape: Shape, path: str) -> str:
    if value is None:
        return ""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return _told(value, path, "an object")
        if "*" in shape:
            return next(
                filter(
                    None, (_find(item, shape["*"], f"{path}.{key}") for key, item in value.items())
                ),
                "",
            )
        known = [key for key in shape if key in value]
        return next(
            filter(None, (_find(value[key], shape[key], f"{path}.{key}") for key in known)), ""
        )
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _told(value, path, "an array")
        return next(filter(None, (_item(item, shape[0], path) for item in value)), "")
    if isinstance(value, bool) and shape is not bool:
        return _told(value, path, _name(shape))
    return "" if isinstance(value, shape) else _told(value, path, _name(shape))


def _item(value: Any, shape: Shape, path: str) -> str:
    """Unlike a field, an item of a list that should be an object cannot be null."""
    return (
        _told(value, path, "an object")
        if value is None and isinstance(shape, dict)
        else _find(value, shape, path)
    )


_NAMES = {
    str: "string",
    bool: "bool",
    int: "int32",
    dict: "an object",
    _INT_OR_TEXT: "an integer or a string",
}


def _name(shape: Shape) -> str:
    return _NAMES[shape]


def _told(value: Any, path: str, wanted: str) -> str:
    found = {
        str: "string",
        bool: "bool",
        int: "number",
        float: "number",
        list: "array",
        dict: "object",
    }
    what = found.get(type(value), "null")
    return f"json: cannot unmarshal {what} into Go struct field {path} of type {wanted}"
