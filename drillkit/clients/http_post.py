"""One POST of a message, bounded in time. Where it goes may be a secret: no error shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from drillkit import __version__
from drillkit.clients.proxies import login_of, proxies_for, via
from drillkit.model.errors import CallError, Unanswered, Unreachable, UsageError
from drillkit.secrets import excerpt

CONNECT_S = 3.0
READ_S = 4.0
MOST_BYTES = 4096


def post_json(
    url: str,
    data: Any,
    *,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
    most_bytes: int = MOST_BYTES,
) -> str:
    """Send data as JSON and give the first `most_bytes` of the answer. Redirects are not followed,
    nothing is tried twice.

    Raises UsageError for what is no URL, Unreachable, Unanswered, CallError for any answer but 2xx.
    """
    body = json.dumps(data, ensure_ascii=False).encode()
    all_headers = {"Content-Type": media_type, **(headers or {})}
    return post(url, body, headers=all_headers, most_bytes=most_bytes)


def post(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    most_bytes: int = MOST_BYTES,
) -> str:
    """`post_json` for any body."""
    import requests

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("expected a URL such as https://hooks.example.com/abc, found none")
    where = f"{parts.hostname}{via(url)}"
    try:
        with requests.post(
            url,
            data=body,
            headers={"User-Agent": f"drillkit/{__version__}", **(headers or {})},
            timeout=(CONNECT_S, READ_S),
            allow_redirects=False,
            stream=True,
            proxies=proxies_for(url),
            auth=login_of(url),
        ) as answer:
            said = answer.raw.read(most_bytes, decode_content=True).decode(errors="replace")
            status = answer.status_code
    except (requests.exceptions.ConnectTimeout, requests.exceptions.ConnectionError) as error:
        raise Unreachable(f"{where} cannot be reached: {type(error).__name__}") from None
    except (requests.exceptions.RequestException, OSError, ValueError) as error:
        raise Unanswered(f"{where} gave no answer: {type(error).__name__}") from None
    if not 200 <= status < 300:
        words = excerpt(" ".join(said.split()), 200)
        raise CallError(f"{where} answered {status}, expected 2xx: {words}")
    return said
