"""The fields whose mistakes clients meet: names, labels, selectors, counts, what may not change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from drillkit.sandbox.kube.errors import bad_request, invalid
from drillkit.sandbox.kube.labels import LABEL, SUBDOMAIN, is_label_value, is_qualified
from drillkit.sandbox.kube.objects import Object, clone, labels_of
from drillkit.sandbox.kube.resources import Resource
from drillkit.sandbox.kube.selectors import selects
from drillkit.sandbox.kube.shapes import mismatch

_PATH_SEGMENT = re.compile(r"[^/%]+")
_NAMED_LIKE_DNS_LABELS = ("Namespace", "Service")
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
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
_SUBJECTS = ("ServiceAccount", "User", "Group")
_PERCENT_RULE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used for validation is '[0-9]+%')"
)


def cause(field: str, message: str, reason: str = "FieldValueInvalid") -> Object:
    """One entry of a Status' causes."""
    return {"reason": reason, "message": message, "field": field}


def required(field: str, why: str = "") -> Object:
    """The cause for a missing value."""
    return cause(field, f"Required value{': ' + why if why else ''}", "FieldValueRequired")


def wrong(field: str, value: Any, why: str) -> Object:
    """The cause for a value that isn't acceptable."""
    return cause(field, f"Invalid value: {json.dumps(value)}: {why}")


def forbidden_field(field: str, why: str) -> Object:
    """The cause for a value that must not be set or changed."""
    return cause(field, f"Forbidden: {why}", "FieldValueForbidden")


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
    causes += _label_values(meta.get("labels") or {}, "metadata.labels")
    if _size(meta.get("annotations")) > MOST_ANNOTATIONS:
        causes.append(_too_long("metadata.annotations", MOST_ANNOTATIONS))
    for index, owner in enumerate(meta.get("ownerReferences") or []):
        causes += [
            required(f"metadata.ownerReferences[{index}].{field}", f"{field} must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
    return causes


def _name_fault(resource: Resource, name: str) -> str | None:
    if resource.kind in _NAMED_LIKE_DNS_LABELS and not resource.custom:
        return None if LABEL.fullmatch(name) and len(name) <= 63 else _LABEL_RULE
    if resource.group == "rbac.authorization.k8s.io":
        return (
            None
            if _PATH_SEGMENT.fullmatch(name) and name not in (".", "..")
            else "may not contain '/' or '%'"
        )
    return None if SUBDOMAIN.fullmatch(name) and len(name) <= 253 else _SUBDOMAIN_RULE


def _label_values(labels: Object, field: str) -> list[Object]:
    why = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
        "'.', and must start and end with an alphanumeric character, no more than 63 of them"
    )
    return [
        wrong(field, value, why)
        for value in labels.values()
        if isinstance(value, str) and not is_label_value(value)
    ]


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


def _count(obj: Object, field: str) -> list[Object]:
    value = obj["spec"].get(field)
    if value is None:
        return []
    return (
        [wrong(f"spec.{field}", value, "must be greater than or equal to 0")] if value < 0 else []
    )


def pod_spec_causes(spec: Any, at: str) -> list[Object]:
    """Why a pod's spec cannot be accepted; ``at`` is its path."""
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list) or not containers:
        return [required(f"{at}.containers")]
    causes: list[Object] = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        where = f"{at}.containers[{index}]"
        name = container.get("name")
        if not name:
            causes.append(required(f"{where}.name"))
        elif not LABEL.fullmatch(str(name)) or len(name) > 63:
            causes.append(wrong(f"{where}.name", name, _LABEL_RULE))
        elif name in seen:
            causes.append(
                cause(
                    f"{where}.name", f"Duplicate value: {json.dumps(name)}", "FieldValueDuplicate"
                )
            )
        seen.add(str(name))
        if not container.get("image"):
            causes.append(required(f"{where}.image"))
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:
        causes.append(
            wrong(
                f"{at}.terminationGracePeriodSeconds", grace, "must be greater than or equal to 0"
            )
        )
    return causes


