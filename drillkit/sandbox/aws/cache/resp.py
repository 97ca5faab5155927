"""A key-value server that speaks enough of Redis's protocol (RESP2) to write, read and count keys.

Data lives in memory; expiry, replication and scripting are not there. fakeredis would be all of
Redis, but takes longer to import than the rest of AWS takes to start, and its server cannot cut all
connections at once and listen at the same port again, which is what a failover does.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable
from io import BufferedIOBase

HOST = "127.0.0.1"
MOST_ARGUMENTS = 1024
MOST_BYTES = 8 * 2**20


class _Refused(Exception):
    """An error answer."""


def _read(stream: BufferedIOBase) -> list[bytes] | None:
    """One command; None at the end of the connection.  Raises ValueError on anything malformed or
    too large.
    """
    line = stream.readline(65536)
    if not line:
        return None
    if not line.startswith(b"*"):
        return line.split()
    count = int(line[1:])
    if not 0 <= count <= MOST_ARGUMENTS:
        raise ValueError(f"a command has at most {MOST_ARGUMENTS} arguments")
    arguments = []
    for _ in range(count):
        size = int(stream.readline(64)[1:])
        if not 0 <= size <= MOST_BYTES:
            raise ValueError(f"an argument has at most {MOST_BYTES} bytes")
        arguments.append(stream.read(size + 2)[:size])
    return arguments


def _encode(value: object) -> bytes:
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, bool | int):
        return b":%d\r\n" % int(value)
    if isinstance(value, str):
        return b"+%s\r\n" % value.encode()
    if isinstance(value, bytes):
        return b"$%d\r\n%s\r\n" % (len(value), value)
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(_encode(item) for item in value)
    raise TypeError(f"no encoding for {type(value).__name__}")


class KeyValueServer:
    """One data set on one port; `cut` drops every connection and closes the port, `open` opens the
    same port again.
    """

    def __init__(self, data: dict[bytes, bytes] | None = None) -> None:
        self.data = dict(data or {})
        self.port = 0
        self._lock = threading.Lock()
        self._clients: set[socket.socket] = set()
        self._server: socketserver.ThreadingTCPServer | None = None
        self._commands: dict[bytes, Callable[[list[bytes]], object]] = {
            b"PING": lambda a: a[0] if a else "PONG",
            b"GET": lambda a: self.data.get(a[0]),
            b"SET": self._set,
            b"DBSIZE": lambda a: len(self.data),
            b"CLIENT": lambda a: "OK",
            b"AUTH": lambda a: "OK",
        }

    def open(self) -> None:
        """Starts to listen; the first time on a free port."""
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer._serve(self.connection, self.rfile, self.wfile)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server((HOST, self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()

    def cut(self) -> None:
        """Drops every connection and stops listening."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        with self._lock:
            clients, self._clients = self._clients, set()
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _serve(
        self, connection: socket.socket, reader: BufferedIOBase, writer: BufferedIOBase
    ) -> None:
        with self._lock:
            self._clients.add(connection)
        try:
            while (command := _read(reader)) is not None:
                if command:
                    writer.write(self._answer(command))
                    writer.flush()
                if command and command[0].upper() == b"QUIT":
                    return
        except (OSError, ValueError):
            return  # the client went away, or speaks something else: nothing to tell it
        finally:
            with self._lock:
                self._clients.discard(connection)

    def _answer(self, command: list[bytes]) -> bytes:
        name = command[0].upper()
        if name == b"QUIT":
            return _encode("OK")
        function = self._commands.get(name)
        if function is None:
            return b"-ERR unknown command '%s'\r\n" % command[0]
        try:
            with self._lock:
                return _encode(function(command[1:]))
        except IndexError:
            return b"-ERR wrong number of arguments for '%s' command\r\n" % command[0]
        except _Refused as error:
            return b"-ERR %s\r\n" % str(error).encode()

    def _set(self, arguments: list[bytes]) -> str:
        if len(arguments) != 2:
            raise _Refused("syntax error: options of SET are not served")
        self.data[arguments[0]] = arguments[1]
        return "OK"
