"""A real Prometheus beside the sandbox: scrapes the proxy and every pod once a second, evaluates a
few alerts.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

from drillkit.sandbox.cluster.controllers.services import serving_port
from drillkit.sandbox.cluster.kubelet.status import runs_command
from drillkit.sandbox.cluster.mesh import workload
from drillkit.sandbox.cluster.processes import Processes
from drillkit.sandbox.cluster.values import phase
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.objects import PODS, Object, labels_of

BINARY = "prometheus"
SCRAPE_S = 1
ATTEMPTS = 3
START_LIMIT_S = 20.0
POLL_S = 0.05

_WEB = (
    'istio_requests_total{reporter="source",destination_service_name="web",'
    'destination_service_namespace="shop"'
)
ALERTS = (
    {
        "alert": "WebErrors",
        "expr": f'sum(rate({_WEB},response_code=~"5.."}}[10s])) / sum(rate({_WEB}}}[10s])) > 0.02',
        "labels": {"severity": "critical", "service": "web"},
        "annotations": {"summary": "More than 2 % of the requests to web fail"},
    },
    {
        "alert": "PodDown",
        "expr": 'up{job="pods"} == 0',
        "for": "3s",
        "labels": {"severity": "warning"},
        "annotations": {"summary": "{{ $labels.namespace }}/{{ $labels.pod }} cannot be scraped"},
    },
    {
        "alert": "Watchdog",
        "expr": "vector(1)",
        "labels": {"severity": "none"},
        "annotations": {"summary": "Always fires, so that silence means a broken pipeline"},
    },
)


class PrometheusMissing(RuntimeError):
    """The binary is not installed, or does not start."""


def installed() -> str | None:
    """The binary's path, if it is on PATH."""
    return shutil.which(BINARY)


def required() -> str:
    """The binary's path. Raises PrometheusMissing."""
    binary = installed()
    if binary is None:
        raise PrometheusMissing(
            f"expected the program `{BINARY}` on PATH (Debian: apt install prometheus), found none"
        )
    return binary


class Prometheus:
    """One Prometheus server with its data under `folder`."""

    def __init__(self, processes: Processes, view: View, folder: Path) -> None:
        self.processes = processes
        self.view = view
        self.folder = folder
        self.url = ""
        self._targets: list[Any] | None = None

    async def start(self, mesh_admin: str) -> None:
        """Start it and wait until it answers. Raises PrometheusMissing."""
        binary = required()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sync()
        self._configure(mesh_admin)
        for _ in range(ATTEMPTS):
            port = _free_port()
            process = await self._launch(binary, port)
            if await _answers(process, port):
                self.url = f"http://127.0.0.1:{port}"
                return
            if process.returncode is None:
                process.kill()
        raise PrometheusMissing(
            f"`{binary}` did not come up in {ATTEMPTS} attempts; its output is "
            f"in {self.folder / 'prometheus.log'}"
        )

    def sync(self) -> None:
        """Rewrite the list of pods to scrape, if it changed."""
        targets = [_target(self.view, pod) for pod in self.view.all(PODS) if _is_scraped(pod)]
        if targets != self._targets:
            self._targets = targets
            draft = self.folder / "pods.json.new"
            draft.write_text(json.dumps(targets))
            draft.replace(self.folder / "pods.json")

    def _configure(self, mesh_admin: str) -> None:
        # JSON is YAML, which is what Prometheus reads.
        (self.folder / "rules.yml").write_text(
            json.dumps({"groups": [{"name": "sandbox", "rules": list(ALERTS)}]})
        )
        configuration = {
            "global": {
                "scrape_interval": f"{SCRAPE_S}s",
                "scrape_timeout": f"{SCRAPE_S}s",
                "evaluation_interval": f"{SCRAPE_S}s",
            },
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {
                    "job_name": "mesh",
                    "static_configs": [{"targets": [mesh_admin.removeprefix("http://")]}],
                },
                {
                    "job_name": "pods",
                    "file_sd_configs": [{"files": ["pods.json"], "refresh_interval": "1s"}],
                },
            ],
        }
        (self.folder / "prometheus.yml").write_text(json.dumps(configuration))

    async def _launch(self, binary: str, port: int) -> Process:
        with (self.folder / "prometheus.log").open("ab") as output:
            return await self.processes.run(
                [
                    binary,
                    f"--config.file={self.folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    "--storage.tsdb.retention.time=1d",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=output,
                stderr=output,
            )


def _is_scraped(pod: Object) -> bool:
    status = pod.get("status") or {}
    has_server = any(
        not runs_command(container["image"]) for container in pod["spec"]["containers"]
    )
    return has_server and phase(pod) == "Running" and bool(status.get("podIP"))


def _target(view: View, pod: Object) -> Object:
    meta, container = pod["metadata"], pod["spec"]["containers"][0]
    labels = {
        "namespace": meta["namespace"],
        "pod": meta["name"],
        "container": container["name"],
        "node": pod["spec"].get("nodeName") or "",
        "workload": workload(view, pod),
        "app": labels_of(pod).get("app", ""),
    }
    return {"targets": [f"{pod['status']['podIP']}:{serving_port(pod)}"], "labels": labels}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _answers(process: Process, port: int) -> bool:
    """Whether the server becomes ready in time; false as soon as it ends."""
    deadline = asyncio.get_running_loop().time() + START_LIMIT_S
    while asyncio.get_running_loop().time() < deadline and process.returncode is None:
        if await _is_ready(port):
            return True
        await asyncio.sleep(POLL_S)
    return False


async def _is_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            line = await reader.readline()
            writer.close()
            return b" 200 " in line
    except (OSError, TimeoutError):
        return False