def _pod(obj: Object, old: Object | None) -> list[Object]:
    if old is None or obj["spec"] != old["spec"]:
        causes = pod_spec_causes(obj["spec"], "spec")
        if old is not None and _frozen(obj["spec"], old["spec"]) != _frozen(
            old["spec"], old["spec"]
        ):
            why = (
                "pod updates may not change fields other than `spec.containers[*].image`,"
                "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
                "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds`"
            )
            causes.append(forbidden_field("spec", why))
        return causes
    return []


def _frozen(spec: Object, old: Object) -> Object:
    """What may not change of a pod's spec. Binding to a node is a change from no node to one."""
    rest: Object = clone(
        {k: v for k, v in spec.items() if k not in ("activeDeadlineSeconds", "tolerations")}
    )
    rest.pop("terminationGracePeriodSeconds", None)
    if not old.get("nodeName"):
        rest.pop("nodeName", None)
    for container in [*(rest.get("containers") or []), *(rest.get("initContainers") or [])]:
        container.pop("image", None)
    return rest


def _selector_causes(selector: Object | None, at: str) -> list[Object]:
    """Why a LabelSelector cannot be accepted."""
    causes = []
    for index, each in enumerate((selector or {}).get("matchExpressions") or []):
        where = f"{at}.matchExpressions[{index}]"
        if not each.get("key"):
            causes.append(required(f"{where}.key"))
        if each.get("operator") not in ("In", "NotIn", "Exists", "DoesNotExist"):
            causes.append(
                wrong(f"{where}.operator", each.get("operator"), "not a valid selector operator")
            )
        elif each["operator"] in ("In", "NotIn") and not each.get("values"):
            causes.append(
                required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            )
    return causes


def _workload(obj: Object, old: Object | None) -> list[Object]:
    spec, kind = obj["spec"], obj["kind"]
    causes = [] if kind == "DaemonSet" else _count(obj, "replicas")
    selector, template = spec.get("selector"), spec.get("template")
    if not selector:
        causes.append(required("spec.selector"))
    if not isinstance(template, dict):
        return [*causes, required("spec.template")]
    causes += pod_spec_causes(template.get("spec"), "spec.template.spec")
    labels = labels_of({"metadata": template.get("metadata") or {}})
    causes += _label_values(labels, "spec.template.labels")
    unclear = _selector_causes(selector, "spec.selector")
    causes += unclear
    if selector and not unclear and not selects(selector, labels):
        why = "`selector` does not match template `labels`"
        causes.append(wrong("spec.template.metadata.labels", labels, why))
    if old is not None and selector != old["spec"].get("selector"):
        causes.append(wrong("spec.selector", selector, "field is immutable"))
    if kind == "StatefulSet" and old is not None:
        causes += _stateful_change(spec, old["spec"])
    return causes


def _stateful_change(spec: Object, old: Object) -> list[Object]:
    free = (
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "minReadySeconds",
        "persistentVolumeClaimRetentionPolicy",
        "selector",
    )
    if all(spec.get(key) == old.get(key) for key in {*spec, *old} - set(free)):
        return []
    why = (
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
        "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
        "'minReadySeconds' are forbidden"
    )
    return [forbidden_field("spec", why)]


