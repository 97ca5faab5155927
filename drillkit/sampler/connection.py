"""One connection of a probe: name, connect, TLS, request, answer; never blocks."""

from __future__ import annotations

import errno
import socket
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import TYPE_CHECKING, Protocol, cast

from drillkit.clients.http_answer import BadAnswer, ProbeAnswer
from drillkit.clients.probe import Aim, cause_of_status
from drillkit.sampler.resolver import Address, Lookup, Resolver
from drillkit.sampler.tally import Second

if TYPE_CHECKING:
    import ssl

OURS = "ours"
"""Outcome of a probe that failed by our own fault: out of ports, descriptors or threads."""
_OUR_ERRORS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.EADDRINUSE,
    }
)
_READ_BYTES = 64 << 10
_READS_AT_ONCE = 16
"""A fast sender of a big body must not keep the thread from its schedule."""

NAMING, CONNECTING, SHAKING, SENDING, READING, IDLE, CLOSED = range(7)


class ProbePlan:
    """What all connections of a probe share: its aim, the request's bytes, trust, and
    known addresses.
    """

    __slots__ = ("addresses", "aim", "body", "patience_s", "request", "tls")

    def __init__(
        self, aim: Aim, request: bytes, tls: ssl.SSLContext | None, addresses: tuple[Address, ...]
    ) -> None:
        self.aim = aim
        self.request = request
        self.tls = tls
        self.addresses = addresses
        """Of a host that is an address already; empty: look the name up each time."""
        self.body = aim.body.encode() if aim.body is not None else None
        self.patience_s = max(0.02, min(aim.slow_s or aim.timeout_s, aim.timeout_s) / 10)
        """How late a probe may leave, or how long we may have slept, before its latency says more
        about us than about the service: a tenth of its threshold, but no less than what an ordinary
        machine does to a process at times."""


class SentProbe:
    """A probe that left: where it is counted, and until when it may take."""

    __slots__ = ("connection", "deadline", "intended", "place", "second")

    def __init__(self, second: Second, place: int, intended: float, deadline: float) -> None:
        self.second = second
        self.place = place
        self.intended = intended
        self.deadline = deadline
        self.connection: Connection | None = None
        """None once it came to its end."""


class Owner(Protocol):
    """Who is told what became of a connection's probe."""

    def finished(self, connection: Connection, cause: str | None) -> None:
        """The probe under way ended: None is good, OURS means that nothing is known."""

    def gone(self, connection: Connection) -> None:
        """An idle connection ended."""


