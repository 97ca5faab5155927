"""The page's server: shows one run to a room, and hands on what its facilitator asks for.

It reads the journal's file and asks the runner through the door in its folder, so it may die, or be
slow, and the run does not notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from drillkit.journal.request_socket import ask
from drillkit.journal.runs import JOURNAL
from drillkit.live.access import Access, Right
from drillkit.live.audience import Audience
from drillkit.live.entrance import Entrance
from drillkit.live.feed import Sight
from drillkit.model.errors import DrillError
from drillkit.model.requests import decode_request

PARTS = {
    "/": "index.html",
    "/shared.js": "shared.js",
    "/page.js": "page.js",
    "/page.css": "page.css",
    "/icon.svg": "icon.svg",
}
SIGHT_OF: dict[Right, Sight] = {"facilitator": "everything", "observer": "observed"}


class Page:
    """What the server answers."""

    def __init__(self, access: Callable[[int], Access]) -> None:
        """`access`: see `Entrance`."""
        self.entrance = Entrance(access, PARTS)
        self.audience = Audience()
        self._folder: Path | None = None

    def app(self) -> web.Application:
        """Everything that can be asked for."""
        app = self.entrance.app()
        app.router.add_post("/ask", self._ask)
        app.router.add_get("/events", self._events, allow_head=False)
        return app

    def follow(self, folder: Path) -> None:
        """Show the run of this folder from now on."""
        self._folder = folder
        self.audience.follow(folder / JOURNAL)

    @property
    def run_ended(self) -> bool:
        """Whether the run has closed its journal."""
        return self.audience.feed.view.ended

    async def _ask(self, request: web.Request) -> web.Response:
        if self.entrance.right(request) != "facilitator":
            raise web.HTTPForbidden(text="observers watch; ask the facilitator\n")
        message = await self.entrance.message(request)
        if self._folder is None:
            return web.json_response({"refused": "the run has not begun"}, status=409)
        try:
            n = await asyncio.to_thread(ask, self._folder, decode_request(message))
        except (DrillError, ValueError) as why:
            return web.json_response({"refused": str(why)}, status=409)
        return web.json_response({"n": n})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self.audience.send(request, SIGHT_OF[self.entrance.right(request)])
