"""The private HTTP path: what can be broken on purpose, and what was asked of the API.

    DELETE /_sandbox/knobs                takes everything back
    PATCH  /_sandbox/settings             knobs.Settings, any of its fields
    POST   /_sandbox/rules                a knobs.CallRule
    POST   /_sandbox/failures             a knobs.FailNext
    POST   /_sandbox/damage               a knobs.Damage
    POST   /_sandbox/hide                 a knobs.Hide
    GET    /_sandbox/calls?after=NUMBER   API calls since

Every request needs the header `X-Sandbox-Token`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from drillkit.sandbox.aws.knobs import CallRule, Damage, FailNext, Hide, Knobs, from_dict


class Control:
    """Answers the private path."""

    def __init__(self, knobs: Knobs, token: str, destroy: Callable[[Damage], int]) -> None:
        self._knobs = knobs
        self._token = token
        self._destroy = destroy

    def answer(self, environ: dict[str, Any], body: bytes) -> tuple[int, Any]:
        """The HTTP status and JSON document for one request."""
        if not hmac.compare_digest(environ.get("HTTP_X_SANDBOX_TOKEN", ""), self._token):
            return 401, {"error": "the header X-Sandbox-Token is missing or wrong"}
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].removeprefix('/_sandbox')}"
        try:
            values = json.loads(body) if body else {}
            return 200, self._perform(request, values, environ.get("QUERY_STRING", ""))
        except LookupError:
            return 404, {"error": f"there is no {request}"}
        except (ValueError, TypeError) as error:
            return 400, {"error": str(error)}

    def _perform(self, request: str, values: dict[str, Any], query: str) -> Any:
        knobs = self._knobs
        match request:
            case "DELETE /knobs":
                knobs.reset()
            case "PATCH /settings":
                knobs.change(values)
            case "POST /rules":
                knobs.add_rule(from_dict(CallRule, values))
            case "POST /failures":
                knobs.add_failure(from_dict(FailNext, values))
            case "POST /hide":
                knobs.add_hidden(from_dict(Hide, values))
            case "POST /damage":
                damage = from_dict(Damage, values)
                if damage.mode != "sql":
                    return {"hit": self._destroy(damage)}
                knobs.damages.append(damage)
            case "GET /calls":
                return knobs.calls(int(parse_qs(query).get("after", ["0"])[0]))
            case _:
                raise LookupError(request)
        return {}
