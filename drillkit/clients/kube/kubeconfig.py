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
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from drillkit.clients.proxies import proxy_of
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Denied
from drillkit.secrets.references import LONGEST

_CLUSTER = frozenset(
    {
        "server",
        "certificate-authority",
        "certificate-authority-data",
        "insecure-skip-tls-verify",
        "tls-server-name",
    }
)
_USER = frozenset({"token", "tokenFile", "client-certificate", "client-key"})
KEY_DATA = "client-key-data"
_WITHOUT = ["env"]
"""Begin of a plugin that runs without some variables."""
_FILES = frozenset({"certificate-authority", "client-certificate", "client-key", "tokenFile"})
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a pod finds its service account."""


@dataclass(frozen=True, slots=True)
class KubeconfigEntry:
    """What a kubeconfig says."""

    host: str
    pool: Mapping[str, Any]
    """Arguments of urllib3's PoolManager, the same that the official client gives it."""
    headers: Callable[[], Mapping[str, str]]
    """What proves who we are, read anew where it stands in a file: such tokens rotate. Raises
    Denied.
    """


def plain(
    cluster: Mapping[str, Any], user: Mapping[str, Any], folder: str
) -> KubeconfigEntry | None:
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
    token_file = _file(user.get("tokenFile"), folder)
    if (
        authority == ""
        or "" in files.values()
        or token_file == ""
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
    return KubeconfigEntry(host.rstrip("/"), pool, lambda: _bearer(token, token_file))


def _bearer(token: str | None, token_file: str | None) -> Mapping[str, str]:
    """A token's file wins, and white space around what is in it is none of the token, as kubectl
    has it. Raises Denied.
    """
    if token_file is not None:
        try:
            with open(token_file, encoding="utf-8") as file:
                token = file.read(LONGEST).strip()
        except OSError as error:
            raise Denied(f"the kubeconfig's tokenFile {token_file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise Denied(
                f"the kubeconfig's tokenFile {token_file}: expected text, found something else"
            ) from None
    return {"authorization": f"Bearer {token}"} if token else {}


def alone(documents: Sequence[tuple[str, Mapping[str, Any]]], context: str) -> dict[str, Any]:
    """A kubeconfig with this context and nothing else, its files named so that they are found from
    everywhere.

    `documents`: the kubeconfigs that were read, each with its folder; the first that names a thing
    wins, as kubectl has it. Raises KeyError.
    """
    _, entry = _first(documents, "context", context)
    made: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": entry}],
    }
    for sort in ("cluster", "user"):
        if name := entry.get(sort):
            folder, said = _first(documents, sort, name)
            made[f"{sort}s"] = [{"name": name, sort: _from_everywhere(said, folder)}]
    return made


def _first(
    documents: Sequence[tuple[str, Mapping[str, Any]]], sort: str, name: Any
) -> tuple[str, Mapping[str, Any]]:
    for folder, document in documents:
        for entry in document.get(f"{sort}s") or []:
            if entry["name"] == name:
                return folder, entry.get(sort) or {}
    raise KeyError(f"expected a {sort} `{name}`, found none")


def _from_everywhere(said: Mapping[str, Any], folder: str) -> dict[str, Any]:
    made = dict(said)
    for key in _FILES & set(made):
        made[key] = os.path.join(folder, str(made[key]))
    plugin = made.get("exec")
    if isinstance(plugin, Mapping) and os.sep in str(plugin.get("command") or ""):
        made["exec"] = {**plugin, "command": os.path.join(folder, str(plugin["command"]))}
    return made


def plugin_as_here(
    kubeconfig: Mapping[str, Any], surroundings: Mapping[str, str], unset: Sequence[str]
) -> dict[str, Any]:
    """The same for a process whose environment is another than ours: its exec plugin (`aws eks
    get-token`) logs in as it does here.

    `surroundings`: variables that the plugin finds here and there not; `unset`: those that it may
    find there, which it finds here only if they are among these.
    """
    made = dict(kubeconfig)
    made["users"] = [
        {**entry, "user": _plugin_as_here(entry.get("user") or {}, surroundings, unset)}
        for entry in kubeconfig.get("users") or ()
    ]
    return made


def _plugin_as_here(
    user: Mapping[str, Any], surroundings: Mapping[str, str], unset: Sequence[str]
) -> Mapping[str, Any]:
    plugin = user.get("exec")
    if not isinstance(plugin, Mapping) or not plugin.get("command"):
        return user
    said = [each for each in plugin.get("env") or () if isinstance(each, Mapping)]
    known = {str(each.get("name")) for each in said}
    more = [{"name": k, "value": v} for k, v in surroundings.items() if k not in known]
    # A kubeconfig can set variables for its plugin, and unset none.
    without = [word for k in unset if k not in known | set(surroundings) for word in ("-u", k)]
    begin = [*_WITHOUT, *without, str(plugin["command"])]
    words = [*begin[1:], *(plugin.get("args") or ())]
    return {**user, "exec": {**plugin, "command": begin[0], "args": words, "env": said + more}}


def plugin_of(user: Mapping[str, Any]) -> str:
    """The program that gives a user's credentials, as the kubeconfig was written; '' for none."""
    plugin = user.get("exec")
    if not isinstance(plugin, Mapping):
        return ""
    words = [str(plugin.get("command") or ""), *map(str, plugin.get("args") or ())]
    if words[: len(_WITHOUT)] != _WITHOUT:
        return words[0]
    rest = iter(words[len(_WITHOUT) :])
    for word in rest:
        if word != "-u":
            return word
        next(rest, "")
    return ""


def of_this_pod(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """A kubeconfig that says what a pod's own service account knows without one."""
    name = "this-pod"
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
    host = f"[{host}]" if ":" in host else host
    cluster = {"server": f"https://{host}:{port}", "certificate-authority": f"{ACCOUNT}/ca.crt"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"tokenFile": f"{ACCOUNT}/token"}}],
    }


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
