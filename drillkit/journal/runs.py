"""Where runs are: a folder each, a lock that its processes share, and the list of those that
are open.

The lock is a flock on an inherited descriptor: it lasts until the last process of the run is gone,
so `recover` begins only when nobody can act any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from drillkit.clock import Clock, Deadline
from drillkit.journal.files import FILE_MODE, make_folder, read_file, write_file
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.json_text import load_json

JOURNAL = "journal.jsonl"
LOCK = "run.lock"
LATEST = "latest"
NOTE_BYTES = 1024 * 1024
"""Of the note of an open run; a longer one is none."""
_LONGEST_NAME, _LONGEST_PATH = 255, 4095
"""Bytes."""
COPIED = "bucket.json"
"""In a folder of reports that is the copy of a bucket: names the bucket."""
CHAINS = "chain"
"""In a folder of reports: the chains of runs."""
ENDING_S = 5.0
"""Programs of a runner that was killed are given so long to be gone."""


def home() -> Path:
    """State that is no report: DRILLKIT_HOME, else `drillkit` in the XDG state folder."""
    if chosen := os.environ.get("DRILLKIT_HOME"):
        return Path(chosen).expanduser()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "drillkit"


class RunLock:
    """The lock of a run's folder. Hand `fd` to every process of the run (`pass_fds`)."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def take(cls, folder: Path) -> RunLock | None:
        """The lock, or None while a process of the run is alive. Raises OSError."""
        fd = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        if not _locked(fd):
            return None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        return cls(fd)

    @classmethod
    def take_after(cls, folder: Path, clock: Clock) -> RunLock | None:
        """The lock of a run that should be over. What a killed runner started ends with it, but
        not in the same moment: that is waited for. None while the runner itself is alive, or
        something of it outlives it. Raises OSError.
        """
        deadline = Deadline.after(ENDING_S, clock)
        while (lock := cls.take(folder)) is None:
            runner = holder(folder)
            if deadline.over or runner is None or _alive(runner):
                return None
            clock.sleep(0.05)
        return lock

    def release(self) -> None:
        """Let go in this process; the lock itself lasts as long as a child holds it."""
        os.close(self.fd)


def _locked(fd: int) -> bool:
    """Lock an open file, or close it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return False
    return True


def is_running(folder: Path) -> bool:
    """Whether a process of the run is alive. Writes nothing, so it also knows where nothing can
    be written.
    """
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    if not _locked(fd):
        return True
    os.close(fd)
    return False


def holder(folder: Path) -> int | None:
    """Process id of a run's runner, as it wrote it down; None when unreadable."""
    with contextlib.suppress(OSError, ValueError):
        return int((folder / LOCK).read_text().strip())
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has begun and is not known to be cleaned up."""

    id: str
    folder: Path
    """Its files; of a note that cannot be read, the note."""
    target: str
    owner: str
    unreadable: str = ""
    """Why the note that names this run cannot be read, or ''."""

    @property
    def journal(self) -> Path:
        return self.folder / JOURNAL


def register(run: str, folder: Path, target: str, owner: str) -> None:
    """Note a run as open, on disk before it does anything. Raises OSError."""
    place = home() / "open"
    make_folder(place)
    entry = {"folder": str(folder.resolve()), "target": target, "owner": owner}
    write_file(place / run, json.dumps(entry).encode(), durable=True)


def unregister(run: str) -> None:
    """The run is clean."""
    (home() / "open" / run).unlink(missing_ok=True)


def open_runs() -> Iterator[OpenRun]:
    """Every run noted as open, oldest first; a note that cannot be read stands for its run and
    says so. Raises UsageError where their folder's place is taken: nobody knows then what is open.
    """
    place = home() / "open"
    if not place.is_dir():
        for taken in (home(), place):
            if os.path.lexists(taken) and not taken.is_dir():
                raise UsageError(
                    f"{taken}: expected the folder that notes open runs, found something else (a "
                    "file, a link that leads nowhere), so nobody knows which runs are open. Put "
                    "the folder back, or set DRILLKIT_HOME to it"
                )
        return
    for entry in sorted(place.iterdir()):
        if not entry.name.startswith("."):
            yield _noted(entry)


def _noted(entry: Path) -> OpenRun:
    try:
        data = load_json(read_file(entry, NOTE_BYTES))
        folder, target, owner = (data[key] for key in ("folder", "target", "owner"))
        if not all(isinstance(each, str) for each in (folder, target, owner)):
            raise ValueError("folder, target and owner must be text")
        _check_name(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = (
            f"{entry} should name the folder of an open run and cannot be read "
            f"({type(error).__name__}: {error}); that run may have left something behind. Recover "
            "it by its folder (`drillkit recover FOLDER`), then delete that file"
        )
        return OpenRun(entry.name, entry, "", "", why)
    return OpenRun(entry.name, Path(folder), target, owner)


def _check_name(folder: str) -> None:
    """Raises ValueError for what can be no folder's name: looking for it would end in an error of
    the system, and keep other runs from being recovered.
    """
    name = os.fsencode(folder)
    parts = name.split(b"/")
    if b"\0" in name or len(name) > _LONGEST_PATH or max(map(len, parts)) > _LONGEST_NAME:
        raise ValueError("no folder can have such a name")


def _is_there(path: Path) -> bool:
    """Whether a file is there. A name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _below(reports: Path, name: Path) -> list[Path]:
    """Journals of the run, or runs, that are called so in a folder of reports."""
    try:
        drills = [reports, *(folder for folder in reports.iterdir() if folder.is_dir())]
    except OSError:
        return []
    return [path for drill in drills if _is_there(path := drill / name / JOURNAL)]


def find_run(name: str, reports: Path) -> Path:
    """The folder of a run named by its id, its folder, its journal, `latest` or `DRILL/latest`.

    Raises UsageError naming what is there.
    """
    path = Path(name)
    if path.name == JOURNAL and _is_there(path):
        return path.parent
    if _is_there(path / JOURNAL):
        return path
    for run in open_runs():
        if run.id == name:
            if run.unreadable:
                raise UsageError(run.unreadable)
            return run.folder
    found = [] if path.is_absolute() else _below(reports, path)
    if found:
        return max(found, key=lambda journal: journal.stat().st_mtime).parent
    known = sorted(
        (j.parent.name for j in reports.glob(f"*/*/{JOURNAL}") if not j.parent.is_symlink()),
        reverse=True,
    )
    hint = f"known: {', '.join(known[:5])}" if known else f"there are none in {reports}"
    raise UsageError(f"no run `{name[:100]}`; {hint}. Name a run, its folder or its journal.jsonl")


def _start(run: str) -> str:
    """The second that a run is named by; what follows it is chance."""
    return run.rpartition("-")[0]


def point_latest(folder: Path) -> None:
    """Let DRILL/latest lead to this run's folder; not where it leads to a newer one."""
    link = folder.parent / LATEST
    newer = link.is_symlink() and link.exists() and _start(os.readlink(link)) > _start(folder.name)
    if newer or (link.exists() and not link.is_symlink()):
        return
    draft = folder.parent / f".{LATEST}.{os.getpid()}"
    # A convenience: where links cannot be made, the report is there all the same.
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)
        draft.symlink_to(folder.name)
        draft.replace(link)
