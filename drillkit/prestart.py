"""The process of a worker before it is known what for.

Chaos Toolkit takes longer to import than a drill takes to read, so `drillkit run` starts a process
for it first of all. That process touches nothing: where it may work, the journal and what it must
hold come with its job, over its standard input, and so does the rest of its environment: secrets
that others need are not for it. Nothing heavy here: everything imported delays it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import drillkit
from drillkit.environment import plain_environment

# Imports make many objects and no garbage: nobody looks for any until there is work.
_START = """import gc, sys; gc.disable(); sys.path.append(sys.argv.pop())
from drillkit.clients.chaostoolkit.worker import main; main(int(sys.argv.pop()))"""

_MOST_TOLD = 4096


class Prestarted:
    """A process that imports Chaos Toolkit and waits."""

    def __init__(self) -> None:
        """Starts it. Linux kills it when the thread that started it ends. Raises OSError."""
        self.input, theirs = socket.socketpair()
        root = str(Path(drillkit.__file__).parents[1])
        try:
            with theirs:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _START, str(os.getpid()), root],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=plain_environment(),
                    process_group=0,
                )
        except OSError:
            self.input.close()
            raise

    def versions(self) -> Mapping[str, str] | None:
        """Versions of everything that takes part, as it has them; None: it has not told by now."""
        try:
            line, end, _ = self.input.recv(_MOST_TOLD, socket.MSG_DONTWAIT).partition(b"\n")
        except OSError:
            return None
        told: Mapping[str, str] | None = json.loads(line) if end else None
        return told

    def close(self) -> None:
        """End it, at once. May be called again."""
        self.process.kill()
        self.process.wait()
        self.input.close()
        assert self.process.stderr is not None
        self.process.stderr.close()


def prestart() -> Prestarted | None:
    """One that waits; None where no process can be started: whoever needs one will say so."""
    try:
        return Prestarted()
    except OSError:
        return None


@contextlib.contextmanager
def prestarted(waiting: Prestarted | None = None) -> Iterator[Prestarted | None]:
    """The one that waits already, or another, for as long as this lasts."""
    process = waiting or prestart()
    try:
        yield process
    finally:
        if process is not None:
            process.close()
