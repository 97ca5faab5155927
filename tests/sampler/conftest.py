"""A real service on loopback with every bad habit, and a real sampler that looks at it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
import trustme

from drillkit.model.codec import decode_evidence
from drillkit.model.drill import Probe
from drillkit.model.evidence import Sample
from drillkit.sampler.process import Sampler

TRICKLE_S = 8.0
LAG_S = 0.15


class Service:
    """An HTTP server, a thread per connection; the path says how it behaves."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self.go = threading.Event()
        """Cleared: accepted connections wait."""
        self.go.set()
        self._over = threading.Event()
        self._workers: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self.port = 0
        self.up()

    def url(self, path: str = "/ok", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def up(self) -> float:
        """Listen (again, on the same port). When it did."""
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind(("127.0.0.1", self.port))
        self._listening.listen(512)
        at = time.monotonic()
        self.port = self._listening.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, args=(self._listening,))
        self._acceptor.start()
        return at

    def down(self) -> float:
        """Listen no more: connections are refused. When it stopped."""
        at = time.monotonic()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._acceptor.join(5)
        return at

    def close(self) -> None:
        self._over.set()
        self.go.set()
        self.down()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for worker in self._workers:
            worker.join(5)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            worker = threading.Thread(target=self._serve, args=(sock,))
            self._workers.append(worker)
            worker.start()

    def _serve(self, sock: socket.socket) -> None:
        self.go.wait(10)
        self._open.add(sock)
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            sock.settimeout(10)
            with contextlib.closing(sock):
                while self._exchange(sock):
                    pass
        except OSError:
            return  # the other side went away: some tests are about that
        finally:
            self._open.discard(sock)
            sock.close()

    def _exchange(self, sock: socket.socket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := sock.recv(4096)):
                return False
            head += data
            if head.startswith(b"\x16"):  # a TLS hello
                sock.sendall(_answer("400 Bad Request"))
                return False
        self.requests.append(head)
        habit = HABITS[head.split(b" ")[1].decode().split("?")[0]]
        if isinstance(habit, bytes):
            sock.sendall(habit)
            return (
                b"keep-alive" in head
                and b"Content-Length" in habit
                and b"Connection: close" not in habit
            )
        habit(self, sock)
        return False

    def wait(self, seconds: float) -> None:
        self._over.wait(seconds)


def _reset(_: Service, sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _trickle(service: Service, sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
    for _ in range(40):
        service.wait(TRICKLE_S / 40)
        sock.sendall(b".")


def _lag(service: Service, sock: socket.socket) -> None:
    service.wait(LAG_S)
    sock.sendall(_answer("200 OK", b"at last"))


def _answer(status: str, body: bytes = b"well", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


HABITS: Mapping[str, bytes | Callable[[Service, socket.socket], None]] = {
    "/ok": _answer("200 OK"),
    "/last": _answer("200 OK", b"well", "Connection: close"),
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;x=y\r\nwel\r\n3\r\nl d\r\n0\r\nTrailer: 1\r\n\r\n",
    "/until-the-end": b"HTTP/1.0 200 OK\r\n\r\nwell",
    "/empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/interim": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + _answer("200 OK"),
    "/big": _answer("200 OK", b"x" * 300_000 + b"needle"),
    "/500": _answer("500 Internal Server Error"),
    "/503": _answer("503 Service Unavailable"),
    "/404": _answer("404 Not Found"),
    "/403": _answer("403 Forbidden"),
    "/429": _answer("429 Too Many Requests"),
    "/302": _answer("302 Found", b"", "Location: /ok"),
    "/garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "/half": b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nhalf",
    "/nothing": b"",
    "/reset": _reset,
    "/trickle": _trickle,
    "/lag": _lag,
    "/never": lambda service, _: service.wait(10),
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with contextlib.closing(Service()) as it:
        yield it


@pytest.fixture
def own_service() -> Iterator[Service]:
    """A service that a test may take down."""
    with contextlib.closing(Service()) as it:
        yield it


@dataclass
class Watch:
    """A running sampler and what it has written so far."""

    sampler: Sampler
    lines: list[bytes] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    """When each line came (monotonic)."""

    def samples(self, sli: str) -> list[Sample]:
        decoded = [decode_evidence(json.loads(line)["data"]) for line in list(self.lines)]
        return [s for s in decoded if isinstance(s, Sample) and s.sli == sli]

    def total(self, sli: str) -> Sample:
        """All samples of a probe as if they were one second."""
        all_of_it = self.samples(sli)
        bad: dict[str, int] = {}
        latency: dict[int, int] = {}
        for sample in all_of_it:
            for cause, count in sample.bad.items():
                bad[cause] = bad.get(cause, 0) + count
            for bucket, count in sample.latency_us.items():
                latency[bucket] = latency.get(bucket, 0) + count
        return Sample(
            sli=sli,
            sent=sum(s.sent for s in all_of_it),
            good=sum(s.good for s in all_of_it),
            bad=bad,
            latency_us=latency,
            flips=tuple(f for s in all_of_it for f in s.flips),
            last=tuple(p for s in all_of_it for p in s.last),
            lateness_p99_us=max((s.lateness_p99_us for s in all_of_it), default=0),
            dropped=sum(s.dropped for s in all_of_it),
        )


@contextlib.contextmanager
def watching(probes: Mapping[str, Probe], env: Mapping[str, str] | None = None) -> Iterator[Watch]:
    """A sampler over real probes; when the block ends it has been stopped in order and every sample
    is there.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        watch = Watch(Sampler.start(probes, theirs.fileno(), env=env))

    def read() -> None:
        with ours, ours.makefile("rb") as lines:
            for line in lines:
                watch.lines.append(line)
                watch.arrived.append(time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield watch
        assert watch.sampler.stop(), watch.sampler.last_words()
    finally:
        watch.sampler.kill()
        reader.join(5)


@pytest.fixture(scope="session")
def watcher() -> Callable[..., contextlib.AbstractContextManager[Watch]]:
    return watching


@dataclass(frozen=True)
class Certificates:
    """A private authority and a server certificate of its own for 127.0.0.1 alone."""

    ca_file: str
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Certificates(str(folder / "ca.pem"), context)


@pytest.fixture(scope="module")
def secure_service(certificates: Certificates) -> Iterator[Service]:
    with contextlib.closing(Service(certificates.server)) as it:
        yield it
