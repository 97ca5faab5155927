"""A small local door into a running drill: other processes ask, the runner answers and writes.

A socket in the run's folder, which only its owner can enter. One JSON object a line in both
directions; each is answered when what comes of it is on disk.

    -> {"ask": "note", "by": "maria", "text": "checkout is slow"}
    <- {"n": 57}                    the record that came of it (0: none was needed)
    <- {"refused": "..."}           why nothing came of it
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from drillkit.model.errors import DrillError, JournalLost, Refused, UsageError
from drillkit.model.json_text import load_json
from drillkit.model.requests import Request, decode_request, encode_request

SOCKET = "door.sock"
LINE_BYTES = 64 * 1024
"""More in one line is no request."""
IDLE_S = 60.0
"""Whoever says nothing for so long is sent away."""
CALLERS = 64
"""Connections at once."""


@contextlib.contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Where the socket is, for as long as needed: addresses of sockets hold about 100 bytes, and
    paths of folders may be longer.
    """
    if sys.platform != "linux":
        yield str(folder / SOCKET)
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET}"
    finally:
        os.close(fd)


class RequestSocket:
    """The runner's side."""

    def __init__(self, folder: Path, take: Callable[[Request], int]) -> None:
        """`take` does what is asked, from any thread, and gives the number of its record; raises
        DrillError saying why not. Raises OSError when there can be no socket here.
        """
        self._folder, self._take = folder, take
        self._free = threading.Semaphore(CALLERS)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _address(folder) as address:
                self._sock.bind(address)
                os.chmod(folder / SOCKET, 0o600)
            self._sock.listen(16)
        except OSError:
            self._sock.close()
            raise
        threading.Thread(target=self._listen, name="door", daemon=True).start()

    def close(self) -> None:
        """Nobody is let in any more."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        with contextlib.suppress(OSError):
            (self._folder / SOCKET).unlink()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._sock.accept()
            except OSError:
                return  # closed
            if not _is_us(caller) or not self._free.acquire(blocking=False):
                caller.close()
                continue
            threading.Thread(target=self._serve, args=(caller,), name="door", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        try:
            caller.settimeout(IDLE_S)
            with caller, caller.makefile("rb") as lines:
                while line := lines.readline(LINE_BYTES):
                    if not line.endswith(b"\n"):
                        return
                    caller.sendall(json.dumps(self._answer(line)).encode() + b"\n")
        except OSError:
            return  # whoever asked is gone
        finally:
            self._free.release()

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            return {"n": self._take(decode_request(load_json(line)))}
        except JournalLost as why:
            return {"lost": str(why)}
        except (DrillError, ValueError, RecursionError) as why:
            return {"refused": str(why) or type(why).__name__}


def _is_us(caller: socket.socket) -> bool:
    """Whether the other side is a process of the same user, where the system tells."""
    if sys.platform != "linux":
        return True
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return bool(uid in (os.getuid(), 0))


def ask(folder: Path, request: Request, timeout_s: float = 10.0) -> int:
    """Ask the run in `folder`, and give the number of the record that came of it.

    Raises Refused saying why nothing came of it, JournalLost, UsageError when no run listens there.
    """
    line = json.dumps(encode_request(request)).encode() + b"\n"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        with sock, _address(folder) as address:
            sock.connect(address)
            sock.sendall(line)
            with sock.makefile("rb") as lines:
                answer = lines.readline(LINE_BYTES)
    except OSError as error:
        raise UsageError(
            f"no run listens in {folder}: {error.strerror or error}; is it still running?"
        ) from error
    if not answer.endswith(b"\n"):
        raise UsageError(f"the run in {folder} ended before it answered")
    got = load_json(answer)
    if "refused" in got:
        raise Refused(got["refused"])
    if "lost" in got:
        raise JournalLost(got["lost"])
    return int(got["n"])
