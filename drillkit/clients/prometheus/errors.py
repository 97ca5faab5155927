"""What a metrics server's refusals mean. The only place where its statuses become
drillkit's errors.
"""

from __future__ import annotations

from typing import Any

from drillkit.model.errors import (
    Absent,
    CallError,
    Denied,
    Invalid,
    Throttled,
    Unanswered,
    Unavailable,
)
from drillkit.model.json_text import load_json
from drillkit.secrets import KNOWN, excerpt

SAID = 200
"""Characters of the other side's words that a message repeats."""


class NotPrometheus(Invalid):
    """Something else answered: a login page, a proxy, another API."""


class HalfAnswer(Unanswered):
    """The answer broke off before its end."""


class QueryRejected(Invalid):
    """400 or 422: the server does not understand the query, or it would read more than it may."""


def refusal(
    status: int, content: bytes, retry_after: str | None, asked: str, where: str
) -> CallError:
    """The error of an answer that is no success. `asked`: what was asked for; `where`: the server,
    without secrets.
    """
    said = _said(content)
    if status == 401:
        return Denied(
            f"cannot {asked} at {where}: not authenticated (401: {said}); the token, password or "
            "signature is missing, wrong or expired. Check `bearer`, `basic` or `sigv4_region` of "
            "the target"
        )
    if status == 403:
        return Denied(
            f"cannot {asked} at {where}: not allowed (403: {said}); may this account read "
            "this tenant?"
        )
    if status == 429:
        return Throttled(
            f"cannot {asked} at {where} now: too many queries (429: {said})", _seconds(retry_after)
        )
    if status in (400, 422) and _is_prometheus(content):
        return QueryRejected(
            f"cannot {asked} at {where}: the query was rejected ({status}: {said})"
        )
    if status == 404:
        return Absent(
            f"cannot {asked} at {where}: there is no such API (404); expected the base URL without "
            "`/api/v1` (Mimir: with `/prometheus`)"
        )
    if status in (502, 503, 504):
        return Unavailable(
            f"cannot {asked} at {where}: it is not there or overloaded ({status}: {said}); look at "
            "its own state first"
        )
    if status >= 500:
        return Unavailable(f"cannot {asked} at {where}: it is in trouble ({status}: {said})")
    if 300 <= status < 400:
        return NotPrometheus(
            f"cannot {asked} at {where}: redirected ({status}), probably to a login; redirects are "
            "not followed. Give the URL of the API itself and its credentials"
        )
    return NotPrometheus(
        f"cannot {asked} at {where}: expected Prometheus' API, found status {status}: {said}"
    )


def _seconds(retry_after: str | None) -> float | None:
    """What a `Retry-After` wishes, where it is a number."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def api_json(content: bytes, where: str, shape: type, expected: str) -> Any:
    """The JSON that an API beside Prometheus answered with. Raises NotPrometheus for anything that
    is no `shape`: `expected` is not what answers there.
    """
    try:
        found = load_json(content)
    except ValueError:
        found = None
    if not isinstance(found, shape):
        raise NotPrometheus(f"{where}: expected {expected}, found no such JSON")
    return found


def api_refusal(
    status: int, content: bytes, retry_after: str | None, asked: str, where: str
) -> CallError:
    """`refusal` of an API beside Prometheus: an Alertmanager's, Grafana's."""
    what = f"cannot {asked} at {where}: {status}: {_said(content)}"
    if status in (401, 403):
        return Denied(f"{what}; check token or password of the target, and what it may do")
    if status == 404:
        return Absent(what)
    if status == 429:
        return Throttled(what, _seconds(retry_after))
    if status >= 500:
        return Unavailable(what)
    if 300 <= status < 400:
        return Invalid(f"{what}; redirects are not followed: give the URL of the API itself")
    return Invalid(what)


def _is_prometheus(content: bytes) -> bool:
    return b'"errorType"' in content


def _said(content: bytes) -> str:
    try:
        found = load_json(content)
        text = str(found.get("error") or found) if isinstance(found, dict) else str(found)
    except ValueError:
        text = content.decode(errors="replace")
    return excerpt(" ".join(text.split()), SAID) or "no reason given"


def transport_error(error: Exception, where: str, limit_s: float) -> CallError:
    """What a failure of `requests` means."""
    from requests import exceptions as they

    from drillkit.model.errors import Unreachable

    why = KNOWN.text(_root(error))
    if isinstance(error, they.SSLError):
        return Unreachable(
            f"{where}: TLS failed ({why}); expected a certificate signed by `ca_file` of the target"
        )
    if isinstance(error, they.ConnectTimeout):
        return Unreachable(f"{where}: no connection in time; is a VPN or firewall in the way?")
    if isinstance(error, they.ReadTimeout):
        return Unanswered(f"{where}: connected, but no answer within {limit_s:g} s")
    if isinstance(error, they.ChunkedEncodingError | they.ContentDecodingError):
        return HalfAnswer(f"{where}: the answer broke off ({why})")
    if isinstance(error, they.ConnectionError):
        if "Connection aborted" in str(error) or "RemoteDisconnected" in str(error):
            return Unanswered(f"{where}: the connection broke before an answer came ({why})")
        return Unreachable(f"{where}: {why}; is it up and the address right?")
    if isinstance(error, OSError) and not isinstance(error, they.RequestException):
        return Unreachable(
            f"{where}: {why}; do `ca_file`, `client_cert` and `client_key` of the target exist?"
        )
    return Unreachable(f"{where}: the request could not be sent ({type(error).__name__})")


def _root(error: BaseException) -> str:
    """The innermost reason, in few words."""
    seen: BaseException = error
    for _ in range(8):
        deeper = getattr(seen, "reason", None)
        if not isinstance(deeper, BaseException):
            deeper = next((a for a in seen.args if isinstance(a, BaseException)), None)
        if not isinstance(deeper, BaseException):
            break
        seen = deeper
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror
    return excerpt(str(seen), SAID) or type(seen).__name__
