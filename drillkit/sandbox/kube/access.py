"""Who may do what: Roles, ClusterRoles and their bindings, as Kubernetes' RBAC reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drillkit.sandbox.kube.errors import ApiError, qualified
from drillkit.sandbox.kube.objects import Gvr, Object
from drillkit.sandbox.kube.state import State

GROUP = "rbac.authorization.k8s.io"
ROLES: Gvr = (GROUP, "roles")
ROLE_BINDINGS: Gvr = (GROUP, "rolebindings")
CLUSTER_ROLES: Gvr = (GROUP, "clusterroles")
CLUSTER_ROLE_BINDINGS: Gvr = (GROUP, "clusterrolebindings")
MASTERS = "system:masters"
"""Whose members may do everything, whatever the roles say."""
AUTHENTICATED = "system:authenticated"
_EVERYTHING: Mapping[str, list[str]] = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
_EVERYWHERE: Mapping[str, list[str]] = {"verbs": ["*"], "nonResourceURLs": ["*"]}


@dataclass(frozen=True)
class Access:
    """What a request wants to do with objects, as access reviews and the policy see it."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class PathAccess:
    """What a request wants of a path that leads to no objects."""

    verb: str
    path: str


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = (AUTHENTICATED,)


ADMIN = Caller("drillkit-sandbox", (MASTERS, AUTHENTICATED))


def service_account(namespace: str, name: str) -> Caller:
    """The caller that a ServiceAccount's token stands for."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return Caller(f"system:serviceaccount:{namespace}:{name}", groups)


@dataclass(frozen=True)
class Decision:
    """Whether it is allowed, and the reason that an access review gives."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True)
class _Grant:
    """The rules that one binding gives to a caller, and the words for it."""

    rules: list[Object]
    reason: str
    missing: str = ""
    """Which role the binding names in vain."""


def decide(state: State, caller: Caller, access: Access | PathAccess) -> Decision:
    """What the roles say."""
    if MASTERS in caller.groups:
        return Decision(True, "the sandbox's administrator")
    namespace = access.namespace if isinstance(access, Access) else ""
    missing = []
    for grant in _grants(state, caller, namespace):
        if any(_matches(rule, access) for rule in grant.rules):
            return Decision(True, grant.reason)
        if grant.missing:
            missing.append(grant.missing)
    return Decision(False, f"RBAC: [{', '.join(missing)}]" if len(missing) > 1 else _why(missing))


def _why(missing: list[str]) -> str:
    return f"RBAC: {missing[0]}" if missing else ""


def rules(state: State, caller: Caller, namespace: str) -> list[Object]:
    """Every rule that the caller has in a namespace, those of the cluster included."""
    if MASTERS in caller.groups:
        return [dict(_EVERYTHING), dict(_EVERYWHERE)]
    return [rule for grant in _grants(state, caller, namespace) for rule in grant.rules]


def _grants(state: State, caller: Caller, namespace: str) -> Iterator[_Grant]:
    for binding in state.table(CLUSTER_ROLE_BINDINGS).values():
        yield from _grant(state, caller, binding, "")
    if not namespace:
        return
    for (home, _), binding in state.table(ROLE_BINDINGS).items():
        if home == namespace:
            yield from _grant(state, caller, binding, namespace)


def _grant(state: State, caller: Caller, binding: Object, namespace: str) -> Iterator[_Grant]:
    subject = next((s for s in binding.get("subjects") or () if _is(caller, s, namespace)), None)
    if subject is None:
        return
    kind, name = binding["roleRef"]["kind"], binding["roleRef"]["name"]
    gvr = ROLES if kind == "Role" else CLUSTER_ROLES
    role = state.table(gvr).get((namespace if kind == "Role" else "", name))
    if role is None:
        yield _Grant([], "", f'{kind.lower()}.{GROUP} "{name}" not found')
        return
    where = f"{binding['metadata']['name']}{f'/{namespace}' if namespace else ''}"
    bound = f'{"RoleBinding" if namespace else "ClusterRoleBinding"} "{where}"'
    reason = f'RBAC: allowed by {bound} of {kind} "{name}" to {_called(subject, namespace)}'
    yield _Grant(role.get("rules") or [], reason)


def _is(caller: Caller, subject: Object, namespace: str) -> bool:
    match subject["kind"]:
        case "User":
            return bool(caller.name == subject["name"])
        case "Group":
            return subject["name"] in caller.groups
        case "ServiceAccount":
            home = subject.get("namespace") or namespace
            return bool(caller.name == f"system:serviceaccount:{home}:{subject['name']}")
    return False


def _called(subject: Object, namespace: str) -> str:
    name = subject["name"]
    if subject["kind"] == "ServiceAccount":
        name = f"{name}/{subject.get('namespace') or namespace}"
    return f'{subject["kind"]} "{name}"'


def _matches(rule: Object, access: Access | PathAccess) -> bool:
    if not _has(rule, "verbs", access.verb):
        return False
    if isinstance(access, PathAccess):
        return any(_covers(url, access.path) for url in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _has(rule, "apiGroups", access.group)
        and _has_resource(rule.get("resources") or [], access)
        and (not names or access.name in names)
    )


def _has(rule: Object, key: str, wanted: str) -> bool:
    given = rule.get(key) or ()
    return "*" in given or wanted in given


def _has_resource(given: list[str], access: Access) -> bool:
    if not access.subresource:
        return "*" in given or access.resource in given
    wanted = ("*", f"{access.resource}/{access.subresource}", f"*/{access.subresource}")
    return any(each in given for each in wanted)


def _covers(url: str, path: str) -> bool:
    return path.startswith(url[:-1]) if url.endswith("*") else url == path


def refused(caller: Caller, access: Access | PathAccess, decision: Decision) -> ApiError:
    """The 403 of Kubernetes, word for word."""
    if isinstance(access, PathAccess):
        why = f'User "{caller.name}" cannot {access.verb} path "{access.path}"'
        return ApiError(403, "Forbidden", f"forbidden: {_because(why, decision)}", {})
    gvr = (access.group, access.resource)
    what = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
    where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    why = (
        f'User "{caller.name}" cannot {access.verb} resource "{what}" '
        f'in API group "{access.group}" {where}'
    )
    named = f' "{access.name}"' if access.name else ""
    message = f"{qualified(gvr)}{named} is forbidden: {_because(why, decision)}"
    details = {"name": access.name, "group": access.group, "kind": access.resource}
    return ApiError(403, "Forbidden", message, {k: v for k, v in details.items() if v})


def _because(why: str, decision: Decision) -> str:
    return f"{why}: {decision.reason}" if decision.reason else why
