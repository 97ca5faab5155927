"""From a target to connections and credentials, without process-global state; by the official
client's own loader where a kubeconfig is not plain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from drillkit.clients.kube.kubeconfig_files import (
    Kubeconfig,
    contexts_in,
    documents_in,
    files_of,
    kubeconfig_of,
    learn_secrets,
    named_entry,
    said_user,
)
from drillkit.clients.kube.lifetimes import Issued
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Denied, TargetError, UsageError
from drillkit.model.target import KubernetesTarget
from drillkit.secrets import KNOWN, one_line

if TYPE_CHECKING:
    from urllib3 import PoolManager

    from drillkit.clients.kube.kubeconfig import KubeconfigEntry

CONNECTIONS = 16
"""Kept open at most."""


@dataclass(frozen=True, slots=True)
class Connected:
    """What is needed to speak to a cluster."""

    host: str
    pool: PoolManager
    credentials: Callable[[], Mapping[str, str]]
    who: str
    """How we are known there, as far as the kubeconfig says: `user admin (context prod)`."""
    kubeconfig: Kubeconfig
    """Makes a kubeconfig, whose only context leads where this does."""
    issued: Callable[[], Issued | None] = lambda: None
    """What an exec plugin gave last; None where there is none."""


def connect(target: KubernetesTarget) -> Connected:
    """Raises TargetError for everything that a kubeconfig can have wrong, saying what to do
    about it.
    """
    files = files_of(target)
    if files is not None and (found := _plainly(files, target.context)) is not None:
        from urllib3 import PoolManager

        config, who, kubeconfig = found
        return Connected(
            config.host,
            PoolManager(maxsize=CONNECTIONS, **config.pool),
            _fit(config.headers, who),
            who,
            kubeconfig,
        )
    from drillkit.clients.kube.official_loader import load

    loaded = load(target, files)
    return Connected(
        loaded.host,
        loaded.pool,
        _fit(loaded.headers, loaded.who),
        loaded.who,
        loaded.kubeconfig,
        loaded.issued,
    )


def imports_of(target: KubernetesTarget) -> tuple[str, ...]:
    """Modules that connecting to the target imports, for whoever has time before. Never raises for
    what is wrong.
    """
    try:
        files = files_of(target)
    except TargetError:
        return ()
    plainly = files is not None and _plainly(files, target.context) is not None
    return ("urllib3", "tenacity", *(() if plainly else ("kubernetes.client", "kubernetes.config")))


def _plainly(files: str, context: str | None) -> tuple[KubeconfigEntry, str, Kubeconfig] | None:
    """What is to be known without the official client, who we are, and what makes a kubeconfig for
    others; None where that client is needed.
    """

    from drillkit.clients.kube.kubeconfig import plain

    try:
        documents = list(documents_in(files))
        learn_secrets(documents)
        known, current = contexts_in(documents)
        chosen = context or current
        entry = known.get(chosen)
        if len(documents) != 1 or entry is None:
            return None
        user = named_entry(documents[0], "user", entry.get("user"))
        cluster = named_entry(documents[0], "cluster", entry.get("cluster"))
        found = plain(cluster, user, os.path.dirname(os.path.abspath(files)))
    except (TargetError, OSError, KeyError, TypeError, AttributeError):
        return None  # what is wrong with it is told by whoever can read all of them
    if found is None:
        return None
    kubeconfig = kubeconfig_of(files, documents, chosen)
    return found, said_user(str(entry.get("user") or ""), chosen), kubeconfig


def _fit(headers: Callable[[], Mapping[str, str]], who: str) -> Callable[[], Mapping[str, str]]:
    """The same headers, known as secrets, and refused where they are no line that can be sent."""

    def checked() -> Mapping[str, str]:
        found = headers()
        for value in found.values():
            token = value.partition(" ")[2] or value
            KNOWN.learn((token,))
            try:
                one_line(value, f"{who}: the token")
                one_line(token, f"{who}: the token")
            except UsageError as why:
                raise Denied(f"{why}; get a new one") from None
        return found

    return checked
