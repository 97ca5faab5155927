"""How a change is made: planned first, sent a few times at most, confirmed only when nothing can
land late.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from drillkit.clients.retry import patiently
from drillkit.journal.book import Planned
from drillkit.model.effects import Effect
from drillkit.model.errors import DrillError, JournalLost, Unanswered, Unavailable

if TYPE_CHECKING:
    from drillkit.clients.aws.service_client import Door

T = TypeVar("T")
ATTEMPTS = 4
LIMIT_S = 40.0
"""No further attempt begins after this; one lasts 18 s at most."""


class Attempts:
    """The attempts of one change. It knows whether one of them may still land."""

    def __init__(self, door: Door, plan: Planned[Effect]) -> None:
        self._door, self.plan = door, plan
        self.doubtful = False
        """An attempt was not answered: it may have happened, and may yet."""
        self.landed = False
        """An attempt was taken, whatever came after it."""
        self.request = ""
        """Request id of the last answer."""

    def _send(self, operation: str, asked: str, **params: Any) -> dict[str, Any]:
        """`Door._send`, remembered."""
        try:
            answer = self._door._send(operation, asked, **params)
        except (Unanswered, Unavailable):
            self.doubtful = True
            raise
        self.landed = True
        self.request = str((answer.get("ResponseMetadata") or {}).get("RequestId") or "")
        return answer


def make(
    door: Door,
    plan: Planned[Effect],
    once: Callable[[Attempts], T],
    identity: Callable[[T], Mapping[str, str]],
) -> T:
    """Do `once` until it is answered, and confirm the plan if every attempt was, with AWS'
    request id.

    `once` must tolerate that an earlier attempt of its own has landed. A plan is made once: what
    was refused for good is confirmed as never having happened. Raises what the last attempt raised.
    """
    plan.must_be_open()
    attempts = Attempts(door, plan)
    try:
        made = patiently(lambda: once(attempts), door.clock, attempts=ATTEMPTS, limit_s=LIMIT_S)
    except DrillError as why:
        if attempts.landed and not attempts.doubtful:
            _confirm(plan, {})
        elif not attempts.doubtful:  # refused for good: nothing is there and nothing can come
            with contextlib.suppress(JournalLost):
                plan.never_happened(f"refused, so nothing was done: {why}")
        raise
    if not attempts.doubtful:
        known = dict(identity(made))
        _confirm(plan, {**known, "request": attempts.request} if attempts.request else known)
    return made


def _confirm(plan: Planned[Effect], identity: Mapping[str, str]) -> None:
    # A lost journal stops the run by its own way; here it only costs the clean-up some seconds.
    with contextlib.suppress(JournalLost):
        plan.confirm(**identity)
