"""The sandbox's main process: starts the parts, says where they are, stops them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import secrets
import shutil
import signal
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from drillkit.sandbox.kube.access import Access, Caller, PathAccess
from drillkit.sandbox.kube.kubeconfig import write_kubeconfig
from drillkit.sandbox.kube.objects import ACCOUNTS, NAMESPACES
from drillkit.sandbox.kube.seed import announce, seed
from drillkit.sandbox.kube.server import Server
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.tls import write_private

STOP_LIMIT_S = 1.8
"""What is left after that ends with this process: the kernel sees to it."""
_FILES = ("endpoints.json", "kubeconfig", "server.crt", "server.key")
_LOCK = "lock"
ACCOUNT = "account"
AUDIT = "audit.jsonl"
_TOKEN_LIFE = timedelta(days=365)
"""No sandbox stands longer; a kubelet would renew it."""
_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)


class StartError(Exception):
    """The sandbox cannot start; the message says what was expected and found."""


@dataclass(frozen=True)
class Options:
    """What to start."""

    state: Path
    """Folder for everything the sandbox writes; made if absent. One sandbox per folder."""
    arguments: tuple[str, ...] = ()
    """The command line, told in the endpoints so that a caller can see whether a standing sandbox
    suits it.
    """
    cluster: bool = True
    """Whether nodes, controllers and pods run; without them the API stands alone."""
    shop: bool = True
    """Whether the demo shop is deployed and waited for."""
    prometheus: bool = False
    """Whether a real Prometheus scrapes the pods and the proxy; it must be installed."""
    aws: bool = False
    """Whether AWS is served, with the demo shop's database."""
    aurora: bool = False
    """Whether AWS has an Aurora cluster, too."""
    audit: bool = False
    """Whether ``audit.jsonl`` tells of every request to the API, as Kubernetes' audit log does."""
    velero: bool = False
    """Whether Velero is emulated."""
    ready_timeout_s: float = 20.0
    die_with_parent: bool = False


@dataclass
class Endpoints:
    """Where the parts are; what the sandbox prints and writes to ``endpoints.json``."""

    kubeconfig: str
    server: str
    cluster_uid: str
    pid: int = field(default_factory=os.getpid)
    urls: dict[str, str] = field(default_factory=dict)
    aws: dict[str, Any] = field(default_factory=dict)
    prometheus: str | None = None
    truth: str | None = None
    """Where the proxy tells what really happened to requests and pods."""
    emulated: list[str] = field(default_factory=list)
    """What isn't real here, for reports to say."""
    arguments: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(self.__dict__, sort_keys=True)


class Running:
    """The parts that run, to be stopped in the reverse order."""

    def __init__(self) -> None:
        self._stops: list[tuple[str, Callable[[], Awaitable[None]]]] = []

    def add(self, name: str, stop: Callable[[], Awaitable[None]]) -> None:
        """Remembers how to stop a part."""
        self._stops.append((name, stop))

    async def stop(self) -> None:
        """Stops all parts; one that fails or takes too long doesn't keep the others from
        being stopped.
        """
        deadline = asyncio.get_running_loop().time() + STOP_LIMIT_S
        while self._stops:
            name, stop = self._stops.pop()
            left = max(0.05, deadline - asyncio.get_running_loop().time())
            try:
                await asyncio.wait_for(stop(), left)
            except Exception as error:  # the other parts must be stopped, too
                _log.error("stopping %s failed: %r", name, error)


