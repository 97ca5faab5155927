"""The keys of a group and the port that Redis' protocol is spoken on: fakeredis, which can be shut
and opened again as a failover does.

It is imported when the first group is made: the rest of AWS need not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakeredis import FakeRedis, FakeServer, TcpFakeServer

HOST = "127.0.0.1"
VERSION = (7, 1)

Contents = Mapping[bytes, tuple[int, bytes]]
"""Each key's time to live in milliseconds (0: for ever) and its value, as Redis' DUMP writes it."""


class CacheServer:
    """One data set on one port; `cut` drops every connection and closes the port, `open` opens the
    same port again.
    """

    def __init__(self) -> None:
        self.port = 0
        self._data: FakeServer | None = None
        self._listening: TcpFakeServer | None = None
        self._lock = threading.RLock()

    def open(self) -> None:
        """Starts to listen; the first time on a free port."""
        from fakeredis import TcpFakeServer

        with self._lock:
            server = TcpFakeServer((HOST, self.port), server_version=VERSION)
            server.fake_server = self._store()
            self._listening, self.port = server, int(server.server_address[1])
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()

    def cut(self) -> None:
        """Drops every connection and stops listening."""
        with self._lock:
            server, self._listening = self._listening, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def contents(self) -> Contents:
        """All keys, as a snapshot keeps them."""
        keys = self._client()
        return {
            key: (max(0, keys.pttl(key)), value)
            for key in keys.scan_iter()
            if (value := keys.dump(key)) is not None
        }

    def restore(self, contents: Contents) -> None:
        """Puts the keys of a snapshot here."""
        keys = self._client()
        for key, (left_ms, value) in contents.items():
            keys.restore(key, left_ms, value)

    def fill(self, strings: Mapping[bytes, bytes]) -> None:
        """Puts strings here."""
        self._client().mset(dict(strings))

    def _client(self) -> FakeRedis:
        from fakeredis import FakeRedis

        return FakeRedis(server=self._store())

    def _store(self) -> FakeServer:
        from fakeredis import FakeServer

        with self._lock:
            if self._data is None:
                self._data = FakeServer(version=VERSION)
            return self._data
