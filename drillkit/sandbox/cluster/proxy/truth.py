"""What really happened, per service: every request with its time and outcome, to compare
measurements with.

All moments are of the monotonic clock, which on Linux is the same in every process; the date goes
with them.
"""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass, field
from typing import Any

KEPT_REQUESTS = 400_000
KEPT_FAILURES = 20_000
KEPT_WINDOWS = 10_000


@dataclass
class ServiceTruth:
    """Requests of one service by their moment of arrival; the sign of an entry tells success (+)
    from failure (-).
    """

    arrivals: array[float] = field(default_factory=lambda: array("d"))
    failures: list[tuple[float, float, int, str]] = field(default_factory=list)
    """(arrived, took in seconds, status, cause), oldest first."""
    requests: int = 0
    failed: int = 0
    windows: list[tuple[float, float | None, str]] = field(default_factory=list)
    """Times when nothing could be served, whoever asked: (from, until or None, why)."""

    def record(self, arrived: float, took_s: float, status: int, cause: str) -> None:
        """One finished request; a `cause` makes it a failure."""
        self.requests += 1
        self.arrivals.append(-arrived if cause else arrived)
        if cause:
            self.failed += 1
            self.failures.append((arrived, took_s, status, cause))
            if len(self.failures) > KEPT_FAILURES:
                del self.failures[: KEPT_FAILURES // 10]
        if len(self.arrivals) > KEPT_REQUESTS:
            del self.arrivals[: KEPT_REQUESTS // 10]

    def serving(self, can: bool, why: str, at: float) -> None:
        """Open or close the window in which the service can serve nobody."""
        is_open = bool(self.windows) and self.windows[-1][1] is None
        if can and is_open:
            since, _, reason = self.windows[-1]
            self.windows[-1] = (since, at, reason)
        elif not can and not is_open:
            self.windows.append((at, None, why))
            del self.windows[:-KEPT_WINDOWS]

    def seconds(self, since: float) -> list[list[float]]:
        """[second, requests, failures] for every second of the monotonic clock that saw traffic,
        from `since` on.
        """
        table: dict[int, list[float]] = {}
        for entry in self.arrivals:
            if abs(entry) >= since:
                row = table.setdefault(int(abs(entry)), [int(abs(entry)), 0, 0])
                row[1] += 1
                row[2] += entry < 0
        return [table[second] for second in sorted(table)]

    def outages(self, since: float) -> list[dict[str, Any]]:
        """Every run of failures, with the successes around it.

        The outage lasted at least `first_failed` to `last_failed` and at most `last_ok` to
        `next_ok`, which are None where no success was seen.
        """
        found: list[dict[str, Any]] = []
        last_ok: float | None = None
        current: dict[str, Any] | None = None
        for entry in sorted((e for e in self.arrivals if abs(e) >= since), key=abs):
            if entry < 0:
                if current is None:
                    current = {
                        "last_ok": last_ok,
                        "first_failed": -entry,
                        "last_failed": -entry,
                        "next_ok": None,
                        "failed": 0,
                    }
                    found.append(current)
                current["last_failed"] = -entry
                current["failed"] += 1
                continue
            if current is not None:
                current["next_ok"] = entry
                current = None
            last_ok = entry
        return found


class Truth:
    """The truth about all services."""

    def __init__(self) -> None:
        self.services: dict[str, ServiceTruth] = {}

    def of(self, service: str) -> ServiceTruth:
        """The book of one service, begun if need be."""
        return self.services.setdefault(service, ServiceTruth())

    def to_json(self, service: str | None = None, since: float = 0.0) -> dict[str, Any]:
        """Everything known, or that of one service, from the monotonic moment `since` on."""
        chosen = {key: book for key, book in self.services.items() if service in (None, key)}
        return {
            "clock": {"monotonic": time.monotonic(), "unix": time.time()},
            "services": {
                key: {
                    "requests": book.requests,
                    "failed": book.failed,
                    "seconds": book.seconds(since),
                    "failures": [
                        {"arrived": arrived, "took_s": took_s, "status": status, "cause": cause}
                        for arrived, took_s, status, cause in book.failures
                        if arrived >= since
                    ],
                    "outages": book.outages(since),
                    "unserved": [
                        {"from": start, "until": end, "why": why}
                        for start, end, why in book.windows
                        if end is None or end >= since
                    ],
                }
                for key, book in chosen.items()
            },
        }
