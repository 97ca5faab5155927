"""One probe under way: its schedule, what is in flight, what became of it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from selectors import BaseSelector

from drillkit.clients.probe import Aim, request, tls_context
from drillkit.clock import Clock
from drillkit.model.evidence import Sample
from drillkit.sampler.connection import IDLE, NAMING, OURS, Connection, ProbePlan, SentProbe
from drillkit.sampler.resolver import Resolver, resolve
from drillkit.sampler.tally import ProbeTally


def most_connections(aim: Aim) -> int:
    """Connections that may be open at once: all that leave within one timeout, and a few that are
    late or idle.
    """
    return int(aim.per_s * aim.timeout_s * 1.1) + 2


class ProbeSchedule:
    """Sends probe i at `first + i / rate`, whatever became of those before it."""

    def __init__(self, aim: Aim, selector: BaseSelector, resolver: Resolver, clock: Clock) -> None:
        """Reads the probe's secrets and certificates. Raises UsageError for those that cannot
        be read.
        """
        self._plan = ProbePlan(
            aim,
            request(aim),
            tls_context(aim) if aim.secure else None,
            resolve(aim.host, aim.port, literal=True),
        )
        self._aim = aim
        self._selector = selector
        self._resolver = resolver
        self._clock = clock
        self._in_flight: deque[SentProbe] = deque()
        self._idle: list[Connection] = []
        self._count = 0
        self._first = math.inf
        self._tally = ProbeTally(aim.name, aim.control, 0.0)
        self.due = math.inf
        """When the next probe leaves."""

    def begin(self, start: float, phase: float) -> None:
        """Seconds are counted from `start` (monotonic); the first probe leaves `phase` of an
        interval later.
        """
        self._tally = ProbeTally(self._aim.name, self._aim.control, start)
        self._first = self.due = start + phase / self._aim.per_s

    def stop(self) -> None:
        """No more probes; those in flight may end."""
        self.due = math.inf

    @property
    def pending(self) -> bool:
        """Whether a probe is in flight."""
        self._forget_ended()
        return bool(self._in_flight)

    def send(self) -> None:
        """Let the probe that is due leave; if that comes too late to say anything about the
        service, drop it.
        """
        intended = self.due
        self._count += 1
        self.due = self._first + self._count / self._aim.per_s
        second = self._tally.second(intended)
        late = self._clock.mono() - intended
        if late > self._plan.patience_s:
            second.dropped += 1
            return
        place = second.sent(intended, late)
        ticket = SentProbe(second, place, intended, intended + self._aim.timeout_s)
        self._in_flight.append(ticket)
        while self._idle:
            connection = self._idle.pop()
            self._assign(ticket, connection)
            if connection.reuse():
                return
        connection = Connection(self._plan, self._selector, self)
        self._assign(ticket, connection)
        connection.open(self._resolver)

    def _assign(self, ticket: SentProbe, connection: Connection) -> None:
        ticket.connection, connection.ticket = connection, ticket

    def finished(self, connection: Connection, cause: str | None) -> None:
        """See `Owner`."""
        ticket, connection.ticket = connection.ticket, None
        assert ticket is not None
        ticket.connection = None
        if connection.stage == IDLE:
            self._idle.append(connection)
        if cause == OURS:
            ticket.second.unknown()
            return
        latency = self._clock.mono() - ticket.intended
        if latency > self._aim.timeout_s:
            cause = cause or "timeout"
        elif cause is None and self._aim.slow_s is not None and latency > self._aim.slow_s:
            cause = "slow"
        ticket.second.answered(ticket.place, cause, latency)

    def gone(self, connection: Connection) -> None:
        """See `Owner`."""
        self._idle.remove(connection)

    def deadline(self) -> float:
        """When the oldest probe in flight times out."""
        self._forget_ended()
        return self._in_flight[0].deadline if self._in_flight else math.inf

    def expire(self, now: float) -> None:
        """Cut the probes whose time is over."""
        while self.deadline() <= now:
            connection = self._in_flight.popleft().connection
            assert connection is not None
            # A name that nobody resolves in time is the resolver's failure, not the service's.
            cause = "dns" if connection.stage == NAMING else "timeout"
            connection.close()
            self.finished(connection, cause)

    def slept(self, gap_s: float) -> None:
        """We did not look for `gap_s`: when answers came meanwhile is not known, so nothing is of
        those in flight.
        """
        if gap_s <= self._plan.patience_s:
            return
        for ticket in self._in_flight:
            if (connection := ticket.connection) is not None:
                connection.close()
                self.finished(connection, OURS)
        self._in_flight.clear()

    def samples(self, now: float) -> Iterator[Sample]:
        """Samples of the seconds that are over and complete."""
        return self._tally.closed(min(now, self.due))

    def rest(self) -> Iterator[Sample]:
        """Samples of what is left, after `stop` and the last probe's end."""
        return self._tally.rest()

    def close(self) -> None:
        """End every connection."""
        for ticket in self._in_flight:
            if ticket.connection is not None:
                ticket.connection.close()
        for connection in self._idle:
            connection.close()

    def _forget_ended(self) -> None:
        while self._in_flight and self._in_flight[0].connection is None:
            self._in_flight.popleft()
