"""A folder of reports that is the copy of one in a bucket.

The bucket is what counts: a run that is not there any more is not here either, and where both have
a journal of the same run that differ, the bucket's is believed. Only of a run that is open on this
machine the journal here may be ahead: the bucket is still owed the rest. What is put aside lies in
folders of the copy that no run is called like.

Objects are fetched by their ETags, so that what is here already is not asked for again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from drillkit.clock import Clock
from drillkit.journal.claim import MARKS, NOTES, RunNote, decoded, marks_of
from drillkit.journal.files import make_folder, read_file, write_file
from drillkit.journal.mirror import PARTS, read_parts
from drillkit.journal.objects import ObjectStore, StoredObject, persistent
from drillkit.journal.runs import CHAINS, JOURNAL, LATEST, LOCK, RunLock, open_runs, point_latest
from drillkit.lazy_dataclass import dataclass
from drillkit.model.json_text import load_json

AT_ONCE = 16
PATIENCE_S = 10.0
_INDEX = ".notes.json"
"""In the copy: ETags of the notes that were read, by their keys."""
_CHAINS_INDEX = ".chains.json"
"""The same, of the chains."""
_FETCHED = ".fetched"
"""In the copy: what was fetched or put of each run's files."""
_ASIDE = ".aside/kept"
"""In the copy: what the bucket has not, or has no more. Deeper than runs are looked for."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NOT_SENT = frozenset({JOURNAL, LOCK})


@dataclass(frozen=True, slots=True)
class RunKey:
    """A run in a bucket."""

    drill: str
    run: str

    @property
    def note(self) -> str:
        """Key of its note."""
        return f"{NOTES}{self.drill}/{self.run}.json"

    @property
    def folder(self) -> str:
        """Key of its folder, ending with a slash; in the copy, its path."""
        return f"{self.drill}/{self.run}/"


@dataclass(frozen=True, slots=True)
class _Sent:
    """A file as it is in the bucket and here."""

    etag: str
    sha256: str = ""


class LocalCopy:
    """The copy in `root` of what is in `store`."""

    def __init__(self, root: Path, store: ObjectStore, clock: Clock) -> None:
        self.root, self._store, self._clock = root, store, clock

    @property
    def place(self) -> str:
        """Of what it is the copy, for people: `s3://BUCKET/PREFIX`."""
        return self._store.place

    # -- journals ----------------------------------------------------------------------------------

    def fetch_runs(self, drill: str = "") -> None:
        """Bring the journals of all runs, or of one drill's, up to date. Raises CallError,
        OSError.
        """
        prefix = f"{NOTES}{drill}/" if drill else NOTES
        everything = self._index()
        known = {key: etag for key, etag in everything.items() if key.startswith(prefix)}
        there = {each.key: each.etag for each in self._store.list(prefix)}
        runs = {key: run for key in there if (run := _run_of(key)) is not None}
        changed = [
            run
            for key, run in runs.items()
            if known.get(key) != there[key] or not self._journal(run).is_file()
        ]
        with ThreadPoolExecutor(AT_ONCE) as several:
            for _ in several.map(self.fetch_journal, changed):
                pass
        for key in known.keys() - there.keys():
            if (run := _run_of(key)) is not None:
                self._put_aside(run)
        if known != there:
            others = {key: etag for key, etag in everything.items() if key not in known}
            self._save(_INDEX, {**others, **there})
        for name in {run.drill for run in changed}:
            self._newest_first(name)

    def find(self, name: str) -> RunKey | None:
        """The run that is called RUN, DRILL/RUN, `latest` or DRILL/latest in the bucket. Raises
        CallError.
        """
        drill, _, run = name.rpartition("/")
        if not _NAME.fullmatch(run) or (drill and not _NAME.fullmatch(drill)):
            return None
        runs = [_run_of(each.key) for each in self._store.list(f"{NOTES}{drill}")]
        found = [
            key
            for key in runs
            if key is not None and key.drill == (drill or key.drill) and run in (key.run, LATEST)
        ]
        return max(found, key=lambda key: key.run, default=None)

    def fetch_journal(self, run: RunKey, *, ahead: bool = True) -> None:
        """Bring the journal of one run up to date, unless a process of this machine writes it.
        `ahead`: one that is open on this machine may hold more lines than the bucket.

        Raises CallError, OSError.
        """
        content = persistent(lambda: read_parts(self._store, run.folder), self._clock, PATIENCE_S)
        if not content:
            return
        folder = self.root / run.folder
        make_folder(folder)
        lock = RunLock.take(folder)
        if lock is None:
            return
        try:
            self.settle_journal(run, content, ahead=ahead and _is_open(run.run))
        finally:
            lock.release()

    def settle_journal(self, run: RunKey, content: bytes, *, ahead: bool) -> None:
        """Let the journal here be what the bucket holds, `content`; with `ahead` it may go on
        behind that. What the bucket contradicts is put aside. Whoever calls holds the run's lock.
        """
        journal = self._journal(run)
        here = read_file(journal) if journal.is_file() else b""
        if here == content or (ahead and here.startswith(content)):
            return
        whole = here[: here.rfind(b"\n") + 1]
        if whole and not content.startswith(whole):
            aside = self._aside(f"{run.drill}-{run.run}.jsonl")
            write_file(aside, here, durable=True)
        write_file(journal, content, durable=True)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            at = float(load_json(content.splitlines()[-1])["at"])
            os.utime(journal, (at, at))

    def open_notes(self, target: str = "") -> list[tuple[RunNote, StoredObject]]:
        """Runs that are noted as open, of one target or of all, oldest first. Raises CallError."""
        marks = self._store.list(marks_of(target))
        runs = [run for each in marks if (run := _marked(each.key)) is not None]
        with ThreadPoolExecutor(AT_ONCE) as several:
            notes = list(several.map(lambda run: self._get(run.note), runs))
        found = []
        for stored in notes:
            with contextlib.suppress(ValueError):
                if stored is not None and (note := decoded(stored.content)).open:
                    found.append((note, stored))
        return sorted(found, key=lambda each: each[0].run)

    # -- files -------------------------------------------------------------------------------------

    def fetch_files(self, run: RunKey) -> None:
        """Bring everything of one run up to date; what is not in the bucket any more is put aside.

        Raises CallError, OSError.
        """
        there = {
            each.key.removeprefix(run.folder): each.etag for each in self._store.list(run.folder)
        }
        self._fetch_files(run, there)

    def fetch_all_files(self) -> None:
        """`fetch_runs`, `fetch_files` of each, `fetch_chains`. Raises CallError, OSError."""
        self.fetch_runs()
        self.fetch_chains()
        there: dict[str, str] = {each.key: each.etag for each in self._store.list("")}
        runs = [run for key in there if (run := _run_of(key)) is not None]
        by_run: dict[str, dict[str, str]] = {run.folder: {} for run in runs}
        for key, etag in there.items():
            drill, _, rest = key.partition("/")
            name, _, file = rest.partition("/")
            if (files := by_run.get(f"{drill}/{name}/")) is not None:
                files[file] = etag
        with ThreadPoolExecutor(AT_ONCE) as several:
            for _ in several.map(lambda run: self._fetch_files(run, by_run[run.folder]), runs):
                pass

    def fetch_chains(self) -> None:
        """Bring the chains of runs up to date. Raises CallError, OSError."""
        known = self._load(_CHAINS_INDEX)
        there = {
            each.key: each.etag
            for each in self._store.list(f"{CHAINS}/")
            if _is_file_name(each.key)
        }
        for key, etag in there.items():
            path = self.root / key
            if known.get(key) == etag and path.is_file():
                continue
            if (stored := self._get(key)) is not None:
                make_folder(path.parent)
                write_file(path, stored.content)
        for path in list((self.root / CHAINS).glob("*/*")):
            key = path.relative_to(self.root).as_posix()
            if key not in there:
                path.replace(self._aside(key.replace("/", "-")))
        if there != known:
            self._save(_CHAINS_INDEX, there)

    def _fetch_files(self, run: RunKey, there: Mapping[str, str]) -> None:
        known = self._files(run)
        parts = {name for name in there.keys() | known.keys() if name.startswith(PARTS)}
        found = {name: _Sent(there[name]) for name in parts if name in there}
        folder = self.root / run.folder
        if found != {name: known[name] for name in parts if name in known}:
            if found:
                self.fetch_journal(run, ahead=True)
            elif (folder / JOURNAL).is_file() and not _is_open(run.run):
                # Whoever reads the copy must see what the bucket has lost.
                (folder / JOURNAL).replace(self._aside(f"{run.drill}-{run.run}.jsonl"))
        for name, etag in there.items():
            if name in parts or not _is_file_name(name):
                continue
            path = folder / name
            before = known.get(name)
            if before is not None and before.etag == etag and path.is_file():
                found[name] = before
                continue
            stored = self._get(run.folder + name)
            if stored is not None:
                make_folder(path.parent)
                write_file(path, stored.content)
                found[name] = _Sent(stored.etag, _digest(stored.content))
        for name in known.keys() - found.keys() - parts:
            if (folder / name).is_file():
                aside = self._aside(f"{run.drill}-{run.run}-{name.replace('/', '-')}")
                (folder / name).replace(aside)
        if found != known:
            self._save_files(run, found)

    def send_files(self, run: RunKey) -> int:
        """Put the files of a run that are not in the bucket as they are here; how many those were.

        Raises CallError, OSError.
        """
        known, folder = self._files(run), self.root / run.folder
        contents = {name: (folder / name).read_bytes() for name in _files_of(folder)}
        todo = [
            name
            for name, content in contents.items()
            if name not in known or known[name].sha256 != _digest(content)
        ]

        def send(name: str) -> _Sent:
            content = contents[name]
            etag = persistent(
                lambda: self._store.replace(run.folder + name, content), self._clock, PATIENCE_S
            )
            return _Sent(etag, _digest(content))

        with ThreadPoolExecutor(AT_ONCE) as several:
            sent = dict(zip(todo, several.map(send, todo), strict=True))
        if sent:
            self._save_files(run, {**known, **sent})
        return len(sent)

    # -- what is known of the bucket ---------------------------------------------------------------

    def _get(self, key: str) -> StoredObject | None:
        return persistent(lambda: self._store.get(key), self._clock, PATIENCE_S)

    def _journal(self, run: RunKey) -> Path:
        return self.root / run.drill / run.run / JOURNAL

    def _index(self) -> dict[str, str]:
        return {str(key): str(etag) for key, etag in self._load(_INDEX).items()}

    def _files(self, run: RunKey) -> dict[str, _Sent]:
        with contextlib.suppress(TypeError):
            found = self._load(f"{_FETCHED}/{run.drill}/{run.run}.json")
            return {name: _Sent(*each) for name, each in found.items()}
        return {}

    def _save_files(self, run: RunKey, files: Mapping[str, _Sent]) -> None:
        data = {name: [each.etag, each.sha256] for name, each in files.items()}
        self._save(f"{_FETCHED}/{run.drill}/{run.run}.json", data)

    def _load(self, name: str) -> dict[str, Any]:
        """What is not kept is fetched again."""
        try:
            found = load_json((self.root / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _save(self, name: str, data: Mapping[str, Any]) -> None:
        path = self.root / name
        make_folder(path.parent)
        write_file(path, json.dumps(data).encode())

    def _aside(self, name: str) -> Path:
        make_folder(self.root / _ASIDE)
        taken = len(os.listdir(self.root / _ASIDE))
        return self.root / _ASIDE / f"{taken:04d}-{name}"

    def _put_aside(self, run: RunKey) -> None:
        """A run that is in the bucket no more; what is open here stays where it is looked for."""
        folder = self.root / run.drill / run.run
        if folder.is_dir() and not _is_open(run.run):
            folder.replace(self._aside(f"{run.drill}-{run.run}"))

    def _newest_first(self, drill: str) -> None:
        names = [path.parent.name for path in (self.root / drill).glob(f"*/{JOURNAL}")]
        if names:
            point_latest(self.root / drill / max(names))


def run_key(folder: Path) -> RunKey:
    """Of a run's folder in a copy."""
    return RunKey(folder.parent.name, folder.name)


def _run_of(note: str) -> RunKey | None:
    """The run that a key is the note of. What is called otherwise was not put by drillkit."""
    drill, slash, rest = note.removeprefix(NOTES).partition("/")
    run = rest.removesuffix(".json")
    fit = note.startswith(NOTES) and slash and rest.endswith(".json")
    return RunKey(drill, run) if fit and _NAME.fullmatch(drill) and _NAME.fullmatch(run) else None


def _marked(key: str) -> RunKey | None:
    """The run that a mark of an open one is about."""
    drill, _, run = key.removeprefix(MARKS).partition("/")[2].partition("/")
    return _run_of(RunKey(drill, run).note)


def _is_open(run: str) -> bool:
    return any(each.id == run for each in open_runs())


def _is_file_name(name: str) -> bool:
    """Whether it lies in the run's folder, and is none that only a living run has."""
    parts = name.split("/")
    return name not in _NOT_SENT and all(
        part and part not in (".", "..") and "\\" not in part and "\0" not in part for part in parts
    )


def _files_of(folder: Path) -> Iterable[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if path.is_file() and not path.is_symlink() and not hidden and _is_file_name(name):
            yield name


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
