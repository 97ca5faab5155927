"""Roles for one drill, as YAML for `kubectl apply`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.plan.least_privilege import LeastPrivilege, RbacRule, by_namespace, lock_namespace

GROUP = "rbac.authorization.k8s.io"
KINDS = {"user": "User", "group": "Group", "serviceaccount": "ServiceAccount"}
OPTIONAL = "# Not needed to run: what the report shows when something fails."


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is allowed."""

    kind: str
    name: str
    namespace: str = ""

    @property
    def is_account(self) -> bool:
        """Whether it is a ServiceAccount."""
        return self.kind == "ServiceAccount"


def subject_of(text: str) -> Subject:
    """`user:NAME`, `group:NAME` or `serviceaccount:NAMESPACE/NAME`. Raises UsageError."""
    kind, _, name = text.partition(":")
    namespace, slash, account = name.partition("/")
    if kind in ("user", "group") and name:
        return Subject(KINDS[kind], name)
    if kind == "serviceaccount" and namespace and slash and account:
        return Subject(KINDS[kind], account, namespace)
    raise UsageError(
        f"--to: expected user:NAME, group:NAME or serviceaccount:NAMESPACE/NAME, found {text!r}"
    )


def rbac_yaml(least: LeastPrivilege, subject: Subject | None = None, name: str = "") -> str:
    """Roles and their bindings, with the reason for each rule as a comment. Without a subject, a
    ServiceAccount beside the lock is made for them. `name`: what they are called; default: like the
    drill, so that those for another target in the same cluster would take their place.
    """
    return "\n".join(_lines(least, subject, name or least.name)) + "\n"


def _lines(least: LeastPrivilege, subject: Subject | None, name: str) -> Iterator[str]:
    who = subject or Subject(KINDS["serviceaccount"], least.name, lock_namespace(least.target))
    yield from head(least)
    if subject is None:
        yield "apiVersion: v1"
        yield "kind: ServiceAccount"
        yield from _metadata(name, who.namespace)
        yield "---"
    roles = list(by_namespace(least.rules()).items())
    optional = {each.reason for each in least.wishes}
    for number, (namespace, rules) in enumerate(roles):
        kind = "Role" if namespace else "ClusterRole"
        yield f"apiVersion: {GROUP}/v1"
        yield f"kind: {kind}"
        yield from _metadata(name, namespace)
        yield "rules:"
        for rule in rules:
            yield from _rule(rule, optional)
        yield "---"
        yield f"apiVersion: {GROUP}/v1"
        yield f"kind: {kind}Binding"
        yield from _metadata(name, namespace)
        yield f"roleRef: {{apiGroup: {GROUP}, kind: {kind}, name: {json.dumps(name)}}}"
        yield "subjects:"
        yield f"  - {_subject(who)}"
        if number + 1 < len(roles):
            yield "---"


def head(least: LeastPrivilege) -> Iterator[str]:
    """What it is for and what it lacks, as comments."""
    yield f"# What drill {_line(least.drill)} needs on target {_line(least.target.name)}, its"
    yield "# undos and `drillkit recover` included, and nothing else."
    for gap in least.gaps:
        yield f"# Not in here: {_line(gap)}."
    for problem in least.problems:
        yield f"# Perhaps not in here, since it could not be looked at: {_line(problem)}."


def reasons(rule: RbacRule, optional: set[str]) -> Iterator[str]:
    """Why a rule is there, as comments."""
    for reason in rule.reasons:
        yield OPTIONAL if reason in optional else f"# {_line(reason)}"


def _metadata(name: str, namespace: str) -> Iterator[str]:
    yield "metadata:"
    yield f"  name: {json.dumps(name)}"
    if namespace:
        yield f"  namespace: {json.dumps(namespace)}"


def _rule(rule: RbacRule, optional: set[str]) -> Iterator[str]:
    for line in reasons(rule, optional):
        yield f"  {line}"
    yield f"  - apiGroups: {json.dumps([rule.group])}"
    yield f"    resources: {json.dumps([rule.resource])}"
    if rule.name:
        yield f"    resourceNames: {json.dumps([rule.name])}"
    yield f"    verbs: {json.dumps(list(rule.verbs))}"


def _subject(who: Subject) -> str:
    if who.is_account:
        return (
            f"{{kind: ServiceAccount, name: {json.dumps(who.name)}, "
            f"namespace: {json.dumps(who.namespace)}}}"
        )
    return f"{{apiGroup: {GROUP}, kind: {who.kind}, name: {json.dumps(who.name)}}}"


def _line(text: str) -> str:
    """In one line, so that no part of it leaves the comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
