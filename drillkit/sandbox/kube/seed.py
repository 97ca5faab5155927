"""What every cluster has before anybody uses it."""

from __future__ import annotations

from urllib.parse import urlsplit

from drillkit.sandbox.kube.access import (
    AUTHENTICATED,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    MASTERS,
)
from drillkit.sandbox.kube.access import GROUP as RBAC
from drillkit.sandbox.kube.objects import NAMESPACES, SERVICES, Object
from drillkit.sandbox.kube.store import Store

_QUESTIONS = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
_ROLES: dict[str, list[Object]] = {
    "cluster-admin": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    ],
    "system:basic-user": [
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": _QUESTIONS},
        {
            "verbs": ["create"],
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["selfsubjectreviews"],
        },
    ],
    "system:discovery": [
        {
            "verbs": ["get"],
            "nonResourceURLs": [
                "/api",
                "/api/*",
                "/apis",
                "/apis/*",
                "/healthz",
                "/livez",
                "/openapi",
                "/openapi/*",
                "/readyz",
                "/version",
                "/version/",
            ],
        }
    ],
}
"""Those of Kubernetes' own that matter here; each is bound to a group."""

_NAMESPACES = ("default", "drillkit", "kube-node-lease", "kube-public", "kube-system")


def seed(store: Store) -> str:
    """Makes the system namespaces, the roles that everybody has and the API's own Service.

    Returns the cluster's UID: that of the namespace kube-system, by which tools tell
    clusters apart.
    """
    for name in _NAMESPACES:
        store.create(NAMESPACES, {"metadata": {"name": name}})
    for name, rules in _ROLES.items():
        store.create(CLUSTER_ROLES, {"metadata": {"name": name}, "rules": rules})
        store.create(CLUSTER_ROLE_BINDINGS, _binding(name))
    ports = [{"name": "https", "port": 443, "targetPort": 6443}]
    store.create(
        SERVICES, {"metadata": {"name": "kubernetes"}, "spec": {"ports": ports}}, "default"
    )
    return str(store.need(NAMESPACES, "", "kube-system")["metadata"]["uid"])


def _binding(role: str) -> Object:
    group = MASTERS if role == "cluster-admin" else AUTHENTICATED
    subject = {"kind": "Group", "apiGroup": RBAC, "name": group}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    return {"metadata": {"name": role}, "roleRef": reference, "subjects": [subject]}


def announce(store: Store, url: str) -> None:
    """Puts the API server's own address where pods look for it."""
    parts = urlsplit(url)
    port = {"name": "https", "port": parts.port, "protocol": "TCP"}
    subsets = [{"addresses": [{"ip": parts.hostname}], "ports": [port]}]
    store.create(
        ("", "endpoints"), {"metadata": {"name": "kubernetes"}, "subsets": subsets}, "default"
    )
