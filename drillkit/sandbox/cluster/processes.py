"""Start the sandbox's children so that none of them outlives it, not even after SIGKILL.

Three ties: each child asks the kernel to die with us (Linux); each has a process group that a
reaper kills once our end of its pipe closes; and `close()` kills them in an orderly stop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

BOOT = Path(__file__).with_name("child") / "boot.py"
STOP_LIMIT_S = 5.0
Stream = int | IO[bytes]


class Processes:
    """All children of one sandbox. Start them from the main thread: the kernel's tie is to the
    thread that forked.
    """

    def __init__(self) -> None:
        self._reaper: Process | None = None
        self._watchers: dict[Process, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Start the reaper; before any other child."""
        self._reaper = await asyncio.create_subprocess_exec(
            *_argv(0, "child.reaper"), stdin=PIPE, start_new_session=True
        )

    async def spawn(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        libraries: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        stdin: Stream = DEVNULL,
        stdout: Stream = DEVNULL,
        stderr: Stream = DEVNULL,
        cwd: Path | None = None,
    ) -> Process:
        """Run `drillkit.sandbox.cluster.MODULE` in a process group of its own, with these packages
        to import besides the standard library. Raises OSError if that is impossible.
        """
        process = await asyncio.create_subprocess_exec(
            *_argv(os.getpid(), module, *arguments, libraries=libraries),
            env=dict(os.environ if env is None else env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            start_new_session=True,
        )
        self._tell(f"+{process.pid}")
        self._watchers[process] = asyncio.create_task(self._watch(process))
        return process

    async def run(self, argv: Sequence[str], **streams: object) -> Process:
        """Run any program as a child."""
        return await self.spawn("child.command", argv, **streams)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Kill every child that is left, with its group; then let the reaper end."""
        for process in list(self._watchers):
            kill_group(process, signal.SIGKILL)
        watchers = list(self._watchers.values())
        if watchers:
            await asyncio.wait(watchers, timeout=STOP_LIMIT_S)
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            await asyncio.wait_for(self._reaper.wait(), STOP_LIMIT_S)

    async def _watch(self, process: Process) -> None:
        await process.wait()
        # What a command left behind in its group goes with it, as it would with its container.
        kill_group(process, signal.SIGKILL)
        self._watchers.pop(process, None)
        self._tell(f"-{process.pid}")

    def _tell(self, line: str) -> None:
        if (
            self._reaper is not None
            and self._reaper.stdin is not None
            and not self._reaper.stdin.is_closing()
        ):
            self._reaper.stdin.write(f"{line}\n".encode())


def kill_group(process: Process, number: int) -> None:
    """Signal a child's process group; a group that has ended is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _argv(tied_to: int, module: str, *arguments: str, libraries: Sequence[str] = ()) -> list[str]:
    # Without site-packages (-S) and environment (-E): they double the start of a pod and its
    # programs need neither.
    boot = [sys.executable, "-S", "-E", str(BOOT), str(tied_to), _path_of(libraries)]
    return [*boot, module, *arguments]


def _path_of(libraries: Sequence[str]) -> str:
    """The folders in which packages are, as a search path. Imports none of them."""
    found = (find_spec(name) for name in libraries)
    origins = [spec.origin for spec in found if spec is not None and spec.origin is not None]
    return os.pathsep.join(dict.fromkeys(str(Path(each).parent.parent) for each in origins))
