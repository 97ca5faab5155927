"""One HTTP or TCP probe without its sockets: where it aims, what it sends, why an answer is bad.

No I/O but reading secrets and certificates before the first probe. Who sends when is the
sampler's business.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from drillkit import __version__
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.secrets import Vault, is_reference, resolve

if TYPE_CHECKING:  # both cost more to import than a probe takes
    import ssl

    from drillkit.model.drill import Probe

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
