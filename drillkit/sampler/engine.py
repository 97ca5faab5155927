"""The one thread that sends every probe at its time and reads the answers in between."""

from __future__ import annotations

import gc
import json
import math
import os
import select
import selectors
from collections.abc import Sequence

from drillkit.clients.probe import Aim
from drillkit.clock import Clock
from drillkit.journal.book import Book, observe
from drillkit.model.errors import UsageError
from drillkit.sampler.probe_schedule import ProbeSchedule
from drillkit.sampler.resolver import Resolver

_LEAD_S = 0.002
"""From the end of setting up to the first probe."""
_COLLECT_EVERY_S = 60
_COMMAND_BYTES = 4096


class Engine:
    """Drives all lanes until told to stop, or until whoever could tell it is gone."""

    def __init__(
        self, aims: Sequence[Aim], book: Book, commands_fd: int, book_fd: int | None, clock: Clock
    ) -> None:
        """`commands_fd`: one JSON line per command, `{"stop": true}`; its end stops at once, as
        does `book_fd`'s.

        Raises UsageError for a secret or a certificate that cannot be read.
        """
        self._book = book
        self._selector = selectors.DefaultSelector()
        self._clock = clock
        self._resolver = Resolver(clock)
        self._lanes = [ProbeSchedule(aim, self._selector, self._resolver, clock) for aim in aims]
        self._commands_fd = commands_fd
        self._line = b""
        self._stopping = False
        self._orphaned = False
        self._due = math.inf
        self._selector.register(
            self._resolver, selectors.EVENT_READ, lambda _: self._resolver.collect()
        )
        self._selector.register(commands_fd, selectors.EVENT_READ, lambda _: self._command())
        if book_fd is not None:
            # Samples are not answered, so the only thing to read there is the end.
            self._selector.register(book_fd, selectors.EVENT_READ, lambda _: self._abandon())

    def begin(self) -> float:
        """Fix the schedule. When the first second begins (monotonic)."""
        self._start = self._clock.mono() + _LEAD_S
        self._tick = self._start + 1
        for number, lane in enumerate(self._lanes):
            lane.begin(
                self._start, number / len(self._lanes)
            )  # apart, so that no two leave at the same time
        return self._start

    def run(self) -> bool:
        """Sample until stopped. False if nobody was left to stop it. Raises JournalLost when
        samples cannot be kept.
        """
        before = self._clock.mono()
        while not self._done():
            wait = max(0.0, self._next() - self._clock.mono())
            # select's time-out is in microseconds where epoll's is in milliseconds; a selector is
            # itself selectable.
            select.select([self._selector.fileno()], (), (), wait)
            now = self._clock.mono()
            for lane in self._lanes:
                lane.slept(now - before - wait)
            before = now
            self._send_due()
            self._receive()
            now = self._clock.mono()
            for lane in self._lanes:
                lane.expire(now)
            self._hand_out(now)
        for lane in self._lanes:
            if not self._orphaned:
                self._write_rest(lane)
            lane.close()
        return not self._orphaned

    def _done(self) -> bool:
        return self._orphaned or (self._stopping and not any(lane.pending for lane in self._lanes))

    def _next(self) -> float:
        self._due = min(lane.due for lane in self._lanes)
        return min(self._due, self._tick, *(lane.deadline() for lane in self._lanes))

    def _send_due(self) -> None:
        """Let everything leave that is due."""
        while True:
            lane = min(self._lanes, key=_due)
            if lane.due > self._clock.mono():
                self._due = lane.due
                return
            lane.send()

    def _receive(self) -> None:
        for key, events in self._selector.select(0):
            # An earlier event of the same round may have closed this one.
            if self._selector.get_map().get(key.fd) is key:
                key.data(events)
            if self._clock.mono() >= self._due:
                self._send_due()

    def _hand_out(self, now: float) -> None:
        if now >= self._tick:
            self._tick += 1
            if round(self._tick - self._start) % _COLLECT_EVERY_S == 0:
                gc.collect()  # the automatic one is off: it would come at any time
        for lane in self._lanes:
            for sample in lane.samples(now):
                observe(self._book, sample)
                self._send_due()

    def _write_rest(self, lane: ProbeSchedule) -> None:
        for sample in lane.rest():
            observe(self._book, sample)

    def _command(self) -> None:
        data = os.read(self._commands_fd, _COMMAND_BYTES)
        if not data:
            self._abandon()
            return
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if command != {"stop": True}:
                raise UsageError(f'the sampler expected {{"stop": true}}, found {command!r}')
            self._stopping = True
            for lane in self._lanes:
                lane.stop()

    def _abandon(self) -> None:
        self._orphaned = True


def _due(lane: ProbeSchedule) -> float:
    return lane.due
