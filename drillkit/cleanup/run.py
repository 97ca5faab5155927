"""Applying open undos, against a world that resists.

*Relieve* is for people who are suffering: all of it at the same time. *Remove* follows, by rank and
in reverse order of planning. One that hangs holds up the next for a moment only, one that fails
holds up nobody; each is tried until the limit.
"""

from __future__ import annotations

import functools
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from drillkit.cleanup.opens import OpenUndo
from drillkit.clients import Clients
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.clock import Clock, Deadline
from drillkit.model.effects import Phase, Undone
from drillkit.model.errors import (
    CallError,
    Denied,
    DrillError,
    Invalid,
    JournalLost,
    TargetError,
    Unanswered,
    Unavailable,
    Unreachable,
    UsageError,
    WrongTarget,
)
from drillkit.model.records import Entry, UndoEnded, UndoFailed

AT_ONCE = 16
"""Threads at most: a drill has a handful of undos, an API server has limits."""
STAGGER_S = 5.0
"""An undo of *remove* that takes longer lets the next of its rank begin."""
HOPELESS_ATTEMPTS = 3
"""For refusals that time alone does not heal: missing permissions, invalid requests."""
PAUSE_CAP_S = 10.0
DEAD = (Unreachable, Unanswered, Unavailable)
"""What a target says that is not there any more."""


class Writer(Protocol):
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


Reporter: TypeAlias = Callable[[str], None]
"""Told in one line what happened to one undo, from whichever thread."""


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


class Skipped(DrillError):
    """Somebody asked to leave the rest of *remove* alone."""


def clean(
    opens: Iterable[OpenUndo],
    clients: Clients,
    book: Writer,
    clock: Clock,
    limit_s: float,
    *,
    phases: Sequence[Phase] = ("relieve", "remove"),
    on_progress: Reporter = lambda text: None,
    skip_remove: threading.Event | None = None,
    shorten: threading.Event | None = None,
    at_once: int = AT_ONCE,
) -> Cleaned:
    """Apply open undos of these phases and write down how each ended. Raises nothing for what an
    undo does.

    Args:
        clients: connections whose fence is open (the run's own may be closed).
        limit_s: each is tried once at least, but not again after so many seconds; what is open then
            stays open.
        skip_remove: once set, *remove* ends: what is waiting is cut, what has not begun is skipped.
        shorten: once set, an undo whose target does not answer is not tried again.
        at_once: how many at the same time; 1 applies one after the other in this thread.
    """
    work = _Work(
        clients,
        book,
        clock,
        Deadline.after(limit_s, clock),
        on_progress,
        skip_remove or threading.Event(),
        shorten or threading.Event(),
    )
    todo = list(opens)
    crew = _Crew(at_once, clock)
    if "relieve" in phases:
        for undo in reversed([u for u in todo if u.phase == "relieve"]):
            crew.start(functools.partial(work.settle, undo, None))
        crew.join()
    if "remove" in phases:
        _remove([u for u in todo if u.phase != "relieve"], work, crew)
    return work.cleaned()


def _remove(todo: list[OpenUndo], work: _Work, crew: _Crew) -> None:
    """By rank, each rank in reverse order of planning."""
    ranks = sorted({u.rank for u in todo})
    for position, rank in enumerate(ranks):
        # What is left is shared among the ranks to come, so that a stuck one does not eat the
        # others' time.
        share = work.deadline.sooner(work.deadline.left() / (len(ranks) - position))
        for undo in sorted((u for u in todo if u.rank == rank), key=lambda u: -u.record):
            if work.skip.is_set():
                work.skipped(undo)
                continue
            crew.start(functools.partial(work.settle, undo, work.skip))
            crew.wait_for_last(min(STAGGER_S, share.left()))
        crew.join(share.left())
    crew.join()


