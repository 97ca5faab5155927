"""The automated backup of one database: base backups, archived WAL, and how far both reach,
told truthfully.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from drillkit.sandbox.aws.postgres.server import PgServer, ServerFailed
from drillkit.sandbox.aws.postgres.tools import Tools

BASES_KEPT = 3
MARKER = "select pg_logical_emit_message(true, 'sandbox', 'recovery point')"


@dataclass(frozen=True)
class Base:
    """A base backup; it can be recovered to any time from `usable_from` on."""

    path: Path
    usable_from: datetime
    first_segment: str


def archive_command(wal: Path) -> str:
    """Copies a finished segment under another name first, so that a half-written one is never taken
    for whole.

    A segment that was switched early ends in zeros; kept sparse it costs a few kilobytes.
    """
    target = shlex.quote(str(wal).replace("%", "%%"))
    sparse = "--sparse=always " if sys.platform == "linux" else ""
    return (
        f"test ! -f {target}/%f && cp {sparse}%p {target}/%f.part && mv {target}/%f.part "
        f"{target}/%f"
    )


def now_of(server: PgServer) -> datetime:
    """The database's own clock, which is what recovery compares a target time with."""
    value: datetime = server.query("select clock_timestamp()")[0][0]
    return value


class Archive:
    """Base backups and WAL of one database, in a folder that outlives the server it came from."""

    def __init__(self, tools: Tools, folder: Path) -> None:
        self.tools = tools
        self.folder = folder
        self.wal = folder / "wal"
        self.bases: list[Base] = []
        self.latest: datetime | None = None
        self.stalled = False
        self._lock = threading.Lock()
        for path in (folder, self.wal):
            path.mkdir(parents=True, exist_ok=True)
            tools.own(path)

    @property
    def earliest(self) -> datetime | None:
        """The oldest time that can be restored."""
        return self.bases[0].usable_from if self.bases else None

    def attach(self, server: PgServer) -> None:
        """Makes a server ship its WAL here; takes hold at its next start or reload."""
        server.configure(archive_command="false" if self.stalled else archive_command(self.wal))

    def stall(self, server: PgServer, stalled: bool) -> None:
        """Stops or resumes the archiver, as a full or unreachable archive would."""
        self.stalled = stalled
        self.attach(server)
        server.reload()

    def take_base(self, server: PgServer) -> Base:
        """Adds a base backup; blocks as long as that takes."""
        path = self.folder / f"base-{time.time_ns()}"
        server.base_backup(path)
        base = Base(path, now_of(server), first_segment(path))
        with self._lock:
            self.bases.append(base)
        return base

    def ship(self, server: PgServer, limit: timedelta = timedelta(seconds=10)) -> bool:
        """Moves the latest restorable time to now, if the archiver delivers.

        Recovery to a time needs a later commit to stop at, so a marker is committed after reading
        the clock, and the segment with the marker must have arrived before the time counts.
        Returns whether it did within `limit`.
        """
        point = now_of(server)
        server.query(MARKER)
        segment = server.query("select pg_walfile_name(pg_switch_wal())")[0][0]
        deadline = time.monotonic() + limit.total_seconds()
        while not (self.wal / segment).exists():
            if self.stalled or time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        with self._lock:
            self.latest = point
        return True

    def base_for(self, target: datetime) -> Base:
        """The newest base backup from which `target` can be reached; raises ServerFailed if there
        is none.
        """
        with self._lock:
            usable = [base for base in self.bases if base.usable_from <= target]
        if not usable:
            raise ServerFailed(f"no base backup is old enough to reach {target.isoformat()}")
        return usable[-1]

    def recover(self, server: PgServer, target: datetime) -> None:
        """Fills `server`'s empty data directory from a base backup and starts it recovering
        to `target`.

        Raises ServerFailed with PostgreSQL's own words, for instance when WAL is missing.
        """
        self.tools.copy(self.base_for(target).path, server.data)
        signal_file = server.data / "recovery.signal"
        signal_file.touch()
        self.tools.own(signal_file)
        source = shlex.quote(str(self.wal).replace("%", "%%"))
        server.configure(
            restore_command=f"cp {source}/%f %p",
            recovery_target_time=target.isoformat(),
            recovery_target_action="promote",
        )
        server.start()
        server.forget("restore_command", "recovery_target_time", "recovery_target_action")

    def prune(self) -> None:
        """Keeps the newest base backups and the WAL they need, so that a long-lived sandbox does
        not fill the disk.
        """
        with self._lock:
            dropped, self.bases = self.bases[:-BASES_KEPT], self.bases[-BASES_KEPT:]
            oldest = self.bases[0].first_segment if self.bases else None
        for base in dropped:
            shutil.rmtree(base.path, ignore_errors=True)
        if dropped and oldest is not None:
            for segment in self.wal.iterdir():
                if len(segment.name) == 24 and segment.name[8:] < oldest[8:]:
                    segment.unlink(missing_ok=True)

    def lose_wal(self) -> None:
        """Destroys the archived WAL and what the base backups carry of it; a recovery from here
        fails for real.
        """
        for folder in (self.wal, *(base.path / "pg_wal" for base in self.bases)):
            for segment in folder.glob("0*"):
                segment.unlink(missing_ok=True)

    def remove(self) -> None:
        """Deletes everything; the archive cannot be used afterwards."""
        shutil.rmtree(self.folder, ignore_errors=True)


def first_segment(base: Path) -> str:
    """The first WAL segment a base backup needs, from its label."""
    label = (base / "backup_label").read_text(encoding="utf-8")
    return label.split("(file ", 1)[1].split(")", 1)[0]


def restore_backup(tools: Tools, backup: Path, server: PgServer) -> None:
    """Fills `server`'s empty data directory from a snapshot's base backup and starts it.

    Raises ServerFailed with PostgreSQL's own words when the backup is broken.
    """
    tools.copy(backup, server.data)
    server.start()
