"""The proxy's process: a listener per Service, one for the pods' own calls, one for metrics and
the truth.

Control: a line of JSON on standard input replaces the routing table; the end of input ends the
process. Each line of standard output tells the addresses: `{"admin": port, "mesh": port,
"services": {key: port}}`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qs, urlsplit

from drillkit.sandbox.cluster.proxy.http import HEAD_LIMIT, Spoken
from drillkit.sandbox.cluster.proxy.mesh import Mesh
from drillkit.sandbox.cluster.proxy.table import Table

Serve = Callable[[StreamReader, StreamWriter], Awaitable[None]]

CONTROL_LINE_LIMIT = 64 * 1024 * 1024
BACKLOG = 1024
HOST = "127.0.0.1"


class Proxy:
    """The listeners around a mesh. A deleted Service keeps its listener: its URL answers again
    after a restore.
    """

    def __init__(self) -> None:
        self.mesh = Mesh()
        self.servers: dict[str, asyncio.Server] = {}

    async def run(self) -> None:
        """Follow standard input to its end."""
        control = StreamReader(limit=CONTROL_LINE_LIMIT)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(control), sys.stdin)
        await self._listen("admin", self._admin)
        await self._listen("mesh", partial(self.mesh.serve, service_key=None))
        self._tell()
        while line := await control.readline():
            table = Table.from_json(json.loads(line))
            new = table.services.keys() - self.servers.keys()
            self.mesh.apply(table)
            for key in sorted(new):
                await self._listen(key, partial(self.mesh.serve, service_key=key))
            if new:
                self._tell()

    async def _listen(self, key: str, serve: Serve) -> None:
        self.servers[key] = await asyncio.start_server(
            serve, HOST, 0, limit=HEAD_LIMIT, backlog=BACKLOG
        )

    def _tell(self) -> None:
        ports = {key: server.sockets[0].getsockname()[1] for key, server in self.servers.items()}
        services = {key: port for key, port in ports.items() if "/" in key}
        sys.stdout.write(
            json.dumps({"admin": ports["admin"], "mesh": ports["mesh"], "services": services})
            + "\n"
        )
        sys.stdout.flush()

    async def _admin(self, reader: StreamReader, writer: StreamWriter) -> None:
        """`/metrics`, and `/truth?service=NAMESPACE/NAME&since=MONOTONIC`."""
        client = Spoken(reader, writer)
        try:
            request = await client.request()
            if request is None:
                return
            url = urlsplit(request.target.decode())
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
            if url.path == "/metrics":
                client.answer(200, self.mesh.metrics.text())
            elif url.path == "/truth":
                truth = self.mesh.truth.to_json(query.get("service"), float(query.get("since", 0)))
                client.answer(200, json.dumps(truth))
            else:
                client.answer(
                    404, "served here: /metrics, /truth?service=NAMESPACE/NAME&since=MONOTONIC\n"
                )
            await client.flush()
        except (ConnectionError, ValueError):
            return  # the reader went away or asked nonsense
        finally:
            writer.close()


def main(arguments: list[str]) -> None:
    """Serve until standard input ends."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # the terminal's Ctrl-C is the main process' affair
    asyncio.run(_run())


async def _run() -> None:
    await Proxy().run()
