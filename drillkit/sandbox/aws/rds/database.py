"""What an instance or a cluster stands on: one PostgreSQL server, its volume and its
automated backup.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from drillkit.sandbox.aws.knobs import Damage
from drillkit.sandbox.aws.postgres.archive import Archive, now_of, restore_backup
from drillkit.sandbox.aws.postgres.server import PgServer
from drillkit.sandbox.aws.postgres.template import Template
from drillkit.sandbox.aws.postgres.tools import Tools

WORK_AT_ONCE = (
    3  # copies, recoveries and base backups in flight; more only makes each of them slower
)

# Parameters of a parameter group that this PostgreSQL is told about; the rest is kept and shown,
# but has no effect.
APPLIED = frozenset(
    {
        "autovacuum",
        "default_transaction_read_only",
        "idle_in_transaction_session_timeout",
        "log_connections",
        "log_min_duration_statement",
        "log_statement",
        "max_connections",
        "max_logical_replication_workers",
        "max_sync_workers_per_subscription",
        "max_worker_processes",
        "statement_timeout",
        "track_activities",
        "work_mem",
    }
)


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A quoted SQL literal."""
    return "'" + value.replace("'", "''") + "'"


class Databases:
    """Makes databases; owns the folders they live in."""

    def __init__(self, tools: Tools, template: Template) -> None:
        self.tools = tools
        self.template = template
        self.version = tools.version()
        self.work = threading.Semaphore(WORK_AT_ONCE)
        self._known: set[Database] = set()
        for name in ("volumes", "backups", "snapshots"):
            (tools.files / name).mkdir(exist_ok=True)
            tools.own(tools.files / name)

    def new(self, resource_id: str) -> Database:
        """A database without data: one of its `create`, `restore` or `recover` comes next."""
        database = Database(self, resource_id)
        self._known.add(database)
        return database

    def snapshot_folder(self) -> Path:
        """A path for a base backup; nothing is there yet."""
        return self.tools.files / "snapshots" / secrets.token_hex(8)

    def forget(self, database: Database) -> None:
        self._known.discard(database)

    def abandon_all(self) -> None:
        """Tells every server to end, without waiting."""
        for database in list(self._known):
            database.server.abandon()

    def stop_all(self) -> None:
        """Stops every server as a crash would, which is quick, and removes folders outside the
        state folder.
        """
        for database in list(self._known):
            database.server.stop("immediate", timeout_s=5.0)
        if self.tools.moved:
            shutil.rmtree(self.tools.files, ignore_errors=True)


class Database:
    """One server with its volume and its automated backup; the backup may outlive the rest."""

    def __init__(self, owner: Databases, resource_id: str) -> None:
        self.owner = owner
        self.resource_id = resource_id
        self.volume = owner.tools.files / "volumes" / resource_id
        self.volume.mkdir(mode=0o700)
        owner.tools.own(self.volume)
        self.server = PgServer(owner.tools, self.volume / "data", owner.template.password)
        self.archive: Archive | None = None

    def use_parameters(self, values: dict[str, str]) -> None:
        """Takes over the parameters of a parameter group that can be had; they hold from the
        next start.
        """
        self.server.configure(**{name: value for name, value in values.items() if name in APPLIED})

    def create(
        self, user: str, password: str, name: str | None, prepare: Callable[[PgServer], None] | None
    ) -> None:
        """A new, empty database with its master user."""
        with self.owner.work:
            self.owner.template.copy_to(self.server.data)
            self.server.start()
            self.server.query(
                f"create role {identifier(user)} login createdb createrole password "
                f"{literal(password)}"
            )
            self.server.query(
                f"grant pg_monitor, pg_read_all_data, pg_signal_backend to {identifier(user)}"
            )
            if name and name != "postgres":
                self.server.query(f"create database {identifier(name)} owner {identifier(user)}")
            if prepare is not None:
                prepare(self.server)

    def restore(self, backup: Path, damages: list[Damage]) -> None:
        """The contents of a snapshot."""
        with self.owner.work:
            restore_backup(self.owner.tools, backup, self.server)
            self._damage(damages)

    def recover(self, source: Archive, target: datetime, damages: list[Damage]) -> None:
        """The contents another database had at a time, from its automated backup."""
        with self.owner.work:
            source.recover(self.server, target)
            self._damage(damages)

    def _damage(self, damages: list[Damage]) -> None:
        for damage in damages:
            self.server.query(damage.sql, damage.database)

    def set_password(self, user: str, password: str) -> None:
        self.server.query(f"alter role {identifier(user)} password {literal(password)}")

    def back_up(self) -> None:
        """Switches the automated backup on, or adds a base backup to it; afterwards it can restore
        to now.
        """
        with self.owner.work:
            if self.archive is None:
                self.archive = Archive(
                    self.owner.tools, self.owner.tools.files / "backups" / self.resource_id
                )
                self.archive.attach(self.server)
                self.server.reload()
            self.archive.take_base(self.server)
            self.archive.ship(self.server)
            self.archive.prune()

    def stop_backing_up(self) -> None:
        """Switches the automated backup off and deletes it."""
        archive, self.archive = self.archive, None
        if archive is not None:
            self.server.configure(archive_command=":")
            if self.server.running:
                self.server.reload()
            archive.remove()

    def snapshot(self) -> tuple[Path, datetime]:
        """A base backup of its own and the time up to which every commit is in it."""
        folder = self.owner.snapshot_folder()
        with self.owner.work:
            at = now_of(self.server)
            self.server.base_backup(folder)
        return folder, at

    def remove(self, keep_backup: bool) -> None:
        """Stops the server and deletes its volume, and its automated backup unless that is to
        be kept.
        """
        if (
            keep_backup
            and self.archive is not None
            and self.server.running
            and not self.archive.stalled
        ):
            self.archive.ship(self.server)
        self.server.stop("fast" if keep_backup else "immediate")
        shutil.rmtree(self.volume, ignore_errors=True)
        self.owner.forget(self)
        if not keep_backup and self.archive is not None:
            self.archive.remove()
