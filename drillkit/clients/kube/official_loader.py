"""Connections and credentials by the official client's own loader, for all that is not plain:
plugins, proxies, a pod's account.

Imported where it is needed only, for that client is slow to import.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from drillkit.clients.kube.kubeconfig import of_this_pod, plugin_of
from drillkit.clients.kube.kubeconfig_files import (
    Kubeconfig,
    chosen_context,
    contexts_in,
    documents_in,
    kubeconfig_of,
    learn_secrets,
    said_user,
    user_in,
)
from drillkit.clients.kube.lifetimes import Issued, not_after
from drillkit.clients.proxies import proxy_of
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Denied, TargetError
from drillkit.model.target import KubernetesTarget
from drillkit.secrets import HIDDEN, KNOWN
from drillkit.secrets.encoding import capped
from drillkit.secrets.environment import secret_variables

if TYPE_CHECKING:
    from urllib3 import PoolManager

T = TypeVar("T")
PLUGIN_S = 30.0
"""How long an exec plugin (`aws eks get-token`) may take; the library itself would wait
for ever.
"""
SAID_KEPT = 500
"""Characters of an exec plugin's words."""
_OPAQUE = re.compile(r"(?<![\w/.:-])(?=[\w+=~-]*\d)(?=[\w+=~-]*[A-Za-z])[\w+=~-]{12,}(?![\w/.:])")
"""Letters and digits that are no word, no address and no path."""


@dataclass(frozen=True, slots=True)
class LoadedKubeconfig:
    """What the official client makes of a kubeconfig, or of a pod's account."""

    host: str
    pool: PoolManager
    headers: Callable[[], Mapping[str, str]]
    """What proves who we are, as it stands there."""
    who: str
    """How we are known there, for people."""
    kubeconfig: Kubeconfig
    issued: Callable[[], Issued | None]
    """What an exec plugin gave last; None where there is none."""


def load(target: KubernetesTarget, files: str | None) -> LoadedKubeconfig:
    """From kubeconfigs joined by ':', or where there are none, from the pod's own account. Raises
    TargetError.
    """
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    kubeconfig: Kubeconfig
    if files is None:
        who = _load_in_cluster(configuration, target)
        plugin, in_file, kubeconfig, loader = "", True, of_this_pod, None
    else:
        who, plugin, in_file, kubeconfig, loader = _load_files(configuration, files, target.context)
    _choose_proxy(configuration)
    return LoadedKubeconfig(
        host=str(configuration.host).rstrip("/"),
        pool=ApiClient(configuration).rest_client.pool_manager,
        headers=_headers(configuration, plugin, who, in_file),
        who=who,
        kubeconfig=kubeconfig,
        issued=lambda: _issued(loader) if plugin else None,
    )


def _issued(loader: Any) -> Issued:
    """What an exec plugin gave last, by what the official client kept of it."""
    ends = getattr(loader, "expiry", None)
    if getattr(loader, "token", None):
        return Issued(ends)
    # A certificate is read once, into the pool of connections; that client fetches no other.
    with contextlib.suppress(OSError, ValueError, IndexError, TypeError):
        ends = ends or not_after(Path(loader.cert_file).read_bytes())
    return Issued(ends, lasting=True)


