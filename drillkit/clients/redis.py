"""Asking a Redis or Valkey server a few things, in its own protocol (RESP2)."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

from drillkit.model.errors import CallError, Denied, Invalid, Unanswered, Unreachable
from drillkit.secrets import Login, excerpt

CONNECT_S = 5.0
MOST_BYTES = 64 * 1024 * 1024
Value: TypeAlias = "bytes | int | list[Value] | None"


@dataclass(frozen=True, slots=True)
class Cache:
    """Where a server listens."""

    host: str
    port: int
    tls: bool = False

    @property
    def said(self) -> str:
        return f"{self.host}:{self.port}"


class RedisSession:
    """An open connection."""

    def __init__(self, connection: socket.socket, said: str) -> None:
        self._connection, self._said = connection, said
        self._stream: BinaryIO = connection.makefile("rb")

    def ask(self, *words: str | bytes) -> Value:
        """The answer to a command. Raises Denied, Invalid, Unanswered."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(
            b"$%d\r\n%s\r\n" % (len(part), part) for part in parts
        )
        try:
            self._connection.sendall(request)
            return self._read()
        except (OSError, ValueError, IndexError) as error:
            raise Unanswered(
                f"{self._said} gave no answer ({error or type(error).__name__})"
            ) from error

    def _read(self) -> Value:
        line = self._stream.readline(65536)
        if not line.endswith(b"\r\n"):
            raise ValueError("the connection ended")
        sign, rest = line[:1], line[1:-2]
        match sign:
            case b"+":
                return rest
            case b":":
                return int(rest)
            case b"$":
                size = int(rest)
                if size > MOST_BYTES:
                    raise ValueError(f"an answer of {size} bytes is too large")
                return None if size < 0 else self._stream.read(size + 2)[:size]
            case b"*":
                return None if int(rest) < 0 else [self._read() for _ in range(int(rest))]
            case b"-":
                raise _refusal(rest.decode(errors="replace"), self._said)
        raise ValueError(f"it does not speak Redis' protocol: {excerpt(line, 40)!r}")

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._stream.close()
            self._connection.close()


def _refusal(text: str, said: str) -> CallError:
    word = text.partition(" ")[0]
    if word in ("NOAUTH", "WRONGPASS", "NOPERM"):
        return Denied(f"{said} refused the login ({text}); look at `databases` of the target")
    return Invalid(f"{said}: {text}")


@contextlib.contextmanager
def session(cache: Cache, login: Login | None, limit_s: float) -> Iterator[RedisSession]:
    """A connection, logged in. Raises Unreachable, Denied, Unanswered."""
    try:
        connection = socket.create_connection((cache.host, cache.port), CONNECT_S)
        connection.settimeout(limit_s)
        if cache.tls:
            connection = ssl.create_default_context().wrap_socket(
                connection, server_hostname=cache.host
            )
    except OSError as error:
        raise Unreachable(
            f"{cache.said} cannot be reached ({error}); it answers only inside its network"
        ) from error
    opened = RedisSession(connection, cache.said)
    try:
        if login is not None:
            words: list[Any] = [
                "AUTH",
                *([login.user] if login.user != "default" else []),
                login.password,
            ]
            opened.ask(*words)
        yield opened
    finally:
        opened.close()
