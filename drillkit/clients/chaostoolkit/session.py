"""What the faults find when they run inside a worker: its journal, its clients, and where to say
what they touched.
"""

from __future__ import annotations

import threading
from dataclasses import field

from drillkit.clients import Clients
from drillkit.clock import Clock, Deadline, Fence
from drillkit.journal.book import Book
from drillkit.lazy_dataclass import dataclass
from drillkit.model.target import Target


@dataclass(slots=True)
class WorkerSession:
    """One process that runs activities."""

    book: Book
    clients: Clients
    target: Target
    clock: Clock
    fence: Fence
    deadline: Deadline
    run: str
    """Id of the run: what marks an object as ours."""
    step: str = ""
    _notes: dict[int, Notes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def notes(self) -> Notes:
        """Those of the activity that runs in this thread."""
        with self._lock:
            return self._notes.setdefault(threading.get_ident(), Notes())

    def begin(self) -> None:
        """An activity begins in this thread."""
        with self._lock:
            self._notes[threading.get_ident()] = Notes()

    def end(self) -> Notes:
        """It ended: what it noted."""
        with self._lock:
            return self._notes.pop(threading.get_ident(), Notes())


@dataclass(slots=True)
class Notes:
    """What an activity of ours says about itself while it runs, so that it is known even when it
    fails or is cut.
    """

    touched: list[str] = field(default_factory=list)
    counted: bool = False
    """Whether `touched` is all there is: then none touched is a failure."""
    failure: Exception | None = None


_current: list[WorkerSession] = []


def open_session(session: WorkerSession) -> None:
    """From now on this is the session of the process."""
    _current[:] = [session]


def current_session() -> WorkerSession | None:
    """That of the process, if it is a worker of drillkit or has opened one."""
    return _current[0] if _current else None
