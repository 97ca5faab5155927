"""A clean-up in progress: what has become of each undo, and who is told of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from typing import Literal, Protocol, TypeAlias

from drillkit.cleanup.application import Application
from drillkit.cleanup.open_undo import OpenUndo
from drillkit.clients import Clients
from drillkit.clients.undo import AskPeople, UndoContext
from drillkit.clock import Clock, Deadline, Hurried, Skipped
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Undone
from drillkit.model.errors import (
    DrillError,
    JournalLost,
    Unanswered,
    Unavailable,
    Unreachable,
    WrongTarget,
)
from drillkit.model.records import Entry, Progress, UndoEnded, UndoFailed

DEAD = (Unreachable, Unanswered, Unavailable)
"""What a target says that is not there any more."""
TOLD_AT = frozenset({1, 5, 20, 50, 100, 200, 500, 1000})
"""A reason to try again is told when it is new, and then at these counts."""
_VARIES = re.compile(r"[0-9a-fA-F]{8}[0-9a-fA-F-]*|\d+")

State: TypeAlias = Literal["waiting", "at work", "retrying", "ended", "failed", "skipped"]
Reporter: TypeAlias = Callable[[str], None]
"""Told in one line what happened to one undo, from whichever thread."""


class CleanupBook(Protocol):
    """What a clean-up writes to: the `append` of a Book."""

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int: ...


@dataclass(frozen=True, slots=True)
class Settled:
    """An undo that has ended."""

    undo: OpenUndo
    undone: Undone
    attempts: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """An undo that is still open."""

    undo: OpenUndo
    why: str
    attempts: int
    refused: bool = False
    """The connection leads to another target than the run's: nothing was tried."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a clean-up came to."""

    ended: tuple[Settled, ...]
    failed: tuple[Failed, ...]
    skipped: tuple[OpenUndo, ...]
    """Not begun or cut: somebody was in a hurry."""
    unwritten: str = ""
    """Why the journal does not tell all of this, or ''."""

    @property
    def open(self) -> tuple[OpenUndo, ...]:
        """What is still there to be undone."""
        return tuple(f.undo for f in self.failed) + self.skipped


class Haste:
    """How much of a hurry somebody is in: what Ctrl-C means while things are undone."""

    def __init__(self) -> None:
        self.skip_remove = threading.Event()
        """Leave what is not *relieve* to `drillkit recover`."""
        self.shorten = threading.Event()
        """Wait no more for a target that does not answer."""

    def more(self, asked: int) -> str:
        """Somebody asked for the `asked`-th time; what that means, for them to read."""
        self.skip_remove.set()
        if asked < 2:
            return "users are relieved, removing our own resources is left to `drillkit recover`"
        self.shorten.set()
        return (
            "users are relieved as long as the target answers, the rest is left to "
            "`drillkit recover`"
        )


