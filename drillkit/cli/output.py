"""What is printed when nobody reads it any more: a closed pipe, a closed descriptor, a terminal
that is gone. A run cleans up and the exit code still says what came of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import textwrap
from typing import Any, TextIO, cast

_NOBODY = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO, errno.ESHUTDOWN)


_TITLE = re.compile(r" *\S+ {2,}| +")


def columns() -> int:
    """Of the terminal."""
    return max(20, shutil.get_terminal_size().columns)


def wrapped(line: str, width: int | None, hang: int | None = None) -> list[str]:
    """A line in parts that fit so many columns, broken between words; what follows stands below
    the text, not below its title or time.

    Args:
        width: None: it stays as it is.
        hang: columns before what follows; None: as many as title or time have.
    """
    if width is None or len(line) < width:
        return [line]
    if hang is None:
        title = _TITLE.match(line)
        hang = min(title.end() if title else 2, width // 2)
    return textwrap.wrap(
        line,
        width - 1,
        subsequent_indent=" " * hang,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


class _Lasting:
    """A text stream that goes on when its reader has gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = ""
        """Why something that somebody may want was not written, such as a full disk."""

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError as error:
            self._gone(error)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._gone(error)

    def _gone(self, error: OSError) -> None:
        if error.errno not in _NOBODY:
            self.lost = self.lost or (error.strerror or str(error))
        # What is still buffered goes nowhere, instead of failing again at each flush.
        with contextlib.suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def keep_output_going() -> None:
    """Let nothing that is printed fail, whoever has stopped to read it. Once, at the start."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # A journal that was opened in its place would be what everybody prints into.
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            stream = os.fdopen(fd, "w", encoding="utf-8", closefd=False)
        # What goes into a file or to another program is the same bytes whatever the locale.
        same = name == "stdout" and not stream.isatty() and "PYTHONIOENCODING" not in os.environ
        stream.reconfigure(encoding="utf-8" if same else stream.encoding, errors="backslashreplace")
        setattr(sys, name, cast(TextIO, _Lasting(stream)))


def lost_output() -> str:
    """Why a part of the standard output was lost though somebody wanted it, or ''."""
    return getattr(sys.stdout, "lost", "")
