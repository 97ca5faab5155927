"""One HTTP or TCP probe without its sockets: where it aims, what it sends, how the answer reads,
why it was bad.

No I/O but reading secrets and certificates before the first probe. Who sends when is the
sampler's business.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from drillkit import __version__
from drillkit.model.errors import UsageError
from drillkit.secrets import Vault, is_reference, resolve

if TYPE_CHECKING:  # both cost more to import than a probe takes
    import ssl

    from drillkit.model.drill import Probe

BODY_CAP = 1 << 20
"""Bytes of a body that are read; whoever sends more has answered."""
HEAD_CAP = 64 << 10
"""Bytes of status line and headers; more is no answer."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A probe with its URL taken apart and checked, as plain data: what the sampler's process
    is told.
    """

    name: str
    host: str
    """Name or address, without brackets, IDNA encoded."""
    port: int
    path: str | None
    """Path and query to GET; None: a TCP probe, good once connected."""
    secure: bool
    """TLS."""
    per_s: float
    timeout_s: float
    slow_s: float | None
    expect: tuple[tuple[int, int], ...]
    """Ranges of good statuses, both ends included."""
    body: str | None
    headers: Mapping[str, str]
    """As declared: references are resolved by `request`."""
    fresh: bool
    ca_file: str | None
    control: bool

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def aim_at(name: str, probe: Probe) -> Aim:
    """Take a declared probe apart. Pure: no look-up, no secret read.

    Raises UsageError for an address, a status or a header that cannot be.
    """
    at = f"probe {name}"
    if probe.http is not None:
        secure, host, port, path = _split_url(at, probe.http)
    else:
        assert probe.tcp is not None
        secure, (host, port), path = False, _split_address(at, probe.tcp), None
    for header in probe.headers:
        if not _TOKEN.fullmatch(header):
            raise UsageError(f"{at}: expected the name of a header, found {header!r}")
    if probe.timeout.total_seconds() <= 0:
        raise UsageError(
            f"{at}: expected a timeout above zero, found {probe.timeout.total_seconds():g} s"
        )
    return Aim(
        name=name,
        host=_ascii_host(at, host),
        port=port,
        path=path,
        secure=secure,
        per_s=probe.rate.per_s,
        timeout_s=probe.timeout.total_seconds(),
        slow_s=probe.slow.total_seconds() if probe.slow else None,
        expect=parse_statuses(at, str(probe.expect)),
        body=probe.body,
        headers=dict(probe.headers),
        fresh=probe.fresh,
        ca_file=probe.ca_file,
        control=probe.control,
    )


def aim_from_data(data: Mapping[str, Any]) -> Aim:
    """The Aim whose fields went through JSON."""
    return Aim(**{**data, "expect": tuple((int(low), int(high)) for low, high in data["expect"])})


def _split_url(at: str, url: str) -> tuple[bool, str, int, str]:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise UsageError(f"{at}: expected a URL, found one that does not parse: {error}") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"{at}: a URL is written to the journal and must not hold a password; "
            "put it into `headers`, as `Authorization: env:NAME`"
        )
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise UsageError(f"{at}: expected http://host/path or https://host/path, found {url!r}")
    secure = parts.scheme == "https"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]")
    return secure, host, port or (443 if secure else 80), f"{path}?{query}" if query else path


def _split_address(at: str, address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host:
        raise UsageError(f"{at}: expected host:port, found {address!r}")
    return host, int(port)


def _ascii_host(at: str, host: str) -> str:
    try:
        ascii_host = host.encode("ascii" if host.isascii() else "idna").decode("ascii")
    except UnicodeError as error:
        raise UsageError(f"{at}: expected the name of a host, found {host!r}") from error
    if not re.fullmatch(r"[A-Za-z0-9_.:%-]+", ascii_host):
        raise UsageError(f"{at}: expected the name of a host, found {host!r}")
    return ascii_host


def parse_statuses(at: str, text: str) -> tuple[tuple[int, int], ...]:
    """`200`, `2xx` or `2xx,301` as ranges. Raises UsageError, which begins with `at`."""
    ranges: list[tuple[int, int]] = []
    for part in (p.strip() for p in text.split(",")):
        if re.fullmatch(r"[1-5]xx", part):
            ranges.append((int(part[0]) * 100, int(part[0]) * 100 + 99))
        elif re.fullmatch(r"[1-5]\d\d", part):
            ranges.append((int(part), int(part)))
        else:
            raise UsageError(f"{at}: expected a status such as 200, 2xx or 2xx,301, found {part!r}")
    return tuple(ranges)


def request(aim: Aim) -> bytes:
    """The bytes of an HTTP probe's request, secrets included: they go to the socket and
    nowhere else.

    Raises UsageError for a reference that cannot be read.
    """
    if aim.path is None:
        return b""
    headers = {
        "Host": aim.authority,
        "User-Agent": f"drillkit/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close" if aim.fresh else "keep-alive",
    }
    known = {key.lower(): key for key in headers}
    for name, value in resolved_headers(aim).items():
        headers[known.get(name.lower(), name)] = value
    lines = [
        f"GET {aim.path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1")


def resolved_headers(
    aim: Aim,
    environ: Mapping[str, str] | None = None,
    vault: Callable[[], Vault] | None = None,
) -> dict[str, str]:
    """The headers of a probe with their references put in. `environ`: where `env:` is read;
    default: this process's environment. `vault` opens the account for `aws-secret:`.

    Raises UsageError for a reference that leads nowhere, CallError when AWS refuses.
    """
    found: dict[str, str] = {}
    for name, declared in aim.headers.items():
        at = f"probe {aim.name}: header `{name}`"
        value = resolve(declared, at, vault, environ) if is_reference(declared) else declared
        # The value itself may be a secret: it is never repeated.
        if any((ord(c) < 32 and c != "\t") or ord(c) == 127 or ord(c) > 255 for c in value):
            raise UsageError(
                f"{at}: expected one line of printable characters, found others in its value"
            )
        found[name] = value
    return found


def tls_context(aim: Aim) -> ssl.SSLContext:
    """Trust of an https probe: the system's authorities and `ca_file`. Raises UsageError for an
    unreadable one.
    """
    import ssl

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if aim.ca_file is not None:
        try:
            context.load_verify_locations(os.path.expanduser(aim.ca_file))
        except OSError as error:  # SSLError is one
            raise UsageError(
                f"probe {aim.name}: expected certificates (PEM) in {aim.ca_file}: {error}"
            ) from error
    return context


def cause_of_status(status: int, expect: tuple[tuple[int, int], ...]) -> str | None:
    """Why a status is bad, or None. 403 and 429 are about us, not about the service."""
    if any(low <= status <= high for low, high in expect):
        return None
    if status in (403, 429):
        return "throttled"
    return {5: "5xx", 4: "4xx"}.get(status // 100, "status")


class BadAnswer(Exception):
    """Bytes that are no HTTP/1.1 answer."""


class ProbeAnswer:
    """Reads one HTTP/1.1 answer (RFC 9112) out of bytes that arrive in any pieces."""

    __slots__ = (
        "_buffer",
        "_chunked",
        "_keep",
        "_left",
        "_seen",
        "body",
        "complete",
        "reusable",
        "status",
    )

    def __init__(self, keep_body: bool) -> None:
        self.status = 0
        """0 until the head is there."""
        self.body = bytearray()
        """The body so far, up to BODY_CAP, if it is to be kept."""
        self.complete = False
        self.reusable = False
        """Whether the connection may carry another request."""
        self._keep = keep_body
        self._buffer = bytearray()
        self._left: int | None = (
            None  # bytes of the body (or of the chunk) to come; None: until the connection ends
        )
        self._chunked = False
        self._seen = 0

    def feed(self, data: bytes) -> bool:
        """Take what came; True once the answer is complete. Raises BadAnswer."""
        self._buffer += data
        while not self.status and self._head():
            pass
        if self.status and not self.complete:
            if self._chunked:
                self._chunks()
            else:
                self._plain()
        if self.complete and self._buffer:
            self.reusable = False  # bytes nobody asked for
        return self.complete

    def end(self) -> bool:
        """The connection ended; True if that completes the answer."""
        if self.status and self._left is None and not self._chunked:
            self.complete = True
        self.reusable = False
        return self.complete

    def _head(self) -> bool:
        """Read one head; True if it was an interim one (1xx) and the next may be here."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_CAP:
                raise BadAnswer("headers without end")
            return False
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        first = lines[0].split(b" ", 2)
        if (
            not first[0].startswith(b"HTTP/1.")
            or len(first) < 2
            or len(first[1]) != 3
            or not first[1].isdigit()
        ):
            raise BadAnswer("no status line")
        status = int(first[1])
        if 100 <= status < 200:
            return True
        self._framing(status, lines[1:], old=first[0] == b"HTTP/1.0")
        self.status = status
        return False

    def _framing(self, status: int, lines: list[bytes], old: bool) -> None:
        length: bytes | None = None
        self.reusable = not old
        for line in lines:
            name, _, value = line.partition(b":")
            match name.lower():
                case b"content-length":
                    value = value.strip()
                    if not value.isdigit() or length not in (None, value):
                        raise BadAnswer("no length")
                    length = value
                case b"transfer-encoding":
                    self._chunked = value.strip().lower().endswith(b"chunked")
                case b"connection" if b"close" in value.lower():
                    self.reusable = False
                case b"connection" if b"keep-alive" in value.lower():
                    self.reusable = True
        if status in (204, 304):
            self._chunked, self._left = False, 0
        elif self._chunked:
            self._left = 0
        elif length is not None:
            self._left = int(length)

    def _plain(self) -> None:
        taken = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
        self._take(taken)
        if self._left is not None:
            self._left -= taken
            self.complete = self.complete or self._left == 0

    def _chunks(self) -> None:
        """RFC 9112, 7.1. `_left` counts a chunk's bytes and its line end."""
        while not self.complete:
            assert self._left is not None
            if self._left:
                data = min(max(self._left - 2, 0), len(self._buffer))
                self._take(data)
                tail = min(self._left - data, 2, len(self._buffer)) if self._left - data <= 2 else 0
                del self._buffer[:tail]
                self._left -= data + tail
                if self._left:
                    return
            line_end = self._buffer.find(b"\r\n")
            if line_end < 0:
                if len(self._buffer) > HEAD_CAP:
                    raise BadAnswer("a chunk without size")
                return
            digits = bytes(self._buffer[:line_end]).split(b";", 1)[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", digits):
                raise BadAnswer("a chunk without size")
            size = int(digits, 16)
            if size == 0:
                if not self._trailers(line_end):
                    return
                self.complete = True
            else:
                del self._buffer[: line_end + 2]
                self._left = size + 2

    def _trailers(self, line_end: int) -> bool:
        """Drop the last chunk with its trailers; False while they are not all here."""
        end = self._buffer.find(b"\r\n\r\n", line_end)
        if end < 0:
            if len(self._buffer) > HEAD_CAP:
                raise BadAnswer("trailers without end")
            return False
        del self._buffer[: end + 4]
        return True

    def _take(self, count: int) -> None:
        if self._keep:
            self.body += self._buffer[: min(count, BODY_CAP - len(self.body))]
        del self._buffer[:count]
        self._seen += count
        if self._seen >= BODY_CAP and (self._left is None or self._left > count):
            self.complete, self.reusable = True, False  # enough; the rest stays unread
