"""Whoever watches one run: its journal is followed once, and each browser is sent what it has not
seen yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from drillkit.journal.tail import Tail
from drillkit.live.entrance import HEADERS
from drillkit.live.feed import Feed, Sight

LOOK_S = 0.05
"""How often the journal is looked at."""
BEAT_S = 15.0
"""A comment is sent when nothing else is, so that proxies keep the connection."""
PATIENCE_S = 20.0
"""A browser that takes nothing for so long is sent away; it comes back by itself."""
VIEWERS = 200
"""Browsers at once."""


class Audience:
    """The browsers that show one run."""

    def __init__(self) -> None:
        self.feed = Feed()
        self._tail: Tail | None = None
        self._viewers = 0
        self._closing = asyncio.Event()

    def follow(self, journal: Path) -> None:
        """Show what is written here from now on."""
        self._tail = Tail(journal)

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
            self.feed.say(trouble=f"the journal cannot be read: {error.strerror or error}")
            return False
        if records:
            self.feed.take(records)
        return bool(records)

    def catch_up(self) -> None:
        """Show all that the run has written by now."""
        while self._look():
            pass

    def say(self, **extra: Any) -> None:
        """See `Feed.say`."""
        self.feed.say(**extra)

    async def close(self) -> None:
        """Everybody has been sent what there is."""
        self._closing.set()
        self.feed.say()
        while self._viewers:
            await asyncio.sleep(LOOK_S)

    async def send(self, request: web.Request, sight: Sight) -> web.StreamResponse:
        """Answer with events until the browser goes or the run is over."""
        if self._viewers >= VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{VIEWERS} watch already\n")
        seen = request.headers.get("Last-Event-ID", "")
        after = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 16 else 0
        self._viewers += 1
        try:
            return await stream(
                request, self.feed.reader(sight, after).more, self.feed.wait, self._closing
            )
        finally:
            self._viewers -= 1


async def stream(
    request: web.Request,
    more: Callable[[], bytes],
    wait: Callable[[], Awaitable[None]],
    closing: asyncio.Event,
) -> web.StreamResponse:
    """Send what there is `more` of as text/event-stream, again after each `wait`, until closing."""
    response = web.StreamResponse(headers={**HEADERS, "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    try:
        await response.prepare(request)
        data = b"retry: 1000\n\n" + more()
        while True:
            if data:  # an empty chunk would end the answer
                async with asyncio.timeout(PATIENCE_S):
                    await response.write(data)
            if closing.is_set() and not (data := more()):
                return response
            try:
                async with asyncio.timeout(BEAT_S):
                    while not (data := more()) and not closing.is_set():
                        await wait()
            except TimeoutError:
                data = b": still here\n\n"
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    return response
