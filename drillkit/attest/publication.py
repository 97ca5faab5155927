"""Where heads are published: a file, an object in a bucket, or a commit in a git repository.

All three refuse to lose what somebody else published meanwhile: a bucket by compare-and-swap
(`If-Match`), the others because one machine writes them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Protocol

from drillkit.journal.files import write_file
from drillkit.model.errors import UsageError
from drillkit.secrets import child_environment

_GIT_S = 60.0


class PublicPlace(Protocol):
    """Somewhere that holds one document."""

    def read(self) -> bytes | None:
        """What is there; None: nothing yet. Raises UsageError."""

    def write(self, content: bytes) -> None:
        """Put it there, unless something else was put there since `read`. Raises UsageError,
        Refused.
        """


def place_of(name: str) -> PublicPlace:
    """`s3://BUCKET/KEY`, `git:PATH` (committed in the repository that PATH lies in), or a file."""
    if name.startswith("s3://"):
        bucket, _, key = name.removeprefix("s3://").partition("/")
        if not bucket or not key:
            raise UsageError(f"{name}: expected s3://BUCKET/KEY")
        from drillkit.clients.bucket import BucketObject

        return BucketObject(bucket, key)
    if name.startswith("git:"):
        return _Committed(Path(name.removeprefix("git:")))
    return _File(Path(name))


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"{self._path} cannot be read: {error.strerror}") from error

    def write(self, content: bytes) -> None:
        try:
            write_file(self._path, content, durable=True)
        except OSError as error:
            raise UsageError(f"{self._path} cannot be written: {error.strerror}") from error


class _Committed(_File):
    """A file whose every state is a commit; pushing it is the repository's own business."""

    def write(self, content: bytes) -> None:
        before = self.read()
        super().write(content)
        if before == content:
            return
        self._git("add", "--", self._path.name)
        self._git("commit", "--quiet", "--message", "Heads of drills", "--", self._path.name)

    def _git(self, *words: str) -> None:
        folder = self._path.resolve().parent
        try:
            subprocess.run(
                ("git", "-C", str(folder), *words),
                check=True,
                env=child_environment(),
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_GIT_S,
                text=True,
            )
        except FileNotFoundError as error:
            raise UsageError("git: there is no `git` on the PATH") from error
        except subprocess.TimeoutExpired as error:
            raise UsageError(f"git {words[0]} in {folder} did not end in {_GIT_S:.0f} s") from error
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout or "").strip()
            raise UsageError(f"git {words[0]} in {folder}: {said or error.returncode}") from error
