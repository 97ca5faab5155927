"""Connections to pods, kept alive between requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from drillkit.sandbox.cluster.proxy.http import HEAD_LIMIT, Spoken

CONNECT_TIMEOUT_S = 5.0
IDLE_PER_POD = 64

Address = tuple[str, int]


@dataclass
class Connection:
    """One connection to a pod."""

    address: Address
    http: Spoken
    fresh: bool = True
    """False once it has carried a request: the pod may then have closed it unnoticed."""

    def close(self) -> None:
        self.http.writer.close()


class Pool:
    """Idle connections per pod, the youngest first."""

    def __init__(self) -> None:
        self.idle: dict[Address, list[Connection]] = {}

    async def connect(self, address: Address, *, fresh: bool = False) -> Connection:
        """A connection to the pod, a kept one unless `fresh`. Raises OSError (also for a timeout)
        if it takes none.
        """
        kept = self.idle.get(address, [])
        while kept and not fresh:
            connection = kept.pop()
            if connection.http.idle():
                return connection
            connection.close()
        opening = asyncio.open_connection(*address, limit=HEAD_LIMIT)
        reader, writer = await asyncio.wait_for(opening, CONNECT_TIMEOUT_S)
        return Connection(address, Spoken(reader, writer, as_client=True))

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, if the pod does and there is room."""
        kept = self.idle.setdefault(connection.address, [])
        stays = connection.http.next_cycle() and connection.http.idle()
        if stays and len(kept) < IDLE_PER_POD:
            connection.fresh = False
            kept.append(connection)
        else:
            connection.close()

    def keep_only(self, addresses: Iterable[Address]) -> None:
        """Close idle connections to pods that no longer take requests."""
        for address in set(self.idle) - set(addresses):
            for connection in self.idle.pop(address):
                connection.close()
