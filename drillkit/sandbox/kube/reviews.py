"""Questions about oneself and the tokens by which one is known: may I, who am I. Answered, never
stored.
"""

from __future__ import annotations

from datetime import timedelta

from drillkit.sandbox.kube.access import Access, Caller, Decision, PathAccess, decide, rules
from drillkit.sandbox.kube.call import Call
from drillkit.sandbox.kube.causes import required, wrong
from drillkit.sandbox.kube.errors import bad_request, invalid
from drillkit.sandbox.kube.objects import ACCOUNTS, Object, rfc3339
from drillkit.sandbox.kube.shapes import require
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.wire import Response

_SHAPE = {
    "spec": {
        "resourceAttributes": {"*": str},
        "nonResourceAttributes": {"*": str},
        "namespace": str,
    }
}
_TOKEN_SHAPE = {"spec": {"expirationSeconds": int, "audiences": [str]}}
_ASKING = ("authorization.k8s.io", "authentication.k8s.io")
"""Groups that only answer questions: a store's policy has no say there."""
_TOKEN_S = 3600
_SHORTEST_TOKEN_S = 600


def decision(store: Store, caller: Caller, access: Access | PathAccess) -> Decision:
    """Whether the roles allow it and the store's policy does not forbid it."""
    found = decide(store.state, caller, access)
    if isinstance(access, PathAccess) or access.group in _ASKING:
        return found
    if found.allowed and store.policy is not None and not store.policy(access):
        return Decision(False, "the sandbox's policy")
    return found


def review(store: Store, call: Call) -> Response:
    """Answers a SelfSubjectAccessReview, SelfSubjectRulesReview or SelfSubjectReview."""
    kind = call.resource.kind
    caller = call.request.caller
    body = call.body()
    require(body, _SHAPE, kind)
    head = {"kind": kind, "apiVersion": call.resource.api_version(call.version), "metadata": {}}
    if kind == "SelfSubjectReview":
        told = {"username": caller.name, "groups": list(caller.groups)}
        return Response(201, {**head, "status": {"userInfo": told}})
    spec = body.get("spec") or {}
    if kind == "SelfSubjectRulesReview":
        return Response(201, {**head, "spec": spec, "status": _rules(store, caller, spec)})
    return Response(201, {**head, "spec": spec, "status": _access(store, caller, spec)})


def _access(store: Store, caller: Caller, spec: Object) -> Object:
    asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if bool(asked) == bool(path):
        causes = [
            required(
                "spec.resourceAttributes",
                "exactly one of nonResourceAttributes or resourceAttributes",
            )
        ]
        raise invalid("SelfSubjectAccessReview", "authorization.k8s.io", "", causes)
    access: Access | PathAccess
    if asked:
        names = ("verb", "group", "resource", "subresource", "namespace", "name")
        access = Access(**{name: str(asked.get(name) or "") for name in names})
    else:
        access = PathAccess(*(str((path or {}).get(key) or "") for key in ("verb", "path")))
    found = decision(store, caller, access)
    return {"allowed": found.allowed, **({"reason": found.reason} if found.reason else {})}


def _rules(store: Store, caller: Caller, spec: Object) -> Object:
    namespace = spec.get("namespace")
    if not namespace:
        raise bad_request("no namespace on request")
    found = rules(store.state, caller, namespace)
    listed = {
        "resourceRules": [rule for rule in found if "resources" in rule],
        "nonResourceRules": [rule for rule in found if "nonResourceURLs" in rule],
        "incomplete": store.policy is not None,
    }
    if store.policy is not None:
        listed["evaluationError"] = "webhook authorizer does not support user rule resolution"
    return listed


def token(store: Store, call: Call) -> Response:
    """``POST serviceaccounts/NAME/token``: a token that stands for the ServiceAccount.
    Raises 404, 422.
    """
    body = call.body()
    require(body, _TOKEN_SHAPE, "TokenRequest")
    account = store.need(ACCOUNTS, call.namespace, call.name)
    spec = body.get("spec") or {}
    seconds = spec.get("expirationSeconds") or _TOKEN_S
    if seconds < _SHORTEST_TOKEN_S:
        why = "may not specify a duration less than 10 minutes"
        causes = [wrong("spec.expirationSeconds", seconds, why)]
        raise invalid("TokenRequest", "authentication.k8s.io", "", causes)
    until = store.now() + timedelta(seconds=seconds)
    made = store.tokens.issue(call.namespace, call.name, account["metadata"]["uid"], until)
    now = rfc3339(store.now())
    return Response(
        201,
        {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": call.name,
                "namespace": call.namespace,
                "creationTimestamp": now,
            },
            "spec": {
                "audiences": spec.get("audiences") or ["https://kubernetes.default.svc"],
                "expirationSeconds": seconds,
                "boundObjectRef": None,
            },
            "status": {"token": made, "expirationTimestamp": rfc3339(until)},
        },
    )
