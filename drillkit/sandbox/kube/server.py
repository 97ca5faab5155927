"""The API over HTTPS on loopback: authentication, faults, watches, logs and commands as
they stream.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from contextlib import suppress
from hmac import compare_digest
from pathlib import Path
from typing import Any

from aiohttp import web

from drillkit.sandbox.kube.access import (
    ADMIN,
    AUTHENTICATED,
    Caller,
    service_account,
)
from drillkit.sandbox.kube.api import answer, refusal
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.faults import Fault, Faults
from drillkit.sandbox.kube.objects import ACCOUNTS, Event, Object
from drillkit.sandbox.kube.proxying import forward, proxied
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.kube.streams import follow, run_command
from drillkit.sandbox.kube.tls import Identity, issue
from drillkit.sandbox.kube.watch import Watch
from drillkit.sandbox.kube.wire import Exec, LogFollow, Request, Response

HOST = "127.0.0.1"
_BODY_LIMIT = 8 * 1024 * 1024
_BOOKMARK_EVERY_S = 10.0
_SHUTDOWN_S = 0.3
_PUBLIC_PATHS = ("/readyz", "/livez", "/healthz")
_log = logging.getLogger(__name__)


class Server:
    """Serves one store.

    Args:
        store: what is served.
        token: the administrator's bearer token; others are those of ServiceAccounts.
        faults: what goes wrong on purpose.
    """

    def __init__(self, store: Store, token: str, faults: Faults | None = None) -> None:
        self.store = store
        self.faults = faults or Faults()
        self.url = ""
        self._token = token
        self._wakers: set[asyncio.Event] = set()
        self._unsubscribe = store.subscribe(self._wake)
        self._runner: web.ServerRunner | None = None
        self.stopping = asyncio.Event()

    async def start(self, folder: Path) -> Identity:
        """Listens on a free port of 127.0.0.1 with a new certificate kept in ``folder``;
        sets ``url``.
        """
        identity = issue(folder)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(identity.certificate, identity.key)
        listener = socket.create_server((HOST, 0), backlog=256)
        server = web.Server(
            self._serve, request_factory=_request, handler_cancellation=True, access_log=None
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=context).start()
        self.url = f"https://{HOST}:{listener.getsockname()[1]}"
        return identity

    async def stop(self) -> None:
        """Ends all streams and stops listening."""
        self.stopping.set()
        self._unsubscribe()
        for waker in self._wakers:
            waker.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def _wake(self, event: Event) -> None:
        for waker in self._wakers:
            waker.set()

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        """One request; whatever goes wrong with it, the server stays."""
        try:
            return await self._answer(http)
        except ApiError as error:
            return _plain(refusal(error))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except web.HTTPException as error:
            return _plain(
                refusal(ApiError(error.status, "RequestEntityTooLarge", error.text or error.reason))
            )
        except Exception as error:  # the boundary of the process: told to the client and to the log
            _log.exception("%s %s failed", http.method, http.path)
            return _plain(
                refusal(ApiError(500, "InternalError", f"Internal error occurred: {error!r}"))
            )

    async def _answer(self, http: web.BaseRequest) -> web.StreamResponse:
        caller = ADMIN if http.path in _PUBLIC_PATHS else self._caller(http)
        fault = self.faults.take(http.method)
        if fault is not None:
            await _befall(fault, http)
        if (to := proxied(http.path)) is not None:
            return await forward(self.store, http, to, caller)
        body = await http.read()
        query = list(http.query.items())
        request = Request(http.method, http.path, query, http.headers, body, caller)
        response = answer(self.store, request)
        if fault is not None and fault.drop == "after":
            raise _cut(http)
        match response.upgrade:
            case Watch() as watch:
                return await self._stream_watch(http, watch, response)
            case LogFollow() as log:
                return await follow(self.store, http, log, self.stopping)
            case Exec() as command:
                return await run_command(self.store, http, command)
        return _plain(response)

    def _caller(self, http: web.BaseRequest) -> Caller:
        """Who asks: by token, and whom the administrator plays (``kubectl --as``). Raises 401."""
        token = http.headers.get("Authorization", "").removeprefix("Bearer ")
        if not compare_digest(token.encode(), self._token.encode()):
            return self._account(token)
        played = http.headers.get("Impersonate-User")
        if not played:
            return ADMIN
        words = played.split(":")
        if words[:2] == ["system", "serviceaccount"] and len(words) == 4:
            return service_account(words[2], words[3])
        return Caller(played, (*http.headers.getall("Impersonate-Group", ()), AUTHENTICATED))

    def _account(self, token: str) -> Caller:
        found = self.store.tokens.bearer(token, self.store.now())
        if found is not None:
            namespace, name, uid = found
            account = self.store.get(ACCOUNTS, namespace, name)
            if account is not None and account["metadata"]["uid"] == uid:
                return service_account(namespace, name)
        raise ApiError(401, "Unauthorized", "Unauthorized")

    async def _stream_watch(
        self, http: web.BaseRequest, watch: Watch, response: Response
    ) -> web.StreamResponse:
        """Sends changes as they happen until the watch's time is over or the client leaves."""
        stream = web.StreamResponse(headers=dict(response.headers))
        stream.enable_chunked_encoding()
        await stream.prepare(http)
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            while not self.stopping.is_set():
                waker.clear()
                lines = watch.poll()
                await _send(stream, lines)
                if watch.closed:
                    break
                try:
                    await asyncio.wait_for(waker.wait(), self._patience(watch))
                except TimeoutError:
                    await _send(stream, [*watch.poll(), *watch.bookmark()])
        finally:
            self._wakers.discard(waker)
        with suppress(ConnectionError):
            await stream.write_eof()
        return stream

    def _patience(self, watch: Watch) -> float:
        if watch.until is None:
            return _BOOKMARK_EVERY_S
        left = (watch.until - self.store.now()).total_seconds()
        return min(_BOOKMARK_EVERY_S, max(0.001, left))


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=_BODY_LIMIT
    )


async def _send(stream: web.StreamResponse, lines: list[Object]) -> None:
    if lines:
        await stream.write(
            b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        )


def _plain(response: Response) -> web.Response:
    headers = {"Content-Type": "application/json", **response.headers}
    return web.Response(status=response.status, body=response.encode(), headers=headers)


async def _befall(fault: Fault, http: web.BaseRequest) -> None:
    """Lets a fault happen before the request takes effect."""
    await asyncio.sleep(fault.delay_s)
    if fault.hang_s:
        await asyncio.sleep(fault.hang_s)
        raise _cut(http)
    if fault.drop == "before":
        raise _cut(http)


def _cut(http: web.BaseRequest) -> ConnectionError:
    """Breaks the connection, as a network would."""
    if http.transport is not None:
        http.transport.abort()
    return ConnectionResetError("the connection was broken by a fault of the sandbox")
