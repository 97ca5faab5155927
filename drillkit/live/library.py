"""The server of a folder of reports: what runs there now, live, and what has run, with its report.

Read-only: it starts and stops nothing, and nobody can ask a run for anything through it. Who
watches a run here sees what observers see, and of a run that has not ended nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from drillkit.archive.scan import Archive, journals, scan
from drillkit.archive.summary import RunSummary
from drillkit.journal.files import read_file
from drillkit.journal.runs import JOURNAL, is_running
from drillkit.lazy_dataclass import dataclass
from drillkit.live.access import Access
from drillkit.live.audience import Audience, stream
from drillkit.live.bucket_runs import Elsewhere
from drillkit.live.entrance import HEADERS, Entrance, part
from drillkit.model.json_text import load_json

LOOK_S = 1.0
"""How often it is looked what runs."""
FRESH_S = 2.0
"""A list of past runs is given for so long before it is made anew."""
SHOWN = 200
"""Past runs in the list; the page over all runs has the rest."""
FILE_BYTES = 64 * 1024 * 1024
"""Larger files are not served."""
FOLLOWED = 50
"""Runs that are followed at once."""
VERDICT, REPORT = "verdict.json", "report.html"
PARTS = {
    "/": "library.html",
    "/library.js": "library.js",
    "/shared.js": "shared.js",
    "/page.js": "page.js",
    "/page.css": "page.css",
    "/icon.svg": "icon.svg",
}
REPORT_KINDS: Mapping[str, str] = {
    REPORT: "text/html",
    "report.md": "text/plain",
    "junit.xml": "text/plain",
    VERDICT: "application/json",
}
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-same-origin"
)
"""Of what runs have written: it is shown and does nothing."""
Rendered = Callable[[Archive], str]


@dataclass(slots=True)
class _Shown:
    """A run that goes on."""

    audience: Audience
    watching: asyncio.Task[None]


class Library:
    """What the server answers."""

    def __init__(
        self,
        access: Callable[[int], Access],
        reports: Path,
        index: Rendered,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """
        Args:
            access: see `Entrance`.
            reports: the folder, DRILL/RUN below it.
            index: the page over all runs that have ended.
            elsewhere: knows what runs, where the folder is the copy of a bucket.
        """
        self._elsewhere = elsewhere
        self.entrance = Entrance(access, PARTS)
        self._reports, self._index = reports.resolve(), index
        self._live: dict[str, _Shown] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._done: dict[str, tuple[int, int]] = {}
        """Size and time of the journal of each run that does not go on."""
        self._past: tuple[float, Archive] | None = None
        self._scanning = asyncio.Lock()
        self._state = b""
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._page = part("index.html")

    def app(self) -> web.Application:
        """Everything that can be asked for."""
        app = self.entrance.app()
        app.router.add_get("/now", self._now, allow_head=False)
        app.router.add_get("/past", self._past_runs)
        app.router.add_get("/live/{drill}/{run}/", self._live_page)
        app.router.add_get("/live/{drill}/{run}/events", self._events, allow_head=False)
        app.router.add_get("/reports/", self._all)
        app.router.add_get("/reports/{drill}/{run}/{name}", self._file)
        app.router.add_get("/reports/{drill}/{run}/{folder}/{name}", self._file)
        return app

    # -- what runs ---------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Look again and again what runs, until cancelled."""
        while True:
            running = await asyncio.to_thread(self._running, frozenset(self._live))
            for name in running - self._live.keys():
                if len(self._live) < FOLLOWED:
                    self._begin(name)
            for name in self._live.keys() - running:
                await self._end(name)
            self._tell()
            await asyncio.sleep(LOOK_S)

    def _running(self, live: frozenset[str]) -> set[str]:
        """DRILL/RUN of each run that goes on. A lock is looked at only where something is new: one
        that nobody holds would be held for that moment.
        """
        if self._elsewhere is not None:
            return set(self._elsewhere.now.running)
        found = set()
        for name, journal in journals(self._reports):
            with contextlib.suppress(OSError):
                stamp = (journal.stat().st_size, journal.stat().st_mtime_ns)
                if name not in live and self._done.get(name) == stamp:
                    continue
                if is_running(journal.parent):
                    found.add(name)
                else:
                    self._done[name] = stamp
        return found

    def _begin(self, name: str) -> None:
        audience = Audience()
        audience.follow(self._reports / name / JOURNAL)
        self._live[name] = _Shown(audience, asyncio.create_task(audience.watch()))

    async def _end(self, name: str) -> None:
        """Whoever watches is shown the end, with the report."""
        shown = self._live.pop(name)
        shown.watching.cancel()
        self._past = None
        shown.audience.catch_up()
        told = await asyncio.to_thread(self._outcome, name)
        shown.audience.say(**told)
        closing = asyncio.create_task(shown.audience.close())
        self._leaving.add(closing)
        closing.add_done_callback(self._leaving.discard)

    def _outcome(self, name: str) -> dict[str, Any]:
        try:
            verdict = load_json(read_file(self._reports / name / VERDICT))
            return {"outcome": str(verdict["headline"]), "report": _link(name)}
        except (OSError, ValueError, KeyError, TypeError):
            return {"gone": True}

    def _tell(self) -> None:
        """What runs now, to whoever watches the list."""
        rows = []
        for name, shown in sorted(self._live.items()):
            state = shown.audience.feed.view.snapshot(everything=False)
            kept = {key: state[key] for key in _LISTED}
            kept["steps"] = [step for step in state["steps"] if step["state"] == "running"]
            rows.append(kept | {"link": f"/live/{quote(name)}/", "name": name})
        text = json.dumps({"runs": rows, "past": self._ended_count}, separators=(",", ":"))
        data = f"event: now\ndata: {text}\n\n".encode()
        if data != self._state:
            self._state = data
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    @property
    def _ended_count(self) -> int:
        return len(self._done if self._elsewhere is None else self._elsewhere.now.ended)

    async def close(self) -> None:
        """Everybody has been sent what there is."""
        self._closing.set()
        self._changed.set()
        for shown in self._live.values():
            shown.watching.cancel()
            await shown.audience.close()

    # -- what is asked for -------------------------------------------------------------------------

    async def _now(self, request: web.Request) -> web.StreamResponse:
        self.entrance.right(request)
        seen = b""

        def more() -> bytes:
            nonlocal seen
            found, seen = (self._state if self._state != seen else b""), self._state
            return found

        async def wait() -> None:
            await self._changed.wait()

        return await stream(request, more, wait, self._closing)

    async def _live_page(self, request: web.Request) -> web.StreamResponse:
        """The page itself tells nothing: its events do, to whoever has been let in."""
        name = _name(request)
        if name not in self._live:
            raise web.HTTPSeeOther(_link(name))
        return web.Response(body=self._page, content_type="text/html", charset="utf-8")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.entrance.right(request)
        shown = self._live.get(_name(request))
        if shown is None:
            raise web.HTTPNotFound(text="it does not run\n")
        return await shown.audience.send(request, "observed")

    async def _past_runs(self, request: web.Request) -> web.Response:
        self.entrance.right(request)
        archive = await self._ended()
        shown = archive.runs[: -SHOWN - 1 : -1]
        rows = await asyncio.to_thread(lambda: [self._row(run) for run in shown])
        found = {"runs": rows, "of": len(archive.runs), "unread": len(archive.unread)}
        return web.json_response(found)

    async def _all(self, request: web.Request) -> web.Response:
        self.entrance.right(request)
        archive = await self._ended()
        return _written((await asyncio.to_thread(self._index, archive)).encode(), "text/html")

    async def _ended(self) -> Archive:
        """All that has run and does not run any more."""
        async with self._scanning:
            now = asyncio.get_running_loop().time()
            if self._past is None or now - self._past[0] > FRESH_S:
                self._past = (now, await asyncio.to_thread(self._scan))
            return self._past[1]

    def _scan(self) -> Archive:
        if self._elsewhere is not None:
            return scan(self._reports, without=_AllBut(self._elsewhere.now.ended))
        return scan(self._reports, without=self._running(frozenset(self._live)))

    def _row(self, run: RunSummary) -> dict[str, Any]:
        name = f"{run.drill}/{run.run}"
        there = (self._reports / name / REPORT).is_file()
        return {
            "at": run.started,
            "drill": run.drill,
            "target": run.target,
            "emulated": run.emulated,
            "word": run.word,
            "holds": str(run.holds),
            "text": (run.headline.partition(": ")[2] or run.headline)[:300],
            "link": _link(name) if there else None,
            "run": run.run,
        }

    async def _file(self, request: web.Request) -> web.Response:
        """A file of a run's report. Nothing of a run that goes on: it may hold what observers are
        not to know yet.
        """
        self.entrance.right(request)
        folder, name = request.match_info.get("folder"), request.match_info["name"]
        kind = REPORT_KINDS.get(name) if folder is None else "text/plain"
        if kind is None or folder not in (None, "attachments"):
            raise web.HTTPNotFound(text="no such file of a report\n")
        run = _name(request)
        if await asyncio.to_thread(self._goes_on, run):
            raise web.HTTPNotFound(text="it still runs; its report comes when it has ended\n")
        parts = [*run.split("/"), *([folder] if folder else []), name]
        try:
            return _written(await asyncio.to_thread(_read, self._reports, parts), kind)
        except (OSError, ValueError) as error:
            raise web.HTTPNotFound(text="no such file of a report\n") from error

    def _goes_on(self, run: str) -> bool:
        if self._elsewhere is not None:
            return run not in self._elsewhere.now.ended
        return run in self._live or (
            not (self._reports / run / VERDICT).is_file() and is_running(self._reports / run)
        )


