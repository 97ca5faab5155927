"""Counting the keys of Redis and Valkey servers: one, several, with TLS and without."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from drillkit.clients.redis import Cache, count_keys
from drillkit.model.errors import Denied, DrillError, Invalid, Unanswered, Unreachable
from drillkit.secrets import Login

Answer = Callable[[list[bytes]], bytes]


@contextlib.contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Cache]:
    """A server of Redis' protocol whose answers a test writes; b"" ends the connection."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while line := self.rfile.readline():
                    words = [self._word() for _ in range(int(line[1:]))]
                    if not (said := answer(words)):
                        return
                    self.wfile.write(said)

        def _word(self) -> bytes:
            return self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2]

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def get_request(self) -> Any:
            connection, peer = super().get_request()
            return (tls.wrap_socket(connection, server_side=True) if tls else connection), peer

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Cache("127.0.0.1", server.server_address[1], tls=tls is not None)
        server.shutdown()
        thread.join()


def holding(keys: int, password: bytes = b"", user: bytes = b"") -> Answer:
    """Answers of a server with so many keys."""
    wanted = [b"AUTH", *([user] if user else []), password]

    def answer(words: list[bytes]) -> bytes:
        match words[0].upper():
            case b"DBSIZE":
                return b":%d\r\n" % keys
            case b"AUTH" if words != wanted:
                return b"-WRONGPASS invalid username-password pair\r\n"
            case _:
                return b"+OK\r\n"

    return answer


@pytest.mark.parametrize(
    ("user", "sent"), [("default", b""), ("app", b"app")], ids=["a password", "a user of its own"]
)
def test_keys_are_counted_once_logged_in(user: str, sent: bytes) -> None:
    with serving(holding(42, b"pw", sent)) as cache:
        assert count_keys(cache, Login(user, "pw"), 5) == 42
        with pytest.raises(Denied, match="look at `databases` of the target"):
            count_keys(cache, Login(user, "wrong"), 5)


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        (b"-NOAUTH Authentication required.\r\n", Denied, "refused the login"),
        (b"-NOPERM no permissions to run dbsize\r\n", Denied, "refused the login"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", Unanswered, "loading"),
        (b"-ERR not today\r\n", Invalid, "not today"),
        (b"HTTP/1.1 400 Bad Request\r\n", Unanswered, "gave no answer"),
        (b"", Unanswered, "gave no answer"),
    ],
)
def test_what_is_no_count_is_told_apart(said: bytes, kind: type[DrillError], why: str) -> None:
    def answer(words: list[bytes]) -> bytes:
        return said if words[0].upper() == b"DBSIZE" else b"+OK\r\n"

    with serving(answer) as cache, pytest.raises(kind, match=why):
        count_keys(cache, None, 5)


def test_nobody_there_is_told_with_the_network() -> None:
    with serving(holding(1)) as cache:
        pass
    for cluster in (False, True):
        with pytest.raises(Unreachable, match="only inside its network"):
            count_keys(Cache(cache.host, cache.port, cluster=cluster), None, 5)


def test_tls_is_spoken_with_who_can_prove_to_be_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(holding(7), tls) as cache:
        with pytest.raises(Unreachable, match="certificate"):
            count_keys(cache, None, 5)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert count_keys(cache, None, 5) == 7


def test_the_keys_of_all_parts_of_a_cluster_are_counted() -> None:
    places: list[Cache] = []

    def part(keys: int) -> Answer:
        alone = holding(keys, b"pw")

        def answer(words: list[bytes]) -> bytes:
            if [word.upper() for word in words[:2]] == [b"CLUSTER", b"SLOTS"]:
                return _slots(places)
            if words[0].upper() == b"COMMAND":
                return b"*0\r\n"
            return alone(words)

        return answer

    with serving(part(40)) as first, serving(part(2)) as second:
        places += [first, second]
        whole = Cache(first.host, first.port, cluster=True)
        assert count_keys(whole, Login("default", "pw"), 5) == 42
        assert count_keys(first, None, 5) == 40
        with pytest.raises(Denied):
            count_keys(whole, Login("default", "wrong"), 5)


def _slots(places: list[Cache]) -> bytes:
    """Of two servers, each with half of the slots."""
    ranges = ((0, 8191), (8192, 16383))
    rows = [
        b"*3\r\n:%d\r\n:%d\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$5\r\nid-%02d\r\n"
        % (low, high, place.port, number)
        for number, (place, (low, high)) in enumerate(zip(places, ranges, strict=True))
    ]
    return b"*2\r\n" + b"".join(rows)
