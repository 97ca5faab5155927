"""The terminal's door: what this process prints loses secrets and can be encoded."""

from __future__ import annotations

import io
import sys
from typing import Any, TextIO, cast

from drillkit.secrets.encoding import encodable
from drillkit.secrets.redactor import KNOWN, Redactor


class _Guarded:
    """A text stream in front of another. Its bytes are not to be had: they would pass by."""

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self._stream, self._redactor = stream, redactor

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"expected text, found {type(text).__name__}")
        self._stream.write(encodable(self._redactor.text(text)))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "detach"):
            raise AttributeError(name)
        return getattr(self._stream, name)


def guarded(stream: TextIO, redactor: Redactor = KNOWN) -> TextIO:
    """The stream, with what the redactor knows hidden in everything that is written to it. A letter
    that its encoding lacks is written escaped.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return cast(TextIO, _Guarded(stream, redactor))


def reveal(line: str, stream: TextIO) -> None:
    """Print a line that holds a secret for whoever reads this terminal, such as a link that lets
    them in. It is hidden everywhere else.
    """
    shown = stream._stream if isinstance(stream, _Guarded) else stream
    shown.write(f"{line}\n")
    shown.flush()


def guard_terminal() -> None:
    """Put the door before this process's standard output and error, tracebacks included."""
    sys.stdout, sys.stderr = guarded(sys.stdout), guarded(sys.stderr)
