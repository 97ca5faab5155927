"""Worker's side: everything that activities print or log ends in one capped file, without secrets.

Debug lines are left out at the source: Chaos Toolkit logs substituted arguments and results there.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from drillkit.journal.files import FILE_MODE, make_folder
from drillkit.secrets import KNOWN
from drillkit.secrets.encoding import capped

LOG_KEPT = 256 * 1024
"""Bytes; an activity that prints more is read on, so that it does not block, but not kept."""
LINE_KEPT = 8 * 1024
LINE_READ = 64 * 1024
"""Bytes of a line that are looked at: a secret cut in two at this place is behind what is kept."""


class Pump:
    """Takes over standard output and error of this process."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._kept = 0
        read, write = os.pipe()
        self._read = read
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(write)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def into(self, path: str) -> None:
        """Keep what comes from now on in this file ('': nowhere)."""
        if path:
            make_folder(Path(path).parent)
            flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC
            self._file = os.open(path, flags, FILE_MODE)

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
        if self._file is None or self._kept > LOG_KEPT:
            return
        text = KNOWN.foreign(line[:LINE_READ].decode(errors="replace"))
        text = capped(text, LINE_KEPT) + "\n"
        self._kept += len(text)
        if self._kept > LOG_KEPT:
            text = f"(cut after {LOG_KEPT // 1024} KiB)\n"
        os.write(self._file, text.encode())

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
