"""Connections to pods, kept alive between requests."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterable
from dataclasses import dataclass

from drillkit.sandbox.cluster.proxy.http import HEAD_LIMIT

CONNECT_TIMEOUT_S = 5.0
IDLE_PER_POD = 64

Address = tuple[str, int]


@dataclass
class Connection:
    """One connection to a pod."""

    address: Address
    reader: StreamReader
    writer: StreamWriter
    fresh: bool = True
    """False once it has carried a request: the pod may then have closed it unnoticed."""

    def usable(self) -> bool:
        return (
            not self.reader.at_eof()
            and not self.writer.is_closing()
            and self.reader.exception() is None
        )

    def close(self) -> None:
        self.writer.close()


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
            if connection.usable():
                return connection
            connection.close()
        opening = asyncio.open_connection(*address, limit=HEAD_LIMIT)
        reader, writer = await asyncio.wait_for(opening, CONNECT_TIMEOUT_S)
        return Connection(address, reader, writer)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, if there is room."""
        kept = self.idle.setdefault(connection.address, [])
        if connection.usable() and len(kept) < IDLE_PER_POD:
            connection.fresh = False
            kept.append(connection)
        else:
            connection.close()

    def keep_only(self, addresses: Iterable[Address]) -> None:
        """Close idle connections to pods that no longer take requests."""
        for address in set(self.idle) - set(addresses):
            for connection in self.idle.pop(address):
                connection.close()
