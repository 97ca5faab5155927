"""The fields whose mistakes clients meet: names, labels, selectors, counts, what may not change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from drillkit.sandbox.kube.causes import forbidden_field, required, too_long, wrong
from drillkit.sandbox.kube.errors import bad_request, invalid
from drillkit.sandbox.kube.labels import LABEL, SUBDOMAIN, is_qualified
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.pod_rules import (
    LABEL_RULE,
    budget_causes,
    cronjob_causes,
    job_causes,
    label_values,
    pod_causes,
    workload_causes,
)
from drillkit.sandbox.kube.resources import Resource
from drillkit.sandbox.kube.role_rules import role_binding_causes, role_causes
from drillkit.sandbox.kube.shapes import mismatch

_PATH_SEGMENT = re.compile(r"[^/%]+")
_NAMED_LIKE_DNS_LABELS = ("Namespace", "Service")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character"
)
MOST_ANNOTATIONS = 256 * 1024
"""Bytes of all annotations of an object together."""
MOST_DATA = 1024 * 1024
"""Bytes of what a ConfigMap or a Secret holds."""


def check_shape(resource: Resource, version: str, obj: Any) -> None:
    """Raises 400 unless a body is an object of the expected version and kind (either may be
    left out).
    """
    if not isinstance(obj, dict):
        raise bad_request(
            "the object provided is unrecognized (must be of type Object): expected a JSON object"
        )
    expected = resource.api_version(version)
    given = obj.get("apiVersion") or expected
    if given != expected:
        raise bad_request(
            f"the API version in the data ({given}) does not match the expected API "
            f"version ({expected})"
        )
    kind = obj.get("kind") or resource.kind
    if kind != resource.kind:
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}')
    wrong_type = mismatch(resource.kind, obj, custom=resource.custom)
    if wrong_type:
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a {kind}: {wrong_type}'
        )


def check_patched(resource: Resource, obj: Object) -> None:
    """Raises 422 when a patch has made an object of wrong types: Kubernetes reads what comes of a
    patch, and blames the patch.
    """
    wrong_type = mismatch(resource.kind, obj, custom=resource.custom)
    if wrong_type:
        raise invalid("", "", "", [wrong("patch", json.dumps(obj), wrong_type)])


def check(resource: Resource, obj: Object, old: Object | None) -> None:
    """Raises 422 with every cause why ``obj`` cannot be stored in place of ``old``, or 400 for
    mistyped counts.
    """
    causes = _metadata(resource, obj)
    if old is not None:
        causes += _finalizers(obj, old)
    special = _CHECKS.get(resource.kind) if not resource.custom else None
    if special is not None:
        causes += special(obj, old)
    if causes:
        raise invalid(resource.kind, resource.group, obj["metadata"].get("name") or "", causes)


def check_custom(resource: Resource, obj: Object, causes: list[Object]) -> None:
    """Raises 422 if a schema found causes."""
    if causes:
        raise invalid(resource.kind, resource.group, obj["metadata"].get("name") or "", causes)


def _metadata(resource: Resource, obj: Object) -> list[Object]:
    meta = obj["metadata"]
    name = meta.get("name") or ""
    causes: list[Object] = []
    if not name:
        causes.append(required("metadata.name", "name or generateName is required"))
    elif (why := _name_fault(resource, name)) is not None:
        causes.append(wrong("metadata.name", name, why))
    for field in ("labels", "annotations"):
        values = meta.get(field) or {}
        for key in values:
            if not is_qualified(key):
                causes.append(wrong(f"metadata.{field}", key, _KEY_RULE))
    causes += label_values(meta.get("labels") or {}, "metadata.labels")
    if _size(meta.get("annotations")) > MOST_ANNOTATIONS:
        causes.append(too_long("metadata.annotations", MOST_ANNOTATIONS))
    for index, owner in enumerate(meta.get("ownerReferences") or []):
        causes += [
            required(f"metadata.ownerReferences[{index}].{field}", f"{field} must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
    return causes


def _name_fault(resource: Resource, name: str) -> str | None:
    if resource.kind in _NAMED_LIKE_DNS_LABELS and not resource.custom:
        return None if LABEL.fullmatch(name) and len(name) <= 63 else LABEL_RULE
    if resource.group == "rbac.authorization.k8s.io":
        return (
            None
            if _PATH_SEGMENT.fullmatch(name) and name not in (".", "..")
            else "may not contain '/' or '%'"
        )
    return None if SUBDOMAIN.fullmatch(name) and len(name) <= 253 else _SUBDOMAIN_RULE


def _finalizers(obj: Object, old: Object) -> list[Object]:
    if not old["metadata"].get("deletionTimestamp"):
        return []
    known = old["metadata"].get("finalizers") or []
    added = [each for each in obj["metadata"].get("finalizers") or [] if each not in known]
    why = (
        "no new finalizers can be added if the object is being deleted, found new "
        f"finalizers {added}"
    )
    return [forbidden_field("metadata.finalizers", why)] if added else []


def _service(obj: Object, old: Object | None) -> list[Object]:
    spec = obj["spec"]
    ports = spec.get("ports") or []
    causes = []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        causes.append(required("spec.ports"))
    for index, port in enumerate(ports):
        number = port.get("port")
        if not isinstance(number, int) or not 0 < number < 65536:
            causes.append(
                wrong(f"spec.ports[{index}].port", number, "must be between 1 and 65535, inclusive")
            )
        if len(ports) > 1 and not port.get("name"):
            causes.append(required(f"spec.ports[{index}].name"))
    if old is not None and old["spec"].get("clusterIP") not in (None, "", spec.get("clusterIP")):
        causes.append(wrong("spec.clusterIPs[0]", spec.get("clusterIP"), "may not change once set"))
    return causes


def _lease(obj: Object, old: Object | None) -> list[Object]:
    duration = (obj.get("spec") or {}).get("leaseDurationSeconds")
    if isinstance(duration, int) and duration <= 0:
        return [wrong("spec.leaseDurationSeconds", duration, "must be greater than 0")]
    return []


def _event(obj: Object, old: Object | None) -> list[Object]:
    """An Event lies where what it is about lies; one about the cluster itself lies in `default`,
    or, when it is of the newer kind, which names its time, also in `kube-system`.
    """
    about = (obj.get("involvedObject") or {}).get("namespace") or ""
    place, at = obj["metadata"].get("namespace") or "", obj.get("eventTime")
    homes = ("default", "kube-system") if at else ("default",)
    apart = place not in homes if not about else place != about and not at
    field = "involvedObject.namespace"
    causes = [wrong(field, about, "does not match event.namespace")] if apart else []
    if at:
        named = {
            "reportingController": "reportingComponent",
            "reportingInstance": "reportingInstance",
            "action": "action",
            "reason": "reason",
        }
        causes += [required(field) for field, stored in named.items() if not obj.get(stored)]
    return causes


def _data(obj: Object, old: Object | None) -> list[Object]:
    """Of a ConfigMap or a Secret."""
    # What is encoded takes four characters for three bytes.
    plain, encoded = ("data", "binaryData") if obj["kind"] == "ConfigMap" else ("", "data")
    size = _size(obj.get(plain)) + _size(obj.get(encoded), of=lambda text: len(text) * 3 // 4)
    field = "[]" if obj["kind"] == "ConfigMap" else "data"
    causes = [too_long(field, MOST_DATA)] if size > MOST_DATA else []
    return causes + _immutable_data(obj, old)


def _size(texts: Any, *, of: Callable[[str], int] = lambda text: len(text.encode())) -> int:
    """Bytes of keys and values."""
    return sum(len(key.encode()) + of(str(value or "")) for key, value in (texts or {}).items())


def _immutable_data(obj: Object, old: Object | None) -> list[Object]:
    if old is None or not old.get("immutable"):
        return []
    changed = obj.get("data") != old.get("data") or not obj.get("immutable")
    return (
        [forbidden_field("data", "field is immutable when `immutable` is set")] if changed else []
    )


def _definition(obj: Object, old: Object | None) -> list[Object]:
    spec = obj["spec"]
    names = spec.get("names") or {}
    causes = [
        required(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field)
    ]
    causes += [
        required(f"spec.{field}") for field in ("group", "scope", "versions") if not spec.get(field)
    ]
    if causes:
        return causes
    expected = f"{names['plural']}.{spec['group']}"
    if obj["metadata"]["name"] != expected:
        causes.append(
            wrong(
                "metadata.name", obj["metadata"]["name"], 'must be spec.names.plural+"."+spec.group'
            )
        )
    stored = [version for version in spec["versions"] if version.get("storage")]
    if not all(version.get("name") for version in spec["versions"]):
        return [*causes, required("spec.versions[*].name")]
    if not any(version.get("served") for version in spec["versions"]):
        causes.append(required("spec.versions", "at least one version must be served"))
    if len(stored) != 1:
        why = "must have exactly one version marked as storage version"
        causes.append(
            wrong("spec.versions", [version.get("name") for version in spec["versions"]], why)
        )
    return causes


_CHECKS: dict[str, Callable[[Object, Object | None], list[Object]]] = {
    "Pod": pod_causes,
    "Deployment": workload_causes,
    "ReplicaSet": workload_causes,
    "StatefulSet": workload_causes,
    "DaemonSet": workload_causes,
    "Job": job_causes,
    "CronJob": cronjob_causes,
    "PodDisruptionBudget": budget_causes,
    "Service": _service,
    "Lease": _lease,
    "Event": _event,
    "ConfigMap": _data,
    "Secret": _data,
    "Role": role_causes,
    "ClusterRole": role_causes,
    "RoleBinding": role_binding_causes,
    "ClusterRoleBinding": role_binding_causes,
    "CustomResourceDefinition": _definition,
}
