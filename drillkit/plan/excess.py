"""What the present identity lacks for a drill, and what it has beyond it. Asks only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from drillkit.clients import Clients
from drillkit.clients.kube.own_permissions import OwnPermissions
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Denied, DrillError
from drillkit.model.permissions import Permission
from drillkit.plan.iam import MARKED, MARKS, arns, kind_of, statements, type_of
from drillkit.plan.least_privilege import LeastPrivilege, lock_namespace

ASKING = frozenset({"authorization.k8s.io", "authentication.k8s.io"})
"""Groups in which everybody may ask about oneself: no power over anything."""

MEANT = {
    "kms:GenerateDataKey*": ("kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"),
    "kms:ReEncrypt*": ("kms:ReEncryptFrom", "kms:ReEncryptTo"),
}
"""What a policy names with a wildcard and AWS is asked about by name: it simulates no others. Those
that encrypted copies need, of the many: *AWS KMS Developer Guide*, "How Amazon RDS uses AWS KMS".
"""


@dataclass(frozen=True, slots=True)
class PermissionComparison:
    """An identity against what a drill needs."""

    who: tuple[str, ...]
    lacks: tuple[str, ...]
    exceeds: tuple[str, ...]
    unread: tuple[str, ...]
    """What nobody could be asked, and why."""


def compared(least: LeastPrivilege, clients: Clients) -> PermissionComparison:
    """The identity of a target against what a drill needs there."""
    who: list[str] = []
    lacks: list[str] = []
    exceeds: list[str] = []
    unread: list[str] = []
    for asked, look in (("the cluster", _cluster), ("AWS", _account)):
        try:
            for column, said in look(least, clients):
                {"who": who, "lacks": lacks, "exceeds": exceeds, "unread": unread}[column].append(
                    said
                )
        except Denied as why:
            lacks.append(str(why))
        except DrillError as why:
            unread.append(f"{asked} could not be asked: {why}")
    return PermissionComparison(
        *(tuple(dict.fromkeys(each)) for each in (who, lacks, exceeds, unread))
    )


# -- Kubernetes ------------------------------------------------------------------------------------


def _cluster(least: LeastPrivilege, clients: Clients) -> Iterator[tuple[str, str]]:
    if least.target.kubernetes is None:
        return
    kube = clients.kube
    yield "who", f"in the cluster: {kube.who}"
    for each in OwnPermissions(kube).lacking((*least.needs, *least.wishes)):
        wished = each in least.wishes
        yield (
            "lacks",
            f"{replace(each, reason='')} ({each.reason})"
            + ("; the run does without" if wished else ""),
        )
    given = [*least.needs, *least.wishes]
    places = dict.fromkeys([lock_namespace(least.target), "default", *(p.namespace for p in given)])
    found: dict[str, list[str]] = {}
    for namespace in filter(None, places):
        rules, complete = kube.own_rules(namespace)
        if not complete:
            yield (
                "unread",
                f"the cluster does not tell all that is allowed in namespace {namespace}: "
                "an authorizer beside RBAC is at work",
            )
        for rule in rules:
            for said in _beyond(rule, given, namespace):
                found.setdefault(said, []).append(namespace)
    for said, namespaces in found.items():
        yield "exceeds", f"{said} in namespace {', '.join(dict.fromkeys(namespaces))}"


def _beyond(rule: Mapping[str, Any], needed: Iterable[Permission], namespace: str) -> Iterator[str]:
    """What a rule grants in a namespace and nothing needs, a kind of object at a time."""
    for group in rule.get("apiGroups") or ():
        if group in ASKING:
            continue
        for resource in rule.get("resources") or ():
            for name in rule.get("resourceNames") or ("",):
                used = _used(needed, group, resource, name, namespace)
                verbs = [verb for verb in rule.get("verbs") or () if verb not in used]
                if verbs:
                    what = f"{resource}.{group}" if group else resource
                    which = f" {name}" if name else ""
                    yield f"{', '.join(verbs)} {what}{which}{_only(used, verbs)}"


def _used(
    needed: Iterable[Permission], group: str, resource: str, name: str, namespace: str
) -> set[str]:
    """The verbs that something needs of exactly that: not of more, not of less."""
    return {
        each.verb
        for each in needed
        if each.group == group
        and resource == (f"{each.resource}/{each.subresource}".rstrip("/"))
        and each.name == name
        and each.namespace in ("", namespace)
    }


def _only(used: set[str], verbs: Iterable[str]) -> str:
    return f" (needed: {', '.join(sorted(used))})" if used and "*" not in verbs else ""


# -- AWS -------------------------------------------------------------------------------------------


def _account(least: LeastPrivilege, clients: Clients) -> Iterator[tuple[str, str]]:
    target = least.target.aws
    if target is None or not least.actions:
        return
    who = clients.aws.caller_arn()
    yield "who", f"in AWS: {who}"
    try:
        for statement in statements(least.actions, target):
            meant = [
                n for each in statement.actions for n in MEANT.get(each.action, (each.action,))
            ]
            names = [name for name in meant if "*" not in name]
            for wild in set(meant) - set(names):
                yield "unread", f"AWS is asked about actions by name only, which {wild} is not"
            context = {MARKED: "a-run", MARKS: "a-run"}
            context |= _told(statement.conditions)
            for denied in clients.aws.denied(names, statement.resources, context):
                yield "lacks", f"{denied} ({statement.why})"
        for each in least.actions:
            if kind_of(each) not in ("own", "pinned"):
                continue
            type_ = type_of(each) or each.resource.partition(":")[0]
            service = each.action.partition(":")[0]
            others = arns(service, type_, "not-of-any-drill", target)[:1]
            if not clients.aws.denied([each.action], others, {}):
                yield "exceeds", f"{each.action} also on what no run has marked"
    except CallError as why:
        yield (
            "unread",
            f"AWS does not say what {who} is allowed ({why}); it takes iam:SimulatePrincipalPolicy",
        )


def _told(conditions: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """A request in which a statement's conditions hold."""
    found: dict[str, str] = {}
    for keys in conditions.values():
        for key, value in keys.items():
            first = value if isinstance(value, str) else value[0]
            found[key] = "a-run" if first == "?*" else str(first)
    return found
