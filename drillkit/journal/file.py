"""The journal: append-only JSON lines, each with its number, its times and the hash of the
line before.

One process writes it, the runner; the others ask it (`wire.py`). The order of lines is the order of
numbers and the hash chain, kept by one lock. Durability is a second one: whoever holds it syncs for
everybody who wrote before, so many threads share one fsync without a thread of its own.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from drillkit.clock import Clock, Fence, SystemClock
from drillkit.journal.admission import cleaned, cleaned_undo
from drillkit.journal.book import E, Planned, current_step, planned_entry
from drillkit.journal.disk import Disk, FileDisk
from drillkit.journal.files import read_file
from drillkit.journal.mirror import Mirror, OtherWriter
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Counted
from drillkit.model.errors import CallError, DrillError, JournalLost
from drillkit.model.json_text import load_json
from drillkit.model.records import Entry, History, JournalTorn, PlannedEffect, Record, encode

GENESIS = "0" * 64
TORN_KEPT = 4096
"""Bytes of a torn line that its record keeps."""
KEPT_BYTES = 1024 * 1024
"""The history of a journal up to this size is kept until another is read."""
_BEGIN = b'{"n":1,'
"""Of the first line."""
_NO_JOURNAL = "no line is a journal record; is this a journal?"


class JournalDamaged(DrillError):
    """A journal whose lines do not follow from each other: changed, reordered or cut in
    the middle.
    """

    exit_code = 2


class Journal:
    """The one writer of a run's `journal.jsonl`."""

    def __init__(
        self,
        disk: Disk | Path,
        *,
        clock: Clock | None = None,
        fence: Fence | None = None,
        mirror: Mirror | None = None,
        on_lost: Callable[[str], None] = lambda why: None,
        limits: Callable[[str, Counted], None] = lambda resource, counts: None,
    ) -> None:
        """Opens (or continues) a journal. A torn last line is cut and kept in a
        `journal.torn` record. With a `mirror` an undo is planned when that has it, too.

        `on_lost`: called once, from whichever thread notices, when no new undo can be kept any
        more. `limits`: asked before an effect is planned, by whichever process, with its resource
        and what counts of it; raises Refused for one that the target does not allow.

        Raises OSError when the file cannot be made, JournalDamaged when what is there is
        no journal.
        """
        self._disk = FileDisk(disk) if isinstance(disk, Path) else disk
        self._clock = clock or SystemClock()
        self.fence = fence or Fence()
        self._mirror = mirror
        self.unsent = ""
        """After `close`: why the mirror lacks lines, or ''."""
        self._order = threading.Lock()
        self._durable = threading.Condition()
        self._syncing = False
        self._readers: list[Callable[[Record], None]] = []
        self._why_lost = ""
        self._full = False
        self._on_lost, self._limits = on_lost, limits
        content = self._disk.content()
        whole, torn = _split_torn(content)
        self._n, self._prev = _last(whole)
        self._end = len(whole)
        self._synced = self._n
        if mirror is not None:
            mirror.when_lost(self._mirror_lost)
            for number, line in enumerate(whole.splitlines(keepends=True), 1):
                mirror.add(number, line)
        if torn:
            self._disk.cut(self._end)
            self.append(JournalTorn(len(torn), torn[:TORN_KEPT].decode(errors="replace")))

    def _mirror_lost(self, why: str) -> None:
        self.fence.close(why)
        self._on_lost(why)

    @property
    def lost(self) -> str:
        """Why new undos cannot be kept, or ''."""
        return self._why_lost

    def subscribe(self, reader: Callable[[Record], None]) -> Callable[[], None]:
        """Call `reader` with every record from now on, in order; it must be quick and not raise.
        Gives back the end.
        """
        with self._order:
            self._readers.append(reader)
        return lambda: self._readers.remove(reader)

    def append(
        self,
        entry: Entry,
        *,
        durable: bool = True,
        step: str | None = None,
        by: str = "runner",
    ) -> int:
        """Append one record and give its number; durable: it is on disk when this returns.

        Secrets are hidden, texts cut and made encodable (`door`). Raises JournalLost.
        """
        kind, data = encode(entry)
        data = cleaned(data)
        with self._order:
            n = self._write(kind, data, by, current_step() if step is None else step)
        if durable:
            self._sync(n)
        return n

    def plan(self, effect: E) -> Planned[E]:
        """See `Book.plan`."""
        return Planned(self.plan_entry(planned_entry(effect), effect.counts), effect, self)

    def plan_entry(
        self,
        entry: PlannedEffect,
        counts: Counted,
        *,
        by: str = "runner",
        step: str | None = None,
    ) -> int:
        """`plan` for an effect of another process. `counts`: what the target's caps count of it."""
        kind, data = encode(entry)
        data = cleaned_undo(kind, data)
        if not self.fence.closed.is_set():
            self.fence.vouch()  # not in order: who vouches may have something to write
        with self._order:
            if self._mirror is not None and self._mirror.lost:
                raise JournalLost(self._mirror.lost)
            self.fence.must_be_open()
            self._limits(entry.resource, counts)
            if self._why_lost or self._full:
                raise JournalLost(
                    self._why_lost
                    or "the disk is full: no effect may begin that could not be undone"
                )
            n = self._write(kind, data, by, current_step() if step is None else step)
        self._sync(n)
        if self._full:
            raise JournalLost("the disk is full: no effect may begin that could not be undone")
        self.ship(n)
        return n

    def ship(self, n: int) -> None:
        """Return when the mirror, if there is one, has line n. Raises JournalLost."""
        if self._mirror is None:
            return
        try:
            self._mirror.ship(n)
        except (CallError, OtherWriter) as error:
            raise JournalLost(str(error)) from error

    def _write(self, kind: str, data: Mapping[str, Any], by: str, step: str) -> int:
        if self._why_lost:
            raise JournalLost(self._why_lost)
        record = Record(
            self._n + 1,
            round(self._clock.now(), 6),
            round(self._clock.mono(), 6),
            by,
            kind,
            step,
            data,
        )
        body = _encode(record, self._prev)
        try:
            self._disk.write(body + b"\n")
        except OSError as error:
            self._retry_in_reserve(body + b"\n", error)
        self._n, self._end = record.n, self._end + len(body) + 1
        self._prev = hashlib.sha256(body).hexdigest()
        if self._mirror is not None:
            self._mirror.add(record.n, body + b"\n")
        for reader in self._readers:
            reader(record)
        return record.n

    def _retry_in_reserve(self, line: bytes, first: OSError) -> None:
        """A full disk: no new effects from now on, but what was planned gets its clean-up
        written down.
        """
        with contextlib.suppress(OSError):
            self._disk.cut(self._end)
        if not self._disk.release_reserve():
            self._lose(first)
        self._full = True
        why = f"the journal cannot be written: {first.strerror}"
        self.fence.close(why)
        try:
            self._disk.write(line)
        except OSError as error:
            self._lose(error)
        self._on_lost(why)

    def _sync(self, n: int) -> None:
        """Return when line n is on disk."""
        with self._durable:
            while self._syncing and self._synced < n:
                self._durable.wait()
            if self._synced >= n:
                return
            if self._why_lost:
                raise JournalLost(self._why_lost)
            self._syncing, upto = True, self._n
        try:
            self._disk.sync()
        except OSError as error:
            # After a failed fsync nothing is known about the pages (the kernel may have dropped
            # them): stop.
            self._lose(error)
        else:
            self._synced = upto
        finally:
            with self._durable:
                self._syncing = False
                self._durable.notify_all()

    def _lose(self, error: OSError) -> NoReturn:
        first = not self._why_lost
        self._why_lost = f"the journal cannot be written: {error.strerror}"
        self.fence.close(self._why_lost)
        with contextlib.suppress(OSError):
            self._disk.cut(self._end)  # where even this fails, the next opener finds the torn tail
        if first:
            self._on_lost(self._why_lost)
        raise JournalLost(self._why_lost) from error

    def close(self) -> None:
        """No more records."""
        if self._mirror is not None:
            self.unsent = self._mirror.finish()
        self._disk.close()


