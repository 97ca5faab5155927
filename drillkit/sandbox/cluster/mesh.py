"""The cluster's end of the proxy: starts it, keeps its routing table current, learns
its addresses.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from drillkit.sandbox.cluster.controllers.services import backends, serving_port
from drillkit.sandbox.cluster.processes import Processes
from drillkit.sandbox.cluster.proxy.rules import Rules
from drillkit.sandbox.cluster.proxy.table import EMPTY, Endpoint, Service, Table
from drillkit.sandbox.cluster.values import controller_of, is_healthy
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import PODS, REPLICASETS, SERVICES, Object

ENDPOINTS_LAG_S = 0.25
"""How much later the proxy learns of a change of endpoints, as kube-proxy or Envoy would. Faults
act at once.
"""
START_LIMIT_S = 20.0


@dataclass
class Mesh:
    """The proxy process and what it has been told."""

    processes: Processes
    view: View
    rules: Callable[[], Rules]
    log: Path
    """Where the proxy's own errors go."""
    ports: dict[str, Any] = field(default_factory=dict)
    """`admin`, `mesh`, and under `services` those of each Service."""
    _process: Process | None = None
    _reader: asyncio.Task[None] | None = None
    _wanted: Table = EMPTY
    _told: Table | None = None
    _routes: Table = EMPTY
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Start the proxy. Raises TimeoutError if it does not come up."""
        with self.log.open("ab") as errors:
            self._process = await self.processes.spawn(
                "proxy.main", libraries=["h11"], stdin=PIPE, stdout=PIPE, stderr=errors
            )
        self._reader = asyncio.create_task(self._listen())
        await self.until(lambda: "mesh" in self.ports)

    @property
    def address(self) -> str:
        """Where pods reach other services."""
        return f"127.0.0.1:{self.ports['mesh']}"

    @property
    def admin_url(self) -> str:
        """Where metrics and the truth are."""
        return f"http://127.0.0.1:{self.ports['admin']}"

    def urls(self) -> dict[str, str]:
        """Service (`namespace/name`) to its URL outside the cluster."""
        return {
            key: f"http://127.0.0.1:{port}" for key, port in self.ports.get("services", {}).items()
        }

    def sync(self) -> None:
        """Compare the cluster with what the proxy knows; tell it of faults at once, of endpoints a
        little later.
        """
        wanted = routing_table(self.view)
        if wanted != self._wanted:
            self._wanted = wanted
            new = wanted.services.keys() - self._routes.services.keys()
            if new:  # a new Service gets its listener without delay, empty at first
                self._routes = replace(
                    self._routes,
                    services={**self._routes.services, **{key: Service(key) for key in new}},
                )
            asyncio.get_running_loop().call_later(ENDPOINTS_LAG_S, self._arrive, wanted)
        self._tell()

    async def until(self, true: Callable[[], bool], limit_s: float = START_LIMIT_S) -> None:
        """Wait until something holds of what the proxy said. Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while not true():
                self._news.clear()
                await self._news.wait()

    def knows(self, key: str) -> bool:
        """Whether the proxy has been told of a ready endpoint of that Service."""
        service = self._told.services.get(key) if self._told is not None else None
        return service is not None and bool(service.endpoints) and key in self.urls()

    def _arrive(self, table: Table) -> None:
        self._routes = table
        self._tell()

    def _tell(self) -> None:
        table = replace(self._routes, rules=self.rules())
        process = self._process
        if (
            table == self._told
            or process is None
            or process.stdin is None
            or process.stdin.is_closing()
        ):
            return
        self._told = table
        process.stdin.write(json.dumps(table.to_json(), separators=(",", ":")).encode() + b"\n")
        self._news.set()

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.ports = json.loads(line)
            self._news.set()


def routing_table(view: View) -> Table:
    """Services and their ready pods, as the proxy needs them."""
    services = {}
    for service in view.all(SERVICES):
        if not service["spec"].get("selector"):
            continue
        key = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        ready = sorted(
            filter(is_healthy, backends(view, service)),
            key=lambda pod: str(pod["metadata"]["name"]),
        )
        services[key] = Service(key, tuple(_endpoint(view, pod) for pod in ready))
    workloads = {pod_key(pod): workload(view, pod) for pod in view.all(PODS)}
    return Table(services, workloads)


def _endpoint(view: View, pod: Object) -> Endpoint:
    return Endpoint(pod_key(pod), pod["status"]["podIP"], serving_port(pod), workload(view, pod))


def pod_key(pod: Object) -> str:
    """`namespace/name`."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def workload(view: View, pod: Object) -> str:
    """The name of the Deployment, StatefulSet or other owner of a pod."""
    owner = controller_of(pod)
    if owner is not None and owner["kind"] == "ReplicaSet":
        found = view.get(REPLICASETS, pod["metadata"]["namespace"], owner["name"])
        owner = (controller_of(found) if found else None) or owner
    return str(owner["name"]) if owner is not None else str(pod["metadata"]["name"])
