"""Liveness, readiness and startup probes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drillkit.sandbox.kube.objects import Object

Execute = Callable[[list[str]], Awaitable[int]]


@dataclass(frozen=True)
class Address:
    """Where a container listens."""

    host: str
    port: int


async def attempt(probe: Object, address: Address | None, execute: Execute) -> str:
    """Probe once; answers why it failed, empty for success. Bounded by the probe's
    timeoutSeconds.
    """
    try:
        async with asyncio.timeout(probe.get("timeoutSeconds") or 1):
            if "exec" in probe:
                code = await execute(list(probe["exec"].get("command") or []))
                return "" if code == 0 else f"command ended with exit code {code}"
            if address is None:
                return "the container does not listen"
            if "httpGet" in probe:
                return await _http(probe["httpGet"], address)
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.close()
            return ""
    except TimeoutError:
        return f"timed out after {probe.get('timeoutSeconds') or 1} s"
    except OSError as error:
        return f"dial tcp {address.host if address else ''}: {error.strerror or error}"


async def _http(get: Object, address: Address) -> str:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        headers = "".join(
            f"{each['name']}: {each['value']}\r\n" for each in get.get("httpHeaders") or []
        )
        path = get.get("path") or "/"
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {address.host}\r\nUser-Agent: kube-probe/1.31\r\n"
            f"{headers}"
        )
        writer.write(f"{request}Connection: close\r\n\r\n".encode())
        words = (await reader.readline()).split()
        if len(words) < 2 or not words[1].isdigit():
            return "no HTTP answer"
        code = int(words[1])
        return "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"
    finally:
        writer.close()


@dataclass
class Verdict:
    """Counts consecutive outcomes against a probe's thresholds."""

    success_threshold: int = 1
    failure_threshold: int = 3
    passing: bool = False
    successes: int = 0
    failures: int = 0

    @staticmethod
    def of(probe: Object, *, passing: bool = False) -> Verdict:
        """A fresh verdict for a probe."""
        return Verdict(
            probe.get("successThreshold") or 1, probe.get("failureThreshold") or 3, passing
        )

    def count(self, success: bool) -> bool:
        """Take an outcome in; answers whether the verdict changed."""
        self.successes, self.failures = (
            (self.successes + 1, 0) if success else (0, self.failures + 1)
        )
        before = self.passing
        if success and self.successes >= self.success_threshold:
            self.passing = True
        elif not success and self.failures >= self.failure_threshold:
            self.passing = False
        return self.passing != before
