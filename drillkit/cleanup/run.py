"""Applying open undos, against a world that resists.

*Relieve* is for people who are suffering: all of it at the same time. *Remove* follows, by rank and
in reverse order of planning. One that hangs lets those begin that do not rest on it, one that fails
for good holds up nobody but what it may still create in; each is tried until the limit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from drillkit.cleanup.open_undo import OpenUndo
from drillkit.cleanup.order import Order
from drillkit.cleanup.progress import Cleaned, CleanupBook, CleanupProgress, Haste, Reporter
from drillkit.clients import Clients
from drillkit.clients.undo import AskPeople
from drillkit.clock import Clock, Deadline
from drillkit.model.effects import Phase

AT_ONCE = 16
"""Threads at most: a drill has a handful of undos, an API server has limits."""
TOGETHER_AFTER_S = 1.0
"""Undos of one rank go one by one while each is quick; when one takes longer, the rest begin
together.
"""
LOOK_S = 0.2
"""How often somebody's hurry is looked for."""
DONE = ("ended", "failed", "skipped")


def clean(
    opens: Iterable[OpenUndo],
    clients: Clients,
    book: CleanupBook,
    clock: Clock,
    limit_s: float,
    *,
    phases: Sequence[Phase] = ("relieve", "remove"),
    on_progress: Reporter = lambda text: None,
    haste: Haste | None = None,
    people: AskPeople | None = None,
    at_once: int = AT_ONCE,
) -> Cleaned:
    """Apply open undos of these phases and write down how each ended. Raises nothing for what an
    undo does.

    Args:
        clients: connections whose fence is open (the run's own may be closed).
        limit_s: each is tried once at least, but not again after so many seconds; what is open then
            stays open.
        haste: once somebody is in a hurry, *remove* ends: what is waiting is cut, what has not
            begun is skipped; in more of a hurry, a target that does not answer is not asked again.
        people: asks people to take back by hand what they did by hand; None: nobody is there.
        at_once: how many at the same time; 1 applies one after the other in this thread.
    """
    haste = haste or Haste()
    progress = CleanupProgress(
        clients, book, clock, Deadline.after(limit_s, clock), on_progress, haste, people
    )
    todo = list(opens)
    remove = [u for u in todo if u.phase != "relieve"] if "remove" in phases else []
    crew = _Crew(at_once, clock)
    if "relieve" in phases:
        for undo in reversed([u for u in todo if u.phase == "relieve"]):
            crew.start(lambda undo=undo: progress.settle(undo, None))  # type: ignore[misc]
        # A target that is dead must not keep what is elsewhere standing until the limit.
        crew.join(progress.deadline.left() / 2 if remove else None)
    if remove:
        _Removal(remove, progress, crew, clock).run()
    crew.join()
    return progress.cleaned()


class _Removal:
    """Begins each undo of *remove* as soon as nothing that must go before it is in the way."""

    def __init__(
        self, todo: Sequence[OpenUndo], progress: CleanupProgress, crew: _Crew, clock: Clock
    ) -> None:
        self._order, self._progress, self._crew, self._clock = Order(todo), progress, crew, clock
        self._waiting = list(self._order.queue)
        self._position = 0
        """Index of the rank that is at work."""
        self._since: dict[int, float] = {}
        """When the first undo of a rank began."""
        self._share = self._next_share()

    def _next_share(self) -> Deadline:
        """What is left is shared among the ranks to come, so that a stuck one does not eat the
        others' time.
        """
        left = len(self._order.ranks) - self._position
        return self._progress.deadline.sooner(self._progress.deadline.left() / max(1, left))

    def run(self) -> None:
        """Returns when each has begun, is held back for good, or was skipped."""
        while self._waiting:
            self._give_up()
            with self._progress.changed:
                self._advance()
                undo = self._choose()
                if undo is None and self._waiting:
                    self._progress.changed.wait(LOOK_S)
            if undo is not None:
                self._begin(undo)

    def _advance(self) -> None:
        """Go on to the next rank when this one is done, or has used up its share."""
        order, progress = self._order, self._progress
        while self._position < len(order.ranks) - 1:
            rank = order.ranks[self._position]
            done = all(progress.state(u) in DONE for u in order.queue if order.rank(u) <= rank)
            if not (done or self._share.over):
                return
            self._position += 1
            self._share = self._next_share()

    def _choose(self) -> OpenUndo | None:
        """The next undo that may begin."""
        if self._progress.haste.skip_remove.is_set() or not self._waiting:
            return None
        free = [undo for undo in self._waiting if not self._held(undo)]
        if not free and all(
            self._progress.state(u) in (*DONE, "waiting") for u in self._order.queue
        ):
            return self._waiting[0]  # they hold back each other: any is as good
        if self._progress.deadline.over or self._crew.inline:
            return free[0] if free else None
        rank = self._order.ranks[self._position]
        for undo in free:
            if self._order.rank(undo) <= rank and all(
                self._passed(ahead, undo) for ahead in self._order.ahead(undo)
            ):
                return undo
        return None

    def _held(self, undo: OpenUndo) -> bool:
        return any(self._progress.state(each) != "ended" for each in self._order.holders(undo))

    def _passed(self, ahead: OpenUndo, undo: OpenUndo) -> bool:
        """Whether an undo that begins before this one is no reason for it to wait."""
        state = self._progress.state(ahead)
        if state in DONE:
            return True
        began = self._since.get(self._order.rank(undo))
        if began is None or self._clock.mono() - began < TOGETHER_AFTER_S:
            return False
        if state == "at work":
            return not self._order.backwards(ahead, undo)
        return not self._order.in_sequence(ahead, undo)

    def _begin(self, undo: OpenUndo) -> None:
        self._waiting.remove(undo)
        self._since.setdefault(self._order.rank(undo), self._clock.mono())
        with self._progress.changed:
            self._progress.states[undo.record] = "at work"
        self._crew.start(lambda: self._progress.settle(undo, self._progress.haste.skip_remove))

    def _give_up(self) -> None:
        """Settle those that will not begin."""
        progress = self._progress
        for undo in list(self._waiting):
            if progress.haste.skip_remove.is_set():
                self._waiting.remove(undo)
                progress.skipped(undo)
                continue
            open_ones = [
                each
                for each in self._order.holders(undo)
                if progress.state(each) in ("failed", "skipped")
            ]
            if open_ones:
                self._waiting.remove(undo)
                if refusal := progress.refusal(open_ones):
                    progress.failed(undo, refusal, 0, refused=True)
                    continue
                why = ", ".join(each.resource for each in open_ones)
                progress.failed(
                    undo,
                    f"left standing: {why} has not ended and may still create in it; it goes with "
                    "the next `drillkit recover` once that has ended",
                    0,
                )


class _Crew:
    """Threads, a bounded number at a time; with one of them, none: the work is done in
    the caller's.
    """

    def __init__(self, at_once: int, clock: Clock) -> None:
        self.inline = at_once <= 1
        self._clock = clock
        self._slots = threading.Semaphore(at_once)
        self._threads: list[threading.Thread] = []

    def start(self, job: Callable[[], None]) -> None:
        if self.inline:
            job()
            return

        def run() -> None:
            with self._slots:
                job()

        thread = threading.Thread(target=run, name="clean-up", daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, limit_s: float | None = None) -> None:
        """Wait for all, `limit_s` seconds at most; without: each ends by itself soon after the
        clean-up's limit.
        """
        end = Deadline.after(limit_s, self._clock) if limit_s is not None else None
        for thread in self._threads:
            thread.join(end.left() if end else None)
