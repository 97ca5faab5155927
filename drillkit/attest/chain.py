"""The chain of runs of one drill on one target: a line when a run starts, before its first effect,
and one when it is sealed.

Each line holds the SHA-256 of the line before. A run that was removed from the folder is still in
the chain; a line that was removed from the chain breaks it; a chain that was cut at its end is
shorter than its published head.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, cast, get_args

from drillkit.clock import SystemClock
from drillkit.journal.files import FILE_MODE, make_folder, read_file, sync_folder
from drillkit.journal.objects import persistent
from drillkit.journal.runs import CHAINS, COPIED
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError
from drillkit.model.json_text import load_json

GENESIS = "0" * 64
PATIENCE_S = 20.0
"""A bucket is tried for so long."""

Event: TypeAlias = Literal["started", "sealed", "reviewed"]


class ChainBroken(DrillError):
    """A chain whose lines do not follow from each other, or that cannot be read."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    seq: int
    """From 1."""
    at: float
    """Date: seconds since the epoch."""
    event: Event
    run: str
    digest: str
    """`started`: SHA-256 of the journal's first line; `sealed`: of `manifest.json`; `reviewed`: of
    the review's line.
    """
    prev: str
    """SHA-256 of the line before, without its line feed."""

    def encoded(self) -> bytes:
        """The line, without its line feed."""
        data = {
            "seq": self.seq,
            "at": self.at,
            "event": self.event,
            "run": self.run,
            "digest": self.digest,
            "prev": self.prev,
        }
        return json.dumps(data, separators=(",", ":")).encode()

    @property
    def sha256(self) -> str:
        """What the next line holds of this one."""
        return hashlib.sha256(self.encoded()).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain, as it is published: whoever holds it notices a chain that was cut."""

    drill: str
    target: str
    seq: int
    sha256: str


def chain_file(reports: Path, drill: str, target: str) -> Path:
    """Where a chain lives."""
    return reports / CHAINS / _safe(target) / f"{_safe(drill)}.jsonl"


def chains(reports: Path) -> Iterator[Path]:
    """All chains of a folder of reports."""
    yield from sorted((reports / CHAINS).glob("*/*.jsonl"))


def append(file: Path, event: Event, run: str, digest: str, at: float) -> Entry:
    """Add a line; it is on disk when this returns. One writer at a time, over processes.

    A torn last line was never acknowledged: it is cut. `at` never goes back: where the clock did,
    the line carries the date of the one before. In a folder of reports that is the copy of one in a
    bucket, the chain is the bucket's: the line follows what is there, and nobody else's is lost.
    Raises OSError, ChainBroken, CallError.
    """
    make_folder(file.parent)
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(fd, "r+b") as chain:
        fcntl.flock(chain, fcntl.LOCK_EX)
        if not (file.parents[2] / COPIED).is_file():
            return _add(chain, file, event, run, digest, at)
        from drillkit.clients.bucket import bucket_of

        store = bucket_of(file.parents[2])
        if store is None:
            return _add(chain, file, event, run, digest, at)
        key = file.relative_to(file.parents[2]).as_posix()
        tried: list[Entry] = []

        def follow() -> Entry:
            before = store.get(key)
            content = before.content if before is not None else b""
            _write(chain, content)
            if tried and tried[-1] in parse(content, str(file)):
                return tried[-1]  # it was not answered, and has arrived
            entry = _add(chain, file, event, run, digest, at)
            tried.append(entry)
            chain.seek(0)
            store.put(key, chain.read(), over=before.etag if before is not None else None)
            return entry

        return persistent(follow, SystemClock(), PATIENCE_S)


def _add(chain: BinaryIO, file: Path, event: Event, run: str, digest: str, at: float) -> Entry:
    """Write the next line of an open chain."""
    chain.seek(0)
    content = chain.read()
    whole = content[: content.rfind(b"\n") + 1]
    entries = parse(whole, str(file))
    last = entries[-1] if entries else None
    entry = Entry(
        seq=last.seq + 1 if last else 1,
        at=round(max(at, last.at) if last else at, 6),
        event=event,
        run=run,
        digest=digest,
        prev=last.sha256 if last else GENESIS,
    )
    _write(chain, whole + entry.encoded() + b"\n", keep=len(whole))
    _sync_folder(file.parent)
    return entry


def _write(chain: BinaryIO, content: bytes, keep: int = 0) -> None:
    """Let the file hold `content`; what it holds up to `keep` stays as it is."""
    chain.seek(keep)
    chain.truncate()
    chain.write(content[keep:])
    chain.flush()
    os.fsync(chain.fileno())


def read(file: Path) -> tuple[Entry, ...]:
    """The lines of a chain, checked. Raises ChainBroken; a chain that is not there is empty."""
    try:
        content = read_file(file)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ChainBroken(f"{file} cannot be read: {error.strerror}") from error
    return parse(content, str(file))


def parse(content: bytes, name: str) -> tuple[Entry, ...]:
    """The lines of a chain's bytes. Raises ChainBroken naming the first that does not follow."""
    if content and not content.endswith(b"\n"):
        raise ChainBroken(f"{name}: its last line is torn; it was cut, or a write was")
    found: list[Entry] = []
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        entry = _entry(line, f"{name}:{number}")
        before = found[-1] if found else None
        _follows(entry, before, f"{name}:{number}")
        found.append(entry)
    return tuple(found)


def _entry(line: bytes, where: str) -> Entry:
    try:
        raw = load_json(line)
        if raw["event"] not in get_args(Event):
            raise ValueError(f"event {raw['event']!r}")
        entry = Entry(
            int(raw["seq"]),
            float(raw["at"]),
            cast(Event, raw["event"]),
            str(raw["run"]),
            str(raw["digest"]),
            str(raw["prev"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ChainBroken(f"{where}: no line of a chain ({error})") from error
    if entry.encoded() != line:
        raise ChainBroken(f"{where}: this line is not as it was written")
    return entry


def _follows(entry: Entry, before: Entry | None, where: str) -> None:
    seq, prev = (before.seq + 1, before.sha256) if before else (1, GENESIS)
    if entry.seq != seq or entry.prev != prev:
        raise ChainBroken(
            f"{where}: line {entry.seq} does not follow from the one before it; a line was "
            "changed, removed or moved"
        )
    if before and entry.at < before.at:
        raise ChainBroken(f"{where}: line {entry.seq} is dated before the one that it follows")


def head_of(drill: str, target: str, entries: tuple[Entry, ...]) -> Head | None:
    """The end of a chain, to be published; None: the chain is empty."""
    if not entries:
        return None
    return Head(drill, target, entries[-1].seq, entries[-1].sha256)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # a file system without it has the file all the same
        sync_folder(folder)
