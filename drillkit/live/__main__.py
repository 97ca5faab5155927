"""The process of a page: `python -m drillkit.live`. Told what to do over its standard input.

    {"host": "127.0.0.1", "port": 0, "tokens": {...}, "cert": null, "key": null}     first
    {"follow": "/reports/shop/20261129-020000-abcd"}      the run, as soon as it has a folder
    {"say": {"outcome": "met: ..."}}                      what its journal does not say

It answers the first line, with `{"port": 43121}` or `{"error": "..."}`. It ends when its input
does: then nobody runs the drill any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from drillkit.live.access import Access
from drillkit.live.entrance import listening, tls_context
from drillkit.live.server import Page

LINGER_S = 5.0
"""So long a page tells that its runner is gone."""
CLOSE_S = 3.0
NICENESS = 5
"""Where processors are scarce, the run and its probes go first."""


async def _serve(terms: dict[str, Any]) -> None:
    host, cert, key = terms["host"], terms["cert"], terms["key"]
    tls = tls_context(Path(cert), Path(key) if key else None) if cert else None
    page = Page(lambda port: Access.of(terms["tokens"], host, port, tls=tls is not None))
    audience = page.audience
    async with listening(page.entrance, page.app(), host, terms["port"], tls) as port:
        print(json.dumps({"port": port}), flush=True)
        watching = asyncio.create_task(audience.watch())
        followed = False
        async for message in _messages():
            if "follow" in message:
                page.follow(Path(message["follow"]))
                followed = True
            audience.catch_up()
            audience.say(**message.get("say", {}))
        audience.catch_up()
        if followed and not page.run_ended:
            audience.say(gone=True)
            await asyncio.sleep(LINGER_S)
        watching.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await audience.close()


async def _messages() -> Any:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        yield json.loads(line)


def main() -> None:
    """Until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: it is meant for the run
    os.nice(NICENESS)
    terms = json.loads(_first_line())
    try:
        asyncio.run(_serve(terms))
    except OSError as error:  # ssl.SSLError is one
        print(json.dumps({"error": error.strerror or str(error)}), flush=True)
        sys.exit(1)


def _first_line() -> bytes:
    """Byte by byte: the rest is read by the event loop, which must find all of it."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit(0)
        line += byte
    return line


if __name__ == "__main__":
    main()
