"""The same roles and policy for Terraform and OpenTofu, with a reason beside each line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from drillkit.plan.iam import Statement, statements
from drillkit.plan.least_privilege import LeastPrivilege, RbacRule, by_namespace, lock_namespace
from drillkit.plan.rbac import KINDS, Subject, head, reasons


def terraform(least: LeastPrivilege, subject: Subject | None = None) -> str:
    """Resources of the providers `kubernetes` and `aws`, as far as the target has these."""
    return "\n".join(_lines(least, subject)) + "\n"


def _lines(least: LeastPrivilege, subject: Subject | None) -> Iterator[str]:
    yield from head(least)
    if least.target.kubernetes is not None:
        yield from _kubernetes(least, subject)
    if least.target.aws is not None and least.actions:
        yield ""
        yield from _policy(least)


def _kubernetes(least: LeastPrivilege, subject: Subject | None) -> Iterator[str]:
    who = subject or Subject(KINDS["serviceaccount"], least.name, lock_namespace(least.target))
    label = least.name.replace("-", "_")
    if subject is None:
        yield ""
        yield f'resource "kubernetes_service_account_v1" "{label}" {{'
        yield from _metadata(least.name, who.namespace)
        yield "}"
    optional = {each.reason for each in least.wishes}
    for number, (namespace, rules) in enumerate(by_namespace(least.rules()).items()):
        kind = "role" if namespace else "cluster_role"
        one = f"{label}_{number}"
        yield ""
        yield f'resource "kubernetes_{kind}_v1" "{one}" {{'
        yield from _metadata(least.name, namespace)
        for rule in rules:
            yield from _rule(rule, optional)
        yield "}"
        yield ""
        yield f'resource "kubernetes_{kind}_binding_v1" "{one}" {{'
        yield from _metadata(least.name, namespace)
        yield "  role_ref {"
        yield '    api_group = "rbac.authorization.k8s.io"'
        yield f"    kind      = {_text('Role' if namespace else 'ClusterRole')}"
        yield f"    name      = kubernetes_{kind}_v1.{one}.metadata[0].name"
        yield "  }"
        yield from _subject(who)
        yield "}"


def _metadata(name: str, namespace: str) -> Iterator[str]:
    yield "  metadata {"
    yield f"    name = {_text(name)}"
    if namespace:
        yield f"    namespace = {_text(namespace)}"
    yield "  }"


def _rule(rule: RbacRule, optional: set[str]) -> Iterator[str]:
    for line in reasons(rule, optional):
        yield f"  {line}"
    yield "  rule {"
    yield f"    api_groups = {_texts([rule.group])}"
    yield f"    resources  = {_texts([rule.resource])}"
    if rule.name:
        yield f"    resource_names = {_texts([rule.name])}"
    yield f"    verbs      = {_texts(rule.verbs)}"
    yield "  }"


def _subject(who: Subject) -> Iterator[str]:
    yield "  subject {"
    yield f"    kind      = {_text(who.kind)}"
    yield f"    name      = {_text(who.name)}"
    if who.is_account:
        yield f"    namespace = {_text(who.namespace)}"
    else:
        yield '    api_group = "rbac.authorization.k8s.io"'
    yield "  }"


def _policy(least: LeastPrivilege) -> Iterator[str]:
    assert least.target.aws is not None
    label = least.name.replace("-", "_")
    yield f'data "aws_iam_policy_document" "{label}" {{'
    for statement in statements(least.actions, least.target.aws):
        yield from _statement(statement)
    yield "}"
    yield ""
    yield f'resource "aws_iam_policy" "{label}" {{'
    yield f"  name   = {_text(least.name)}"
    yield f"  policy = data.aws_iam_policy_document.{label}.json"
    yield "}"


def _statement(statement: Statement) -> Iterator[str]:
    yield f"  # {statement.why}"
    yield "  statement {"
    yield f"    sid = {_text(statement.sid)}"
    yield "    actions = ["
    for action in statement.actions:
        yield f"      {_text(action.action)}, # {action.reason}"
    yield "    ]"
    yield f"    resources = {_texts(statement.resources)}"
    for operator, keys in statement.conditions.items():
        for key, value in keys.items():
            yield "    condition {"
            yield f"      test     = {_text(operator)}"
            yield f"      variable = {_text(key)}"
            yield f"      values   = {_texts([value] if isinstance(value, str) else value)}"
            yield "    }"
    yield "  }"


def _text(text: str) -> str:
    """As a string of HCL, in which `${` and `%{` begin templates."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def _texts(texts: list[str] | tuple[str, ...]) -> str:
    return f"[{', '.join(map(_text, texts))}]"
