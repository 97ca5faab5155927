"""What programs that work at a target are given to reach it, and nothing else: a kubeconfig with
one context, an AWS configuration with one profile, region and endpoint.

Both are written as they were read when we connected. The operator's own kubeconfig, contexts and
settings stay out of their environment, so that whatever these name by now, a program cannot work
elsewhere by mistake.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drillkit.clock import SYSTEM_CLOCK
from drillkit.secrets.environment import secret_variables

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.model.target import AwsTarget, KubernetesTarget

FOLDER = "drillkit-access"
KUBECONFIG = "kubeconfig"
NEW_S = 60.0
"""A folder younger than this may belong to a process that is about to lock it."""
CLUSTER = ("KUBE_", "KUBERNETES_", "HELM_KUBE", "K8S_AUTH_")
"""Variables that name a cluster to kubectl, helm, Terraform, Ansible or Chaos Toolkit begin
with these words.
"""
CLUSTER_TOO = frozenset({"KUBECONFIG", "CHAOSTOOLKIT_IN_POD"})
KUBECONFIG_TOO = ("KUBE_CONFIG_PATH", "K8S_AUTH_KUBECONFIG")
"""What Terraform's providers and Ansible read instead of KUBECONFIG: whoever has it set needs it.
"""
ACCOUNT = "AWS_"
NOWHERE = frozenset(
    {
        "AWS_CA_BUNDLE",
        "AWS_CLI_AUTO_PROMPT",
        "AWS_DEFAULT_OUTPUT",
        "AWS_MAX_ATTEMPTS",
        "AWS_PAGER",
        "AWS_RETRY_MODE",
        "AWS_SDK_LOAD_CONFIG",
        "AWS_SDK_UA_APP_ID",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
        "CLOUDSDK_PYTHON",
    }
)
"""Settings that say how to call, not whom."""
FILES = frozenset({"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"})
PLACES = ("PROFILE", "REGION", "ENDPOINT_URL")
"""What the target says of its account, however the operator's settings call it."""
GIVEN = (
    *sorted(FILES),
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_REGION",
)
"""AWS settings that a program may be given."""
CLOUDS = ("ARM_", "AZURE_", "CLOUDSDK_", "GOOGLE_")
UNKNOWN = (*CLOUDS, "TF_CLI_ARGS", "TF_VAR_")
"""Variables that name a place, or an account there, of which a target says nothing begin with these
words: other clouds, and what Terraform works on.
"""
UNKNOWN_TOO = frozenset(
    {
        "DATABASE_URL",
        "HELM_NAMESPACE",
        "MYSQL_HOST",
        "MYSQL_PWD",
        "MYSQL_TCP_PORT",
        "MYSQL_UNIX_PORT",
        "PGDATABASE",
        "PGHOST",
        "PGHOSTADDR",
        "PGPASSFILE",
        "PGPASSWORD",
        "PGPORT",
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGUSER",
        "REDIS_URL",
        "TF_WORKSPACE",
        "VELERO_NAMESPACE",
    }
)


def names_target(variable: str) -> bool:
    """Whether an environment variable tells programs which cluster or AWS account to work at."""
    return (
        variable in CLUSTER_TOO
        or variable.startswith(CLUSTER)
        or (variable.startswith(ACCOUNT) and variable not in NOWHERE)
    )


def names_unknown(variable: str) -> bool:
    """Whether it tells them of a place that a target has no words for. Only what a drill declares
    itself is handed on.
    """
    return variable in UNKNOWN_TOO or (variable.startswith(UNKNOWN) and variable not in NOWHERE)


def names_a_place(variable: str) -> bool:
    """Whether it tells them where to work, or as whom."""
    return names_target(variable) or names_unknown(variable)


def not_handed_on(declared: Iterable[str]) -> tuple[str, ...]:
    """What to say, before anything runs, of our variables that programs will miss: of places that a
    target has no words for, unless they are `declared`.
    """
    found = sorted(set(filter(names_unknown, os.environ)) - set(declared))
    if not found:
        return ()
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return (
        f"of your environment, {', '.join(found[:5])}{more} is not handed on: it says where to work"
        " or as whom; declare what is needed",
    )