def _encode(record: Record, prev: str) -> bytes:
    line = {
        "n": record.n,
        "at": record.at,
        "mono": record.mono,
        "by": record.by,
        "kind": record.kind,
        **({"step": record.step} if record.step else {}),
        "data": record.data,
        "prev": prev,
    }
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="backslashreplace")


def _split_torn(content: bytes) -> tuple[bytes, bytes]:
    """The whole lines, and what follows them. Raises JournalDamaged where there is no whole line,
    and what is there is not the begin of a first one either.
    """
    end = content.rfind(b"\n") + 1
    # A power cut leaves zeros where the file had grown and its content was not on disk yet.
    begun = content[end:].strip(b"\0")[: len(_BEGIN)]
    if not end and not _BEGIN.startswith(begun):
        raise JournalDamaged(_NO_JOURNAL)
    return content[:end], content[end:]


def _last(whole: bytes) -> tuple[int, str]:
    """(number, hash) that the next line follows. Behind a damaged line it follows that line, so
    that what happens from now on is kept all the same; a reader still finds the damage.
    """
    if not whole:
        return 0, GENESIS
    lines = whole[:-1].split(b"\n")
    found = [number for line in lines if (number := _number(line)) is not None]
    if not found:
        raise JournalDamaged(_NO_JOURNAL)
    return max(len(lines), *found), hashlib.sha256(lines[-1]).hexdigest()


