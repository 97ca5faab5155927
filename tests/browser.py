"""A real browser without a window, spoken to over a pipe (Chrome DevTools Protocol): what it says,
it really drew.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LIMIT_S = 30.0


def program() -> str | None:
    """The browser of this machine, if there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Browser:
    """One page of a headless browser."""

    def __init__(self, binary: str, profile: Path) -> None:
        # It reads commands from descriptor 3 and answers on 4.
        self._commands_in, self._commands = os.pipe()
        self._answers, self._answers_out = os.pipe()
        shell = f'exec "$0" "$@" 3<&{self._commands_in} 4>&{self._answers_out}'
        arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            "--remote-debugging-pipe",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            ["bash", "-c", shell, binary, *arguments],
            pass_fds=(self._commands_in, self._answers_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(self._commands_in)
        os.close(self._answers_out)
        self._buffer, self._number = b"", 0
        self.events: list[dict[str, Any]] = []
        pages = [
            t for t in self._call("Target.getTargets", None)["targetInfos"] if t["type"] == "page"
        ]
        attached = self._call(
            "Target.attachToTarget", None, targetId=pages[0]["targetId"], flatten=True
        )
        self._session: str = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command to the page and its result."""
        return self._call(method, self._session, **params)

    def _call(self, method: str, session: str | None, **params: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message = {
            "id": number,
            "method": method,
            "params": params,
            **({"sessionId": session} if session else {}),
        }
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + LIMIT_S
        while True:
            answer = self._next(end - time.monotonic())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _next(self, limit_s: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, limit_s))
            chunk = os.read(self._answers, 1 << 20) if ready else b""
            assert chunk, "the browser does not answer"
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found

    def open(
        self,
        page: Path,
        *,
        width: int = 1100,
        height: int = 900,
        dark: bool = False,
        paper: bool = False,
    ) -> None:
        """Show a file and wait until it is loaded."""
        self.shape(width, height, dark=dark, paper=paper)
        self.visit(page.resolve().as_uri())

    def shape(self, width: int, height: int, *, dark: bool = False, paper: bool = False) -> None:
        """How large its window is, and what its owner likes."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call(
            "Emulation.setEmulatedMedia", media="print" if paper else "screen", features=scheme
        )

    def visit(self, url: str) -> None:
        """Go somewhere and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        end = time.monotonic() + LIMIT_S
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next(end - time.monotonic()))

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + LIMIT_S
        while not self.ask(expression):
            assert time.monotonic() < end, f"never came true: {expression}"
            time.sleep(0.05)

    def complaints(self) -> list[str]:
        """What the console says since the page was opened, and what it tried to fetch
        besides itself.
        """
        said = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                said.append(json.dumps(params))
            elif method == "Log.entryAdded":
                said.append(params["entry"]["text"])
            elif method == "Network.requestWillBeSent" and params["request"]["url"] != params.get(
                "documentURL"
            ):
                said.append(f"fetches {params['request']['url'][:80]}")
        return [text for text in said if "fetches data:" not in text]

    def picture(self, to: Path) -> None:
        """A picture of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        to.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own. Call only where `program()` is not None."""
    binary = program()
    assert binary is not None
    with Browser(binary, profile) as found:
        yield found