class _Crew:
    """Threads, a bounded number at a time; with one of them, none: the work is done in
    the caller's.
    """

    def __init__(self, at_once: int, clock: Clock) -> None:
        self._inline = at_once <= 1
        self._clock = clock
        self._slots = threading.Semaphore(at_once)
        self._threads: list[threading.Thread] = []

    def start(self, job: Callable[[], None]) -> None:
        if self._inline:
            job()
            return

        def run() -> None:
            with self._slots:
                job()

        thread = threading.Thread(target=run, name="clean-up", daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait_for_last(self, limit_s: float) -> None:
        if self._threads:
            self._threads[-1].join(limit_s)

    def join(self, limit_s: float | None = None) -> None:
        """Wait for all, `limit_s` seconds at most; without: each ends by itself soon after the
        clean-up's limit.
        """
        end = Deadline.after(limit_s, self._clock) if limit_s is not None else None
        for thread in self._threads:
            thread.join(end.left() if end else None)


class _Work:
    """One clean-up in progress. Results are kept in memory too: the journal may be lost."""

    def __init__(
        self,
        clients: Clients,
        book: Writer,
        clock: Clock,
        deadline: Deadline,
        tell: Reporter,
        skip: threading.Event,
        shorten: threading.Event,
    ) -> None:
        self._shorten = shorten
        self._clients, self._book, self._clock, self._tell = clients, book, clock, tell
        self.deadline = deadline
        self.skip = skip
        self._began = clock.mono()
        self._lock = threading.Lock()
        self._ended: list[Settled] = []
        self._failed: list[Failed] = []
        self._skipped: list[OpenUndo] = []
        self._unwritten = ""

    def settle(self, undo: OpenUndo, skip: threading.Event | None) -> None:
        """Apply one undo until it has ended, its time is over, or somebody skips the rest."""
        started = self._clock.mono()
        attempts = _Attempts()
        try:
            undone = self._insist(undo, attempts, skip)
        except Skipped:
            self.skipped(undo)
        except DrillError as why:
            self._fail(undo, str(why), attempts.n, refused=isinstance(why, WrongTarget))
        except Exception as bug:
            # The last resort: a bug in one undo must not keep the others from users who suffer. It
            # is told as one.
            where = traceback.format_exc(limit=-3)
            self._fail(
                undo,
                f"a bug in the undo `{undo.kind}`: {type(bug).__name__}: {bug}\n{where}",
                attempts.n,
            )
        else:
            self._end(undo, undone, attempts.n, self._clock.mono() - started)

    def _insist(self, undo: OpenUndo, attempts: _Attempts, skip: threading.Event | None) -> Undone:
        from tenacity import (
            RetryCallState,
            Retrying,
            retry_if_exception_type,
            wait_exponential,
            wait_random,
        )

        act: UndoAction = undo.load()
        clock = self._clock if skip is None else _Hurried(self._clock, skip)
        context = UndoContext(
            clock,
            self.deadline,
            self._began,
            undo.confirmed,
            undo.identity,
            observe=lambda evidence: self._write(evidence, undo.step),
        )

        def stop(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, WrongTarget):
                return True
            hopeless = isinstance(error, Denied | Invalid | TargetError | UsageError)
            if self._shorten.is_set() and isinstance(error, DEAD):
                return True
            return self.deadline.over or (hopeless and state.attempt_number >= HOPELESS_ATTEMPTS)

        def told(state: RetryCallState) -> None:
            why = state.outcome.exception() if state.outcome else None
            self._tell(f"{undo.resource}: trying again: {why}")

        def once() -> Undone:
            attempts.n += 1
            return act.apply(self._clients, context)

        return Retrying(
            retry=retry_if_exception_type((CallError, TargetError)),
            wait=wait_exponential(multiplier=0.5, max=PAUSE_CAP_S) + wait_random(0, 0.5),
            stop=stop,
            before_sleep=told,
            reraise=True,
            sleep=lambda s: self._pause(clock, min(s, self.deadline.left())),
        )(once)

    def _pause(self, clock: Clock, seconds: float) -> None:
        """Between two attempts."""
        if not self._shorten.is_set():
            clock.sleep(seconds, None if isinstance(clock, _Hurried) else self._shorten)

    def skipped(self, undo: OpenUndo) -> None:
        with self._lock:
            self._skipped.append(undo)

    def _end(self, undo: OpenUndo, undone: Undone, attempts: int, took_s: float) -> None:
        with self._lock:
            self._ended.append(Settled(undo, undone, attempts, took_s))
        ended = UndoEnded(undo.record, undone.outcome, undone.detail, attempts, round(took_s, 3))
        self._write(ended, undo.step)
        outcome = undone.outcome.replace("-", " ")
        self._tell(
            f"{undo.resource}: {outcome} ({undone.detail})"
            if undone.detail
            else f"{undo.resource}: {outcome}"
        )

    def _fail(self, undo: OpenUndo, why: str, attempts: int, *, refused: bool = False) -> None:
        with self._lock:
            self._failed.append(Failed(undo, why, attempts, refused))
        self._write(UndoFailed(undo.record, why, attempts), undo.step)
        self._tell(f"{undo.resource}: still open: {why}")

    def _write(self, entry: Entry, step: str) -> None:
        try:
            self._book.append(entry, step=step)
        except JournalLost as why:
            # Undoing fails open: what was done is kept in memory and told at the end.
            with self._lock:
                self._unwritten = self._unwritten or str(why)

    def cleaned(self) -> Cleaned:
        """What has come of it so far."""
        with self._lock:
            return Cleaned(
                tuple(self._ended), tuple(self._failed), tuple(self._skipped), self._unwritten
            )


class _Attempts:
    n = 0


class _Hurried:
    """A clock whose sleeps end in Skipped once the event is set."""

    def __init__(self, clock: Clock, skip: threading.Event) -> None:
        self._clock, self._skip = clock, skip

    def now(self) -> float:
        return self._clock.now()

    def mono(self) -> float:
        return self._clock.mono()

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> bool:
        if wake is not None:
            return self._clock.sleep(seconds, wake)
        if self._skip.is_set() or self._clock.sleep(seconds, self._skip):
            raise Skipped("the rest of the removing was skipped")
        return False