@dataclass(frozen=True, slots=True)
class _AllBut:
    """Everything is in it but these."""

    names: frozenset[str]

    def __contains__(self, name: object) -> bool:
        return name not in self.names


_LISTED = ("about", "phase", "stopping", "ended", "hold", "alerts", "steps")


def _name(request: web.Request) -> str:
    """DRILL/RUN that is asked for. Raises HTTPNotFound for what is no name of a folder."""
    parts = (request.match_info["drill"], request.match_info["run"])
    if any("/" in part or "\0" in part or part.startswith(".") for part in parts):
        raise web.HTTPNotFound(text="no such run\n")
    return "/".join(parts)


def _link(name: str) -> str:
    return f"/reports/{quote(name)}/{REPORT}"


def _written(body: bytes, kind: str) -> web.Response:
    """What a run has written, or a page made of it."""
    headers = {**HEADERS, "Content-Security-Policy": REPORT_POLICY}
    return web.Response(body=body, headers=headers, content_type=kind, charset="utf-8")


def _read(reports: Path, parts: list[str]) -> bytes:
    """A file below the reports; no link is followed on the way. Raises OSError, ValueError."""
    fd = os.open(reports, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for number, name in enumerate(parts):
        if "/" in name or name.startswith("."):
            os.close(fd)
            raise ValueError(name)
        kind = os.O_DIRECTORY if number < len(parts) - 1 else os.O_NONBLOCK
        try:
            below = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    with open(fd, "rb") as file:
        if os.fstat(fd).st_size > FILE_BYTES:
            raise ValueError("too large")
        return file.read(FILE_BYTES)
