"""Requests and answers as data, so that the API can be driven over sockets or without them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from drillkit.sandbox.kube.access import ADMIN, Caller
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.watch import Watch


@dataclass(frozen=True)
class Request:
    """One HTTP request, its path decoded, its query as pairs or a mapping."""

    method: str
    path: str
    query: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    caller: Caller = ADMIN
    """Who asks, once that is proven."""


@dataclass(frozen=True)
class LogFollow:
    """The rest of a log, to be sent as it grows until the container ends (``kubectl logs -f``)."""

    pod: Object
    container: str
    tail_lines: int | None


@dataclass(frozen=True)
class Exec:
    """A command to run in a container (``kubectl exec``)."""

    pod: Object
    container: str
    command: tuple[str, ...]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class ExecIo(Protocol):
    """The streams of a running command, as the transport offers them to the kubelet."""

    async def read(self) -> bytes:
        """The next bytes of standard input; empty at its end."""
        ...

    async def write(self, channel: int, data: bytes) -> None:
        """Sends output: channel 1 is stdout, 2 is stderr."""
        ...


class PodExec(Protocol):
    """Runs a command in a pod and answers its exit code. Raises ApiError if it cannot
    be started.
    """

    def __call__(self, command: Exec, io: ExecIo) -> Awaitable[int]: ...


@dataclass(frozen=True)
class Response:
    """One answer. ``body`` is JSON data, text or bytes, and the receiver's own.

    With ``upgrade`` the answer goes on: the transport (or a test) drives the watch, the log or
    the command.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    upgrade: Watch | LogFollow | Exec | None = None

    def encode(self) -> bytes:
        """The body as it goes over the wire."""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body, separators=(",", ":")).encode()
