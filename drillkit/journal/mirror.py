"""The journal's second place: its lines in a bucket, in parts that are put once and never changed.

A part is named by the number of its first line, and is put only where there is none. Two writers
of one journal want the same name for what they write next, so the second one finds out, whoever it
is. Whoever waits for a line puts all lines before it for everybody, so that threads share a
request as they share an fsync.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from drillkit.clock import Clock
from drillkit.journal.objects import ObjectStore, persistent, put_new
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, DrillError, Unavailable

PARTS = "journal/"
"""Folder of the parts, in a run's."""
PATIENCE_S = 20.0
"""A bucket that takes nothing for so long is away: no effect may begin any more."""
LAST_TRY_S = 5.0
"""So long is tried again at the end of a run that has lost its bucket."""
LINGER_S, LONGEST_LINGER_S = 1.0, 5.0
"""Lines that nobody waits for are put so much later, together: the longer a run, the later, so that
hours of samples are no hundred thousand objects.
"""
_OLD_S = 300.0
"""A run of this age lingers longest."""
PART_BYTES = 4 * 1024 * 1024
"""A part is closed by the line that makes it larger."""


class OtherWriter(DrillError):
    """Somebody else writes this journal: this process may act no more."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class _Line:
    n: int
    content: bytes


def part_key(first: int) -> str:
    """Name of the part that begins with line `first`, in the run's folder."""
    return f"{PARTS}{first:010d}.jsonl"


def read_parts(store: ObjectStore, run: str) -> bytes:
    """The journal that the parts of a run make up. `run`: its folder's key, ending with a slash.

    Raises CallError.
    """
    from concurrent.futures import ThreadPoolExecutor

    keys = [each.key for each in store.list(f"{run}{PARTS}")]
    with ThreadPoolExecutor(16) as several:
        found = list(several.map(store.get, keys))
    return b"".join(each.content for each in found if each is not None)


class Mirror:
    """The lines of one journal on their way into a bucket."""

    def __init__(self, store: ObjectStore, run: str, clock: Clock, *, sent: int = 0) -> None:
        """`run`: key of the run's folder, ending with a slash; `sent`: lines that are there."""
        self._store, self._run, self._clock = store, run, clock
        self._state = threading.Condition()
        self._waiting: list[_Line] = []
        self._part: list[_Line] = []
        self._sent = sent
        self._busy = False
        self._begun = clock.mono()
        self._usurped = False
        self._why_lost = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._trickle, name="journal-mirror", daemon=True)
        self._on_lost: Callable[[str], None] = lambda why: None

    def when_lost(self, told: Callable[[str], None]) -> None:
        """Have `told` called once, from whichever thread notices, when the bucket takes no more
        lines.
        """
        self._on_lost = told

    @property
    def lost(self) -> str:
        """Why the bucket takes no more lines, or ''."""
        return self._why_lost

    @property
    def unsent(self) -> int:
        """Lines that the bucket does not have."""
        with self._state:
            return len(self._waiting) + len(self._part)

    def start(self) -> None:
        """From now on, put also what nobody waits for."""
        self._thread.start()

    def add(self, n: int, content: bytes) -> None:
        """Line `n`, with its line feed, is in the journal. One the bucket has is passed over."""
        with self._state:
            if n > self._sent:
                self._waiting.append(_Line(n, content))

    def ship(self, upto: int, patience_s: float = PATIENCE_S) -> None:
        """Return when the bucket has answered that it holds line `upto` and all before it.

        Raises Unavailable when it does not take them within `patience_s`, OtherWriter.
        """
        while True:
            with self._state:
                while self._busy and self._sent < upto and not self._why_lost:
                    self._state.wait()
                if self._sent >= upto:
                    return
                if self._why_lost:
                    raise (OtherWriter if self._usurped else Unavailable)(self._why_lost)
                self._busy = True
                # What was tried before is tried again as it was: it may have arrived.
                self._part = self._part or self._next_part()
            try:
                self._put(self._part, patience_s)
            except (CallError, OtherWriter) as error:
                self._lose(error)
            else:
                self._sent = self._part[-1].n
                self._part = []
            finally:
                with self._state:
                    self._busy = False
                    self._state.notify_all()

    def _next_part(self) -> list[_Line]:
        size, count = 0, 0
        while count < len(self._waiting) and size < PART_BYTES:
            size += len(self._waiting[count].content)
            count += 1
        part, self._waiting = self._waiting[:count], self._waiting[count:]
        return part

    def _put(self, part: list[_Line], patience_s: float) -> None:
        key = self._run + part_key(part[0].n)
        content = b"".join(line.content for line in part)
        persistent(lambda: self._put_once(key, content), self._clock, patience_s)

    def _put_once(self, key: str, content: bytes) -> None:
        if put_new(self._store, key, content) is not None:
            raise OtherWriter(
                f"{key} holds other lines than this process wrote: another one has taken this run "
                "over, or is at it"
            )

    def _lose(self, error: DrillError) -> None:
        with self._state:
            first = not self._why_lost
            self._usurped = isinstance(error, OtherWriter)
            self._why_lost = f"the bucket does not take the journal: {error}"
        if first:
            self._on_lost(self._why_lost)

    def give_up(self, why: str) -> None:
        """Somebody else writes this journal: no line may follow."""
        self._lose(OtherWriter(why))

    def _linger_s(self) -> float:
        age_s = self._clock.mono() - self._begun
        return max(LINGER_S, min(1.0, age_s / _OLD_S) * LONGEST_LINGER_S)

    def _trickle(self) -> None:
        while not self._clock.sleep(self._linger_s(), self._over):
            with self._state:
                upto = self._waiting[-1].n if self._waiting else 0
            if not upto or self._why_lost:
                continue
            try:
                self.ship(upto)
            except (CallError, OtherWriter):
                continue  # told by `when_lost`

    def finish(self) -> str:
        """Put what is left. Why that could not be done, or ''."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S + LAST_TRY_S)
        with self._state:
            last = (self._waiting or self._part)[-1:]
            again = bool(self._why_lost) and not self._usurped
            why, self._why_lost = self._why_lost, "" if again else self._why_lost
        if not last:
            return ""
        try:
            self.ship(last[0].n, LAST_TRY_S if again else PATIENCE_S)
        except (CallError, OtherWriter) as error:
            return why or str(error)
        return ""