class Connection:
    """A connection and the probe that is under way on it."""

    __slots__ = (
        "_addresses",
        "_answer",
        "_owner",
        "_plan",
        "_selector",
        "_sock",
        "_stage",
        "_unsent",
        "_watched",
        "ticket",
    )

    def __init__(self, plan: ProbePlan, selector: BaseSelector, owner: Owner) -> None:
        self.ticket: SentProbe | None = None
        """The probe under way; the owner's."""
        self._plan = plan
        self._selector = selector
        self._owner = owner
        self._sock: socket.socket | None = None
        self._stage = NAMING
        self._watched = 0
        self._addresses: tuple[Address, ...] = ()
        self._answer: ProbeAnswer | None = None
        self._unsent = b""

    @property
    def stage(self) -> int:
        return self._stage

    def open(self, resolver: Resolver) -> None:
        """Begin: a name that needs it is looked up first."""
        if self._plan.addresses:
            self._addresses = self._plan.addresses
            self._connect()
        else:
            resolver.ask(self._plan.aim.host, self._plan.aim.port, self._named)

    def reuse(self) -> bool:
        """Send the next request on this idle connection; False (and closed) if the other side has
        ended it.
        """
        assert self._stage == IDLE
        if not self._alive():
            self.close()
            return False
        self._request()
        return True

    def close(self) -> None:
        """End it, whatever it was doing; nobody is told."""
        self._stage = CLOSED
        if self._sock is not None:
            self._watch(0)
            self._sock.close()
            self._sock = None

    def ready(self, _events: int) -> None:
        """The socket is ready for what was waited for."""
        stage = self._stage
        try:
            if stage == READING:
                self._read()
            elif stage == CONNECTING:
                self._connected()
            elif stage == SHAKING:
                self._shake()
            elif stage == SENDING:
                self._send()
            elif stage == IDLE and not self._alive():
                self.close()
                self._owner.gone(self)
        except OSError as error:
            self._end(self._cause(error, stage))

    def _named(self, lookup: Lookup) -> None:
        if self._stage != NAMING:
            return  # timed out meanwhile
        assert lookup.begun is not None
        if lookup.begun - lookup.asked > self._plan.patience_s:
            self._end(OURS)
        elif lookup.addresses:
            self._addresses = lookup.addresses
            self._connect()
        else:
            self._end("dns")

    def _connect(self) -> None:
        """Try the next address, as a client would. The last one's failure is the probe's."""
        while True:
            (family, address), self._addresses = self._addresses[0], self._addresses[1:]
            try:
                self._sock = socket.socket(family, socket.SOCK_STREAM)
                self._sock.setblocking(False)
                code = self._sock.connect_ex(address)
            except OSError as error:
                code = error.errno or errno.EIO
            if code in (0, errno.EINPROGRESS):
                self._stage = CONNECTING
                self._watch(EVENT_WRITE)
                return
            self._drop_socket()
            if not self._addresses or code in _OUR_ERRORS:
                self._end(cause_of_errno(code))
                return

    def _connected(self) -> None:
        assert self._sock is not None
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            if self._addresses and code not in _OUR_ERRORS:
                self._drop_socket()
                self._connect()
            else:
                self._end(cause_of_errno(code))
        elif self._plan.tls is not None:
            # The selector knows the descriptor, which the TLS socket takes over.
            self._sock = self._plan.tls.wrap_socket(
                self._sock, server_hostname=self._plan.aim.host, do_handshake_on_connect=False
            )
            self._stage = SHAKING
            self._shake()
        elif self._plan.aim.path is None:
            self._end(None)
        else:
            self._request()

    def _shake(self) -> None:
        try:
            cast("ssl.SSLSocket", self._sock).do_handshake()
        except OSError as error:
            if not self._wants(error):
                raise
            return
        self._request()

    def _request(self) -> None:
        self._answer = ProbeAnswer(keep_body=self._plan.body is not None)
        self._unsent = self._plan.request
        self._stage = SENDING
        try:
            self._send()
        except OSError as error:
            self._end(self._cause(error, SENDING))

    def _send(self) -> None:
        assert self._sock is not None
        while self._unsent:
            try:
                count = self._sock.send(self._unsent)
            except BlockingIOError:
                self._watch(EVENT_WRITE)
                return
            except OSError as error:
                if not self._wants(error):
                    raise
                return
            self._unsent = self._unsent[count:]
        self._stage = READING
        self._watch(EVENT_READ)

    def _read(self) -> None:
        assert self._sock is not None
        assert self._answer is not None
        for _ in range(_READS_AT_ONCE):
            try:
                data = self._sock.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if not self._wants(error):
                    raise
                return
            try:
                complete = self._answer.feed(data) if data else self._answer.end()
            except BadAnswer:
                self._end("body")
                return
            if complete:
                self._end(self._verdict(self._answer))
                return
            if not data:
                self._end("reset")
                return
            if self._plan.tls is None and len(data) < _READ_BYTES:
                return  # there is no more; the selector will say

    def _verdict(self, answer: ProbeAnswer) -> str | None:
        cause = cause_of_status(answer.status, self._plan.aim.expect)
        if cause is None and self._plan.body is not None and self._plan.body not in answer.body:
            return "body"
        return cause

    def _end(self, cause: str | None) -> None:
        """The probe is over: keep the connection if it may carry another, and tell the owner."""
        answer, self._answer = self._answer, None
        kept = (
            answer is not None
            and answer.complete
            and answer.reusable
            and not self._plan.aim.fresh
            and cause != OURS
        )
        if kept:
            self._stage = IDLE
            self._watch(EVENT_READ)
        else:
            self.close()
        self._owner.finished(self, cause)

    def _alive(self) -> bool:
        """Whether an idle connection is still open. Bytes on it, other than TLS's own, end
        it too.
        """
        assert self._sock is not None
        try:
            self._sock.recv(1)
        except BlockingIOError:
            return True
        except OSError as error:
            return self._wants(error)
        return False

    def _wants(self, error: OSError) -> bool:
        """Whether TLS only waits for the socket; it is then watched for what TLS wants."""
        if self._plan.tls is None:
            return False
        import ssl

        if isinstance(error, ssl.SSLWantReadError):
            self._watch(EVENT_READ)
            return True
        if isinstance(error, ssl.SSLWantWriteError):
            self._watch(EVENT_WRITE)
            return True
        return False

    def _cause(self, error: OSError, stage: int) -> str:
        if self._plan.tls is not None:
            import ssl

            if isinstance(error, ssl.SSLError):
                ended = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
                return "tls" if stage in (CONNECTING, SHAKING) and not ended else "reset"
        return cause_of_errno(error.errno or errno.EIO)

    def _drop_socket(self) -> None:
        if self._sock is not None:
            self._watch(0)
            self._sock.close()
            self._sock = None

    def _watch(self, events: int) -> None:
        if events == self._watched:
            return
        assert self._sock is not None
        if not self._watched:
            self._selector.register(self._sock, events, self.ready)
        elif not events:
            self._selector.unregister(self._sock)
        else:
            self._selector.modify(self._sock, events, self.ready)
        self._watched = events


def cause_of_errno(code: int) -> str:
    """Why a call to a socket failed, as Sample counts it, or OURS."""
    if code in _OUR_ERRORS:
        return OURS
    match code:
        case errno.ECONNREFUSED:
            return "refused"
        case errno.ETIMEDOUT:
            return "timeout"
        case errno.ECONNRESET | errno.EPIPE | errno.ECONNABORTED | errno.ENOTCONN:
            return "reset"
        case _:
            return "unreachable"
