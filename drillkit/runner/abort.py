"""Everything that ends a run early, and what happens at once when it does.

An abort closes the gate (no new effect), is written down, and cuts what is running. Clean-up
follows in the runner's own time. The first reason stays.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Literal, Protocol, TypeAlias

from drillkit.cleanup import Haste
from drillkit.clock import Clock, Deadline, Fence
from drillkit.journal.file import Journal, salvage
from drillkit.journal.files import write_file
from drillkit.journal.runs import JOURNAL
from drillkit.model.errors import JournalLost
from drillkit.model.json_text import load_json
from drillkit.model.records import PhaseStarted, Progress, RunAborted

AbortedBy: TypeAlias = Literal["operator", "guard", "bound", "blind", "deadline", "journal", "bug"]
ABORT_FILE = "abort.json"
POLL_S = 0.2
"""How often the run's folder is looked at for an abort asked for from another terminal."""


class Stopper:
    """The one place where a run is aborted."""

    def __init__(self, journal: Journal, fence: Fence) -> None:
        self._journal = journal
        self._fence = fence
        self._lock = threading.Lock()
        self._cuts: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._cleaning = False
        self._ctrl_c = 0
        self.aborted: tuple[AbortedBy, str] | None = None
        self.no_more = threading.Event()
        """A signal came behind the one that aborted, or while all is cleaned up, or the terminal is
        gone: whatever waits for people ends.
        """
        self.haste = Haste()
        """Grows with each Ctrl-C behind the one that aborted."""

    def abort(self, by: AbortedBy, why: str) -> None:
        """Stop the run. Returns when the gate is closed and everything that runs was told
        to end.
        """
        with self._lock:
            if self.aborted is not None or self._cleaning:
                return
            self.aborted = (by, why)
            cuts = list(self._cuts.values())
        self._fence.close(why)
        for cut in cuts:
            cut()
        with contextlib.suppress(JournalLost):
            self._journal.append(RunAborted(by, why))

    def cut(self, stop: Callable[[], None]) -> Callable[[], None]:
        """Call `stop` when the run is aborted (at once if it is already). Gives back
        the unregistering.
        """
        with self._lock:
            key = self._next
            self._next += 1
            self._cuts[key] = stop
            late = self.aborted is not None
        if late:
            stop()
        return lambda: self._forget(key)

    def _forget(self, key: int) -> None:
        with self._lock:
            self._cuts.pop(key, None)

    def cleaning(self) -> None:
        """Clean-up has begun: from now on nothing is aborted, a signal can only shorten
        the clean-up.
        """
        with self._lock:
            self._cleaning = True

    def on_signal(self, name: str) -> None:
        """One signal came: the first aborts; a second Ctrl-C, or one during clean-up, is in
        a hurry.
        """
        with self._lock:
            self._ctrl_c += name == "SIGINT"
            early = not self._cleaning and self._ctrl_c < 2
        if not early or self.aborted is not None or name == "SIGHUP":
            self.no_more.set()
        if early:
            self.abort(
                "operator", f"{name} from the operator" if name == "SIGINT" else f"{name} received"
            )
        elif name == "SIGINT":
            text = f"Ctrl-C: {self.haste.more(self._ctrl_c)}"
            with contextlib.suppress(JournalLost):
                self._journal.append(Progress(text), durable=False)


class Stoppable(Protocol):
    """What signals are told to."""

    def on_signal(self, name: str) -> None:
        """One signal came, such as SIGINT."""


@contextlib.contextmanager
def signals_stop(stopper: Stoppable) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP go to the stopper while inside. Main thread only.

    The work happens in a thread of its own: a handler runs between two instructions of the main
    thread, which may hold any lock, the journal's included.
    """
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = {number: signal.signal(number, _noted) for number in names}
    before_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while data := ours.recv(16):
            for number in data:
                if number in names:
                    stopper.on_signal(signal.Signals(number).name)

    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()
        thread.join(5)
        ours.close()


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing here: the number arrives at the wake-up descriptor."""


def ask_to_abort(folder: Path, who: str, why: str) -> None:
    """Ask the run in `folder` to stop; its runner sees this within 0.2 s. Raises OSError."""
    write_file(folder / ABORT_FILE, json.dumps({"who": who, "why": why}).encode())


def is_cleaning(folder: Path) -> bool:
    """Whether the run in `folder` has begun to clean up, as far as its journal can be read."""
    try:
        history = salvage(folder / JOURNAL).history
    except OSError:
        return False
    return any(r.entry == PhaseStarted("cleanup") for r in history)


class StopWatch:
    """Looks for reasons to stop: an abort asked for from elsewhere, the drill's limit."""

    def __init__(
        self, stopper: Stopper, folder: Path, deadline: Callable[[], Deadline], clock: Clock
    ) -> None:
        self._stopper, self._folder, self._deadline, self._clock = stopper, folder, deadline, clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stop-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(2)

    def _watch(self) -> None:
        while not self._clock.sleep(POLL_S, self._over):
            # What cannot be read was not written by us; the limit must be watched all the same.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                asked = load_json((self._folder / ABORT_FILE).read_text(encoding="utf-8"))
                self._stopper.abort("operator", f"{asked['who']} asked for it: {asked['why']}")
                return
            if self._deadline().over:
                self._stopper.abort("deadline", "the drill's `limit` is over")
                return
