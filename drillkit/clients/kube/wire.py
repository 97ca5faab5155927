"""The one door to a cluster: a request goes out, an answer comes back, once."""

from __future__ import annotations

import contextlib
import gc
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from drillkit import __version__
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Denied, Invalid, Unanswered, Unreachable
from drillkit.model.json_text import load_json
from drillkit.secrets import excerpt

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_S = 3.0
READ_S = 15.0
MOST_BYTES = 64 * 1024 * 1024
"""Of one answer: a page of a list, a log's end, what a service says through the API server."""
EFFECTS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""Methods that may change something."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The content as data. Raises Unanswered when it is no JSON: something else than an API
        server spoke.
        """
        try:
            # It makes many objects and no garbage: to look for some takes half as long again.
            with uncollected():
                return load_json(self.content)
        except ValueError as error:
            text = excerpt(self.content, 120).strip()
            raise Unanswered(
                f"expected JSON from the API server, found {text!r} (status {self.status}); is a "
                "proxy in between?"
            ) from error


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage meanwhile."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class Transport(Protocol):
    """Sends one request once: no retries, no redirects."""

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = READ_S,
    ) -> Response:
        """The answer, whatever its status.

        `path` is encoded already, `query` is not; `body` is data or None. Raises Unreachable when
        the request never arrived, Unanswered when it may have, Denied when there are no credentials
        to send it with.
        """


class PoolTransport:
    """Over a pool of connections."""

    def __init__(
        self, host: str, pool: PoolManager, credentials: Callable[[], Mapping[str, str]]
    ) -> None:
        """`credentials` gives the request headers that prove who we are, refreshed as needed;
        raises Denied.
        """
        self._host = host
        self._pool = pool
        self._credentials = credentials
        self._one = threading.Lock()

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float = READ_S,
    ) -> Response:
        """See `Transport.send`."""
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        with self._one:  # a refresh runs once, however many threads wait for it
            headers = {
                "Accept": "application/json",
                "User-Agent": f"drillkit/{__version__}",
                **self._credentials(),
            }
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = content_type
        url = self._host + path + (f"?{urlencode(query)}" if query else "")
        timeout = Timeout(connect=CONNECT_S, read=timeout_s)
        try:
            found = self._pool.request(
                method,
                url,
                body=data,
                headers=headers,
                retries=False,
                redirect=False,
                timeout=timeout,
                preload_content=False,
            )
            content = _bounded(found)
        except HTTPError as error:
            raise _mapped(error, self._host, timeout_s) from error
        except ValueError:
            # http.client refuses a header, and says its value.
            raise Unreachable(
                f"{self._host}: the request cannot be written as HTTP: a header or the path holds "
                "characters that it does not allow"
            ) from None
        if content is None:
            much = (
                f"{self._host}: expected at most {MOST_BYTES // 2**20} MiB of an answer, more came"
            )
            raise Invalid(much) if method == "GET" else Unanswered(much)
        return Response(found.status, {k.lower(): v for k, v in found.headers.items()}, content)


def _bounded(found: BaseHTTPResponse) -> bytes | None:
    """The body; None when there is more than MOST_BYTES of it: it is not read to its end."""
    parts: list[bytes] = []
    left = MOST_BYTES
    for part in found.stream(64 * 1024, decode_content=True):
        left -= len(part)
        if left < 0:
            found.close()
            return None
        parts.append(part)
    found.release_conn()
    return b"".join(parts)


def _mapped(error: Exception, host: str, timeout_s: float) -> Unreachable | Unanswered | Denied:
    """Whether the request can have arrived decides what it is called."""
    from urllib3 import exceptions as they

    cause = error.original_error if isinstance(error, they.ProxyError) else error
    via = " through the proxy" if isinstance(error, they.ProxyError) else ""
    if isinstance(cause, they.NameResolutionError):
        return Unreachable(
            f"{host}{via}: the name does not resolve; is the server in the kubeconfig right?"
        )
    if isinstance(cause, they.NewConnectionError):
        return Unreachable(f"{host}{via}: {_root(cause)}; is the cluster up and the address right?")
    if isinstance(cause, they.ConnectTimeoutError):
        return Unreachable(
            f"{host}{via}: no connection within {CONNECT_S:g} s; is a VPN or firewall in the way?"
        )
    if isinstance(cause, they.SSLError):
        return _tls(str(_root(cause)), host)
    if isinstance(cause, they.ReadTimeoutError):
        return Unanswered(
            f"{host}: connected, but no answer within {timeout_s:g} s; the request may have arrived"
        )
    if isinstance(
        error,
        they.ProxyError | they.LocationParseError | they.InvalidHeader | they.URLSchemeUnknown,
    ):
        return Unreachable(f"{host}{via}: {_root(error)}")
    why = _root(error)
    return Unanswered(
        f"{host}: the connection broke before an answer came ({why}); the request may have arrived"
    )


def _tls(text: str, host: str) -> Unreachable | Denied:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.split("certificate verify failed:")[-1].split("(_ssl")[0].strip()
        return Unreachable(
            f"{host}: its certificate is not trusted ({why}); expected one signed by the "
            "certificate-authority of the kubeconfig. Was the cluster made anew, or is a proxy "
            "opening TLS?"
        )
    if "ALERT" in text.upper() and "CERTIFICATE" in text.upper():
        return Denied(
            f"{host}: it refused our client certificate ({text}); has it expired? Get a "
            "new kubeconfig"
        )
    return Unreachable(f"{host}: TLS failed ({text})")


def _root(error: BaseException) -> str:
    """The innermost reason, in few words."""
    seen: BaseException = error
    for _ in range(8):
        deeper = seen.__cause__ or seen.__context__ or getattr(seen, "reason", None)
        if not isinstance(deeper, BaseException):
            deeper = next((a for a in seen.args if isinstance(a, BaseException)), None)
        if deeper is None:
            break
        seen = deeper
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror
    return str(seen) or type(seen).__name__
