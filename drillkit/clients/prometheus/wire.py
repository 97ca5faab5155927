"""The door to a metrics server and its neighbours: one bounded request, one answer, no retries, no
redirects.

Credentials are resolved when the client is opened; their values never enter a message.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode, urlsplit

from drillkit import __version__
from drillkit.clients.prometheus.errors import HalfAnswer, QueryRejected, refusal, transport_error
from drillkit.clients.proxies import login_of, proxies_for, via
from drillkit.clock import SYSTEM_CLOCK, Clock, Deadline
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Denied, Unanswered, UsageError
from drillkit.model.target import AwsTarget, PrometheusTarget, WebTarget
from drillkit.secrets import KNOWN, one_line, resolve_all

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

Refuses: TypeAlias = Callable[[int, bytes, str | None, str, str], CallError]
"""`errors.refusal`, or another one for another API."""
CONNECT_S = 3.0
TOTAL_S = 15.0
MAX_BYTES = 64 * 1024 * 1024
_CHUNK = 256 * 1024
SAID_READ = 64 * 1024
"""Bytes of a refusal that are looked at; a message repeats far fewer."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How requests prove who we are. Its text form shows no value."""

    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self.headers)})"


def credentials(target: WebTarget, section: str = "prometheus") -> Credentials:
    """Resolve the references of a target's `section`. Raises UsageError naming the field and what
    is missing, never a value.
    """
    wanted = {f"headers.{name}": value for name, value in target.headers.items()}
    if target.bearer is not None:
        wanted["bearer"] = target.bearer
    if target.basic is not None:
        wanted["basic"] = target.basic
    if target.bearer is not None and target.basic is not None:
        raise UsageError(f"{section}: expected one of `bearer` and `basic`, found both")
    found = resolve_all(wanted, f"{section}.")
    headers: dict[str, str] = {}
    for name, value in found.items():
        one_line(value, f"{section}.{name}")
        if name == "bearer":
            headers["Authorization"] = f"Bearer {value}"
        elif name == "basic":
            headers["Authorization"] = f"Basic {_basic(value, section)}"
        else:
            headers[name.removeprefix("headers.")] = value
    return Credentials(headers)


def _basic(value: str, section: str) -> str:
    import base64

    if ":" not in value:
        raise UsageError(
            f"{section}.basic: expected `user:password` behind the reference, found no colon"
        )
    return base64.b64encode(value.encode()).decode()


