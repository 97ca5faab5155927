"""Starting and stopping the parts beside the Kubernetes API. Imported only when they are
asked for.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.tls import write_private

if TYPE_CHECKING:
    from drillkit.sandbox.aws.handle import AwsHandle
    from drillkit.sandbox.cluster import Cluster
    from drillkit.sandbox.velero.blobs import Blobs, UrlServer

_AWS_STOP_S = 1.5
_LOGIN = ".login"
_PROFILE = "drillkit-sandbox"
"""Of the credentials file: no profile of anybody's configuration is called so."""


async def start_cluster(
    store: Store,
    folder: Path,
    *,
    shop: bool,
    prometheus: bool,
    account: Callable[[str, str], Path | None],
) -> Cluster:
    """The cluster, its processes started; its pods come up while other parts start."""
    from drillkit.sandbox.cluster import start_cluster

    return await start_cluster(
        store, folder, shop=shop, prometheus="on" if prometheus else "off", account=account
    )


class Aws:
    """AWS in a process of its own, started from a thread that lives as long as that process.

    The kernel ties a child to the thread that started it; were the starting to block the main
    thread, the cluster would have to wait for it.
    """

    def __init__(self, folder: Path, *, aurora: bool) -> None:
        self._folder = folder
        self._aurora = aurora
        self._ready: asyncio.Future[AwsHandle] = asyncio.get_running_loop().create_future()
        self._stop = threading.Event()
        self._stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._live, name="aws", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        from drillkit.sandbox.aws.handle import start_aws

        try:
            handle = start_aws(self._folder, demo=True, aurora=self._aurora)
        except Exception as error:  # whatever it is belongs to who waits
            self._tell(self._fail, error)
            return
        self._tell(self._succeed, handle)
        self._stop.wait()
        handle.stop(_AWS_STOP_S)
        for login in self._folder.glob(f"*{_LOGIN}"):
            login.unlink()
        self._tell(self._stopped.set)

    def _tell(self, what: Any, *values: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, *values)

    def _succeed(self, handle: AwsHandle) -> None:
        if not self._ready.done():
            self._ready.set_result(handle)

    def _fail(self, error: Exception) -> None:
        self._stopped.set()
        if not self._ready.done():
            self._ready.set_exception(error)

    @staticmethod
    def emulated() -> tuple[str, ...]:
        """What isn't real about it."""
        from drillkit.sandbox.aws.emulated import EMULATED

        return EMULATED

    async def ready(self) -> AwsHandle:
        """Waits until it serves. Raises AwsFailed."""
        return await asyncio.shield(self._ready)

    async def stop(self) -> None:
        """Ends the process and its databases. One that still starts ends with this process: the
        kernel sees to it.
        """
        self._stop.set()
        if not self._ready.done():
            return
        await self._stopped.wait()
        if self._ready.done() and not self._ready.cancelled():
            self._ready.exception()


def described(handle: AwsHandle, folder: Path) -> dict[str, Any]:
    """What a caller needs to use AWS here. Passwords stay in files (``user:password``), of which it
    gets the paths.
    """
    return {
        "endpoint_url": handle.endpoint,
        "account": handle.account,
        "region": handle.region,
        "dr_region": handle.dr_region,
        "subnet_group": handle.subnet_group,
        "cache_subnet_group": handle.subnet_group,
        "dr_subnet_group": handle.subnet_group,
        "security_groups": [handle.security_group],
        "dr_security_groups": [handle.security_group],
        "bucket": handle.bucket,
        "credentials_file": str(_credentials(handle, folder)),
        "profile": _PROFILE,
        "canary_key": f"file:{handle.canary_key_file}",
        "environment": handle.environment(),
        "databases": {
            name: f"file:{_login(name, entry, folder)}" for name, entry in handle.databases.items()
        },
        "control": {"token": handle.token, "header": "X-Sandbox-Token", "path": "/_sandbox"},
    }


def _credentials(handle: AwsHandle, folder: Path) -> Path:
    """The keys as a shared credentials file, as SDKs and the CLI read it."""
    path = folder / f"credentials{_LOGIN}"
    keys = f"aws_access_key_id = {handle.access_key}\naws_secret_access_key = {handle.secret_key}\n"
    write_private(path, f"[{_PROFILE}]\n{keys}".encode())
    return path


def _login(name: str, entry: dict[str, Any], folder: Path) -> Path:
    password = Path(entry["password_file"]).read_text(encoding="utf-8").strip()
    path = folder / f"{name}{_LOGIN}"
    write_private(path, f"{entry['user']}:{password}".encode())
    return path


class Velero:
    """Velero's controller in this process; its bucket is S3's where AWS is served, else
    a folder.
    """

    def __init__(self, store: Store, folder: Path, aws: AwsHandle | None) -> None:
        from drillkit.sandbox.velero import VeleroController, demo, install, run_velero
        from drillkit.sandbox.velero.blobs import FolderBlobs, S3Blobs, UrlServer
        from drillkit.sandbox.velero.emulated import EMULATED

        self.emulated: tuple[str, ...] = EMULATED
        self._urls: UrlServer | None = None
        blobs: Blobs
        if aws is None:
            folder.mkdir(parents=True, exist_ok=True)
            blobs = files = FolderBlobs(folder)
            self._urls = UrlServer(files)
        else:
            blobs = S3Blobs(aws.endpoint, aws.bucket, aws.region, aws.access_key)
        install(store, bucket=aws.bucket if aws is not None else "velero")
        key = secrets.token_hex(16).encode()
        demo.furnish(store, key)
        self._tasks = (
            asyncio.create_task(run_velero(store, VeleroController(store, blobs))),
            asyncio.create_task(demo.keep_beating(store, key)),
        )

    async def stop(self) -> None:
        """Ends the controller."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._urls is not None:
            await asyncio.to_thread(self._urls.stop)
