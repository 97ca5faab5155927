"""The door to the disk: one append-only file, with a reserve for the day the disk is full."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Protocol

from drillkit.journal.files import FILE_MODE, write_file

RESERVE_BYTES = 256 * 1024
"""Room for some 800 lines of clean-up."""


class Disk(Protocol):
    """Where journal lines go. Every method raises OSError."""

    def content(self) -> bytes:
        """All bytes there are."""

    def write(self, line: bytes) -> None:
        """Append; all of it or an error."""

    def sync(self) -> None:
        """Make everything written before durable."""

    def cut(self, size: int) -> None:
        """Drop what is behind `size` bytes."""

    def release_reserve(self) -> bool:
        """Give back the reserved room. False when there was none (any more)."""

    def close(self) -> None:
        """No more writing."""


class FileDisk:
    """A real file, created if it is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserve = path.with_suffix(".reserve")
        self._fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        try:
            # Written, not sparse: only real blocks can be given back.
            write_file(self._reserve, b"\0" * RESERVE_BYTES, durable=True)
        except OSError:
            os.close(self._fd)
            self._reserve.unlink(missing_ok=True)
            raise

    def content(self) -> bytes:
        with open(self._path, "rb") as file:
            return file.read()

    def write(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[os.write(self._fd, view) :]

    def sync(self) -> None:
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(self._fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(self._fd)

    def cut(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def release_reserve(self) -> bool:
        try:
            self._reserve.unlink()
        except FileNotFoundError:
            return False
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)
        os.close(self._fd)
