"""What tests of a running cluster share: start and stop it, put load on it, wait for something."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from drillkit.sandbox.cluster import start_cluster
from drillkit.sandbox.kube.store import Store


@asynccontextmanager
async def running(state, **options):
    """A cluster with the shop ready."""
    cluster = await start_cluster(Store(), state, **options)
    try:
        await cluster.ready()
        yield cluster
        assert not cluster.controllers.failures
    finally:
        await cluster.stop()


async def until(true, limit_s=15.0):
    """Wait until something holds, and give its value."""
    async with asyncio.timeout(limit_s):
        while not (value := true()):
            await asyncio.sleep(0.02)
    return value


async def get(url, timeout_s=5.0):
    """(status, body, seconds) of one request on a fresh connection; status 0 if it was
    not answered.
    """
    host, _, rest = url.removeprefix("http://").partition(":")
    port, _, path = rest.partition("/")
    started = time.monotonic()
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return 0, "", time.monotonic() - started
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body, time.monotonic() - started


async def truth(cluster, service, since=0.0):
    """What the proxy knows to have happened."""
    _, body, _ = await get(f"{cluster.truth}?service={service}&since={since}")
    return json.loads(body)["services"][service]


@dataclass
class Load:
    """Requests at a constant rate, each on a fresh connection, until stopped."""

    url: str
    rate: float = 100.0
    answers: list[tuple[float, int, float]] = field(default_factory=list)

    @asynccontextmanager
    async def applied(self):
        since = time.monotonic()
        task = asyncio.create_task(self._run())
        try:
            yield since
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.gather(*self._open)

    @property
    def failed(self):
        return [answer for answer in self.answers if answer[1] != 200]

    async def _run(self):
        self._open = set()
        started, number = time.monotonic(), 0
        while True:
            await asyncio.sleep(max(0.0, started + number / self.rate - time.monotonic()))
            number += 1
            task = asyncio.create_task(self._one())
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _one(self):
        sent = time.monotonic()
        status, _, took_s = await get(self.url)
        self.answers.append((sent, status, took_s))
