"""One PostgreSQL server: its configuration, start, stop, questions and base backups."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from drillkit.sandbox.aws.postgres.tools import ToolFailed, Tools

ADMIN = "rdsadmin"
HOST = "127.0.0.1"


class ServerFailed(RuntimeError):
    """PostgreSQL could not be started; the message holds its last fatal lines."""


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def quoted(value: str) -> str:
    """A value for postgresql.conf."""
    return "'" + value.replace("'", "''") + "'"


class PgServer:
    """A data directory and, while it runs, the server on it.  Its port stays the same
    over restarts.
    """

    BASE: ClassVar[dict[str, str]] = {
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "wal_level": "logical",
        "archive_mode": "on",
        "archive_command": ":",
        "max_wal_senders": "4",
        "max_connections": "60",
        "max_worker_processes": "2",
        "max_parallel_workers": "0",
        "max_wal_size": "32MB",
        "min_wal_size": "2MB",
        "shared_buffers": "8MB",
        # in the data directory: nothing stays in /dev/shm after a hard kill
        "dynamic_shared_memory_type": "mmap",
        "fsync": "off",
        "full_page_writes": "on",
        "hot_standby": "off",  # so that "ready" means: recovery is over
        "timezone": "UTC",
        "log_timezone": "UTC",
        "password_encryption": "scram-sha-256",
    }

    def __init__(self, tools: Tools, data: Path, password: str) -> None:
        self.tools = tools
        self.data = data
        self.port = free_port()
        self.log = data.parent / f"{data.name}.log"
        self.settings: dict[str, str] = {}
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: Any = None
        self._admin_lock = threading.Lock()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def configure(self, **settings: str) -> None:
        """Adds settings; they hold from the next start or, where PostgreSQL allows it, `reload`.

        The data directory need not exist yet.
        """
        self.settings.update(settings)
        if self.data.exists():
            self._write_configuration()

    def _write_configuration(self) -> None:
        merged = {**self.BASE, **self.settings, "port": str(self.port)}
        text = "".join(
            f"{name} = {quoted(value)}\n" for name, value in merged.items() if value is not None
        )
        path = self.data / "postgresql.auto.conf"
        path.write_text(text, encoding="utf-8")
        self.tools.own(path)

    def forget(self, *names: str) -> None:
        """Takes settings back, for instance those of a recovery that is over."""
        for name in names:
            self.settings.pop(name, None)
        self._write_configuration()

    def start(self, timeout_s: float = 60.0) -> None:
        """Starts the server and waits until it takes connections (and recovery, if any, is over).

        Raises ServerFailed with the server's own fatal lines.
        """
        for attempt in range(3):
            self._write_configuration()
            written = self.log.stat().st_size if self.log.exists() else 0
            self._process = self.tools.start("postgres", "-D", self.data, log=self.log)
            if self._wait_ready(timeout_s):
                return
            said = self._said_since(written)
            self.stop("immediate")
            if "Address already in use" not in said or attempt == 2:
                fatal = [line for line in said.splitlines() if "FATAL" in line or "PANIC" in line]
                raise ServerFailed(
                    "; ".join(fatal[-2:]) or said[-400:] or f"not ready within {timeout_s:.0f} s"
                )
            self.port = free_port()

    def _said_since(self, offset: int) -> str:
        with self.log.open("rb") as log:
            log.seek(offset)
            return log.read(65536).decode("utf-8", "replace")

    def _wait_ready(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        status = self.data / "postmaster.pid"
        while time.monotonic() < deadline and self.running:
            with contextlib.suppress(FileNotFoundError):
                lines = status.read_text(encoding="utf-8").splitlines()
                if len(lines) >= 8 and lines[7].strip() == "ready" and lines[0].strip().isdigit():
                    return True
            time.sleep(0.02)
        return False

    def stop(self, mode: str = "fast", timeout_s: float = 15.0) -> None:
        """Stops the server: `fast` (clients are cut off, data is written) or `immediate` (as in
        a crash).
        """
        self._close_admin()
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5.0)

    def abandon(self) -> None:
        """Tells the server to end as in a crash, without waiting; `stop` waits."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGQUIT)

    def reload(self) -> None:
        """Makes the running server read its configuration again."""
        self.query("select pg_reload_conf()")

    def _close_admin(self) -> None:
        with self._admin_lock:
            connection, self._admin = self._admin, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it may be dead already, which is what we want
                connection.close()

    def connect(self, database: str = "postgres") -> Any:
        """A new pg8000 connection as the administrator; the caller closes it."""
        import pg8000.native

        return pg8000.native.Connection(
            ADMIN, host=HOST, port=self.port, database=database, password=self._password, timeout=30
        )

    def query(self, sql: str, database: str = "postgres") -> list[list[Any]]:
        """Runs one statement as the administrator; a broken connection is opened anew once."""
        if database != "postgres":
            connection = self.connect(database)
            try:
                return list(connection.run(sql) or [])
            finally:
                connection.close()
        with self._admin_lock:
            if self._admin is None:
                self._admin = self.connect()
            try:
                return list(self._admin.run(sql) or [])
            except Exception as error:
                if type(error).__name__ == "DatabaseError":
                    raise
                self._admin = self.connect()
                return list(self._admin.run(sql) or [])

    def base_backup(self, target: Path) -> None:
        """A real base backup with the WAL it needs, into the folder `target`, which must not
        exist yet.
        """
        if not self.running:
            raise ToolFailed("a base backup needs a running server")
        self.tools.run(
            "pg_basebackup",
            "--host",
            HOST,
            "--port",
            str(self.port),
            "--username",
            ADMIN,
            "--pgdata",
            target,
            "--checkpoint=fast",
            "--wal-method=stream",
            "--no-sync",
            "--no-password",
            env={"PGPASSWORD": self._password, "PGAPPNAME": "sandbox-backup"},
        )
