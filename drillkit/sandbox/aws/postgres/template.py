"""A data directory made once by initdb and copied for every new database: initdb is the slowest
part of a start.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
from pathlib import Path

from drillkit.sandbox.aws.postgres.server import ADMIN
from drillkit.sandbox.aws.postgres.tools import Tools

LAYOUT = 1  # raise when the options below change
HBA = (
    "host all all 127.0.0.1/32 scram-sha-256\nhost replication {admin} 127.0.0.1/32 scram-sha-256\n"
)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/drillkit/postgres`, by default under `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "drillkit" / "postgres"


class Template:
    """A pristine cluster owned by the administrator, with password authentication only."""

    def __init__(self, tools: Tools, cache: Path | None = None) -> None:
        # The real `nobody` could not read a cache in our home folder, so it gets one beside
        # its databases.
        folder = tools.files if tools.mode == "nobody" else cache or cache_folder()
        self._tools = tools
        # Two builds of one version need not agree on what initdb writes.
        build = hashlib.sha256(str(tools.binaries).encode()).hexdigest()[:8]
        self.path = folder / f"template-{LAYOUT}-{tools.version()}-{build}"
        self._make(folder)
        self.password = (self.path / "admin-password").read_text(encoding="utf-8")

    def _make(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:  # two sandboxes may start at the same time
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.path.exists():
                return
            draft = folder / f"draft-{secrets.token_hex(4)}"
            draft.mkdir(mode=0o700)
            self._tools.own(draft)
            try:
                self._initdb(draft)
                draft.rename(self.path)
            finally:
                shutil.rmtree(draft, ignore_errors=True)

    def _initdb(self, draft: Path) -> None:
        secret = draft / "admin-password"
        secret.write_text(secrets.token_urlsafe(18), encoding="utf-8")
        secret.chmod(0o600)
        self._tools.own(secret)
        self._tools.run(
            "initdb",
            "--pgdata",
            draft / "data",
            "--username",
            ADMIN,
            "--pwfile",
            secret,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--wal-segsize=1",
            "--data-checksums",
        )
        (draft / "data" / "pg_hba.conf").write_text(HBA.format(admin=ADMIN), encoding="utf-8")

    def copy_to(self, data: Path) -> None:
        """Makes `data` a fresh cluster."""
        self._tools.copy(self.path / "data", data)
