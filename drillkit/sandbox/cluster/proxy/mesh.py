"""One request through the mesh: choose a pod, apply the faults, relay, and write down what came
of it.
"""

from __future__ import annotations

import asyncio
import random
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass, field

from drillkit.sandbox.cluster.proxy import rules as fault
from drillkit.sandbox.cluster.proxy.http import Head, has_body, plain_answer, read_head, relay_body
from drillkit.sandbox.cluster.proxy.metrics import Hop, Metrics
from drillkit.sandbox.cluster.proxy.table import EMPTY, Endpoint, Service, Table
from drillkit.sandbox.cluster.proxy.truth import Truth
from drillkit.sandbox.cluster.proxy.upstream import Connection, Pool

REQUEST_TIMEOUT_S = 10.0
"""How long the mesh waits for a pod in all before it answers 504."""
INGRESS = "istio-system/istio-ingressgateway"
SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Failed(Exception):
    """The mesh itself has to answer."""

    def __init__(self, status: int, flags: str, cause: str) -> None:
        super().__init__(cause)
        self.status, self.flags, self.cause = status, flags, cause


@dataclass
class Exchange:
    """One request under way."""

    service: Service
    source: str
    head: Head
    reader: StreamReader
    writer: StreamWriter
    arrived: float = field(default_factory=time.monotonic)
    destination: str = ""
    status: int = 0
    flags: str = ""
    cause: str = ""
    started_answer: bool = False
    keep: bool = True

    @property
    def method(self) -> str:
        return self.head.words()[0]

    @property
    def path(self) -> str:
        return self.head.words()[1]


