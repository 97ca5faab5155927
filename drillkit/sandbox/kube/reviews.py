"""Questions about oneself: may I, who am I. Answered, never stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillkit.sandbox.kube.call import Call
from drillkit.sandbox.kube.errors import invalid
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.shapes import require
from drillkit.sandbox.kube.validation import required
from drillkit.sandbox.kube.wire import Response

if TYPE_CHECKING:
    from drillkit.sandbox.kube.store import Store

USER = "drillkit-sandbox"
GROUPS = ["system:masters", "system:authenticated"]
_SHAPE = {
    "spec": {
        "resourceAttributes": {"*": str},
        "nonResourceAttributes": {"*": str},
        "namespace": str,
    }
}


def review(store: Store, call: Call) -> Response:
    """Answers a SelfSubjectAccessReview, SelfSubjectRulesReview or SelfSubjectReview."""
    kind = call.resource.kind
    body = call.body()
    require(body, _SHAPE, kind)
    head = {"kind": kind, "apiVersion": call.resource.api_version(call.version), "metadata": {}}
    if kind == "SelfSubjectReview":
        return Response(201, {**head, "status": {"userInfo": {"username": USER, "groups": GROUPS}}})
    spec = body.get("spec") or {}
    if kind == "SelfSubjectRulesReview":
        return Response(201, {**head, "spec": spec, "status": _rules()})
    return Response(201, {**head, "spec": spec, "status": _access(store, spec)})


def _access(store: Store, spec: Object) -> Object:
    from drillkit.sandbox.kube.store import Access

    asked = spec.get("resourceAttributes")
    if not asked:
        if spec.get("nonResourceAttributes"):
            return {"allowed": True, "reason": "everybody may read what is no resource"}
        causes = [
            required(
                "spec.resourceAttributes",
                "exactly one of nonResourceAttributes or resourceAttributes",
            )
        ]
        raise invalid("SelfSubjectAccessReview", "authorization.k8s.io", "", causes)
    names = ("verb", "group", "resource", "subresource", "namespace", "name")
    access = Access(**{name: str(asked.get(name) or "") for name in names})
    if store.policy(access):
        return {"allowed": True, "reason": "the sandbox's policy"}
    return {"allowed": False, "reason": "the sandbox's policy"}


def _rules() -> Object:
    """Without asking the policy about everything there is: incomplete, as the API allows to say."""
    return {
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}],
        "incomplete": True,
    }
