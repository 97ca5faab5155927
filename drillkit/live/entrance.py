"""The door of every page: who is let in, what each answer carries, what a request must look like.

Nothing is answered to a request under another name (DNS rebinding), nothing but the page's own
parts to whoever has not been let in, and nothing that a foreign page has sent changes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import web

from drillkit.live.access import Access, Right
from drillkit.model.json_text import load_json

BODY_BYTES = 32 * 1024
BODY_S = 10.0
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
ONCE = ("Host", "Origin", "Sec-Fetch-Site", "Content-Type", "Cookie", "Last-Event-ID")
"""Headers that decide something: whoever is in between may read another one of two."""
KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Entrance:
    """Lets in, by a link's token or the cookie that it was exchanged for."""

    def __init__(self, access: Callable[[int], Access], parts: Mapping[str, str]) -> None:
        """
        Args:
            access: of a port, which is known only when it listens.
            parts: what everybody is given, by its path: names of files beside the pages.
        """
        self._access_of = access
        self._parts = {path: (part(name), KINDS[Path(name).suffix]) for path, name in parts.items()}

    def app(self) -> web.Application:
        """The parts and `/enter`; whoever uses it adds what it answers besides."""
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._guard])
        for path in self._parts:
            app.router.add_get(path, self._give_part)
        app.router.add_post("/enter", self._enter)
        return app

    def listens(self, port: int) -> None:
        """It can be asked now."""
        self._allowed = self._access_of(port)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if any(len(request.headers.getall(name, ())) > 1 for name in ONCE):
                raise web.HTTPBadRequest(text="a header stands there twice\n")
            if not self._allowed.knows_host(request.host):
                raise web.HTTPMisdirectedRequest(text="this page has another name\n")
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    async def _give_part(self, request: web.Request) -> web.Response:
        body, kind = self._parts[request.path]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    def right(self, request: web.Request) -> Right:
        """Raises HTTPUnauthorized for whoever has not been let in."""
        right = self._allowed.right_of_cookie(request.cookies.get(self._cookie(request), ""))
        if right is None:
            raise web.HTTPUnauthorized(text="open the link that drillkit has printed\n")
        return right

    def _cookie(self, request: web.Request) -> str:
        """Cookies are of a host, whatever the port: two pages on one machine need two names."""
        return f"{COOKIE}-{request.host.rpartition(':')[2]}"

    async def message(self, request: web.Request) -> dict[str, Any]:
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
                found = load_json(await request.text())
        except TimeoutError as error:
            raise web.HTTPRequestTimeout(text="the rest did not come\n") from error
        except (ValueError, RecursionError) as error:
            raise web.HTTPBadRequest(text="this is no JSON\n") from error
        if not isinstance(found, dict):
            raise web.HTTPBadRequest(text="expected an object\n")
        return found

    async def _enter(self, request: web.Request) -> web.Response:
        token = (await self.message(request)).get("token")
        access = self._allowed
        right = access.right_of_token(token) if isinstance(token, str) else None
        if right is None:
            right = self.right(request)  # a page that is loaded anew has lost the token
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


def part(name: str) -> bytes:
    """A file of the pages."""
    return files("drillkit.live").joinpath("page", name).read_bytes()


def tls_context(cert: Path, key: Path | None) -> ssl.SSLContext:
    """TLS as a server, with this certificate. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


@contextlib.asynccontextmanager
async def listening(
    entrance: Entrance, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None
) -> AsyncIterator[int]:
    """Serve an app that came from this entrance; gives the port. Raises OSError when it cannot
    listen there.
    """
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, keepalive_timeout=30, lingering_time=1
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls, shutdown_timeout=1)
        await site.start()
        found: int = runner.addresses[0][1]
        entrance.listens(found)
        yield found
    finally:
        await runner.cleanup()
