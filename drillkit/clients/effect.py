"""How a change is made, whatever system it is made in: planned first, sent a few times at most,
confirmed only when nothing can land late.

A client adds how one request of its own is sent, in a subclass of `Attempts`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

from drillkit.clients.retry import patiently
from drillkit.clock import Clock
from drillkit.journal.book import Planned
from drillkit.model.effects import Effect
from drillkit.model.errors import Blocked, DrillError, JournalLost, Unanswered, Unavailable

T = TypeVar("T")


class Attempts:
    """The attempts of one change. It knows whether one of them may still land."""

    most: ClassVar[int]
    """How many are made."""
    limit_s: ClassVar[float]
    """No further one begins after so many seconds: a hanging API must not hold a drill
    for minutes.
    """

    def __init__(self, plan: Planned[Effect], clock: Clock) -> None:
        self.plan, self.clock = plan, clock
        self.doubtful = False
        """An attempt was not answered: it may have happened, and may yet."""
        self.landed = False
        """An attempt was taken, whatever came after it."""

    def remembered(self, send: Callable[[], T]) -> T:
        """What `send` gives, which is one request; what came of it is remembered."""
        try:
            answer = send()
        except (Unanswered, Unavailable):
            self.doubtful = True
            raise
        self.landed = True
        return answer

    def proof(self) -> Mapping[str, str]:
        """What the other side calls the request that it took, beside the identity of what
        was made.
        """
        return {}


A = TypeVar("A", bound=Attempts)


def make(
    attempts: A,
    once: Callable[[A], T],
    identity: Callable[[T], Mapping[str, str]] = lambda made: {},
) -> T:
    """Do `once` until it is answered, and confirm the plan if every attempt was.

    `once` must tolerate that an earlier attempt of its own has landed. A plan is made once: what
    was refused for good is written down as never having happened. Raises what the last attempt
    raised.
    """
    plan = attempts.plan
    plan.must_be_open()
    try:
        made = patiently(
            lambda: once(attempts),
            attempts.clock,
            attempts=attempts.most,
            limit_s=attempts.limit_s,
        )
    except DrillError as why:
        if attempts.landed and not attempts.doubtful:
            _confirm(plan, {})
        elif not attempts.doubtful and not isinstance(why, Blocked):
            # Refused for good: nothing is there and nothing can come.
            with contextlib.suppress(JournalLost):
                plan.never_happened(f"refused, so nothing was done: {why}")
        raise
    if not attempts.doubtful:
        _confirm(plan, {**identity(made), **attempts.proof()})
    return made


def _confirm(plan: Planned[Effect], identity: Mapping[str, str]) -> None:
    # A lost journal stops the run by its own way; here it only costs the clean-up some seconds.
    with contextlib.suppress(JournalLost):
        plan.confirm(**identity)
