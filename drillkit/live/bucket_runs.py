"""What goes on in a bucket of runs, beside the copy of it on this machine: no lock tells of runs
that other machines are at work on, their notes do.
"""

from __future__ import annotations

from drillkit.archive.scan import journals
from drillkit.journal.claim import is_over
from drillkit.journal.copy import LocalCopy
from drillkit.lazy_dataclass import dataclass

REFRESH_S = 10.0
"""How often the bucket is looked at: each look lists all of it."""


@dataclass(frozen=True, slots=True)
class BucketRuns:
    """DRILL/RUN of those that go on, and of those whose files may be shown to everybody."""

    running: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()


class Elsewhere:
    """The runs of a bucket. `refresh` in one thread; `now` from any."""

    def __init__(self, copy: LocalCopy) -> None:
        self._copy = copy
        self.now = BucketRuns()

    @property
    def place(self) -> str:
        """The bucket, for people."""
        return self._copy.place

    def refresh(self) -> None:
        """Bring the copy up to date. Raises CallError, OSError; what was known stays then."""
        before = self._at_work()
        self._copy.fetch_all_files()
        # One that began meanwhile goes on, too; one that ended meanwhile may not be here whole.
        running = before | self._at_work()
        known = frozenset(name for name, _ in journals(self._copy.root))
        self.now = BucketRuns(running & known, known - running)

    def _at_work(self) -> frozenset[str]:
        return frozenset(
            f"{note.drill}/{note.run}"
            for note, stored in self._copy.open_notes()
            if not is_over(note, stored)
        )
