"""A terminal for tests: a program runs in a pseudo-terminal, and what it writes lands on a screen
of cells.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_SEQUENCE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")


class Cells:
    """A screen that scrolls. Knows what a line-based live view needs: CR, LF, erase, cursor up;
    no colours.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[list[str]] = [[]]
        self.x = self.y = 0
        self.unknown: set[str] = set()
        self._rest = ""

    def feed(self, text: str) -> None:
        """Take in what a program wrote."""
        text, at = self._rest + text, 0
        self._rest = ""
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
            elif found := _SEQUENCE.match(text, at):
                self._obey(found[1], found[2])
                at = found.end()
            elif len(text) - at < 12:  # the rest of it comes with the next read
                self._rest = text[at:]
                return
            else:
                self.unknown.add(text[at : at + 8])
                at += 1

    def _put(self, char: str) -> None:
        if char == "\r":
            self.x = 0
        elif char == "\n":
            self.y += 1
            self._grow()
        elif char.isprintable():
            if self.x >= self.width:
                self.x, self.y = 0, self.y + 1
                self._grow()
            row = self.rows[self.y]
            row += [" "] * (self.x + 1 - len(row))
            row[self.x] = char
            self.x += 1

    def _obey(self, numbers: str, what: str) -> None:
        n = int(numbers) if numbers.isdecimal() else 1
        if what == "A":
            self.y = max(0, self.y - n)
        elif what == "K":
            self.rows[self.y] = [] if numbers == "2" else self.rows[self.y][: self.x]
        elif what not in ("m", "h", "l"):
            self.unknown.add(numbers + what)

    def _grow(self) -> None:
        while len(self.rows) <= self.y:
            self.rows.append([])

    @property
    def lines(self) -> list[str]:
        """What is to be seen."""
        return ["".join(row).rstrip() for row in self.rows]


class Terminal:
    """A program in a terminal of a given width."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        width: int = 100,
        height: int = 30,
    ) -> None:
        self._mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        kept = {k: v for k, v in environment.items() if k not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={"TERM": "xterm-256color", **kept},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.cells, self.raw = Cells(width), ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def until(self, seen: Callable[[list[str]], bool], limit_s: float = 30.0) -> list[str]:
        """Read until the screen shows it. Raises AssertionError with the screen when it
        never does.
        """
        end = time.monotonic() + limit_s
        while not seen(self.cells.lines):
            assert self._read(end - time.monotonic()), "never seen; the screen was:\n" + "\n".join(
                self.cells.lines
            )
        return self.cells.lines

    def shows(self, text: str, limit_s: float = 30.0) -> list[str]:
        """Read until some line holds a text."""
        return self.until(lambda lines: any(text in line for line in lines), limit_s)

    def press(self, keys: str) -> None:
        """Type something."""
        os.write(self._mine, keys.encode())

    def end(self, limit_s: float = 60.0) -> int:
        """Read until the program is over; its exit code."""
        end = time.monotonic() + limit_s
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(max(0.1, end - time.monotonic()))

    def _read(self, limit_s: float) -> bool:
        ready, _, _ = select.select([self._mine], [], [], max(0.0, limit_s))
        if not ready:
            return False
        try:
            chunk = os.read(self._mine, 65536)
        except OSError:  # the other side is closed
            return False
        text = self._decoder.decode(chunk)
        self.raw += text
        self.cells.feed(text)
        return bool(chunk)

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._mine)
