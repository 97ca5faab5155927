"""Sends messages beside a run: nothing of the run waits for them, and what fails is no verdict.

Each receiver has a thread of its own, so that one that hangs keeps no other from being told.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable

from drillkit.clock import SYSTEM_CLOCK, Clock, Deadline
from drillkit.model.errors import DrillError
from drillkit.model.notice import Notice
from drillkit.model.records import MessageSent
from drillkit.notify.base import Receiver
from drillkit.secrets import KNOWN

LIMIT_S = 5.0
"""So long one message may take, and so long the end of a run waits for all that are left."""


def deliver(receiver: Receiver, notice: Notice, limit_s: float = LIMIT_S) -> str:
    """Send one message. Why it did not arrive within `limit_s` seconds, or ''."""
    answer: queue.SimpleQueue[str] = queue.SimpleQueue()
    # What a library hangs in cannot be cut: it is left behind.
    threading.Thread(
        target=lambda: answer.put(_attempt(receiver, notice)), name="message", daemon=True
    ).start()
    try:
        return answer.get(timeout=limit_s)
    except queue.Empty:
        return f"no answer within {limit_s:g} s"


def _attempt(receiver: Receiver, notice: Notice) -> str:
    try:
        receiver.notifier.send(receiver.arguments, notice)
    except (DrillError, OSError) as error:
        return KNOWN.text(str(error)) or type(error).__name__
    except Exception as bug:  # of a plug-in or a library: its text may hold a secret
        return f"a bug in the notifier: {type(bug).__name__}"
    return ""


class Messenger:
    """Tells receivers what happens, in order."""

    def __init__(
        self,
        receivers: Iterable[Receiver],
        done: Callable[[MessageSent], None],
        limit_s: float = LIMIT_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`done` is told, from a thread of the messenger, of each message what became of it; it
        must not raise.
        """
        self._done, self.limit_s, self._clock = done, limit_s, clock
        self._lock = threading.Lock()
        self._over = False
        self._lines = [_ReceiverQueue(receiver, self) for receiver in receivers]

    def tell(self, notice: Notice) -> None:
        """Send to everybody who wants it. Never blocks."""
        for line in self._lines:
            if notice.event in line.receiver.events:
                line.put(notice)

    def finish(self) -> None:
        """Wait until all is sent, at most `limit_s` seconds; what is not did not arrive, as far as
        is known. Nothing is told after this.
        """
        deadline = Deadline.after(self.limit_s, self._clock)
        for line in self._lines:
            line.end()
        waiting = [line for line in self._lines if not line.wait(deadline)]
        with self._lock:
            self._over = True
        why = f"no answer within {self.limit_s:g} s"
        for line in waiting:
            for notice in line.unsent():
                self._done(_told(line.receiver, notice, why))

    def attempted(self, receiver: Receiver, notice: Notice, why: str) -> bool:
        """What became of a message; False when nobody waits for it any more."""
        with self._lock:
            if not self._over:
                self._done(_told(receiver, notice, why))
            return not self._over


def _told(receiver: Receiver, notice: Notice, why: str) -> MessageSent:
    return MessageSent(notice.event, receiver.label, receiver.told(), why)


class _ReceiverQueue:
    """The messages of one receiver."""

    def __init__(self, receiver: Receiver, messenger: Messenger) -> None:
        self.receiver, self._messenger = receiver, messenger
        self._left: deque[Notice] = deque()
        """What is not sent yet, or being sent."""
        self._waiting: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, notice: Notice) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="messages", daemon=True)
            self._thread.start()
        self._left.append(notice)
        self._waiting.put(notice)

    def end(self) -> None:
        self._waiting.put(None)

    def wait(self, deadline: Deadline) -> bool:
        """Whether all was sent by then."""
        if self._thread is None:
            return True
        self._thread.join(deadline.left())
        return not self._thread.is_alive()

    def unsent(self) -> tuple[Notice, ...]:
        """What nobody has answered for."""
        return tuple(self._left)

    def _work(self) -> None:
        while (notice := self._waiting.get()) is not None:
            why = deliver(self.receiver, notice, self._messenger.limit_s)
            if not self._messenger.attempted(self.receiver, notice, why):
                return
            self._left.popleft()
