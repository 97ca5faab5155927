"""Faults of the API itself, for tests of clients: refusals, hangs, delays, connections that break
after the effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from drillkit.sandbox.kube.errors import bad_request
from drillkit.sandbox.kube.objects import Object

_LONGEST_S = 3600.0
_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass
class Fault:
    """What happens to the next ``times`` requests that match.

    A matching request is first delayed, then hangs (its connection breaks afterwards) or is
    answered with ``status``; without either it takes effect, and with ``drop`` ``"after"`` the
    connection breaks instead of an answer (``"before"``: without any effect).
    """

    method: str = "*"
    """HTTP method, or ``*`` for any."""
    path: str = ""
    """Regular expression, searched in the path with its query."""
    times: int = 1
    """How many requests; -1 for all until it is cleared."""
    delay_s: float = 0.0
    hang_s: float = 0.0
    status: int = 0
    reason: str = ""
    message: str = "a fault of the sandbox"
    retry_after_s: int = 0
    drop: str = ""
    hits: int = field(default=0)
    """How many requests it has met."""

    def __post_init__(self) -> None:
        try:
            self._pattern = re.compile(self.path)
        except re.error as error:
            raise bad_request(
                f"path: expected a regular expression, found {self.path!r}: {error}"
            ) from error
        if self.drop not in ("", "before", "after"):
            raise bad_request(f'drop: expected "before" or "after", found {self.drop!r}')
        if self.status and not 400 <= self.status <= 599:
            raise bad_request(f"status: expected 400 to 599, found {self.status}")
        if not 0 <= self.delay_s <= _LONGEST_S or not 0 <= self.hang_s <= _LONGEST_S:
            raise bad_request(f"delay_s and hang_s: expected 0 to {_LONGEST_S:.0f} s")

    def meets(self, method: str, path: str) -> bool:
        """Whether the request matches and the fault isn't used up."""
        used_up = 0 <= self.times <= self.hits
        return (
            not used_up and self.method in ("*", method) and self._pattern.search(path) is not None
        )

    def body(self) -> Object:
        """The Status that a refused request gets."""
        details = {"retryAfterSeconds": self.retry_after_s} if self.retry_after_s else {}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason or _REASONS.get(self.status, "InternalError"),
            "details": details,
            "code": self.status,
        }


class Faults:
    """The faults in force, first come first served."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Puts a fault in force."""
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Ends all of them."""
        self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that befalls this request; it counts as met."""
        for fault in self._faults:
            if fault.meets(method, path):
                fault.hits += 1
                return fault
        return None

    def describe(self) -> list[Object]:
        """All of them as data."""
        names = [name for name in Fault.__dataclass_fields__]
        return [{name: getattr(fault, name) for name in names} for fault in self._faults]


def parse_fault(data: Any) -> Fault:
    """A fault from JSON. Raises 400 for unknown or mistyped fields."""
    if not isinstance(data, dict):
        raise bad_request("expected an object that describes a fault")
    known = {name for name in Fault.__dataclass_fields__ if name != "hits"}
    unknown = sorted(data.keys() - known)
    if unknown:
        raise bad_request(f"unknown fields {unknown}; a fault has {sorted(known)}")
    for name, value in data.items():
        expected = type(getattr(Fault, name))
        fits = isinstance(value, int | float) if expected is float else isinstance(value, expected)
        if isinstance(value, bool) or not fits:
            raise bad_request(f"{name}: expected {expected.__name__}, found {value!r}")
    return Fault(**data)
