"""The kubeconfig files of a target: where they are, and what stands in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from drillkit.clients.kube.kubeconfig import KEY_DATA, alone
from drillkit.model.errors import TargetError
from drillkit.model.spelling import near
from drillkit.model.target import KubernetesTarget
from drillkit.model.yaml_text import load_yaml
from drillkit.secrets import KNOWN, named_literals

Kubeconfig: TypeAlias = Callable[[], Mapping[str, Any]]
DEFAULT_FILE = "~/.kube/config"


def kubeconfig_of(files: str, documents: Sequence[Mapping[str, Any]], context: str) -> Kubeconfig:
    """Makes one of files joined by ':', with that context alone."""
    folders = [os.path.dirname(os.path.abspath(path)) for path in files.split(os.pathsep)]
    return lambda: alone(list(zip(folders, documents, strict=True)), context)


def named_entry(document: Mapping[str, Any], sort: str, name: Any) -> Mapping[str, Any]:
    """What the first entry of that name says. Raises KeyError."""
    for entry in document.get(f"{sort}s") or []:
        if entry["name"] == name:
            said: Mapping[str, Any] = entry[sort]
            return said
    raise KeyError(name)


def said_user(user: str, context: str) -> str:
    """How somebody is known to a cluster, for people."""
    return f"user {user or 'unnamed'} (context {context})"


def files_of(target: KubernetesTarget) -> str | None:
    """Paths joined by ':', or None for the pod's own service account."""
    named = target.kubeconfig or os.environ.get("KUBECONFIG") or ""
    origin = "the target's `kubeconfig`" if target.kubeconfig else "KUBECONFIG"
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    if paths:
        there = [path for path in paths if path.exists()]
        if not there:
            raise TargetError(
                f"expected a kubeconfig at {', '.join(map(str, paths))} (from {origin}), found no "
                "file. Correct the path, or have your cluster's tool write it"
            )
        return os.pathsep.join(map(str, there))
    default = Path(DEFAULT_FILE).expanduser()
    if default.exists():
        return str(default)
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    raise TargetError(
        f"expected a kubeconfig: the target names none, KUBECONFIG is not set, {default} does not "
        "exist and this is no pod. Set `kubernetes.kubeconfig` of the target"
    )


def contexts_in(documents: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Mapping[str, Any]], str]:
    """Contexts by name, and the current one. The first file that names a thing wins, as kubectl
    has it.
    """
    known: dict[str, Mapping[str, Any]] = {}
    current = ""
    for data in documents:
        for entry in data.get("contexts") or []:
            known.setdefault(entry["name"], entry.get("context") or {})
        current = current or str(data.get("current-context") or "")
    return known, current


def contexts(target: KubernetesTarget) -> tuple[tuple[str, ...], str]:
    """Names of the contexts that a target's kubeconfig has, and the current one; none in a pod with
    a service account. Raises TargetError.
    """
    files = files_of(target)
    if files is None:
        return (), ""
    try:
        known, current = contexts_in(list(documents_in(files)))
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(f"{files}: expected a kubeconfig, found none ({error})") from error
    return tuple(known), current


def current_context(files: str) -> str | None:
    """Name of the current context of kubeconfigs joined by ':'; None where there is none, or the
    files cannot be read: what is wrong is told in full when they are used.
    """

    try:
        known, current = contexts_in(list(documents_in(files)))
    except (TargetError, OSError, KeyError, TypeError, AttributeError):
        return None
    return current if current in known else None


def documents_in(files: str) -> Iterator[Mapping[str, Any]]:
    """What stands in files joined by ':'. Raises TargetError, OSError."""
    for path in files.split(os.pathsep):
        try:
            data = load_yaml(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise TargetError(f"{path}: no kubeconfig that can be used: {error}") from error
        if not isinstance(data, dict):
            raise TargetError(f"{path}: expected a kubeconfig, found {type(data).__name__}")
        yield data


def chosen_context(known: Mapping[str, Any], current: str, context: str | None, files: str) -> str:
    """The context that the target names, else the current one. Raises TargetError."""
    name = context or current
    if not name:
        raise TargetError(
            f"{files}: no current-context; set `kubernetes.context` of the target ({_some(known)})"
        )
    if name not in known:
        meant = near(name, known)
        hint = f"did you mean `{meant}`?" if meant else _some(known)
        raise TargetError(f"{files}: expected a context `{name}`, found none; {hint}")
    return name


def _some(known: Mapping[str, Any]) -> str:
    return f"it has {', '.join(sorted(known)[:8])}" if known else "it has none at all"


def user_in(
    documents: Sequence[Mapping[str, Any]], context: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    """Name of the context's user, and what its first entry says."""
    name = str(context.get("user") or "")
    for data in documents:
        for entry in data.get("users") or []:
            if entry.get("name") == name:
                return name, entry.get("user") or {}
    return name, {}


def learn_secrets(documents: Iterable[Mapping[str, Any]]) -> None:
    """Know the literal secrets of kubeconfigs."""
    for document in documents:
        users = document.get("users") or []
        KNOWN.learn(value for _, value in named_literals(users))
        for entry in users:
            if isinstance(key := (entry.get("user") or {}).get(KEY_DATA), str):
                KNOWN.learn((key,))
