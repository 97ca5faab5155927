"""What our own credentials are allowed, looked up with few questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drillkit.clients.kube.client import KubeClient
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Absent, Denied, Invalid
from drillkit.model.permissions import Permission

READS = frozenset({"get", "list", "watch"})
NOWHERE = "drillkit.dev"
"""No namespace can be called so (there is no dot in any), so no RoleBinding stands in it. The rules
that we have there are those of ClusterRoleBindings, which alone grant what is in no namespace, or
in all of them.
"""


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a SelfSubjectRulesReview tells of a namespace."""

    rules: Sequence[Mapping[str, Any]] = ()
    all_told: bool = False
    """Whether every authorizer of the cluster could tell its rules."""


class OwnPermissions:
    """One look at what we may: each namespace's rules are asked for once, and kept for as long as
    this object. Whoever looks again makes another, and so learns what was taken away meanwhile.

    A rule that plainly grants answers yes, in one request for a whole namespace; whatever is not
    plainly granted is asked by itself (SelfSubjectAccessReview), so that a no is always the
    cluster's own, and so is the yes of an authorizer that lists no rules (webhooks: EKS access
    entries, the IAM of GKE).

    Is such a yes true? The API's reference says that it is safe to assume ("rules are additive",
    SubjectRulesReviewStatus), but authorizers may also deny, and one that stands before RBAC is not
    heard by a rules review: GKE's Warden denies a cluster-admin what is in managed namespaces. Of
    Kubernetes' authorizers only webhooks and the node authorizer decide by more than rules, and
    both make a review `incomplete`. So where it is incomplete, what changes something is asked by
    itself, too; only reads are believed, whose refusal would harm nothing. Impersonation is no
    exception: both kinds of review are about who is played.
    """

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self._told: dict[str, _Rules] = {}

    def may(self, permission: Permission) -> bool:
        """Whether our credentials have it. Asks only; changes nothing. Raises CallError."""
        told = self._rules(permission.namespace or NOWHERE)
        believed = told.all_told or permission.verb in READS
        if believed and any(_grants(rule, permission) for rule in told.rules):
            return True
        return self._kube.may(permission)

    def lacking(self, needed: Iterable[Permission]) -> list[Permission]:
        """Those that we do not have. Raises CallError."""
        return [each for each in needed if not self.may(each)]

    def _rules(self, namespace: str) -> _Rules:
        if namespace not in self._told:
            try:
                told = _Rules(*self._kube.own_rules(namespace))
            except (Denied, Absent, Invalid):
                # Everybody may ask (`system:basic-user`), unless a cluster's owner took that away
                # or something in between knows no rules reviews: then each is asked by itself.
                told = _Rules()
            self._told[namespace] = told
        return self._told[namespace]


def _grants(rule: Mapping[str, Any], permission: Permission) -> bool:
    """As RBAC reads a rule: names have no wildcard, a resource's name covers no subresource."""
    names = rule.get("resourceNames")
    return (
        _has(rule, "verbs", permission.verb)
        and _has(rule, "apiGroups", permission.group)
        and _has(rule, "resources", *_resources(permission))
        and (not names or permission.name in names)
    )


def _has(rule: Mapping[str, Any], key: str, *wanted: str) -> bool:
    given = rule.get(key) or ()
    return any(each in given for each in ("*", *wanted))


def _resources(permission: Permission) -> tuple[str, ...]:
    if not permission.subresource:
        return (permission.resource,)
    part = permission.subresource
    return f"{permission.resource}/{part}", f"*/{part}"
