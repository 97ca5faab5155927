"""The page's server: shows one run to a room, and hands on what its facilitator asks for.

It reads the journal's file and asks the runner through the door in its folder, so it may die, or be
slow, and the run does not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import web

from drillkit.journal.asking import ask
from drillkit.journal.tail import Tail
from drillkit.live.access import Access, Right
from drillkit.live.feed import Feed, Sight
from drillkit.model.errors import DrillError
from drillkit.model.requests import decode_request

LOOK_S = 0.05
"""How often the journal is looked at."""
BEAT_S = 15.0
"""A comment is sent when nothing else is, so that proxies keep the connection."""
PATIENCE_S = 20.0
"""A browser that takes nothing for so long is sent away; it comes back by itself."""
BODY_BYTES = 32 * 1024
BODY_S = 10.0
VIEWERS = 200
"""Browsers at once."""
COOKIE = "drillkit"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PARTS = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SIGHT_OF: dict[Right, Sight] = {"facilitator": "everything", "observer": "observed"}


class Page:
    """What the server answers."""

    def __init__(self, access: Callable[[int], Access]) -> None:
        """`access`: of a port, which is known only when it listens."""
        self._access_of = access
        self._feed = Feed()
        self._folder: Path | None = None
        self._tail: Tail | None = None
        self._viewers = 0
        self._closing = asyncio.Event()
        self._parts = {
            path: (files("drillkit.live").joinpath("page", name).read_bytes(), kind)
            for path, (name, kind) in PARTS.items()
        }

    def app(self) -> web.Application:
        """Everything that can be asked for."""
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._guard])
        for path in self._parts:
            app.router.add_get(path, self._part)
        app.router.add_post("/enter", self._enter)
        app.router.add_post("/ask", self._ask)
        app.router.add_get("/events", self._events)
        return app

    def listens(self, port: int) -> None:
        """It can be asked now."""
        self._allowed = self._access_of(port)

    # -- the run -----------------------------------------------------------------------------------

    def follow(self, folder: Path) -> None:
        """Show the run of this folder from now on."""
        self._folder, self._tail = folder, Tail(folder / "journal.jsonl")

    async def watch(self) -> None:
        """Look again and again what the run has written, until cancelled."""
        while True:
            if not self._look():
                await asyncio.sleep(LOOK_S)
            await asyncio.sleep(0)

    def _look(self) -> bool:
        """Whether the run has written more."""
        if self._tail is None:
            return False
        try:
            records = self._tail.read()
        except OSError as error:
            self._feed.say(trouble=f"the journal cannot be read: {error.strerror or error}")
            return False
        if records:
            self._feed.take(records)
        return bool(records)

    def catch_up(self) -> None:
        """Show all that the run has written by now."""
        while self._look():
            pass

    def say(self, **extra: Any) -> None:
        """See `Feed.say`."""
        self._feed.say(**extra)

    @property
    def run_ended(self) -> bool:
        """Whether the run has closed its journal."""
        return self._feed.view.ended

    async def close(self) -> None:
        """Everybody has been sent what there is."""
        self._closing.set()
        self._feed.say()
        while self._viewers:
            await asyncio.sleep(LOOK_S)

    # -- what is asked for -------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not self._allowed.knows_host(request.host):
                raise web.HTTPMisdirectedRequest(text="this page has another name\n")
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    async def _part(self, request: web.Request) -> web.Response:
        body, kind = self._parts[request.path]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    def _right(self, request: web.Request) -> Right:
        """Raises HTTPUnauthorized for whoever has not been let in."""
        right = self._allowed.right_of_cookie(request.cookies.get(self._cookie(request), ""))
        if right is None:
            raise web.HTTPUnauthorized(text="open the link that the run has printed\n")
        return right

    def _cookie(self, request: web.Request) -> str:
        """Cookies are of a host, whatever the port: two pages on one machine need two names."""
        return f"{COOKIE}-{request.host.rpartition(':')[2]}"

    async def _message(self, request: web.Request) -> dict[str, Any]:
        """A JSON object that this page itself has sent. Raises an HTTPException."""
        own = self._allowed.is_own(
            request.host, request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        )
        if not own:
            raise web.HTTPForbidden(text="this did not come from the page itself\n")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="expected application/json\n")
        try:
            async with asyncio.timeout(BODY_S):
                found = json.loads(await request.text())
        except TimeoutError as error:
            raise web.HTTPRequestTimeout(text="the rest did not come\n") from error
        except (ValueError, RecursionError) as error:
            raise web.HTTPBadRequest(text="this is no JSON\n") from error
        if not isinstance(found, dict):
            raise web.HTTPBadRequest(text="expected an object\n")
        return found

    async def _enter(self, request: web.Request) -> web.Response:
        token = (await self._message(request)).get("token")
        access = self._allowed
        right = access.right_of_token(token) if isinstance(token, str) else None
        if right is None:
            right = self._right(request)  # a page that is loaded anew has lost the token
        response = web.json_response({"right": right})
        response.set_cookie(
            self._cookie(request),
            access.cookie_of(right),
            httponly=True,
            samesite="Strict",
            secure=access.scheme == "https",
            path="/",
        )
        return response

    async def _ask(self, request: web.Request) -> web.Response:
        if self._right(request) != "facilitator":
            raise web.HTTPForbidden(text="observers watch; ask the facilitator\n")
        message = await self._message(request)
        if self._folder is None:
            return web.json_response({"refused": "the run has not begun"}, status=409)
        try:
            n = await asyncio.to_thread(ask, self._folder, decode_request(message))
        except (DrillError, ValueError) as why:
            return web.json_response({"refused": str(why)}, status=409)
        return web.json_response({"n": n})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        right = self._right(request)
        if self._viewers >= VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{VIEWERS} watch already\n")
        seen = request.headers.get("Last-Event-ID", "")
        response = web.StreamResponse(headers={**HEADERS, "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        self._viewers += 1
        try:
            await response.prepare(request)
            after = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 16 else 0
            await self._stream(response, SIGHT_OF[right], after)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._viewers -= 1
        return response

    async def _stream(self, response: web.StreamResponse, sight: Sight, after: int) -> None:
        reader = self._feed.reader(sight, after)
        data = b"retry: 1000\n\n" + reader.more()
        while True:
            if data:  # an empty chunk would end the answer
                async with asyncio.timeout(PATIENCE_S):
                    await response.write(data)
            if self._closing.is_set() and not (data := reader.more()):
                return
            try:
                async with asyncio.timeout(BEAT_S):
                    while not (data := reader.more()) and not self._closing.is_set():
                        await self._feed.wait()
            except TimeoutError:
                data = b": still here\n\n"


def tls_context(cert: Path, key: Path | None) -> ssl.SSLContext:
    """TLS as a server, with this certificate. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


@contextlib.asynccontextmanager
async def listening(
    page: Page, host: str, port: int, tls: ssl.SSLContext | None
) -> AsyncIterator[int]:
    """Serve the page; gives the port. Raises OSError when it cannot listen there."""
    runner = web.AppRunner(
        page.app(), access_log=None, handle_signals=False, keepalive_timeout=30, lingering_time=1
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls, shutdown_timeout=1)
        await site.start()
        found: int = runner.addresses[0][1]
        page.listens(found)
        yield found
    finally:
        await runner.cleanup()