class CleanupProgress:
    """One clean-up in progress. Results are kept in memory too: the journal may be lost."""

    def __init__(
        self,
        clients: Clients,
        book: CleanupBook,
        clock: Clock,
        deadline: Deadline,
        tell: Reporter,
        haste: Haste,
        people: AskPeople | None = None,
    ) -> None:
        self._clients, self._book, self._clock, self._tell = clients, book, clock, tell
        self._people = people
        self.deadline, self.haste = deadline, haste
        self._began = clock.mono()
        self.changed = threading.Condition()
        """Notified when the state of an undo changes."""
        self.states: dict[int, State] = {}
        """By the undo's record; one that is not in it waits."""
        self._ended: list[Settled] = []
        self._failed: list[Failed] = []
        self._skipped: list[OpenUndo] = []
        self._unwritten = ""

    def settle(self, undo: OpenUndo, skip: threading.Event | None) -> None:
        """Apply one undo until it has ended, its time is over, or somebody skips the rest."""
        started = self._clock.mono()
        application: Application | None = None
        self._is(undo, "at work")
        try:
            application = self._application(undo, skip)
            undone = application.insist()
        except Skipped:
            self.skipped(undo)
        except DrillError as why:
            attempts = application.attempts if application else 0
            self.failed(undo, str(why), attempts, refused=isinstance(why, WrongTarget))
        else:
            self._end(undo, undone, application.attempts, self._clock.mono() - started)

    def _application(self, undo: OpenUndo, skip: threading.Event | None) -> Application:
        """Raises UnknownUndo."""
        clock = (
            self._clock
            if skip is None
            else Hurried(self._clock, skip, "the rest of the removing was skipped")
        )
        context = UndoContext(
            clock,
            self.deadline,
            self._began,
            undo.confirmed,
            undo.identity,
            people=self._people,
            observe=lambda evidence: self._write(evidence, undo.step),
        )
        reasons = _Reasons()

        def again(why: str) -> None:
            self._is(undo, "retrying")
            if (count := reasons.because(why)) in TOLD_AT:
                times = f" ({count} times so far)" if count > 1 else ""
                text = f"{undo.resource}: trying again{times}: {why}"
                self._tell(text)
                self._write(Progress(text), undo.step, durable=False)

        return Application(
            undo.load(),
            self._clients,
            context,
            hopeless=lambda why: self.haste.shorten.is_set() and isinstance(why, DEAD),
            again=again,
            pause=lambda seconds: self._pause(clock, seconds),
        )

    def _pause(self, clock: Clock, seconds: float) -> None:
        """Between two attempts."""
        if not self.haste.shorten.is_set():
            clock.sleep(seconds, None if isinstance(clock, Hurried) else self.haste.shorten)

    def skipped(self, undo: OpenUndo) -> None:
        """It is left to somebody else."""
        with self.changed:
            self._skipped.append(undo)
        self._is(undo, "skipped")

    def refusal(self, undos: Iterable[OpenUndo]) -> str:
        """Why one of these was refused by its connection, or ''."""
        with self.changed:
            among = [undo.record for undo in undos]
            return next(
                (each.why for each in self._failed if each.refused and each.undo.record in among),
                "",
            )

    def failed(self, undo: OpenUndo, why: str, attempts: int, *, refused: bool = False) -> None:
        """It stays open."""
        with self.changed:
            self._failed.append(Failed(undo, why, attempts, refused))
        self._write(UndoFailed(undo.record, why, attempts), undo.step)
        self._tell(f"{undo.resource}: still open: {why}")
        self._is(undo, "failed")

    def _end(self, undo: OpenUndo, undone: Undone, attempts: int, took_s: float) -> None:
        with self.changed:
            self._ended.append(Settled(undo, undone, attempts, took_s))
        ended = UndoEnded(undo.record, undone.outcome, undone.detail, attempts, round(took_s, 3))
        self._write(ended, undo.step)
        outcome = undone.outcome.replace("-", " ")
        self._tell(
            f"{undo.resource}: {outcome} ({undone.detail})"
            if undone.detail
            else f"{undo.resource}: {outcome}"
        )
        self._is(undo, "ended")

    def state(self, undo: OpenUndo) -> State:
        """How far it is."""
        return self.states.get(undo.record, "waiting")

    def _is(self, undo: OpenUndo, state: State) -> None:
        with self.changed:
            self.states[undo.record] = state
            self.changed.notify_all()

    def _write(self, entry: Entry, step: str, *, durable: bool = True) -> None:
        try:
            self._book.append(entry, durable=durable, step=step)
        except JournalLost as why:
            # Undoing fails open: what was done is kept in memory and told at the end.
            with self.changed:
                self._unwritten = self._unwritten or str(why)

    def cleaned(self) -> Cleaned:
        """What has come of it so far."""
        with self.changed:
            return Cleaned(
                tuple(self._ended), tuple(self._failed), tuple(self._skipped), self._unwritten
            )


class _Reasons:
    """Why the attempts of one undo failed."""

    def __init__(self) -> None:
        self._reasons: dict[str, int] = {}

    def because(self, why: str) -> int:
        """How often it failed for this reason; request ids, counts and times are no other one."""
        reason = _VARIES.sub("#", why)
        self._reasons[reason] = self._reasons.get(reason, 0) + 1
        return self._reasons[reason]
