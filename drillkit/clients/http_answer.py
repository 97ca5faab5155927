"""Reading one HTTP/1.1 answer out of bytes that arrive in any pieces; no I/O."""

from __future__ import annotations

import h11

BODY_CAP = 1 << 20
"""Bytes of a body that are read; whoever sends more has answered."""
HEAD_CAP = 64 << 10
"""Bytes of status line and headers; more is no answer."""
_ASKED = h11.Request(method="GET", target="/", headers=[("Host", "any")])
"""Stands for every request: only that it was a GET matters to how an answer is read."""


class BadAnswer(Exception):
    """Bytes that are no HTTP/1.1 answer."""


class ProbeAnswer:
    """Reads one HTTP/1.1 answer (RFC 9112) out of bytes that arrive in any pieces."""

    __slots__ = ("_keep", "_seen", "_wire", "body", "complete", "reusable", "status")

    def __init__(self, keep_body: bool) -> None:
        self.status = 0
        """0 until the head is there."""
        self.body = bytearray()
        """The body so far, up to BODY_CAP, if it is to be kept."""
        self.complete = False
        self.reusable = False
        """Whether the connection may carry another request."""
        self._keep = keep_body
        self._seen = 0
        self._wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_CAP)
        self._wire.send(_ASKED)
        self._wire.send(h11.EndOfMessage())

    def feed(self, data: bytes) -> bool:
        """Take what came; True once the answer is complete. Raises BadAnswer."""
        return self._read(data) if data else self.complete

    def end(self) -> bool:
        """The connection ended; True if that completes the answer."""
        try:
            self._read(b"")
        except BadAnswer:
            return False
        self.reusable = False
        return self.complete

    def _read(self, data: bytes) -> bool:
        """Nothing is the end, for h11."""
        try:
            self._wire.receive_data(data)
            while not self.complete and self._take(self._wire.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            raise BadAnswer(str(error)) from error
        if self.complete and self._wire.trailing_data[0]:
            self.reusable = False  # bytes nobody asked for
        return self.complete

    def _take(self, event: object) -> bool:
        """Note what came; False when more bytes are needed."""
        match event:
            case h11.Response():
                self.status = event.status_code
                self.reusable = _keeps(event)
            case h11.Data():
                data = event.data
                if self._keep:
                    self.body += data[: BODY_CAP - len(self.body)]
                self._seen += len(data)
                if self._seen >= BODY_CAP:
                    self._enough()
            case h11.EndOfMessage():
                self.complete = True
            case h11.InformationalResponse():
                pass
            case _:
                return False
        return True

    def _enough(self) -> None:
        """The rest stays unread, if there is any."""
        ended = isinstance(self._wire.next_event(), h11.EndOfMessage)
        self.complete, self.reusable = True, ended and self.reusable


def _keeps(answer: h11.Response) -> bool:
    """Whether the server keeps the connection: HTTP/1.0 by saying so, later ones unless they deny
    it. (h11 takes no connection of HTTP/1.0 for kept.)
    """
    told = b",".join(value for name, value in answer.headers if name == b"connection").lower()
    if b"close" in told:
        return False
    return answer.http_version >= b"1.1" or b"keep-alive" in told