def _load_in_cluster(configuration: Any, target: KubernetesTarget) -> str:
    from kubernetes.config import ConfigException, load_incluster_config

    load: Any = load_incluster_config
    if target.context:
        raise TargetError(
            f"expected context `{target.context}`, but there is no kubeconfig here: a pod's own "
            "service account has no contexts. Leave `context` out, or mount a kubeconfig"
        )
    try:
        load(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise TargetError(
            f"expected the pod's service account: {error}; is automountServiceAccountToken off?"
        ) from error
    return "this pod's service account"


def _load_files(
    configuration: Any, files: str, context: str | None
) -> tuple[str, str, bool, Kubeconfig, Any]:
    """Load into `configuration`. Gives who we are, the exec plugin's command if there is one,
    whether the token has a file of its own, what makes a kubeconfig for others, and what loaded it.
    """
    import yaml
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader

    try:
        documents = list(documents_in(files))
        learn_secrets(documents)
        known, current = contexts_in(documents)
        chosen = chosen_context(known, current, context, files)
        name, user = user_in(documents, known[chosen])
        command = plugin_of(user)
        who = said_user(name, chosen)
        if command and shutil.which(command) is None:
            raise TargetError(
                f"{who}: expected the exec plugin `{command}` of {files} on the PATH, found none; "
                "install it"
            )
        kubeconfig = kubeconfig_of(files, documents, chosen)
        load: Any = KubeConfigLoader
        # As `load_kube_config` does it, which keeps to itself until when a token is good, and of
        # what was read above: what is written there meanwhile leads us nowhere else than programs.
        whole = copy.deepcopy(dict(kubeconfig()))
        loader = load(whole, active_context=chosen, config_base_path=None)
        if command:
            _keep_from_plugin(loader._user["exec"].value)
        with _said_to_log() as said:
            bounded(
                lambda: loader.load_and_set(configuration),
                PLUGIN_S,
                TargetError(
                    f"{who}: expected credentials from `{command}` within {PLUGIN_S:g} s; it hangs"
                ),
            )
    except (ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(
            f"{files}: no kubeconfig that can be used: {_first_line(error)}"
        ) from error
    has_credentials = bool(configuration.auth_settings()) or bool(configuration.cert_file)
    if command and not has_credentials:
        why = f": {_words('; '.join(said))}" if said else ""
        raise TargetError(
            f"{who}: the exec plugin `{command}` gave no credentials{why}. Log in with it and retry"
        )
    return who, command, "tokenFile" in user, kubeconfig, loader


def _keep_from_plugin(plugin: dict[str, Any]) -> None:
    """Have an exec plugin inherit no secret of the drill's: the library gives it all of our
    environment, and more only as the kubeconfig says. Keys of AWS are what some of them need.
    """
    given = plugin.get("env") or []
    own = {str(variable["name"]) for variable in given}
    kept = sorted(name for name in secret_variables() - own if not name.startswith("AWS_"))
    plugin["env"] = [*given, *({"name": name, "value": ""} for name in kept)]


def _choose_proxy(configuration: Any) -> None:
    """A kubeconfig's `proxy-url` wins; else the environment's, except for loopback and what
    NO_PROXY names.
    """
    from urllib.request import getproxies

    if not configuration.proxy or configuration.proxy in getproxies().values():
        configuration.proxy = proxy_of(urlsplit(configuration.host))


def _headers(
    configuration: Any, plugin: str, who: str, in_file: bool
) -> Callable[[], Mapping[str, str]]:
    """`in_file`: the token stands in a file of its own."""

    def headers() -> Mapping[str, str]:
        settings = configuration.auth_settings()  # refreshes what has expired
        return {
            s["key"]: _scheme(s["value"], in_file)
            for s in settings.values()
            if s["in"] == "header" and s["value"]
        }

    def refreshed() -> Mapping[str, str]:
        hangs = Denied(
            f"{who}: expected new credentials from `{plugin}` within {PLUGIN_S:g} s; it hangs"
        )
        return bounded(headers, PLUGIN_S, hangs)

    return refreshed if plugin else headers


def _scheme(value: str, in_file: bool) -> str:
    """The library writes a service account's token as `bearer`, which some proxies do not take, and
    tokens with the white space of their file, which kubectl does not count to them.
    """
    value = f"Bearer {value[7:]}" if value.startswith("bearer ") else value
    return value.strip() if in_file else value


def _words(text: str) -> str:
    """What an exec plugin said, without what may be a credential: it has them all, and nobody knows
    which it shows.
    """
    return capped(_OPAQUE.sub(HIDDEN, KNOWN.foreign(text)), SAID_KEPT)


def bounded(work: Callable[[], T], limit_s: float, late: Exception) -> T:
    """What `work` gives, or `late` raised after `limit_s` seconds; it is then left to itself."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # handed to the caller's thread, whatever it is
            failure.append(error)

    thread = threading.Thread(target=run, name="kubernetes credentials", daemon=True)
    thread.start()
    thread.join(limit_s)
    if failure:
        raise failure[0]
    if not outcome:
        raise late
    return outcome[0]


@contextlib.contextmanager
def _said_to_log() -> Iterator[list[str]]:
    """The library only logs why an exec plugin failed (and would set up logging for that):
    catch it.
    """
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR and record.name == "root":
                said.append(record.getMessage())

    listener = Listener()
    logging.getLogger().addHandler(listener)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(listener)


def _first_line(error: Exception) -> str:
    # A KeyError's text is the representation of what it was given.
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return (said or type(error).__name__).splitlines()[0]