def run(options: Options) -> int:
    """Runs a sandbox until it is told to stop; answers the exit code."""
    if options.die_with_parent:
        _die_with_parent()
    try:
        options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _lock(options.state / _LOCK):
            asyncio.run(_serve(options))
            (options.state / _LOCK).unlink(missing_ok=True)
    except (StartError, OSError) as error:
        print(f"the sandbox cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def _lock(path: Path) -> IO[str]:
    """Holds the folder; the lock ends with the process. Raises StartError if another sandbox
    has it.
    """
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        mine = False
    if not mine:
        file.close()
        raise StartError(f"another sandbox runs in {path.parent}; stop it or choose another folder")
    return file


def _die_with_parent() -> None:
    """Asks the kernel to end this process when its parent's thread ends (Linux; elsewhere standard
    input tells).
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _serve(options: Options) -> None:
    stopped = asyncio.Event()
    _stop_on_signals(stopped)
    if options.die_with_parent:
        _stop_on_end_of_input(stopped)
    running = Running()
    try:
        starting = asyncio.ensure_future(_start(options, running))
        stopping = asyncio.ensure_future(stopped.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if stopped.is_set():
            starting.cancel()
            await asyncio.wait((starting,), timeout=STOP_LIMIT_S / 2)
            return
        endpoints = starting.result()
        write_private(options.state / "endpoints.json", endpoints.to_json().encode() + b"\n")
        with suppress(BrokenPipeError):
            print(endpoints.to_json(), flush=True)
        await stopping
    finally:
        await running.stop()
        for name in _FILES:
            (options.state / name).unlink(missing_ok=True)
        shutil.rmtree(options.state / ACCOUNT, ignore_errors=True)


async def _start(options: Options, running: Running) -> Endpoints:
    """Starts the parts, the slow ones side by side. Raises StartError."""
    store = Store()
    uid = seed(store)
    if options.audit:
        _keep_audit(store, options.state / AUDIT, running)
    token = secrets.token_urlsafe(32)
    server = Server(store, token)
    running.add("the API", server.stop)
    identity = await server.start(options.state)
    store.authority_pem = identity.authority_pem.decode()
    announce(store, server.url)
    accounts = Accounts(store, options.state / ACCOUNT)
    kubeconfig = options.state / "kubeconfig"
    write_kubeconfig(kubeconfig, server.url, token, identity.authority_pem)
    endpoints = Endpoints(str(kubeconfig), server.url, uid, arguments=list(options.arguments))
    try:
        async with asyncio.timeout(options.ready_timeout_s):
            await _start_parts(options, store, running, endpoints, accounts)
    except TimeoutError as error:
        limit = f"{options.ready_timeout_s:.0f} s"
        raise StartError(f"not ready within {limit}; see the logs in {options.state}") from error
    except (RuntimeError, OSError) as error:
        raise StartError(str(error)) from error
    return endpoints


def _keep_audit(store: Store, path: Path, running: Running) -> None:
    """Writes one line for each request: who, what, and whether it was allowed."""
    file = path.open("w", buffering=1, encoding="utf-8")

    def tell(caller: Caller, access: Access | PathAccess, allowed: bool) -> None:
        line = {"user": caller.name, "allowed": allowed, **asdict(access)}
        file.write(json.dumps(line, sort_keys=True) + "\n")

    async def stop() -> None:
        store.audit = lambda *asked: None
        file.close()

    store.audit = tell
    running.add("the audit log", stop)


class Accounts:
    """What pods of a real cluster find mounted: who they are to the API."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def folder(self, namespace: str, name: str) -> Path | None:
        """The folder with `token`, `ca.crt` and `namespace` of a ServiceAccount; None where there
        is none.
        """
        account = self._store.get(ACCOUNTS, namespace, name)
        if account is None:
            return None
        uid = str(account["metadata"]["uid"])
        folder = self._folder / uid
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            token = self._store.tokens.issue(namespace, name, uid, self._store.now() + _TOKEN_LIFE)
            write_private(folder / "token", token.encode())
            write_private(folder / "ca.crt", self._store.authority_pem.encode())
            write_private(folder / "namespace", namespace.encode())
        return folder


async def _start_parts(
    options: Options,
    store: Store,
    running: Running,
    endpoints: Endpoints,
    accounts: Accounts,
) -> None:
    from drillkit.sandbox import parts

    aws = None
    if options.aws:
        aws = parts.Aws(options.state / "aws", aurora=options.aurora)
        running.add("AWS", aws.stop)
    if options.cluster:
        folder = options.state / "cluster"
        cluster = await parts.start_cluster(
            store,
            folder,
            shop=options.shop,
            prometheus=options.prometheus,
            account=accounts.folder,
        )
        running.add("the cluster", cluster.stop)
        await cluster.ready(options.ready_timeout_s)
        endpoints.urls = cluster.urls
        endpoints.prometheus = cluster.prometheus
        endpoints.emulated = list(cluster.emulated)
        endpoints.truth = cluster.truth
    handle = None
    if aws is not None:
        handle = await aws.ready()
        endpoints.aws = parts.described(handle, options.state / "aws")
        endpoints.emulated += parts.Aws.emulated()
    if options.velero:
        velero = parts.Velero(store, options.state / "velero", handle)
        running.add("Velero", velero.stop)
        endpoints.emulated += velero.emulated
    _own_up(store, endpoints.emulated)


def _own_up(store: Store, emulated: list[str]) -> None:
    """Say on the cluster itself what it only plays, also to whoever comes by a kubeconfig alone."""
    mark = {"metadata": {"annotations": {"drillkit.dev/emulated": json.dumps(emulated)}}}
    if emulated:
        store.patch(NAMESPACES, "", "kube-system", mark)


def _stop_on_signals(stopped: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)


def _stop_on_end_of_input(stopped: asyncio.Event) -> None:
    """Stops when the parent's end of the pipe on standard input is closed; nothing happens where it
    is no pipe.
    """
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    os.set_blocking(0, False)
    loop = asyncio.get_running_loop()

    def readable() -> None:
        with suppress(BlockingIOError):
            if not os.read(0, 4096):
                loop.remove_reader(0)
                stopped.set()

    loop.add_reader(0, readable)
