"""From a target to connections and credentials, by the official client's own loader, without
process-global state.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from drillkit.clients.kube.kubeconfig import KEY_DATA, alone, of_this_pod, plugin_of
from drillkit.clients.kube.lifetimes import Issued, not_after
from drillkit.clients.proxies import proxy_of
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Denied, TargetError, UsageError
from drillkit.model.spelling import near
from drillkit.model.target import KubernetesTarget
from drillkit.model.yaml_text import load_yaml
from drillkit.secrets import HIDDEN, KNOWN, named_literals, one_line
from drillkit.secrets.encoding import capped
from drillkit.secrets.environment import secret_variables

if TYPE_CHECKING:
    from urllib3 import PoolManager

    from drillkit.clients.kube.kubeconfig import KubeconfigEntry

T = TypeVar("T")
Kubeconfig: TypeAlias = Callable[[], Mapping[str, Any]]
PLUGIN_S = 30.0
"""How long an exec plugin (`aws eks get-token`) may take; the library itself would wait
for ever.
"""
DEFAULT_FILE = "~/.kube/config"
CONNECTIONS = 16
"""Kept open at most."""
SAID_KEPT = 500
"""Characters of an exec plugin's words."""
_OPAQUE = re.compile(r"(?<![\w/.:-])(?=[\w+=~-]*\d)(?=[\w+=~-]*[A-Za-z])[\w+=~-]{12,}(?![\w/.:])")
"""Letters and digits that are no word, no address and no path."""


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
    files = _files(target)
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
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    if files is None:
        who = _load_in_cluster(configuration, target)
        plugin, in_file, kubeconfig, loader = "", True, of_this_pod, None
    else:
        who, plugin, in_file, kubeconfig, loader = _load_files(configuration, files, target.context)
    _choose_proxy(configuration)
    pool = ApiClient(configuration).rest_client.pool_manager
    credentials = _fit(_credentials(configuration, plugin, who, in_file), who)
    host = str(configuration.host).rstrip("/")
    return Connected(
        host, pool, credentials, who, kubeconfig, lambda: _issued(loader) if plugin else None
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


def imports_of(target: KubernetesTarget) -> tuple[str, ...]:
    """Modules that connecting to the target imports, for whoever has time before. Never raises for
    what is wrong.
    """
    try:
        files = _files(target)
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
        documents = list(_documents(files))
        _learn(documents)
        known, current = _contexts(documents)
        chosen = context or current
        entry = known.get(chosen)
        if len(documents) != 1 or entry is None:
            return None
        user = _named(documents[0], "user", entry.get("user"))
        cluster = _named(documents[0], "cluster", entry.get("cluster"))
        found = plain(cluster, user, os.path.dirname(os.path.abspath(files)))
    except (TargetError, OSError, KeyError, TypeError, AttributeError):
        return None  # what is wrong with it is told by whoever can read all of them
    if found is None:
        return None
    kubeconfig = _maker(files, documents, chosen)
    return found, _who(str(entry.get("user") or ""), chosen), kubeconfig


def _maker(files: str, documents: Sequence[Mapping[str, Any]], context: str) -> Kubeconfig:
    folders = [os.path.dirname(os.path.abspath(path)) for path in files.split(os.pathsep)]
    return lambda: alone(list(zip(folders, documents, strict=True)), context)


def _named(document: Mapping[str, Any], sort: str, name: Any) -> Mapping[str, Any]:
    """What the first entry of that name says. Raises KeyError."""
    for entry in document.get(f"{sort}s") or []:
        if entry["name"] == name:
            said: Mapping[str, Any] = entry[sort]
            return said
    raise KeyError(name)


def _who(user: str, context: str) -> str:
    return f"user {user or 'unnamed'} (context {context})"


def _files(target: KubernetesTarget) -> str | None:
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
    from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

    try:
        documents = list(_documents(files))
        _learn(documents)
        known, current = _contexts(documents)
        chosen = _chosen(known, current, context, files)
        name, user = _user(documents, known[chosen])
        command = plugin_of(user)
        who = _who(name, chosen)
        if command and shutil.which(command) is None:
            raise TargetError(
                f"{who}: expected the exec plugin `{command}` of {files} on the PATH, found none; "
                "install it"
            )
        merged: Any = KubeConfigMerger
        load: Any = KubeConfigLoader
        # As `load_kube_config` does it, which keeps to itself until when a token is good.
        loader = load(merged(files).config, active_context=chosen, config_base_path=None)
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
    return who, command, "tokenFile" in user, _maker(files, documents, chosen), loader


def _contexts(documents: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Mapping[str, Any]], str]:
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
    files = _files(target)
    if files is None:
        return (), ""
    try:
        known, current = _contexts(list(_documents(files)))
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(f"{files}: expected a kubeconfig, found none ({error})") from error
    return tuple(known), current


def current_context(files: str) -> str | None:
    """Name of the current context of kubeconfigs joined by ':'; None where there is none, or the
    files cannot be read: what is wrong is told in full when they are used.
    """

    try:
        known, current = _contexts(list(_documents(files)))
    except (TargetError, OSError, KeyError, TypeError, AttributeError):
        return None
    return current if current in known else None


def _documents(files: str) -> Iterator[Mapping[str, Any]]:
    for path in files.split(os.pathsep):
        try:
            data = load_yaml(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise TargetError(f"{path}: no kubeconfig that can be used: {error}") from error
        if not isinstance(data, dict):
            raise TargetError(f"{path}: expected a kubeconfig, found {type(data).__name__}")
        yield data


def _chosen(known: Mapping[str, Any], current: str, context: str | None, files: str) -> str:
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


def _user(
    documents: Sequence[Mapping[str, Any]], context: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    """Name of the context's user, and what its first entry says."""
    name = str(context.get("user") or "")
    for data in documents:
        for entry in data.get("users") or []:
            if entry.get("name") == name:
                return name, entry.get("user") or {}
    return name, {}


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


def _credentials(
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


def _learn(documents: Iterable[Mapping[str, Any]]) -> None:
    """Know the literal secrets of kubeconfigs."""
    for document in documents:
        users = document.get("users") or []
        KNOWN.learn(value for _, value in named_literals(users))
        for entry in users:
            if isinstance(key := (entry.get("user") or {}).get(KEY_DATA), str):
                KNOWN.learn((key,))


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
    return (str(error) or type(error).__name__).splitlines()[0]
