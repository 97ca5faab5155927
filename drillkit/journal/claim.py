"""A run's note in a bucket: what the run is, who writes it, whether it is still open. A fleet has
one of its own sort.

It takes the part that the run's folder lock and the note in drillkit's state have on one machine.
Whoever writes the run renews its note; a note that is not renewed is nobody's, and is taken over by
whoever puts the next version of it first.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from drillkit.clock import Clock, Deadline
from drillkit.journal.objects import ObjectStore, StoredObject, persistent
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Conflict, Refused
from drillkit.model.json_text import load_json

NOTES = ".runs/"
"""Where the notes are: `.runs/DRILL/RUN.json`. No drill is called so."""
MARKS = ".open/"
"""Runs that are open, as empty objects `.open/TARGET/DRILL/RUN`: found without reading all notes. A
mark that is left behind says nothing: the note is what counts.
"""
RENEW_S, RETRY_S = 15.0, 4.0
STALE_S = 60.0
"""A note that was not renewed for so long is nobody's."""
GIVE_UP_S = 40.0
"""Its writer stops acting before somebody else may begin."""
TAKE_S = 10.0
"""So long is tried to take it, and to let go of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A note in a bucket of something that one process at a time is at work on."""

    open: bool = True
    writer: str = ""
    """`HOST process PID`."""
    process: str = ""
    """The same for one process of this machine only: boot, process namespace, pid, its start."""

    @property
    def key(self) -> str:
        """Of the note."""
        raise NotImplementedError

    @property
    def mark(self) -> str:
        """Key of the mark that it is open."""
        raise NotImplementedError

    def encoded(self) -> bytes:
        """As it is put; each version differs from the one before."""
        data = {**asdict(self), "renewal": os.urandom(4).hex()}
        return json.dumps(data, indent=1).encode() + b"\n"


N = TypeVar("N", bound=Claimed)


@dataclass(frozen=True, slots=True)
class RunNote(Claimed):
    """What a run's note says."""

    run: str
    drill: str
    target: str
    owner: str

    @property
    def key(self) -> str:
        return f"{NOTES}{self.drill}/{self.run}.json"

    @property
    def mark(self) -> str:
        return f"{marks_of(self.target)}{self.drill}/{self.run}"

    @property
    def folder(self) -> str:
        """Key of the run's folder, ending with a slash."""
        return f"{self.drill}/{self.run}/"


def marks_of(target: str) -> str:
    """What the keys of the marks of a target's runs begin with; '' is any target."""
    return f"{MARKS}{quote(target, safe='')}/" if target else MARKS


def decoded(content: bytes) -> RunNote:
    """Raises ValueError for what is no note of a run."""
    return claimed(RunNote, content)


def claimed(sort: type[N], content: bytes) -> N:
    """A note of that sort. Raises ValueError for what is none."""
    try:
        raw: dict[str, Any] = load_json(content)
        found = sort(**{each.name: raw[each.name] for each in fields(sort)})
    except (TypeError, KeyError) as error:
        raise ValueError(f"no {sort.__name__}: {error}") from error
    return found


def is_over(note: Claimed, stored: StoredObject) -> bool:
    """Whether nobody can be at work on it any more."""
    if not (note.open and note.writer):
        return True
    return stored.age_s > STALE_S or _is_dead(note.process)


class Claim(Generic[N]):
    """This process is at work on what a note is about, as long as it renews it."""

    def __init__(self, store: ObjectStore, note: N, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self.note: N = replace(
            note, open=True, writer=f"{socket.gethostname()} process {os.getpid()}", process=_self()
        )
        self._etag: str | None = None
        self._tried: list[bytes] = []
        """Versions that were sent and not answered: they may have arrived."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="bucket-claim", daemon=True)
        self._on_lost: Callable[[str], None] = lambda why: None

    def when_lost(self, told: Callable[[str], None]) -> None:
        """Have `told` called when the claim cannot be kept, from a thread of its own."""
        self._on_lost = told

    def take(self, over: str | None = None) -> None:
        """Put the first note, or one over the version `over`, and keep it from now on.

        Raises Refused when somebody else was faster, CallError.
        """
        self._etag = over
        persistent(lambda: self._store.mark(self.note.mark), self._clock, TAKE_S)
        persistent(lambda: self._put(self.note), self._clock, TAKE_S)
        self._thread.start()

    def _put(self, note: N) -> None:
        content = note.encoded()
        self._tried.append(content)
        try:
            self._etag = self._store.put(note.key, content, over=self._etag)
        except Conflict as error:
            there = self._store.get(note.key)
            if there is None or there.etag == self._etag:
                raise  # two at the same time, and neither has it yet
            if there.content not in self._tried:
                raise Refused(f"{note.key} was taken over by another process: {error}") from error
            self._etag = there.etag  # an attempt of ours that was not answered has arrived
            if there.content != content:
                raise
        self._tried.clear()

    def _keep(self) -> None:
        deadline, pause_s = Deadline.after(GIVE_UP_S, self._clock), RENEW_S
        while not self._clock.sleep(min(pause_s, deadline.left()), self._over):
            # Counted from before it is sent: nobody knows when it arrives.
            renewed, pause_s = Deadline.after(GIVE_UP_S, self._clock), RENEW_S
            try:
                self._put(self.note)
            except Refused as why:
                self._on_lost(str(why))
                return
            except CallError as error:
                pause_s = RETRY_S
                if deadline.over:
                    self._on_lost(f"{self.note.key} cannot be renewed: {error}")
                    return
            else:
                deadline = renewed

    def release(self, *, open_: bool) -> None:
        """Be its writer no more; `open_`: something is left to do. Raises CallError, Refused."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(RENEW_S)
        note = replace(self.note, open=open_, process="", writer="")
        persistent(lambda: self._put(note), self._clock, TAKE_S)
        if not open_:
            with contextlib.suppress(CallError):
                self._store.unmark(note.mark)


def _self() -> str:
    return _process(os.getpid())


def _process(pid: int) -> str:
    """'' where processes cannot be told apart for sure."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
        began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{boot} {namespace} {pid} {began}"


def _is_dead(process: str) -> bool:
    """Whether it was a process of this machine, seen from where this one is, that has ended."""
    mine, words = _self().split(), process.split()
    if not mine or len(words) != 4 or words[:2] != mine[:2] or not words[2].isdigit():
        return False
    return _process(int(words[2])) != process
