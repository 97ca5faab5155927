"""What every namespace gets: its default service account, and the authority to trust the API by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.admission import AUTHORITY_KEY, DEFAULT_ACCOUNT, ROOT_AUTHORITY
from drillkit.sandbox.kube.objects import (
    ACCOUNTS,
    CONFIGMAPS,
    NAMESPACES,
    Gvr,
    Object,
    is_terminating,
)

DESCRIPTION = "kubernetes.io/description"
_ABOUT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


@dataclass(frozen=True)
class DefaultAccounts:
    """The service account `default` in every namespace."""

    name: str = "service-accounts"
    gvr: Gvr = NAMESPACES
    watches: frozenset[Gvr] = frozenset({NAMESPACES, ACCOUNTS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        name = obj["metadata"]["name"]
        if not is_terminating(obj) and view.get(ACCOUNTS, name, DEFAULT_ACCOUNT) is None:
            view.create(ACCOUNTS, {"metadata": {"name": DEFAULT_ACCOUNT}}, name)
        return None


@dataclass(frozen=True)
class RootAuthorities:
    """The authority's certificate in every namespace: made anew when deleted, set right when
    changed.
    """

    name: str = "root-ca-cert-publisher"
    gvr: Gvr = NAMESPACES
    watches: frozenset[Gvr] = frozenset({NAMESPACES, CONFIGMAPS})

    def reconcile(self, view: View, obj: Object) -> datetime | None:
        if is_terminating(obj) or not view.store.authority_pem:
            return None
        name, data = obj["metadata"]["name"], {AUTHORITY_KEY: view.store.authority_pem}
        found = view.get(CONFIGMAPS, name, ROOT_AUTHORITY)
        note = {"annotations": {DESCRIPTION: _ABOUT}}
        if found is None:
            made = {"metadata": {"name": ROOT_AUTHORITY, **note}, "data": data}
            view.create(CONFIGMAPS, made, name)
        elif found.get("data") != data or not _notes(found).get(DESCRIPTION):
            meta = {**found["metadata"], "annotations": {**_notes(found), DESCRIPTION: _ABOUT}}
            view.store.update(CONFIGMAPS, {**found, "metadata": meta, "data": data})
        return None


def _notes(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}
