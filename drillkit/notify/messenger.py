"""Sends messages beside a run: nothing of the run waits for them, and what fails is a warning.

Each receiver has a thread of its own, so that one that hangs keeps no other from being told.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable

from drillkit.clock import SYSTEM_CLOCK, Clock, Deadline
from drillkit.model.errors import DrillError
from drillkit.model.notice import Notice
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
        warn: Callable[[str], None],
        limit_s: float = LIMIT_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`warn` is told, from a thread of the messenger, what did not arrive; it must not
        raise.
        """
        self._warn, self.limit_s, self._clock = warn, limit_s, clock
        self._lock = threading.Lock()
        self._over = False
        self._lines = [_ReceiverQueue(receiver, self) for receiver in receivers]

    def tell(self, notice: Notice) -> None:
        """Send to everybody who wants it. Never blocks."""
        for line in self._lines:
            if notice.event in line.receiver.events:
                line.put(notice)

    def finish(self) -> None:
        """Wait until all is sent, at most `limit_s` seconds; what is not, is told. Nothing is told
        after this.
        """
        deadline = Deadline.after(self.limit_s, self._clock)
        for line in self._lines:
            line.end()
        waiting = [line for line in self._lines if not line.wait(deadline)]
        with self._lock:
            self._over = True
        for line in waiting:
            self._warn(f"{line.receiver.label} was not told: no answer within {self.limit_s:g} s")

    def failed(self, text: str) -> None:
        """Something did not arrive."""
        with self._lock:
            if not self._over:
                self._warn(text)


class _ReceiverQueue:
    """The messages of one receiver."""

    def __init__(self, receiver: Receiver, messenger: Messenger) -> None:
        self.receiver, self._messenger = receiver, messenger
        self._queue: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, notice: Notice) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="messages", daemon=True)
            self._thread.start()
        self._queue.put(notice)

    def end(self) -> None:
        self._queue.put(None)

    def wait(self, deadline: Deadline) -> bool:
        """Whether all was sent by then."""
        if self._thread is None:
            return True
        self._thread.join(deadline.left())
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (notice := self._queue.get()) is not None:
            if why := deliver(self.receiver, notice, self._messenger.limit_s):
                self._messenger.failed(
                    f"{self.receiver.label} was not told `{notice.event}`: {why}"
                )
