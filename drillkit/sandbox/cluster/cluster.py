"""A running cluster: the controllers, the kubelet, the proxy and the demo shop around a store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from drillkit.sandbox.cluster import crds, nodes, shop
from drillkit.sandbox.cluster.controllers.loop import Controllers
from drillkit.sandbox.cluster.emulated import EMULATED, REAL
from drillkit.sandbox.cluster.faults.rules import FAULT_RESOURCES, current_rules
from drillkit.sandbox.cluster.kubelet.hooks import Hooks
from drillkit.sandbox.cluster.kubelet.process import ProcessKubelet
from drillkit.sandbox.cluster.kubelet.tools import furnish
from drillkit.sandbox.cluster.mesh import Mesh
from drillkit.sandbox.cluster.processes import Processes
from drillkit.sandbox.cluster.prometheus import Prometheus, installed, required
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import (
    CRDS,
    DAEMONSETS,
    DEPLOYMENTS,
    SERVICES,
    STATEFULSETS,
    Event,
)

if TYPE_CHECKING:
    from drillkit.sandbox.kube.store import Store

log = logging.getLogger("drillkit.sandbox.cluster")

URL_ANNOTATION = "sandbox.drillkit.dev/url"
"""On every Service: where it answers outside the cluster."""
READY_LIMIT_S = 60.0
POLL_S = 0.01
BATCH_S = 0.002
"""Changes that come so close together are reconciled in one go."""

WithPrometheus = Literal["auto", "on", "off"]


class Cluster:
    """What `start_cluster` started; ends with `stop()`, or with the process that started it."""

    emulated: tuple[str, ...] = EMULATED
    real: tuple[str, ...] = REAL

    def __init__(self, store: Store, state_dir: Path) -> None:
        self.store = store
        self._state_dir = state_dir
        self.processes = Processes()
        self.controllers = Controllers(store, self._kubelet)
        self.view = self.controllers.view
        self.view.follow(FAULT_RESOURCES)
        rules = self.controllers.litmus.rules
        self.mesh = Mesh(
            self.processes,
            self.view,
            lambda: current_rules(self.view, rules(self.view)),
            state_dir / "proxy.log",
        )
        self._prometheus: Prometheus | None = None
        self._wake = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._end_subscription = store.subscribe(self._hear)
        self._shop = False

    @property
    def urls(self) -> dict[str, str]:
        """Where Services answer outside the cluster: by name those of the shop, by `namespace/name`
        the others.
        """
        own = f"{shop.NAMESPACE}/"
        return {key.removeprefix(own): url for key, url in self.mesh.urls().items()}

    @property
    def prometheus(self) -> str | None:
        """The URL of Prometheus, if it runs; known once `ready()` has returned."""
        return (
            self._prometheus.url if self._prometheus is not None and self._prometheus.url else None
        )

    @property
    def truth(self) -> str:
        """What really happened, as JSON: `?service=shop/web&since=MONOTONIC_SECONDS` narrow it."""
        return f"{self.mesh.admin_url}/truth"

    @property
    def metrics(self) -> str:
        """The mesh's page of metrics."""
        return f"{self.mesh.admin_url}/metrics"

    async def start(self, *, with_shop: bool, prometheus: WithPrometheus) -> None:
        """Bring everything up; `ready()` waits for the pods. Raises PrometheusMissing."""
        self._state_dir.mkdir(parents=True, exist_ok=True)
        self.kubelet.tools = furnish(self._state_dir / "tools")
        await self.processes.start()
        await self.mesh.start()
        nodes.furnish(self.store)
        for definition in crds.definitions():
            if self.store.get(CRDS, "", definition["metadata"]["name"]) is None:
                self.store.create(CRDS, definition)
        if with_shop:
            shop.open_shop(self.store)
        self._shop = with_shop
        hooks = Hooks(self.kubelet, self.view)
        self.store.pod_log, self.store.pod_exec, self.store.pod_metrics = (
            hooks.log,
            hooks.execute,
            hooks.metrics,
        )
        self._loop_task = asyncio.create_task(self._run())
        if prometheus == "on" or (prometheus == "auto" and installed() is not None):
            required()
            self._prometheus = Prometheus(self.processes, self.view, self._state_dir / "prometheus")

    async def ready(self, limit_s: float = READY_LIMIT_S) -> None:
        """Wait until every workload of the shop serves and the proxy knows it, and Prometheus, if
        it was asked for.

        Raises TimeoutError, PrometheusMissing.
        """
        async with asyncio.timeout(limit_s):
            while not self._is_ready():
                await asyncio.sleep(POLL_S)
            if self._prometheus is not None and not self._prometheus.url:
                # Last, with all pods in its list: Prometheus takes new targets in only every 5 s.
                await self._prometheus.start(self.mesh.admin_url)

    async def stop(self) -> None:
        """End every process and let go of the store."""
        self._end_subscription()
        if self._loop_task is not None:
            self._loop_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._loop_task
        self.controllers.close()
        await self.kubelet.close()
        await self.processes.close()

    def _kubelet(self, view: View) -> ProcessKubelet:
        self.kubelet = ProcessKubelet(
            view, self.processes, self._state_dir / "logs", lambda: self.mesh.address
        )
        return self.kubelet

    def _hear(self, event: Event) -> None:
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self.controllers.reconcile()
            self._follow_up()
            self._wake.clear()
            if self.view.changed:
                await asyncio.sleep(0)
                continue
            due = self.controllers.next_due()
            wait_s = (
                None if due is None else max(0.0, (due - self.controllers.now()).total_seconds())
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_s)
            await asyncio.sleep(BATCH_S)

    def _follow_up(self) -> None:
        """Tell proxy and Prometheus of what the controllers did. An error is logged; the next
        change tries again.
        """
        try:
            self.mesh.sync()
            if self._prometheus is not None and self._prometheus.url:
                self._prometheus.sync()
            urls = self.mesh.urls()
            for service in self.view.all(SERVICES):
                url = urls.get(f"{service['metadata']['namespace']}/{service['metadata']['name']}")
                if (
                    url
                    and (service["metadata"].get("annotations") or {}).get(URL_ANNOTATION) != url
                ):
                    self.view.patch(
                        SERVICES, service, {"metadata": {"annotations": {URL_ANNOTATION: url}}}
                    )
        except Exception:  # the control loop has to go on
            log.exception("the proxy or Prometheus could not be told")

    def _is_ready(self) -> bool:
        if not self._shop:
            return True
        deployments = self.store.list(DEPLOYMENTS, shop.NAMESPACE)
        done = all(
            (d.get("status") or {}).get("availableReplicas", 0) >= d["spec"]["replicas"]
            for d in deployments
        )
        sets = self.store.list(STATEFULSETS, shop.NAMESPACE)
        done = done and all(
            (s.get("status") or {}).get("readyReplicas", 0) >= s["spec"]["replicas"] for s in sets
        )
        for daemon in self.store.list(DAEMONSETS, shop.NAMESPACE):
            status = daemon.get("status") or {}
            done = done and status.get("numberReady", 0) >= status.get("desiredNumberScheduled", 1)
        services = [
            f"{shop.NAMESPACE}/{each['metadata']['name']}"
            for each in self.store.list(SERVICES, shop.NAMESPACE)
        ]
        return done and all(map(self.mesh.knows, services))


async def start_cluster(
    store: Store,
    state_dir: Path | str,
    *,
    shop: bool = True,
    prometheus: WithPrometheus = "off",
    account: Callable[[str, str], Path | None] | None = None,
) -> Cluster:
    """Start a cluster around `store`: nodes, controllers, proxy, perhaps the demo shop. Call it
    from the main thread.

    Args:
        store: an empty store, or one that the caller furnished already; existing objects stay as
            they are.
        state_dir: folder for logs and Prometheus' data; created if need be.
        shop: whether to open the demo shop in the namespace `shop`.
        account: gives the folder with `token`, `ca.crt` and `namespace` of a ServiceAccount (by
            namespace and name), with which its pods may speak to the API.
        prometheus: `on` needs the program, `auto` takes it if it is installed, `off` goes without.

    Raises PrometheusMissing if it is not installed, TimeoutError if the proxy does not come up,
    OSError if no process can be started.
    """
    cluster = Cluster(store, Path(state_dir))
    cluster.kubelet.account = account
    try:
        await cluster.start(with_shop=shop, prometheus=prometheus)
    except BaseException:
        await cluster.stop()
        raise
    return cluster