class TargetAccess:
    """The way to one target, for programs. Its files last until `close`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._folder: _Folder | None = None

    def close(self) -> None:
        """Remove what was written. May be called again."""
        with self._lock:
            if self._folder is not None:
                self._folder.remove()
                self._folder = None

    def outline(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment as far as nobody must be asked for it: the file that it names for the
        cluster is not there before `environment` was called.
        """
        env = os.environ if base is None else base
        kept = {name: value for name, value in env.items() if not names_a_place(name)}
        return {**kept, **self._kubeconfig_in(env)}

    def _kubeconfig_in(self, env: Mapping[str, str]) -> dict[str, str]:
        path = str(self._folder_of_files / KUBECONFIG)
        return {"KUBECONFIG": path, **{name: path for name in KUBECONFIG_TOO if name in env}}

    def environment(
        self,
        base: Mapping[str, str] | None = None,
        *,
        more: Mapping[str, str] | None = None,
        account: bool = True,
    ) -> dict[str, str]:
        """The environment of a program: `base` (default: ours) without the places it names, `more`
        that the drill declares, and the target's place. Where the target has no cluster or account,
        there is none to be found.

        `account`: whether it may use the target's AWS account. Verifies first who the target is:
        raises WrongTarget, CallError, TargetError.
        """
        clients = self._clients
        outline, declared = self.outline(base), dict(more or {})
        found = {**outline, **declared, **self._kubeconfig_in({**outline, **declared})}
        if clients.target.kubernetes is not None:
            from drillkit.clients.kube.kubeconfig import plugin_as_here

            clients.verify_cluster()
            kubeconfig = plugin_as_here(clients.kube.kubeconfig(), _surroundings(), GIVEN)
        else:
            kubeconfig = _no_cluster(f"target-{clients.target.name}-has-no-cluster")
        self._write(KUBECONFIG, lambda: json.dumps(kubeconfig, default=str))  # YAML, too
        if clients.target.aws is None or not account:
            return {**found, **_NO_ACCOUNT}
        clients.verify_account()
        alone = clients.aws.configuration()
        return {
            **found,
            # What our own connection was led by: none of it may be missing, be it a secret.
            **_account(clients.target.aws, os.environ),
            "AWS_CONFIG_FILE": str(self._write("aws-config", lambda: alone.config)),
            "AWS_SHARED_CREDENTIALS_FILE": str(
                self._write("aws-credentials", lambda: alone.credentials)
            ),
        }

    def kubernetes(self) -> KubernetesTarget | None:
        """The cluster for a process of our own that was given an `environment`: reached by the
        kubeconfig as it was when we connected, whatever stands there now.
        """
        cluster = self._clients.target.kubernetes
        if cluster is None:
            return None
        path = str(self._folder_of_files / KUBECONFIG)
        return replace(cluster, kubeconfig=path, context=None)

    @property
    def _folder_of_files(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = _Folder()
            return self._folder.path

    def _write(self, name: str, content: Callable[[], str]) -> Path:
        """A file that only we can read, written once."""
        path = self._folder_of_files / name
        with self._lock:
            if path.exists():
                return path
            draft = path.with_suffix(".draft")
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                file.write(content())
            draft.rename(path)
        return path


_NO_ACCOUNT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Without these, whoever finds no settings takes the default profile or the machine's role."""


def _no_cluster(context: str) -> dict[str, Any]:
    """A kubeconfig that leads nowhere, and says so: an empty one would lead to localhost."""
    return {"apiVersion": "v1", "kind": "Config", "current-context": context}


def _surroundings() -> dict[str, str]:
    """What a kubeconfig's plugin finds here, and not in what programs are given: settings of the
    clouds, but for secrets of the drill's, which it finds nowhere.
    """
    kept = secret_variables()
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(ACCOUNT) or (name.startswith(CLOUDS) and name not in kept)
    }


def _account(target: AwsTarget, base: Mapping[str, str]) -> dict[str, str]:
    """What leads to a target's account as its own connection was led there, but for the files."""
    found: dict[str, str] = {}
    if target.read_profile:
        found["AWS_PROFILE"] = target.read_profile
    else:
        found |= {
            name: value
            for name, value in base.items()
            if name.startswith(ACCOUNT) and not any(place in name for place in PLACES)
        }
        if named := base.get("AWS_DEFAULT_PROFILE") or base.get("AWS_PROFILE"):
            found["AWS_PROFILE"] = named
    if target.endpoint_url:
        found["AWS_ENDPOINT_URL"] = target.endpoint_url
    else:
        found["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
    return {**found, "AWS_REGION": target.region, "AWS_DEFAULT_REGION": target.region}


class _Folder:
    """A folder that only we can read. It goes with this process; where that is killed, the next
    one removes it.
    """

    def __init__(self) -> None:
        remove_stale()
        self.path = Path(tempfile.mkdtemp(prefix=f"{FOLDER}-{os.getpid()}-", dir=_place()))
        self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.remove = weakref.finalize(self, _remove, self.path, self._fd)


def _remove(path: Path, fd: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(fd)


def _place() -> str:
    """Where files of this session go: in memory, where the system has such a place."""
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    return own if own and os.access(own, os.W_OK | os.X_OK) else tempfile.gettempdir()


def remove_stale() -> None:
    """Remove what processes that were killed could not."""
    for path in _left():
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(fd)


def _left() -> Iterator[Path]:
    """Folders of ours whose process is gone, or that are old enough to be locked if they are
    used.
    """
    for path in Path(_place()).glob(f"{FOLDER}-*-*"):
        with contextlib.suppress(OSError, ValueError):
            about = path.lstat()
            pid = path.name.removeprefix(f"{FOLDER}-").split("-")[0]
            alive = Path(f"/proc/{int(pid)}").exists()
            old = SYSTEM_CLOCK.now() - about.st_mtime > NEW_S
            if about.st_uid == os.getuid() and (not alive or old):
                yield path
