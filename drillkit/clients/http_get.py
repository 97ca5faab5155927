"""One GET, bounded in time and size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drillkit import __version__
from drillkit.clients.proxies import proxies_for, via
from drillkit.model.errors import Unanswered, Unreachable

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
        with requests.get(
            url,
            timeout=(CONNECT_S, limit_s),
            allow_redirects=False,
            stream=True,
            proxies=proxies_for(url),
            headers={"User-Agent": f"drillkit/{__version__}", **(headers or {})},
        ) as answer:
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
