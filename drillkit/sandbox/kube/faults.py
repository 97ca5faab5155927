"""Faults of the API itself, for tests of clients: delays, hangs, connections that break before or
after the effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Fault:
    """What happens to the next ``times`` requests that match.

    A matching request is first delayed, then hangs (its connection breaks afterwards); without that
    it takes effect, and with ``drop`` ``"after"`` the connection breaks instead of an answer
    (``"before"``: without any effect).
    """

    method: str = "*"
    """HTTP method, or ``*`` for any."""
    times: int = 1
    """How many requests; -1 for all."""
    delay_s: float = 0.0
    hang_s: float = 0.0
    drop: Literal["", "before", "after"] = ""
    hits: int = field(default=0)
    """How many requests it has met."""

    def meets(self, method: str) -> bool:
        """Whether the request matches and the fault isn't used up."""
        used_up = 0 <= self.times <= self.hits
        return not used_up and self.method in ("*", method)


class Faults:
    """The faults in force, first come first served."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Puts a fault in force."""
        self._faults.append(fault)
        return fault

    def take(self, method: str) -> Fault | None:
        """The fault that befalls this request; it counts as met."""
        for fault in self._faults:
            if fault.meets(method):
                fault.hits += 1
                return fault
        return None
