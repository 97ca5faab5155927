"""Files and folders of a run and of drillkit's state: their owner writes, their group reads,
nobody else sees them; a stricter umask takes away more.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

FILE_MODE = 0o640
FOLDER_MODE = 0o750
_OF_THE_SYSTEM = (Path("/dev"), Path("/dev/fd"))
ATTACHMENT_KEPT = 8 * 1024 * 1024
"""Bytes of one attachment."""


def make_folder(path: Path, *, exist_ok: bool = True) -> None:
    """Make a folder and those above it. Raises OSError, FileExistsError unless `exist_ok`."""
    missing = []
    above = path
    while not above.exists():
        missing.append(above)
        above = above.parent
    for folder in reversed(missing[1:]):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    path.mkdir(mode=FOLDER_MODE, exist_ok=exist_ok)


def write_file(path: Path, content: bytes, *, durable: bool = False, mode: int = FILE_MODE) -> None:
    """Put a file in place as a whole: whoever reads sees the old one or the new one.

    `durable`: it is on disk, with its name, when this returns. `mode`: for what others are to read.
    What is no file (`/dev/null`, `/dev/stdout`, a pipe) is written to and stays what it is. Raises
    OSError.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if _is_no_file(path):
        _pass_on(path, content)
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(fd)
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def read_file(path: Path, most: int | None = None) -> bytes:
    """The content of a file of a run or of drillkit's state, which others may have damaged.

    Raises OSError, also for what is no file (nobody waits for a pipe, a device has no end) and for
    more than `most` bytes.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            code = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
            raise OSError(code, "is no file", str(path))
        if most is not None and found.st_size > most:
            raise OSError(errno.EFBIG, f"has more than {most:,} bytes", str(path))
        with open(fd, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(fd)


def _is_no_file(path: Path) -> bool:
    """Whether a file in its place would destroy something: a device, a pipe, a name that the system
    gives to them.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    if stat.S_ISREG(mode):
        place = path.absolute().parent
        return place in _OF_THE_SYSTEM or place.is_relative_to("/proc")
    return not stat.S_ISDIR(mode)


def _pass_on(path: Path, content: bytes) -> None:
    """Raises OSError, of a pipe that nobody reads as well: nobody waits for a reader."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(fd, True)
    with open(fd, "wb") as file:
        file.write(content)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def capped_content(content: bytes) -> bytes:
    """What is kept of an attachment; a cut one says so at its end."""
    if len(content) <= ATTACHMENT_KEPT:
        return content
    note = f"\n[cut: the first {ATTACHMENT_KEPT:,} of {len(content):,} bytes]\n"
    return content[:ATTACHMENT_KEPT] + note.encode()
