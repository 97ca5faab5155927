"""One GET, bounded in time and size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from drillkit import __version__
from drillkit.clients.proxies import login_of, proxies_for, via
from drillkit.clock import Clock, Deadline
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Unanswered, Unreachable

if TYPE_CHECKING:
    import requests

CONNECT_S = 3.0
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back."""

    status: int
    text: str
    """The beginning of the body."""


def fetch(
    url: str,
    limit_s: float,
    *,
    headers: Mapping[str, str] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Fetched:
    """What is at a URL, its first `most_bytes`; redirects are not followed.

    Raises Unreachable, Unanswered.
    """
    import requests

    try:
        with _asked(url, limit_s, headers or {}) as answer:
            body = answer.raw.read(most_bytes, decode_content=True)
            return Fetched(
                answer.status_code, body.decode(answer.encoding or "utf-8", errors="replace")
            )
    except (requests.exceptions.ConnectTimeout, requests.exceptions.ConnectionError) as error:
        raise Unreachable(
            f"{url} cannot be reached{via(url)}: {type(error).__name__}; is it up and the network "
            "open?"
        ) from error
    except (requests.exceptions.RequestException, OSError, LookupError) as error:
        raise Unanswered(f"{url} gave no answer{via(url)}: {type(error).__name__}") from error


def _asked(url: str, limit_s: float, headers: Mapping[str, str]) -> requests.Response:
    """The answer, of which nothing but the headers is read yet."""
    import requests

    return requests.get(
        url,
        timeout=(CONNECT_S, limit_s),
        allow_redirects=False,
        stream=True,
        proxies=proxies_for(url),
        auth=login_of(url),
        headers={"User-Agent": f"drillkit/{__version__}", **headers},
    )


@dataclass(frozen=True, slots=True)
class Download:
    """A whole body, with its headers by their names in lower case."""

    status: int
    content: bytes
    headers: Mapping[str, str]


def download(
    url: str, limit_s: float, most: int, headers: Mapping[str, str], clock: Clock
) -> Download:
    """All that is at a URL, of at most `most` bytes, in `limit_s` seconds however slowly it drips;
    redirects are not followed. Of the URL no error shows more than its host: it may be a secret.

    Raises Unreachable, Unanswered, CallError for what is longer.
    """
    import requests

    where = f"{urlsplit(url).hostname}{via(url)}"
    deadline = Deadline.after(limit_s, clock)
    try:
        with _asked(url, limit_s, headers) as answer:
            content = _whole(answer.raw, deadline, most, where)
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Download(answer.status_code, content, found)
    except (requests.exceptions.ConnectTimeout, requests.exceptions.ConnectionError) as error:
        raise Unreachable(f"{where} cannot be reached: {type(error).__name__}") from None
    except (requests.exceptions.RequestException, OSError, ValueError) as error:
        raise Unanswered(f"{where} gave no answer: {type(error).__name__}") from None


def _whole(raw: Any, deadline: Deadline, most: int, where: str) -> bytes:
    from urllib3.exceptions import HTTPError

    found = b""
    try:
        while chunk := raw.read1(1 << 16, decode_content=True):
            found += chunk
            if len(found) > most:
                raise CallError(f"{where} sent more than {most:,} bytes")
            if deadline.over:
                raise Unanswered(f"{where} did not send all of it in time")
    except HTTPError as error:
        raise Unanswered(f"{where} broke off: {type(error).__name__}") from None
    return found
