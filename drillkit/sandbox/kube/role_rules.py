"""What roles and their bindings may say."""

from __future__ import annotations

from drillkit.sandbox.kube.causes import required, unsupported, wrong
from drillkit.sandbox.kube.objects import Object

_SUBJECTS = ("ServiceAccount", "User", "Group")


def role_causes(obj: Object, old: Object | None) -> list[Object]:
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


def role_binding_causes(obj: Object, old: Object | None) -> list[Object]:
    role = obj.get("roleRef") or {}
    if old is not None and role != old.get("roleRef"):
        return [wrong("roleRef", role, "cannot change roleRef")]
    kinds = ["ClusterRole", "Role"] if obj["kind"] == "RoleBinding" else ["ClusterRole"]
    causes = [] if role.get("name") else [required("roleRef.name")]
    if role.get("kind") not in kinds:
        causes.append(unsupported("roleRef.kind", role.get("kind"), kinds))
    for index, subject in enumerate(obj.get("subjects") or []):
        at = f"subjects[{index}]"
        if not subject.get("name"):
            causes.append(required(f"{at}.name"))
        if subject.get("kind") not in _SUBJECTS:
            causes.append(unsupported(f"{at}.kind", subject.get("kind"), _SUBJECTS))
        elif (
            subject["kind"] == "ServiceAccount"
            and obj["kind"] == "ClusterRoleBinding"
            and not subject.get("namespace")
        ):
            causes.append(required(f"{at}.namespace"))
    return causes
