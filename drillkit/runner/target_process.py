"""A target that drillkit starts for a run: its process, and the endpoints that its first line of
output names.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drillkit.clock import SYSTEM_CLOCK, Deadline
from drillkit.environment import plain_environment
from drillkit.journal.files import make_folder
from drillkit.journal.runs import home
from drillkit.model.errors import TargetError, UsageError
from drillkit.model.target import Target
from drillkit.spec.running_target import filled, standing

READY_S = 60.0
"""A target that is not up by then is reported with what it printed."""
ENDING_S = 1.0
"""Whoever has closed its output without a word ends within so long, or hangs."""
END_S = 5.0
LAUNCHED = "launched"
"""In drillkit's state: a folder for each target that runs of this machine started."""


@contextlib.contextmanager
def launched(
    target: Target, more_arguments: tuple[str, ...] = ()
) -> Iterator[tuple[Target, int | None]]:
    """The target with its endpoints and its process, started for as long as this lasts; any other
    target as it is.

    Main thread only: on Linux the kernel ends the process with the thread that started it. Raises
    TargetError with the process's own words when it does not come up.
    """
    if target.launch is None:
        yield target, None
        return
    if (endpoints := standing(target)) is not None and set(more_arguments) <= set(
        endpoints.get("arguments", ())
    ):
        yield filled(target, endpoints), int(endpoints["pid"])
        return
    remove_left()
    state = home() / LAUNCHED / f"{target.name}-{os.getpid()}-{round(SYSTEM_CLOCK.mono() * 1e9)}"
    try:
        held = _held_folder(state)
    except OSError as error:
        raise cannot_be_written(state, error) from error
    try:
        process, endpoints = start(target, state, more_arguments)
        try:
            yield filled(target, endpoints), process.pid
        finally:
            end(process)
    finally:
        shutil.rmtree(state, ignore_errors=True)
        os.close(held)


def _held_folder(state: Path) -> int:
    """Make the folder of a target; a descriptor that keeps others from removing it. Raises
    OSError.
    """
    make_folder(state.parent)
    # Whoever removes what is left waits, so that it never sees a new folder before it is locked.
    with _locked(state.parent, fcntl.LOCK_EX):
        make_folder(state, exist_ok=False)
        held = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_EX)
    return held


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


def remove_left() -> None:
    """Remove the folders of started targets whose runner was killed; they ended with it. Raises
    nothing: one that cannot be removed is looked at again the next time.
    """
    place = home() / LAUNCHED
    with contextlib.suppress(OSError), _locked(place, fcntl.LOCK_EX):
        for state in sorted(place.iterdir()):
            with contextlib.suppress(OSError), _locked(state, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(state, ignore_errors=True)


def cannot_be_written(where: Path, error: OSError) -> UsageError:
    """What to tell whoever has no folder for a target's state."""
    return UsageError(
        f"a target's state cannot be kept: {error.filename or where}: {error.strerror}. Nothing "
        "was touched. Set DRILLKIT_HOME to a folder that can be written"
    )


def start(
    target: Target, state: Path, more_arguments: tuple[str, ...] = (), *, with_us: bool = True
) -> tuple[subprocess.Popen[bytes], Mapping[str, Any]]:
    """Start the process and wait for its line. `with_us`: it ends when this process does."""
    assert target.launch is not None
    command = [sys.executable, "-m", target.launch.module, "--state", str(state)]
    command += [
        *target.launch.arguments,
        *more_arguments,
        *(["--die-with-parent"] if with_us else []),
    ]
    log_path = state / "log"
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if with_us else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=plain_environment(),
            # Ctrl-C in the terminal is ours to handle: clean-up needs the target
            start_new_session=True,
        )
    try:
        line = _first_line(process)
    except BaseException:  # Ctrl-C: nobody will know of it
        end(process)
        raise
    if not line:
        how = f"did not come up within {READY_S:.0f} s"
        with contextlib.suppress(subprocess.TimeoutExpired):
            how = f"ended with {process.wait(ENDING_S)} before it had come up"
        end(process)
        words = log_path.read_text(errors="replace").strip().splitlines()[-5:]
        raise TargetError(
            f"target `{target.name}` {how}; it said: {' / '.join(words) or 'nothing'}"
        )
    return process, json.loads(line)


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    deadline = Deadline.after(READY_S, SYSTEM_CLOCK)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = b""
        while not line.endswith(b"\n"):
            if not selector.select(deadline.left()):
                return b""
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                return b""
            line += chunk
        return line


def end(process: subprocess.Popen[bytes]) -> None:
    """End it: asked first, then killed."""
    if process.stdin:
        process.stdin.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(END_S)
    if process.stdout:
        process.stdout.close()
