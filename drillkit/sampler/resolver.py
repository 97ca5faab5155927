"""Name look-ups beside the sending thread: the system's resolver blocks, and a dead one blocks
for long.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from drillkit.clock import Clock

Address = tuple[socket.AddressFamily, Any]
"""Family, and what `connect` takes."""

_MOST_THREADS = 256
"""Look-ups at once. One that waits too long for a thread is dropped, not blamed on the service."""
_STACK_BYTES = 512 << 10


class Lookup:
    """One question to the resolver and its answer."""

    __slots__ = ("addresses", "asked", "begun", "clock", "host", "port", "then")

    def __init__(self, host: str, port: int, then: Callable[[Lookup], None], clock: Clock) -> None:
        self.clock = clock
        self.host = host
        self.port = port
        self.then = then
        self.asked = clock.mono()
        self.begun: float | None = None
        """When a thread took it."""
        self.addresses: tuple[Address, ...] = ()
        """In the order to try; none: there is no such name, or nobody said."""

    def answer(self) -> None:
        """Ask the system, in the thread that took it."""
        self.begun = self.clock.mono()
        self.addresses = resolve(self.host, self.port)


class Resolver:
    """Threads that call getaddrinfo; as many as there are open questions, up to a bound."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: queue.SimpleQueue[Lookup] = queue.SimpleQueue()
        self._answered: deque[Lookup] = deque()
        self._open = 0
        self._threads = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def fileno(self) -> int:
        """Readable when there are answers to `collect`."""
        return self._wake_read

    def ask(self, host: str, port: int, then: Callable[[Lookup], None]) -> Lookup:
        """Look a name up; `then` is called by `collect`."""
        lookup = Lookup(host, port, then, self._clock)
        self._open += 1
        if self._open > self._threads and self._threads < _MOST_THREADS:
            self._threads += 1
            threading.stack_size(_STACK_BYTES)
            # Daemons: a look-up that hangs must not keep the process.
            threading.Thread(target=self._work, name=f"names-{self._threads}", daemon=True).start()
        self._asked.put(lookup)
        return lookup

    def collect(self) -> None:
        """Hand out the answers that came."""
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            return
        while self._answered:
            lookup = self._answered.popleft()
            self._open -= 1
            lookup.then(lookup)

    def _work(self) -> None:
        while True:
            lookup = self._asked.get()
            lookup.answer()
            self._answered.append(lookup)
            try:
                os.write(self._wake_write, b"\0")
            except BlockingIOError:
                continue  # the pipe is full of wake-ups already


def resolve(host: str, port: int, *, literal: bool = False) -> tuple[Address, ...]:
    """Addresses of a name; none if it does not resolve. `literal`: only if it is an address
    already, no look-up.
    """
    flags = socket.AI_NUMERICHOST if literal else 0
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (
        OSError,
        UnicodeError,
    ):  # gaierror is an OSError; UnicodeError: a label that IDNA forbids
        return ()
    return tuple((family, address) for family, _, _, _, address in found)
