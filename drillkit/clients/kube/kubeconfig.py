"""Kubeconfigs that need nothing of the official client: a server, its authority, a token or files
of a certificate.

Importing that client takes longer than everything else that a command does. Whatever is not known
here word by word (plugins, proxies, certificates that must be written to a file first) is left to
it, and so is telling what is wrong.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from drillkit.clients.kube.proxies import proxy_of

_CLUSTER = frozenset(
    {
        "server",
        "certificate-authority",
        "certificate-authority-data",
        "insecure-skip-tls-verify",
        "tls-server-name",
    }
)
_USER = frozenset({"token", "client-certificate", "client-key"})


@dataclass(frozen=True, slots=True)
class Plain:
    """What a kubeconfig says."""

    host: str
    pool: Mapping[str, Any]
    """Arguments of urllib3's PoolManager, the same that the official client gives it."""
    headers: Mapping[str, str]


def plain(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: str) -> Plain | None:
    """From the entries of a kubeconfig in `folder`; None where the official client is needed."""
    host = cluster.get("server")
    if (
        not isinstance(host, str)
        or not host.startswith("https://")
        or proxy_of(urlsplit(host)) is not None
    ):
        return None
    if not (set(cluster) <= _CLUSTER and set(user) <= _USER):
        return None
    authority = _decoded(cluster.get("certificate-authority-data"))
    files = {
        "ca_certs": None if authority else _file(cluster.get("certificate-authority"), folder),
        "cert_file": _file(user.get("client-certificate"), folder),
        "key_file": _file(user.get("client-key"), folder),
    }
    token, name = user.get("token"), cluster.get("tls-server-name")
    if (
        authority == ""
        or "" in files.values()
        or not isinstance(token, str | None)
        or not isinstance(name, str | None)
    ):
        return None
    pool = {
        **files,
        "ca_cert_data": authority,
        "cert_reqs": "CERT_NONE" if cluster.get("insecure-skip-tls-verify") else "CERT_REQUIRED",
        **({"server_hostname": name} if name else {}),
    }
    return Plain(host.rstrip("/"), pool, {"authorization": f"Bearer {token}"} if token else {})


def _decoded(text: Any) -> str | None:
    """What stands there in base64; '' where that cannot be read."""
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError, TypeError):
        return ""


def _file(name: Any, folder: str) -> str | None:
    """Its path; '' where there is none."""
    if name is None:
        return None
    path = os.path.join(folder, name) if isinstance(name, str) else ""
    return path if os.path.isfile(path) else ""
