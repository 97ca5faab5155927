"""What programs that work at a target are given to reach it, and nothing else: a kubeconfig with
one context, the profile, region and endpoint of its AWS account.

The operator's own kubeconfig, contexts and AWS settings stay out of their environment, so that
whatever these name by now, a program cannot work elsewhere by mistake.
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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drillkit.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.model.target import AwsTarget

FOLDER = "drillkit-access"
NEW_S = 60.0
"""A folder younger than this may belong to a process that is about to lock it."""
CLUSTER = ("KUBE_", "KUBERNETES_", "HELM_KUBE", "K8S_AUTH_")
"""Variables that name a cluster to kubectl, helm, Terraform, Ansible or Chaos Toolkit begin
with these words.
"""
CLUSTER_TOO = frozenset({"KUBECONFIG", "CHAOSTOOLKIT_IN_POD"})
ACCOUNT = "AWS_"
NOWHERE = frozenset(
    {
        "AWS_CA_BUNDLE",
        "AWS_CLI_AUTO_PROMPT",
        "AWS_DEFAULT_OUTPUT",
        "AWS_MAX_ATTEMPTS",
        "AWS_PAGER",
        "AWS_RETRY_MODE",
        "AWS_SDK_UA_APP_ID",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
    }
)
"""AWS settings that say how to call, not whom."""
FILES = frozenset({"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"})
PLACES = ("PROFILE", "REGION", "ENDPOINT_URL")
"""What the target says of its account, however the operator's settings call it."""


def names_a_place(variable: str) -> bool:
    """Whether an environment variable tells programs which cluster or account to work at."""
    return (
        variable in CLUSTER_TOO
        or variable.startswith(CLUSTER)
        or (variable.startswith(ACCOUNT) and variable not in NOWHERE)
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
        return {**kept, "KUBECONFIG": str(self._kubeconfig)}

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
        found = {**self.outline(base), **(more or {}), "KUBECONFIG": str(self._kubeconfig)}
        if clients.target.kubernetes is not None:
            clients.verify_cluster()
            self._write(clients.kube.kubeconfig())
        else:
            self._write(_no_cluster(f"target-{clients.target.name}-has-no-cluster"))
        if clients.target.aws is None or not account:
            return {**found, **_NO_ACCOUNT}
        clients.verify_account()
        # What our own connection was led by: none of it may be missing, be it a secret.
        return {**found, **_account(clients.target.aws, os.environ)}

    @property
    def _kubeconfig(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = _Folder()
            return self._folder.path / "kubeconfig"

    def _write(self, kubeconfig: Mapping[str, Any]) -> None:
        path = self._kubeconfig
        with self._lock:
            if path.exists():
                return
            draft = path.with_suffix(".draft")
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                json.dump(kubeconfig, file, default=str)  # which is YAML, too
            draft.rename(path)


_NO_ACCOUNT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Without these, whoever finds no settings takes the default profile or the machine's role."""


def _no_cluster(context: str) -> dict[str, Any]:
    """A kubeconfig that leads nowhere, and says so: an empty one would lead to localhost."""
    return {"apiVersion": "v1", "kind": "Config", "current-context": context}


def _account(target: AwsTarget, base: Mapping[str, str]) -> dict[str, str]:
    """What leads to a target's account as its own connection was led there."""
    found = {
        name: value
        for name, value in base.items()
        if name.startswith(ACCOUNT)
        and (name in FILES if target.read_profile else not any(place in name for place in PLACES))
    }
    if target.read_profile:
        found["AWS_PROFILE"] = target.read_profile
    elif named := base.get("AWS_DEFAULT_PROFILE") or base.get("AWS_PROFILE"):
        found["AWS_PROFILE"] = named
    if target.credentials_file:
        found["AWS_SHARED_CREDENTIALS_FILE"] = target.credentials_file
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
