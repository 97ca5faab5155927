"""The environment of a container: its `env` and `envFrom`, resolved as a kubelet does."""

from __future__ import annotations

import base64
import os
import re
from typing import TYPE_CHECKING, Any

from drillkit.sandbox.kube.objects import CONFIGMAPS, Gvr, Object

if TYPE_CHECKING:
    from drillkit.sandbox.kube.store import Store

SECRETS: Gvr = ("", "secrets")
ENDPOINTS: Gvr = ("", "endpoints")
INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


class Unresolved(LookupError):
    """A reference to something that does not exist (yet): the container cannot be created."""


def environment(store: Store, pod: Object, container: Object) -> dict[str, str]:
    """The variables of a container. Raises Unresolved."""
    meta = pod["metadata"]
    values = {name: os.environ[name] for name in INHERITED if name in os.environ}
    values |= {"HOSTNAME": meta["name"], "HOME": "/", **_api_server(store)}
    for source in container.get("envFrom") or []:
        prefix = source.get("prefix") or ""
        for kind, gvr in (("configMapRef", CONFIGMAPS), ("secretRef", SECRETS)):
            if kind in source:
                data = _data(store, gvr, meta["namespace"], source[kind])
                values |= {prefix + key: value for key, value in data.items()}
    for entry in container.get("env") or []:
        if "valueFrom" in entry:
            value = _from(store, pod, entry["valueFrom"])
            if value is not None:
                values[entry["name"]] = value
        else:
            values[entry["name"]] = expand(str(entry.get("value") or ""), values)
    return values


def _api_server(store: Store) -> dict[str, str]:
    """Where the API answers, as its own Endpoints tell."""
    found = store.get(ENDPOINTS, "default", "kubernetes") or {}
    for subset in found.get("subsets") or ():
        host, port = subset["addresses"][0]["ip"], subset["ports"][0]["port"]
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}
    return {}


def expand(text: str, values: dict[str, str]) -> str:
    """`$(NAME)` replaced by the variable's value; unknown names stay as they are."""
    return _REFERENCE.sub(lambda found: values.get(found[1], found[0]), text)


def _from(store: Store, pod: Object, source: Object) -> str | None:
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    for kind, gvr in (("configMapKeyRef", CONFIGMAPS), ("secretKeyRef", SECRETS)):
        if kind in source:
            ref = source[kind]
            data = _data(store, gvr, pod["metadata"]["namespace"], ref)
            if ref["key"] not in data and not ref.get("optional"):
                raise Unresolved(
                    f"couldn't find key {ref['key']} in {gvr[1][:-1]} "
                    f"{pod['metadata']['namespace']}/{ref['name']}"
                )
            return data.get(ref["key"])
    return ""


def _data(store: Store, gvr: Gvr, namespace: str, ref: Object) -> dict[str, str]:
    found = store.get(gvr, namespace, ref["name"])
    if found is None:
        if ref.get("optional"):
            return {}
        raise Unresolved(f'{gvr[1][:-1]} "{ref["name"]}" not found')
    data: dict[str, str] = found.get("data") or {}
    if gvr == SECRETS:
        return {
            key: base64.b64decode(value).decode(errors="surrogateescape")
            for key, value in data.items()
        }
    return dict(data)


def _field(pod: Object, path: str) -> str:
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if keyed:
        return str((pod["metadata"].get(keyed[1]) or {}).get(keyed[2], ""))
    value: Any = pod
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return "" if value is None else str(value)
