"""Now, sleep, deadline and fence: the only way to the time.

Tests hand in a virtual clock; production has one `SystemClock`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError, Refused


class DeadlineOver(DrillError):
    """A wait reached its deadline before what it waited for came."""


class Clock(Protocol):
    """The door to the time."""

    def now(self) -> float:
        """Seconds since the epoch (a date: may jump)."""

    def mono(self) -> float:
        """Monotonic seconds (a duration: never jumps)."""

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        """Sleep that long, or until `wake` is set. True when woken."""


class SystemClock:
    """The machine's own."""

    def now(self) -> float:
        return time.time()

    def mono(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        if wake is not None:
            return wake.wait(max(0.0, seconds))
        time.sleep(max(0.0, seconds))
        return False


SYSTEM_CLOCK = SystemClock()
"""For commands that a person types, and for processes that nobody hands a clock."""


CLOCKS_APART_S = 1.0
"""The dates of HTTP tell whole seconds: clocks that are compared by them and are no further apart
agree.
"""


def by_their_clock(ours: float, ahead_s: float | None) -> float:
    """A date of ours as one has it whose clock was found to be `ahead_s` seconds ahead (None: that
    was not found out).
    """
    return ours + ahead_s if ahead_s is not None and abs(ahead_s) > CLOCKS_APART_S else ours


class Skipped(DrillError):
    """Somebody asked to leave the rest alone."""


class Hurried:
    """A clock whose sleeps end in Skipped once the event is set."""

    def __init__(self, clock: Clock, skip: threading.Event, why: str) -> None:
        self._clock, self._skip, self._why = clock, skip, why

    def now(self) -> float:
        return self._clock.now()

    def mono(self) -> float:
        return self._clock.mono()

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        if wake is not None:
            return self._clock.sleep(seconds, wake)
        if self._skip.is_set() or self._clock.sleep(seconds, self._skip):
            raise Skipped(self._why)
        return False


def utc(at: float) -> datetime:
    """A date of the journal as a datetime."""
    return datetime.fromtimestamp(at, UTC)


def now_utc(clock: Clock = SYSTEM_CLOCK) -> datetime:
    """This moment as a date."""
    return utc(clock.now())


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock."""

    at: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Deadline:
        return cls(clock.mono() + seconds, clock)

    def left(self) -> float:
        """Seconds until it, never below 0."""
        return max(0.0, self.at - self.clock.mono())

    @property
    def over(self) -> bool:
        return self.clock.mono() >= self.at

    def sooner(self, seconds: float | None) -> Deadline:
        """This deadline, or `seconds` from now, whichever comes first."""
        if seconds is None:
            return self
        return Deadline(min(self.at, self.clock.mono() + seconds), self.clock)


class Fence:
    """Open while effects may begin. Closing it is final; every attempt of a mutating call
    passes it.
    """

    def __init__(self) -> None:
        self.closed = threading.Event()
        self._why = ""
        self._lock = threading.Lock()
        self._vouch: tuple[Callable[[], None], ...] = ()

    def close(self, why: str) -> None:
        """No effect begins after this returns. The first reason stays."""
        with self._lock:
            self._why = self._why or why
            self.closed.set()

    @property
    def why(self) -> str:
        return self._why

    def check(self) -> None:
        """Raises Refused when closed, or when nobody vouches for it."""
        self.must_be_open()
        self.vouch()
        self.must_be_open()

    def ask(self, vouch: Callable[[], None]) -> None:
        """From now on ask it, too, before each effect; it raises Refused where none may begin, and
        may take its time.
        """
        self._vouch = (*self._vouch, vouch)

    def vouch(self) -> None:
        """Ask all who vouch for it. Raises Refused."""
        for vouch in self._vouch:
            vouch()

    def must_be_open(self) -> None:
        """Raises Refused when closed. Asks nobody else."""
        if self.closed.is_set():
            raise Refused(f"no new effect: {self._why}")
