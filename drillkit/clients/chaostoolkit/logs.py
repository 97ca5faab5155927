"""Worker's side: everything that activities print or log ends in one capped file, without secrets.

Debug lines are left out at the source: Chaos Toolkit logs substituted arguments and results there.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from pathlib import Path

from drillkit.journal.files import FILE_MODE, make_folder
from drillkit.secrets import KNOWN
from drillkit.secrets.encoding import capped

LOG_KEPT = 256 * 1024
"""Bytes; an activity that prints more is read on, so that it does not block, but not kept."""
LINE_KEPT = 8 * 1024
LINE_READ = 64 * 1024
"""Bytes of a line that are looked at: a secret cut in two at this place is behind what is kept."""


WINDOW = 4 * 1024
"""Characters of lines that are looked at together: a value may be broken over several."""


class LogFile:
    """A file that holds no secret at any moment, whoever is killed meanwhile."""

    def __init__(self, path: str) -> None:
        make_folder(Path(path).parent)
        flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.open(path, flags, FILE_MODE)
        self._lines: deque[str] = deque()
        """The last ones, as they stand in the file."""
        self._harmless = 0
        """Traces of secrets in them that turned out to be none."""
        self._begin = 0
        """Where the first of these stands."""
        self._over = False

    def add(self, line: bytes) -> None:
        """A line, until the file is full."""
        if self._over:
            return
        text = KNOWN.foreign(line[:LINE_READ].decode(errors="replace"))
        self._lines.append(capped(text, LINE_KEPT))
        # Looking at all of them for each line would take longer than most experiments.
        if (found := self._traces()) > self._harmless:
            self._lines = deque(KNOWN.foreign("\n".join(self._lines)).split("\n"))
            os.ftruncate(self._file, self._begin)
            self._write(self._begin, *self._lines)
            found = self._traces()
        else:
            self._write(os.lseek(self._file, 0, os.SEEK_END), self._lines[-1])
        self._harmless = found
        self._pass_on()

    def _traces(self) -> int:
        return KNOWN.traces(map(str.strip, self._lines))

    def _write(self, place: int, *lines: str) -> None:
        os.pwrite(self._file, "".join(f"{line}\n" for line in lines).encode(), place)

    def _pass_on(self) -> None:
        """Leave the lines that are as they will stay."""
        size = sum(map(len, self._lines))
        while size > WINDOW and len(self._lines) > 1:
            size -= len(self._lines[0])
            self._begin += len(self._lines.popleft().encode()) + 1
        if self._begin + size > LOG_KEPT:
            self._over = True
            end = os.lseek(self._file, 0, os.SEEK_END)
            self._write(end, f"(cut after {LOG_KEPT // 1024} KiB)")


class Pump:
    """Takes over standard output and error of this process."""

    def __init__(self) -> None:
        self._log: LogFile | None = None
        read, write = os.pipe()
        self._read = read
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(write)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def into(self, path: str) -> None:
        """Keep what comes from now on in this file ('': nowhere)."""
        self._log = LogFile(path) if path else None

    def _run(self) -> None:
        rest = b""
        while chunk := os.read(self._read, 65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._keep(line)
            rest = rest[:LINE_READ]  # a line without end
        if rest:
            self._keep(rest)

    def _keep(self, line: bytes) -> None:
        if self._log is not None:
            self._log.add(line)

    def drain(self) -> None:
        """Let go of the streams and wait (briefly: a background process may hold them) until all
        is written.
        """
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.close(null)
        self._thread.join(0.2)


def configure_logging() -> None:
    """Chaos Toolkit's and extensions' loggers, from INFO on, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("chaostoolkit", "chaostoolkit-lib"):
        logging.getLogger(name).setLevel(logging.INFO)
    for name in ("urllib3", "kubernetes", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
