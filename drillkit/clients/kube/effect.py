"""How a change is made: planned first, sent a few times at most, confirmed only when nothing can
land late.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from drillkit.clients.kube.wire import Response
from drillkit.clients.retry import patiently
from drillkit.journal.book import Planned
from drillkit.model.effects import Effect
from drillkit.model.errors import Blocked, DrillError, JournalLost, Unanswered, Unavailable

if TYPE_CHECKING:
    from drillkit.clients.kube.client import KubeClient

T = TypeVar("T")
ATTEMPTS = 3
LIMIT_S = 20.0
"""No further attempt begins after this: a hanging API must not hold a drill for minutes."""


class Attempts:
    """The attempts of one change. It knows whether one of them may still land."""

    def __init__(self, kube: KubeClient, plan: Planned[Effect]) -> None:
        self._kube, self.plan = kube, plan
        self.doubtful = False
        """An attempt was not answered: it may have happened, and may yet."""
        self.landed = False
        """An attempt was taken, whatever came after it."""

    def _send(
        self,
        method: str,
        path: str,
        asked: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Response:
        """`KubeClient._send`, remembered."""
        try:
            answer = self._kube._send(
                method, path, asked, query=query, body=body, content_type=content_type
            )
        except (Unanswered, Unavailable):
            self.doubtful = True
            raise
        self.landed = True
        return answer


def make(
    kube: KubeClient,
    plan: Planned[Effect],
    once: Callable[[Attempts], T],
    identity: Callable[[T], Mapping[str, str]],
) -> T:
    """Do `once` until it is answered, and confirm the plan if every attempt was.

    `once` must tolerate that an earlier attempt of its own has landed. Raises what the last
    attempt raised.
    """
    plan.must_be_open()
    attempts = Attempts(kube, plan)
    try:
        made = patiently(lambda: once(attempts), kube.clock, attempts=ATTEMPTS, limit_s=LIMIT_S)
    except DrillError as why:
        if attempts.landed and not attempts.doubtful:
            _confirm(plan, {})
        elif not attempts.doubtful and not isinstance(why, Blocked):
            # Refused for good: nothing is there and nothing can come.
            with contextlib.suppress(JournalLost):
                plan.never_happened(f"refused, so nothing was done: {why}")
        raise
    if not attempts.doubtful:
        _confirm(plan, identity(made))
    return made


def _confirm(plan: Planned[Effect], identity: Mapping[str, str]) -> None:
    # A lost journal stops the run by its own way; here it only costs the clean-up some seconds.
    with contextlib.suppress(JournalLost):
        plan.confirm(**identity)
