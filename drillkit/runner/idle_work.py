"""What can wait for an idle moment: it is done while the steps run."""

from __future__ import annotations

import threading
from collections.abc import Callable

AFTER_S = 0.1
"""A step's own start comes first: it runs Python, too."""


class IdleWork:
    """Work that begins a little after the steps, in a thread of its own."""

    def __init__(self, needed: Callable[[], None], useful: Callable[[], None]) -> None:
        """`needed` is done in any case, `useful` when there is time for it. Neither may raise."""
        self._needed, self._useful = needed, useful
        self._thread = threading.Thread(target=self._work, name="idle work", daemon=True)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._done = False

    def start(self) -> None:
        """The steps begin."""
        self._thread.start()

    def end(self) -> None:
        """The steps have ended: what was needed is done when this returns."""
        self._over.set()
        self._do()

    def _work(self) -> None:
        if self._over.wait(AFTER_S):
            return
        self._do()
        self._useful()

    def _do(self) -> None:
        with self._lock:
            if not self._done:
                self._done = True
                self._needed()
