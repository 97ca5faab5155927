"""One undo, applied until it has ended, is refused for good, or its time is over. Whoever applies
one does it here: the clean-up of a run, a sweep, a fault whose time is over.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator

from drillkit.clients import Clients
from drillkit.clients.retry import LASTING
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.model.effects import Undone
from drillkit.model.errors import CallError, DrillError, TargetError, WrongTarget

LASTING_ATTEMPTS = 3
"""Even what time alone does not heal is asked so often: a permission may just be on its way."""
PAUSE_CAP_S = 10.0


class BrokenUndo(DrillError):
    """A bug in an undo. Its effect stays, and the others' are taken back all the same."""


@contextlib.contextmanager
def bugs_told(kind: str) -> Iterator[None]:
    """The last resort: a bug in one undo must not keep the others from users who suffer. It is told
    as one. Raises BrokenUndo for whatever is raised inside and is no DrillError.
    """
    try:
        yield
    except DrillError:
        raise
    except (Exception, SystemExit) as bug:
        where = traceback.format_exc(limit=-3)
        said = f"a bug in the undo `{kind}`: {type(bug).__name__}: {bug}\n{where}"
        raise BrokenUndo(said) from bug


class Application:
    """The attempts of one undo. Their number is known whatever comes of them."""

    def __init__(
        self,
        undo: UndoAction,
        clients: Clients,
        context: UndoContext,
        *,
        hopeless: Callable[[DrillError], bool] = lambda why: False,
        again: Callable[[str], None] = lambda why: None,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """`hopeless`: whether the caller has no time for what failed so; `again`: is told why it
        is about to be tried again; `pause`: sleeps, by default on the context's clock.
        """
        self._undo, self._clients, self._context = undo, clients, context
        self._hopeless, self._again = hopeless, again
        self._pause = pause or context.clock.sleep
        self.attempts = 0

    def insist(self) -> Undone:
        """Apply it, within the context's deadline, once at least.

        Raises what the last attempt raised (CallError, TargetError, DeadlineOver), BrokenUndo.
        """
        from tenacity import (
            RetryCallState,
            Retrying,
            retry_if_exception_type,
            wait_exponential,
            wait_random,
        )

        def stop(state: RetryCallState) -> bool:
            return self._final(state.outcome.exception() if state.outcome else None)

        def again(state: RetryCallState) -> None:
            self._again(str(state.outcome.exception() if state.outcome else ""))

        def sleep(seconds: float) -> None:
            self._pause(min(seconds, self._context.deadline.left()))

        return Retrying(
            retry=retry_if_exception_type((CallError, TargetError)),
            wait=wait_exponential(multiplier=0.5, max=PAUSE_CAP_S) + wait_random(0, 0.5),
            stop=stop,
            before_sleep=again,
            reraise=True,
            sleep=sleep,
        )(self._once)

    def _once(self) -> Undone:
        self.attempts += 1
        with bugs_told(self._undo.kind):
            undone: object = self._undo.apply(self._clients, self._context)
            if not isinstance(undone, Undone):
                raise TypeError(f"expected `Undone` from `apply`, found {undone!r:.100}")
            return undone

    def _final(self, error: BaseException | None) -> bool:
        """Whether an undo that failed is not tried again."""
        if isinstance(error, WrongTarget) or self._context.deadline.over:
            return True
        if isinstance(error, LASTING):
            return self.attempts >= LASTING_ATTEMPTS
        return isinstance(error, DrillError) and self._hopeless(error)
