"""What every cluster has before anybody uses it."""

from __future__ import annotations

from urllib.parse import urlsplit

from drillkit.sandbox.kube.objects import NAMESPACES, SERVICES
from drillkit.sandbox.kube.store import Store

_NAMESPACES = ("default", "drillkit", "kube-node-lease", "kube-public", "kube-system")


def seed(store: Store) -> str:
    """Makes the system namespaces and the API's own Service.

    Returns the cluster's UID: that of the namespace kube-system, by which tools tell
    clusters apart.
    """
    for name in _NAMESPACES:
        store.create(NAMESPACES, {"metadata": {"name": name}})
    ports = [{"name": "https", "port": 443, "targetPort": 6443}]
    store.create(
        SERVICES, {"metadata": {"name": "kubernetes"}, "spec": {"ports": ports}}, "default"
    )
    return str(store.need(NAMESPACES, "", "kube-system")["metadata"]["uid"])


def announce(store: Store, url: str) -> None:
    """Puts the API server's own address where pods look for it."""
    parts = urlsplit(url)
    port = {"name": "https", "port": parts.port, "protocol": "TCP"}
    subsets = [{"addresses": [{"ip": parts.hostname}], "ports": [port]}]
    store.create(
        ("", "endpoints"), {"metadata": {"name": "kubernetes"}, "subsets": subsets}, "default"
    )
