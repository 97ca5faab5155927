"""A run whose journal goes into a bucket as well: who writes it, and what of it is there.

A run knows its bucket by the folder of reports that it lies in, which is the copy of one (see
`clients.bucket`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drillkit.clients.bucket import Bucket, bucket_of
from drillkit.clock import Clock
from drillkit.journal.claim import Claim, RunNote, decoded, is_over
from drillkit.journal.copy import LocalCopy, RunKey, run_key
from drillkit.journal.file import Journal
from drillkit.journal.files import make_folder
from drillkit.journal.mirror import Mirror, read_parts
from drillkit.journal.objects import ObjectStore, StoredObject, persistent
from drillkit.journal.runs import OpenRun, unregister
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Refused, Unavailable, UsageError

READ_S = 10.0
"""So long is tried to read what a run left in its bucket."""


@dataclass
class Rewriting:
    """An earlier run that lines are added to."""

    journal: Journal
    open: bool = True
    """Whether something is left to undo when it ends."""


@contextmanager
def rewriting(run: OpenRun, clock: Clock) -> Iterator[Rewriting]:
    """The journal of an earlier run, wherever it is. Whoever calls holds the run's lock, and reads
    the journal inside.

    Raises Refused while another process writes it, CallError, OSError, JournalDamaged.
    """
    store = bucket_of(run.folder.parent.parent)
    ours = take_over(run, store, clock) if store is not None else None
    unsent, writing = "", None
    try:
        mirror = ours.mirror if ours is not None else None
        writing = Rewriting(Journal(run.journal, clock=clock, mirror=mirror))
        yield writing
    finally:
        if writing is not None:
            writing.journal.close()
            unsent = writing.journal.unsent
        if ours is not None:
            unsent = ours.end(unsent, open_=writing is None or writing.open)
    if unsent:
        raise Unavailable(
            f"it is written down in {run.folder}, but not in the bucket: {unsent}. To put it "
            f"there: drillkit recover {run.folder}"
        )
    if not writing.open:
        unregister(run.id)


class BucketRun:
    """This process writes a run that is in a bucket, until `end`."""

    def __init__(
        self, store: ObjectStore, claim: Claim[RunNote], clock: Clock, sent: int = 0
    ) -> None:
        """`sent`: lines of the journal that the bucket has."""
        self.place = f"{store.place}/{claim.note.folder}"
        self.mirror = Mirror(store, claim.note.folder, clock, sent=sent)
        self._claim = claim
        claim.when_lost(self.mirror.give_up)

    def end(self, unsent: str, *, open_: bool) -> str:
        """Be its writer no more. `unsent`: why the bucket lacks lines, or ''; `open_`: something is
        left to undo. Why the bucket does not know all of it, or ''. The journal is closed by now.
        """
        try:
            self._claim.release(open_=open_ or bool(unsent))
        except (CallError, Refused) as error:
            return unsent or str(error)
        return unsent


def begin(reports: Path, note: RunNote, clock: Clock) -> BucketRun | None:
    """Note a new run in the bucket that `reports` is the copy of; None: it is no copy.

    Raises UsageError when the bucket does not take it: nothing may begin.
    """
    store = bucket_of(reports)
    if store is None:
        return None
    claim = Claim(store, note, clock)
    try:
        claim.take()
    except (CallError, Refused) as error:
        raise UsageError(
            f"the run cannot be noted in {store.place}: {error}. Nothing was touched"
        ) from error
    return BucketRun(store, claim, clock)


def take_over(run: OpenRun, store: ObjectStore, clock: Clock) -> BucketRun:
    """Become the writer of an earlier run, and bring its journal here up to date. Whoever calls
    holds its lock.

    Raises Refused while another process is its writer, CallError, OSError.
    """
    key = run_key(run.folder)
    stored = persistent(lambda: store.get(key.note), clock, READ_S)
    note = _note_of(run, key, stored)
    if stored is not None and not is_over(note, stored):
        raise Refused(f"{note.writer} is at work on it, or was a minute ago")
    claim = Claim(store, note, clock)
    claim.take(stored.etag if stored is not None else None)
    content = persistent(lambda: read_parts(store, key.folder), clock, READ_S)
    copy = LocalCopy(run.folder.parent.parent, store, clock)
    copy.settle_journal(key, content, ahead=True)
    return BucketRun(store, claim, clock, content.count(b"\n"))


def _note_of(run: OpenRun, key: RunKey, stored: StoredObject | None) -> RunNote:
    if stored is not None:
        try:
            return decoded(stored.content)
        except ValueError:
            pass  # somebody else wrote over it; what it is to say is known here
    return RunNote(key.run, key.drill, run.target, run.owner)


def open_in(reports: Path, clock: Clock, target: str = "") -> Iterable[tuple[OpenRun, str]]:
    """Runs that are open in the bucket that `reports` is the copy of, of one target or of all, each
    with the writer that is at work on it, or ''. None where it is no copy. Raises CallError.
    """
    store = bucket_of(reports)
    if store is None:
        return
    for note, stored in LocalCopy(reports, store, clock).open_notes(target):
        folder = reports / note.drill / note.run
        run = OpenRun(note.run, folder, note.target, note.owner)
        yield run, "" if is_over(note, stored) else note.writer


def bucket_of_run(run: OpenRun) -> Bucket | None:
    """The bucket that a run is in; its folder is there from now on. Raises UsageError, OSError."""
    store = bucket_of(run.folder.parent.parent)
    if store is not None:
        make_folder(run.folder)
    return store
