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

import h11

from drillkit.sandbox.cluster.proxy import rules as fault
from drillkit.sandbox.cluster.proxy.http import Spoken, has_body, lower, passed_on
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
    request: h11.Request
    fields: dict[str, str]
    client: Spoken
    arrived: float = field(default_factory=time.monotonic)
    destination: str = ""
    status: int = 0
    flags: str = ""
    cause: str = ""
    started_answer: bool = False

    @property
    def method(self) -> str:
        return self.request.method.decode()

    @property
    def path(self) -> str:
        return self.request.target.decode()


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
        client = Spoken(reader, writer)
        try:
            while (request := await client.request()) is not None:
                await self._serve_one(request, client, service_key)
                if not client.next_cycle():
                    return
        except (OSError, ValueError):
            return  # the client went away or talks no HTTP: there is nobody to answer
        finally:
            writer.close()

    async def _serve_one(
        self, request: h11.Request, client: Spoken, service_key: str | None
    ) -> None:
        fields = lower(request)
        source = "" if service_key else fields.get("x-sandbox-source", "default/unknown")
        service = self._resolve(fields.get("host", ""), source, service_key)
        if isinstance(service, str):
            client.answer(503, f"{service}\n")
            await client.flush()
            return
        exchange = Exchange(service, source, request, fields, client)
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

    def _resolve(self, authority: str, source: str, service_key: str | None) -> Service | str:
        """The Service a connection is for, or why a pod cannot resolve the name it asked for."""
        if service_key:
            return self.table.services.get(service_key, Service(service_key))
        service = self.table.service_for(authority, source)
        for name in (service.host if service else authority, authority):
            if (rule := fault.unresolvable(self.table.rules, source, name)) is not None:
                return f"{authority}: Name or service not known ({rule.name})"
        return service or f"{authority}: Name or service not known"

    async def _answer_failure(self, exchange: Exchange) -> None:
        client = exchange.client
        if exchange.started_answer:
            # half an answer: the client must see that it is broken
            client.writer.transport.abort()
            return
        client.answer(exchange.status, f"{exchange.cause}\n")
        await client.flush()

    async def _forward(self, exchange: Exchange) -> None:
        """Bring the request to a pod and the answer back. Raises Failed."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                endpoint, connection, answer = await self._reach(exchange)
        except TimeoutError:
            raise Failed(504, "UT", f"no answer within {REQUEST_TIMEOUT_S:g} s") from None
        exchange.status = answer.status_code
        if exchange.status >= 500:
            exchange.cause = f"{endpoint.pod} answered {exchange.status}"
        if exchange.client.reader.at_eof():
            exchange.flags, exchange.cause = "DC", "the client gave up before the answer"
        try:
            await self._relay_answer(exchange, connection, answer)
        except OSError as error:
            connection.close()
            if exchange.client.writer.is_closing():
                raise Failed(
                    exchange.status, "DC", "the client gave up before the end of the answer"
                ) from error
            raise Failed(
                502, "UC", f"{endpoint.pod} ended the connection inside its answer"
            ) from error
        except BaseException:
            connection.close()
            raise

    async def _reach(self, exchange: Exchange) -> tuple[Endpoint, Connection, h11.Response]:
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

    async def _relay_answer(
        self, exchange: Exchange, connection: Connection, answer: h11.Response
    ) -> None:
        exchange.started_answer = True
        exchange.client.say(
            h11.Response(
                status_code=answer.status_code, headers=passed_on(answer), reason=answer.reason
            )
        )
        await connection.http.relay_body(exchange.client)
        self.pool.give_back(connection)

    async def _ask(self, exchange: Exchange, endpoint: Endpoint) -> tuple[Connection, h11.Response]:
        """Send the request and read the head of the answer.

        A kept connection that turns out to be closed is replaced once, by a new one to the same
        pod: whether the pod still lives decides, not the age of the connection.
        """
        repeatable = exchange.method in SAFE_TO_REPEAT and not has_body(exchange.request)
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

    async def _send(self, exchange: Exchange, connection: Connection) -> h11.Response:
        request, pod = exchange.request, connection.http
        pod.say(
            h11.Request(method=request.method, target=request.target, headers=passed_on(request))
        )
        if has_body(request):
            await exchange.client.relay_body(pod)
        else:
            pod.say(h11.EndOfMessage())
            await pod.flush()
        return await pod.response()

    async def _http_fault(self, exchange: Exchange) -> None:
        rule = fault.http_fault(
            self.table.rules,
            exchange.service.host,
            exchange.method,
            exchange.path,
            exchange.fields,
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