def _job(obj: Object, old: Object | None) -> list[Object]:
    spec = obj["spec"]
    causes = [
        each
        for field in ("parallelism", "completions", "backoffLimit")
        for each in _count(obj, field)
    ]
    template = spec.get("template")
    if not isinstance(template, dict):
        return [*causes, required("spec.template")]
    causes += pod_spec_causes(template.get("spec"), "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy not in ("OnFailure", "Never"):
        message = f'Unsupported value: {json.dumps(policy)}: supported values: "OnFailure", "Never"'
        causes.append(cause("spec.template.spec.restartPolicy", message, "FieldValueNotSupported"))
    if old is not None and template != old["spec"].get("template"):
        causes.append(wrong("spec.template", "...", "field is immutable"))
    return causes


def _cronjob(obj: Object, old: Object | None) -> list[Object]:
    spec = obj["spec"]
    fields = str(spec.get("schedule") or "").split()
    if not fields:
        return [required("spec.schedule")]
    causes = []
    if len(fields) != 5 and not (len(fields) == 1 and fields[0].startswith("@")):
        causes.append(
            wrong(
                "spec.schedule", spec["schedule"], f"expected exactly 5 fields, found {len(fields)}"
            )
        )
    template = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template")
    pod = (template or {}).get("spec")
    return causes + pod_spec_causes(pod, "spec.jobTemplate.spec.template.spec")


def _budget(obj: Object, old: Object | None) -> list[Object]:
    spec = obj.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        return [wrong("spec", {}, "minAvailable and maxUnavailable cannot be both set")]
    causes = _selector_causes(spec.get("selector"), "spec.selector")
    for field in ("minAvailable", "maxUnavailable"):
        value = spec.get(field)
        if isinstance(value, str) and not re.fullmatch(r"\d+%", value):
            causes.append(wrong(f"spec.{field}", value, _PERCENT_RULE))
        elif isinstance(value, int) and value < 0:
            causes.append(wrong(f"spec.{field}", value, "must be greater than or equal to 0"))
    return causes


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
    causes = [_too_long(field, MOST_DATA)] if size > MOST_DATA else []
    return causes + _immutable_data(obj, old)


def _size(texts: Any, *, of: Callable[[str], int] = lambda text: len(text.encode())) -> int:
    """Bytes of keys and values."""
    return sum(len(key.encode()) + of(str(value or "")) for key, value in (texts or {}).items())


def _too_long(field: str, most: int) -> Object:
    return cause(field, f"Too long: may not be more than {most} bytes", "FieldValueTooLong")


def _immutable_data(obj: Object, old: Object | None) -> list[Object]:
    if old is None or not old.get("immutable"):
        return []
    changed = obj.get("data") != old.get("data") or not obj.get("immutable")
    return (
        [forbidden_field("data", "field is immutable when `immutable` is set")] if changed else []
    )


def _role(obj: Object, old: Object | None) -> list[Object]:
    causes = []
    for index, rule in enumerate(obj.get("rules") or []):
        at = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.append(required(f"{at}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            why = "resource rules must supply at least one api group"
            causes.append(required(f"{at}.apiGroups", why))
        if not rule.get("resources"):
            why = "resource rules must supply at least one resource"
            causes.append(required(f"{at}.resources", why))
    return causes


def _role_binding(obj: Object, old: Object | None) -> list[Object]:
    role = obj.get("roleRef") or {}
    if old is not None and role != old.get("roleRef"):
        return [wrong("roleRef", role, "cannot change roleRef")]
    kinds = ["ClusterRole", "Role"] if obj["kind"] == "RoleBinding" else ["ClusterRole"]
    causes = [] if role.get("name") else [required("roleRef.name")]
    if role.get("kind") not in kinds:
        causes.append(_unsupported("roleRef.kind", role.get("kind"), kinds))
    for index, subject in enumerate(obj.get("subjects") or []):
        at = f"subjects[{index}]"
        if not subject.get("name"):
            causes.append(required(f"{at}.name"))
        if subject.get("kind") not in _SUBJECTS:
            causes.append(_unsupported(f"{at}.kind", subject.get("kind"), _SUBJECTS))
        elif (
            subject["kind"] == "ServiceAccount"
            and obj["kind"] == "ClusterRoleBinding"
            and not subject.get("namespace")
        ):
            causes.append(required(f"{at}.namespace"))
    return causes


def _unsupported(field: str, value: Any, supported: Sequence[str]) -> Object:
    told = ", ".join(map(json.dumps, supported))
    message = f"Unsupported value: {json.dumps(value)}: supported values: {told}"
    return cause(field, message, "FieldValueNotSupported")


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
    "Pod": _pod,
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "StatefulSet": _workload,
    "DaemonSet": _workload,
    "Job": _job,
    "CronJob": _cronjob,
    "PodDisruptionBudget": _budget,
    "Service": _service,
    "Lease": _lease,
    "Event": _event,
    "ConfigMap": _data,
    "Secret": _data,
    "Role": _role,
    "ClusterRole": _role,
    "RoleBinding": _role_binding,
    "ClusterRoleBinding": _role_binding,
    "CustomResourceDefinition": _definition,
}