class Mesh:
    """Routes requests by the current table. One instance serves every listener of the proxy."""

    def __init__(self) -> None:
        self.table: Table = EMPTY
        self.truth = Truth()
        self.metrics = Metrics()
        self.pool = Pool()
        self.draw: Callable[[], float] = random.Random().random
        self._turn: dict[str, int] = {}
        self._changed = asyncio.Event()

    def apply(self, table: Table) -> None:
        """Take a new table into force: also for requests already under way."""
        at = time.monotonic()
        gone = self.truth.services.keys() - table.services.keys()
        self.table = table
        for service in table.services.values():
            why = self._why_unserved(service)
            self.truth.of(service.key).serving(not why, why, at)
            self.metrics.announce(Hop(INGRESS, service.key, "", 200, ""))
            self.metrics.announce(Hop(INGRESS, service.key, "", 503, "UH"))
            for workload in {endpoint.workload for endpoint in service.endpoints}:
                for code, flags in ((200, ""), (502, "UF"), (502, "UC"), (504, "UT")):
                    self.metrics.announce(Hop(INGRESS, service.key, workload, code, flags))
        for key in gone:
            self.truth.of(key).serving(False, "no such service", at)
        self.pool.keep_only((e.host, e.port) for s in table.services.values() for e in s.endpoints)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def serve(
        self, reader: StreamReader, writer: StreamWriter, service_key: str | None
    ) -> None:
        """Serve a connection to its end. `service_key` None: a pod's, which names service and pod
        in its head.
        """
        try:
            while (head := await read_head(reader)) is not None:
                source = (
                    "" if service_key else head.lower.get("x-sandbox-source", "default/unknown")
                )
                if not await self._serve_one(head, source, service_key, reader, writer):
                    return
        except (OSError, ValueError):
            return  # the client went away or talks no HTTP: there is nobody to answer
        finally:
            writer.close()

    async def _serve_one(
        self,
        head: Head,
        source: str,
        service_key: str | None,
        reader: StreamReader,
        writer: StreamWriter,
    ) -> bool:
        service = self._resolve(head, source, service_key)
        if isinstance(service, str):
            writer.write(plain_answer(503, f"{service}\n"))
            await writer.drain()
            return False
        exchange = Exchange(service, source, head, reader, writer)
        exchange.keep = (
            head.lower.get("connection", "").lower() != "close" and head.words()[-1] != "HTTP/1.0"
        )
        try:
            await self._forward(exchange)
        except Failed as failed:
            exchange.status, exchange.flags, exchange.cause = (
                failed.status,
                failed.flags,
                failed.cause,
            )
            self._record(exchange)
            await self._answer_failure(exchange)
        else:
            self._record(exchange)
        return exchange.keep

    def _resolve(self, head: Head, source: str, service_key: str | None) -> Service | str:
        """The Service a connection is for, or why a pod cannot resolve the name it asked for."""
        if service_key:
            return self.table.services.get(service_key, Service(service_key))
        authority = head.lower.get("host", "")
        service = self.table.service_for(authority, source)
        for name in (service.host if service else authority, authority):
            if (rule := fault.unresolvable(self.table.rules, source, name)) is not None:
                return f"{authority}: Name or service not known ({rule.name})"
        return service or f"{authority}: Name or service not known"

    async def _answer_failure(self, exchange: Exchange) -> None:
        exchange.keep = (
            exchange.keep and not exchange.started_answer and not has_body(exchange.head)
        )
        if exchange.started_answer:
            # half an answer: the client must see that it is broken
            exchange.writer.transport.abort()
            return
        text = f"{exchange.cause}\n"
        exchange.writer.write(
            plain_answer(exchange.status, text, "keep-alive" if exchange.keep else "close")
        )
        await exchange.writer.drain()

    async def _forward(self, exchange: Exchange) -> None:
        """Bring the request to a pod and the answer back. Raises Failed."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                endpoint, connection, answer = await self._reach(exchange)
        except TimeoutError:
            raise Failed(504, "UT", f"no answer within {REQUEST_TIMEOUT_S:g} s") from None
        exchange.status = int(answer.words()[1])
        if exchange.status >= 500:
            exchange.cause = f"{endpoint.pod} answered {exchange.status}"
        if exchange.reader.at_eof():
            exchange.flags, exchange.cause = "DC", "the client gave up before the answer"
        try:
            await self._relay_answer(exchange, connection, answer)
        except OSError as error:
            connection.close()
            if exchange.writer.is_closing():
                raise Failed(
                    exchange.status, "DC", "the client gave up before the end of the answer"
                ) from error
            raise Failed(
                502, "UC", f"{endpoint.pod} ended the connection inside its answer"
            ) from error
        except BaseException:
            connection.close()
            raise

    async def _reach(self, exchange: Exchange) -> tuple[Endpoint, Connection, Head]:
        """The pod that answered, the connection to it, and the head of its answer, after all faults
        on the way.
        """
        await self._http_fault(exchange)
        endpoint = self._choose(exchange.service)
        exchange.destination = endpoint.workload
        await self._travel(exchange.source, endpoint.pod)
        if (busy_s := fault.busy_s(self.table.rules, endpoint.pod)) > 0:
            await asyncio.sleep(busy_s)
        connection, answer = await self._ask(exchange, endpoint)
        try:
            await self._travel(endpoint.pod, exchange.source)
        except BaseException:
            connection.close()
            raise
        return endpoint, connection, answer

    async def _relay_answer(self, exchange: Exchange, connection: Connection, answer: Head) -> None:
        bodyless = exchange.method == "HEAD" or exchange.status in (204, 304)
        framed = bodyless or "content-length" in answer.lower or "transfer-encoding" in answer.lower
        exchange.keep = exchange.keep and framed
        exchange.started_answer = True
        exchange.writer.write(answer.encode("keep-alive" if exchange.keep else "close"))
        if not bodyless:
            await relay_body(answer, connection.reader, exchange.writer, to_end=True)
        await exchange.writer.drain()
        if framed and answer.lower.get("connection", "").lower() != "close":
            self.pool.give_back(connection)
        else:
            connection.close()

    async def _ask(self, exchange: Exchange, endpoint: Endpoint) -> tuple[Connection, Head]:
        """Send the request and read the head of the answer.

        A kept connection that turns out to be closed is replaced once, by a new one to the same
        pod: whether the pod still lives decides, not the age of the connection.
        """
        repeatable = exchange.method in SAFE_TO_REPEAT and not has_body(exchange.head)
        connection = await self._connect(endpoint, fresh=False)
        try:
            return connection, await self._send(exchange, connection)
        except ConnectionError as error:
            connection.close()
            if connection.fresh or not repeatable:
                raise Failed(
                    502, "UC", f"{endpoint.pod} ended the connection without an answer"
                ) from error
        except BaseException:
            connection.close()
            raise
        connection = await self._connect(endpoint, fresh=True)
        try:
            return connection, await self._send(exchange, connection)
        except ConnectionError as error:
            connection.close()
            raise Failed(
                502, "UC", f"{endpoint.pod} ended the connection without an answer"
            ) from error
        except BaseException:
            connection.close()
            raise

    async def _connect(self, endpoint: Endpoint, *, fresh: bool) -> Connection:
        try:
            return await self.pool.connect((endpoint.host, endpoint.port), fresh=fresh)
        except OSError as error:
            raise Failed(
                502, "UF", f"{endpoint.pod} takes no connection: {error.strerror or error}"
            ) from error

    async def _send(self, exchange: Exchange, connection: Connection) -> Head:
        connection.writer.write(exchange.head.encode("keep-alive"))
        await relay_body(exchange.head, exchange.reader, connection.writer, to_end=False)
        await connection.writer.drain()
        while True:
            answer = await read_head(connection.reader)
            if answer is None:
                raise ConnectionResetError("closed without an answer")
            if not answer.words()[1].startswith("1"):
                return answer

    async def _http_fault(self, exchange: Exchange) -> None:
        rule = fault.http_fault(
            self.table.rules,
            exchange.service.host,
            exchange.method,
            exchange.path,
            exchange.head.lower,
        )
        if rule is None:
            return
        if rule.delay_share and self.draw() < rule.delay_share:
            exchange.flags = "DI"
            await asyncio.sleep(rule.delay_s)
        if rule.abort_share and self.draw() < rule.abort_share:
            raise Failed(rule.abort_status, "FI", f"fault filter abort ({rule.name})")

    async def _travel(self, sender: str, receiver: str) -> None:
        """Let packets pass one way; a partition holds them until it is lifted or the request's time
        is up.
        """
        way = fault.passage(self.table.rules, sender, receiver, self.draw)
        while way.drop:
            await self._changed.wait()
            way = fault.passage(self.table.rules, sender, receiver, self.draw)
        if way.delay_s > 0:
            await asyncio.sleep(way.delay_s)

    def _choose(self, service: Service) -> Endpoint:
        if not service.endpoints:
            raise Failed(503, "UH", "no healthy upstream")
        turn = self._turn[service.key] = self._turn.get(service.key, -1) + 1
        return service.endpoints[turn % len(service.endpoints)]

    def _why_unserved(self, service: Service) -> str:
        """Why a request from outside cannot succeed now, whatever pod it meets; empty if it can."""
        if not service.endpoints:
            return "no ready endpoint"
        for rule in self.table.rules.http:
            if (
                rule.abort_share >= 1
                and rule.abort_status >= 500
                and not rule.matches
                and rule.covers(service.host, "GET", "/", {})
            ):
                return f"every request is aborted ({rule.name})"
        ways = [
            fault.passage(self.table.rules, *pair, lambda: 1.0)
            for e in service.endpoints
            for pair in (("", e.pod), (e.pod, ""))
        ]
        cut = [any(way.drop for way in ways[i : i + 2]) for i in range(0, len(ways), 2)]
        return "partitioned" if all(cut) else ""

    def _record(self, exchange: Exchange) -> None:
        took_s = time.monotonic() - exchange.arrived
        failed = exchange.status >= 500 or exchange.flags in ("DC", "UC")
        self.truth.of(exchange.service.key).record(
            exchange.arrived, took_s, exchange.status, exchange.cause if failed else ""
        )
        namespace = exchange.source.partition("/")[0]
        workload = self.table.workloads.get(exchange.source, "unknown")
        source = f"{namespace}/{workload}" if exchange.source else INGRESS
        hop = Hop(
            source, exchange.service.key, exchange.destination, exchange.status, exchange.flags
        )
        self.metrics.observe(hop, took_s)
