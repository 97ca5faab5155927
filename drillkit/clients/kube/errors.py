"""What a cluster's refusals mean. The only place where statuses become drillkit's errors."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from drillkit.clients.kube.wire import Response
from drillkit.model.errors import (
    Absent,
    Blocked,
    CallError,
    Conflict,
    Denied,
    Invalid,
    Throttled,
    Unavailable,
)
from drillkit.model.json_text import load_json
from drillkit.secrets import excerpt

SAID_KEPT = 1000
"""Characters of what the API server, or whoever answers in its place, says."""
VALUE_KEPT = 200
"""Characters of a value that the API server calls invalid."""
_VALUE = re.compile(r'Invalid value: ("(?:[^"\\]|\\.)*+"):', re.DOTALL)
NO_SUCH_GROUP = b"404 page not found"
"""In plain text, without a Status: nobody serves that API group."""
NO_SUCH_RESOURCE = "the server could not find the requested resource"


def refusal(answer: Response, asked: str, who: str) -> CallError:
    """The error of an answer that is no success. `asked`: `delete pod/shop/web-1`; `who`: how we
    are known there.
    """
    status = _status(answer)
    told = status.get("message") or answer.content
    written = told if isinstance(told, bytes) else str(told)
    said = excerpt(written, SAID_KEPT).strip() or "no reason given"
    return _KINDS.get(answer.status, _other)(answer, status, said, asked, who)


def _status(answer: Response) -> Mapping[str, Any]:
    with contextlib.suppress(ValueError):
        found = load_json(answer.content)
        if isinstance(found, dict):
            return found
    return {}


def causes(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The causes of a Status object; none where a proxy's answer has another shape."""
    found = _details(status).get("causes")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _details(status: Mapping[str, Any]) -> Mapping[str, Any]:
    found = status.get("details")
    return found if isinstance(found, dict) else {}


def _unauthorized(
    answer: Response, status: Mapping[str, Any], said: str, asked: str, who: str
) -> CallError:
    return Denied(
        f"cannot {asked}: {who} is not known to the API server (401: {said}); the token or "
        "certificate is missing or has expired. Log in again and retry"
    )


def _forbidden(
    answer: Response, status: Mapping[str, Any], said: str, asked: str, who: str
) -> CallError:
    if "because it is being terminated" in said:
        return Conflict(f"cannot {asked}: {said}")
    return Denied(
        f"cannot {asked}: {who} may not (403: {said}). Grant that verb in a Role or ClusterRole"
    )


def _absent(
    answer: Response, status: Mapping[str, Any], said: str, asked: str, who: str
) -> CallError:
    not_installed = answer.content.strip() == NO_SUCH_GROUP
    if not status and not not_installed:
        # A proxy's or balancer's page must not pass for "the object is gone".
        return Unavailable(
            f"cannot {asked}: expected the API server to say what is not found, got 404: "
            f"{said}; is it the API server that answers, and is the path in the kubeconfig right?"
        )
    if not_installed or NO_SUCH_RESOURCE in said:
        return NotServed(
            f"cannot {asked}: the cluster serves no such resource; is its CRD installed?"
        )
    return Absent(f"cannot {asked}: {said}")


def _conflict(
    answer: Response, status: Mapping[str, Any], said: str, asked: str, who: str
) -> CallError:
    return Conflict(f"cannot {asked}: {said}")


def _invalid(
    answer: Response, status: Mapping[str, Any], said: str, asked: str, who: str
) -> CallError:
    told = excerpt(
        "; ".join(f"{c.get('field', '?')}: {_gist(c)}" for c in causes(status)[:5]), SAID_KEPT
    )
    return Invalid(f"cannot {asked}: the API server calls the request invalid: {told or said}")


def _gist(cause: Mapping[str, Any]) -> str:
    """What a cause says. Of a patch that does not fit Kubernetes repeats the whole object before it
    says why: the object is left out, the more so as it may be a Secret.
    """
    message = str(cause.get("message", ""))
    found = _VALUE.match(message)
    if found is None or len(found[1]) <= VALUE_KEPT:
        return message
    return f"Invalid value of {len(found[1]):,} characters: {message[found.end() :].strip()}"


def _too_many(
    answer: Response, status: Mapping[str, Any], said: str, asked: str, who: str
) -> CallError:
    budget = [c for c in causes(status) if c.get("reason") == "DisruptionBudget"]
    if budget:
        return Blocked(
            f"cannot {asked} now: {excerpt(str(budget[0].get('message', said)), SAID_KEPT)}"
        )
    if "disruption budget" in said:
        return Blocked(f"cannot {asked} now: {said}")
    wish_s = _retry_after(answer, status)
    return Throttled(f"cannot {asked} now: too many calls ({said})", wish_s)


def _retry_after(answer: Response, status: Mapping[str, Any]) -> float | None:
    wish = answer.headers.get("retry-after") or _details(status).get("retryAfterSeconds")
    try:
        return float(wish) if wish is not None else None
    except (ValueError, TypeError):  # a date: rare enough to fall back on our own backoff
        return None


def _other(
    answer: Response, status: Mapping[str, Any], said: str, asked: str, who: str
) -> CallError:
    if "more than one PodDisruptionBudget" in said:  # an eviction that the API server cannot decide
        return Blocked(f"cannot {asked}: {said}; leave one PodDisruptionBudget for these pods")
    if answer.status >= 500:
        return Unavailable(
            f"cannot {asked}: the API server is in trouble ({answer.status}: {said})"
        )
    if 300 <= answer.status < 400:
        return Invalid(
            f"cannot {asked}: redirected to {answer.headers.get('location', 'nowhere')}; the "
            "server in the kubeconfig is not the API server itself"
        )
    return Invalid(f"cannot {asked}: unexpected answer {answer.status}: {said}")


class NotServed(Absent):
    """404 for the kind of resource, not for the object: its CRD is not installed."""


_KINDS = {
    400: _invalid,
    401: _unauthorized,
    403: _forbidden,
    404: _absent,
    409: _conflict,
    410: _conflict,
    413: _invalid,
    422: _invalid,
    429: _too_many,
}