class Wire:
    """Requests to one base URL. Fit for several threads: each has a session of its own."""

    def __init__(
        self,
        url: str,
        target: WebTarget,
        known: Credentials,
        total_s: float = TOTAL_S,
        before: Callable[[], None] = lambda: None,
        aws: AwsTarget | None = None,
        *,
        refuses: Refuses = refusal,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`total_s`: seconds that a request may take from the connection to the last byte.
        `before` is called before each; what it raises ends the asking. `aws`: whose profile signs.
        `refuses` says what an answer means that is no success.
        """
        if not re.match(r"https?://[^/]", url):
            raise UsageError(
                f"expected a URL such as https://prometheus.example.com, found {url[:60]!r}"
            )
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise UsageError("a password must not stand in a URL; use `basic: env:NAME`")
        self.where = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
        self.total_s = total_s
        self._target, self._known, self._before = target, known, before
        self._refuses, self._clock = refuses, clock
        self._local = threading.local()
        region = target.sigv4_region if isinstance(target, PrometheusTarget) else None
        self._sign = _signer(region, aws) if region else None

    def post(self, path: str, form: Mapping[str, Any], asked: str) -> bytes:
        """POST a form, as the query API takes it. Raises CallError."""
        body = urlencode(form, doseq=True)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", self.where + path, body, headers, asked)

    def get(self, path: str, query: Mapping[str, Any], asked: str) -> bytes:
        """GET, for what has no POST. Raises CallError."""
        encoded = urlencode(query, doseq=True)
        return self._send(
            "GET", self.where + path + (f"?{encoded}" if encoded else ""), "", {}, asked
        )

    def _change(self, method: str, path: str, data: Any, asked: str) -> bytes:
        """Send JSON that changes something; whoever does has planned it. Raises CallError."""
        body = json.dumps(data) if data is not None else ""
        headers = {"Content-Type": "application/json"} if body else {}
        return self._send(method, self.where + path, body, headers, asked)

    def _send(self, method: str, url: str, body: str, headers: dict[str, str], asked: str) -> bytes:
        from requests import Request
        from requests.exceptions import RequestException

        self._before()
        session = self._session()
        deadline = Deadline.after(self.total_s, self._clock)
        try:
            request = session.prepare_request(
                Request(method, url, data=body or None, headers=headers)
            )
            if self._sign is not None:
                self._sign(request)
            # Said for each request: REQUESTS_CA_BUNDLE would win over a session's own authority.
            verify = self._target.ca_file or True
            settings = session.merge_environment_settings(url, proxies_for(url), True, verify, None)
            timeout = (min(CONNECT_S, self.total_s), self.total_s)
            with session.send(
                request, allow_redirects=False, timeout=timeout, **settings
            ) as response:
                status, wish = response.status_code, response.headers.get("Retry-After")
                content = self._content(response, deadline, asked)
        except (RequestException, OSError) as error:
            raise transport_error(error, self.where + via(url), self.total_s) from None
        if status != 200:
            cleaned = KNOWN.foreign(content[:SAID_READ].decode(errors="replace"))
            where = self.where + via(url)
            raise self._refuses(status, cleaned.encode(), wish, asked, where)
        return content

    def _content(self, response: Response, deadline: Deadline, asked: str) -> bytes:
        """The whole body, within the deadline however slowly it drips, and never more than fits."""
        from urllib3.exceptions import HTTPError
        from urllib3.exceptions import ReadTimeoutError as Stalled

        chunks: list[bytes] = []
        size = 0
        while True:
            left = deadline.left()
            if left <= 0:
                raise Unanswered(
                    f"cannot {asked} at {self.where}: the answer was not complete in "
                    f"{self.total_s:g} s"
                )
            connection = response.raw.connection
            if connection is not None and connection.sock is not None:
                connection.sock.settimeout(left)
            try:
                chunk = response.raw.read1(_CHUNK, decode_content=True)
            except Stalled as error:
                why = f"the answer was not complete in {self.total_s:g} s"
                raise Unanswered(f"cannot {asked} at {self.where}: {why}") from error
            except HTTPError as error:
                raise HalfAnswer(
                    f"cannot {asked} at {self.where}: it broke off after {size:,} bytes"
                ) from error
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BYTES:
                raise QueryRejected(
                    f"cannot {asked} at {self.where}: more than {MAX_BYTES // 2**20} MiB came "
                    "back; narrow the selector"
                )
        expected = response.headers.get("Content-Length")
        if (
            expected
            and expected.isdecimal()
            and "Content-Encoding" not in response.headers
            and size < int(expected)
        ):
            raise HalfAnswer(
                f"cannot {asked} at {self.where}: it broke off after {size:,} of {expected} bytes"
            )
        return b"".join(chunks)

    def _session(self) -> Session:
        found: Session | None = getattr(self._local, "session", None)
        if found is None:
            import requests

            found = requests.Session()
            found.headers.update(
                {"Accept": "application/json", "User-Agent": f"drillkit/{__version__}"}
            )
            found.headers.update(self._known.headers)
            found.auth = login_of(self.where)
            if self._target.client_cert:
                key = self._target.client_key
                found.cert = (self._target.client_cert, key) if key else self._target.client_cert
            self._local.session = found
        return found


def _signer(region: str, aws: AwsTarget | None) -> Any:
    """A function that signs a prepared request for Amazon Managed Prometheus (SigV4,
    service `aps`), with the target's own profile if it names one.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError

    from drillkit.clients.aws_session import learn, open_session

    session = open_session(aws)
    try:
        source = session.get_credentials()
    except BotoCoreError as error:  # no such profile
        raise Denied(f"the AWS credentials to sign with cannot be had: {error}") from error
    if source is None:
        raise Denied(
            f"no AWS credentials to sign with for {region}; set AWS_PROFILE or the usual variables"
        )

    def sign(request: PreparedRequest) -> None:
        try:
            frozen = source.get_frozen_credentials()
        except BotoCoreError as error:
            raise Denied(
                f"the AWS credentials to sign with cannot be had: {type(error).__name__}"
            ) from error
        learn(frozen)
        signed = {k: v for k, v in request.headers.items() if k.lower() in ("content-type", "host")}
        aws = AWSRequest(
            method=request.method, url=request.url, data=request.body or "", headers=signed
        )
        SigV4Auth(frozen, "aps", region).add_auth(aws)
        for name, value in aws.headers.items():
            request.headers[name] = value

    return sign
