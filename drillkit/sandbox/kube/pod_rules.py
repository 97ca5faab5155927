"""What pods, and what makes pods, may say: workloads, Jobs, CronJobs, budgets."""

from __future__ import annotations

import json
import re
from typing import Any

from drillkit.sandbox.kube.causes import cause, forbidden_field, required, wrong
from drillkit.sandbox.kube.labels import LABEL, is_label_value
from drillkit.sandbox.kube.objects import Object, clone, labels_of
from drillkit.sandbox.kube.selectors import selects

LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_PERCENT_RULE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used for validation is '[0-9]+%')"
)


def label_values(labels: Object, field: str) -> list[Object]:
    why = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
        "'.', and must start and end with an alphanumeric character, no more than 63 of them"
    )
    return [
        wrong(field, value, why)
        for value in labels.values()
        if isinstance(value, str) and not is_label_value(value)
    ]


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
            causes.append(wrong(f"{where}.name", name, LABEL_RULE))
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


def pod_causes(obj: Object, old: Object | None) -> list[Object]:
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


def workload_causes(obj: Object, old: Object | None) -> list[Object]:
    spec, kind = obj["spec"], obj["kind"]
    causes = [] if kind == "DaemonSet" else _count(obj, "replicas")
    selector, template = spec.get("selector"), spec.get("template")
    if not selector:
        causes.append(required("spec.selector"))
    if not isinstance(template, dict):
        return [*causes, required("spec.template")]
    causes += pod_spec_causes(template.get("spec"), "spec.template.spec")
    labels = labels_of({"metadata": template.get("metadata") or {}})
    causes += label_values(labels, "spec.template.labels")
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


def job_causes(obj: Object, old: Object | None) -> list[Object]:
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


def cronjob_causes(obj: Object, old: Object | None) -> list[Object]:
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


def budget_causes(obj: Object, old: Object | None) -> list[Object]:
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