def _number(line: bytes) -> int | None:
    try:
        found = load_json(line)["n"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None


def parse(content: bytes, name: str = "journal") -> Iterator[Record]:
    """The records of a journal's bytes. A torn last line is left out: it was never acknowledged, so
    nothing followed.

    Raises JournalDamaged naming the first line that does not follow from the one before it.
    """
    whole, _ = _split_torn(content)
    prev = GENESIS
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            raw = load_json(line)
            if raw["prev"] != prev or raw["n"] != number:
                raise JournalDamaged(
                    f"{name}:{number}: this line does not follow from the one before it; the "
                    "journal was changed"
                )
            record = Record(
                raw["n"],
                raw["at"],
                raw["mono"],
                raw["by"],
                raw["kind"],
                raw.get("step", ""),
                raw["data"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise JournalDamaged(f"{name}:{number}: no journal record ({error})") from error
        prev = hashlib.sha256(line).hexdigest()
        yield record


def read(path: Path) -> History:
    """The history in a journal file. Raises OSError, JournalDamaged."""
    content = read_file(path)
    if len(content) <= KEPT_BYTES:
        return _kept(content, str(path))
    return _parsed(content, str(path))


@functools.lru_cache(maxsize=1)
def _kept(content: bytes, name: str) -> History:
    """At the end of a run one after the other reads the same bytes."""
    return _parsed(content, name)


def _parsed(content: bytes, name: str) -> History:
    collecting = gc.isenabled()
    # Records hold no cycles: looking for some among hundreds of thousands takes half of the time.
    gc.disable()
    try:
        return tuple(parse(content, name))
    finally:
        if collecting:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What can be read of a journal that may be damaged."""

    history: History
    damage: tuple[str, ...] = ()
    """Each line that is no record, or that does not follow from the one before it."""


def salvage(path: Path) -> Salvaged:
    """All that can still be read, for whoever has to undo it. A torn last line is no damage: it
    was never acknowledged. Raises OSError.
    """
    try:
        whole, _ = _split_torn(read_file(path))
    except JournalDamaged as error:
        return Salvaged((), (str(error),))
    prev, found, damage = GENESIS, dict[int, Record](), list[str]()
    for number, line in enumerate(whole[:-1].split(b"\n") if whole else (), 1):
        record, follows = salvage_line(line, prev)
        prev = hashlib.sha256(line).hexdigest()
        if record is None or record.n in found:
            damage.append(f"line {number} is no record of this journal")
            continue
        found[record.n] = record
        if not follows or record.n != number:
            damage.append(f"line {number} does not follow from the one before it")
    return Salvaged(tuple(found.values()), tuple(damage))


def salvage_line(line: bytes, prev: str) -> tuple[Record | None, bool]:
    """(the record of a line if it is one, whether it follows from the line before)."""
    try:
        raw = load_json(line)
        numbers = (raw["n"], raw["at"], raw["mono"])
        texts = (raw["by"], raw["kind"], raw.get("step", ""))
        if not (
            isinstance(raw["n"], int)
            and all(isinstance(each, int | float) for each in numbers)
            and all(isinstance(each, str) for each in texts)
            and isinstance(raw["data"], dict)
        ):
            return None, False
        return Record(*numbers, *texts, raw["data"]), raw.get("prev") == prev
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, False
