"""Programs that a drill runs here, and the programs that undo them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, ClassVar

from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.clock import Clock, Deadline
from drillkit.journal.book import Planned
from drillkit.model.effects import Irreversible, Lives, Phase, Undone
from drillkit.model.errors import Unavailable, UsageError
from drillkit.secrets import KNOWN, child_environment, resolve_all

if TYPE_CHECKING:
    from drillkit.clients import Clients

KEPT_BYTES = 256 * 1024
"""Of the output, its end."""
MARGIN_BYTES = 64 * 1024
"""Before what is kept: a secret that begins there is looked for as a whole."""
GRACE_S = 5.0
"""Between asking a program to end and killing it."""


@dataclass(frozen=True)
class UndoCommand(UndoAction):
    """Run the command that the drill declares as the undo. It must tolerate that the command
    never ran.
    """

    kind: ClassVar[str] = "command.undo"
    phase: ClassVar[Phase] = "remove"

    name: str
    undo: tuple[str, ...]
    folder: str
    env: Mapping[str, str] = field(default_factory=dict)
    """Values are references or plain text that is no secret."""

    @property
    def resource(self) -> str:
        return f"command/{self.name}"

    @property
    def lives(self) -> Lives:
        return "here"

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        ended = run(self.undo, self.folder, self.env, context.deadline, context.clock)
        if ended.code != 0:
            raise Unavailable(f"`{self.undo[0]}` ended with {ended.code}: {ended.last_line}")
        return Undone("undone", f"`{self.undo[0]}` ended with 0")


@dataclass(frozen=True)
class NoUndoDeclared(Irreversible):
    """A command without an undo."""

    kind: ClassVar[str] = "command.run"

    name: str
    program: str

    @property
    def resource(self) -> str:
        return f"command/{self.name}"

    @property
    def reason(self) -> str:
        return f"the drill declares no `undo:` for `{self.program}`"

    @property
    def wait_for(self) -> str:
        return "nothing"


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended, or was ended."""

    code: int
    """Exit code; negative: the signal that ended it."""
    output: bytes
    """The end of what it wrote, both streams as they came, without secrets."""
    cut: bool

    @property
    def last_line(self) -> str:
        lines = self.output.decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it wrote nothing"


def start(
    plan: Planned[UndoCommand] | Planned[NoUndoDeclared],
    command: tuple[str, ...],
    folder: str,
    env: Mapping[str, str],
    deadline: Deadline,
    clock: Clock,
    on_start: Callable[[Callable[[], None]], Callable[[], None]] = lambda stop: lambda: None,
) -> Ended:
    """Run a command whose undo is on disk. `on_start` is handed what ends it. Raises UsageError
    when it can't start.
    """
    assert plan.n
    return run(command, folder, env, deadline, clock, on_start)


def run(
    command: tuple[str, ...],
    folder: str,
    env: Mapping[str, str],
    deadline: Deadline,
    clock: Clock,
    on_start: Callable[[Callable[[], None]], Callable[[], None]] = lambda stop: lambda: None,
) -> Ended:
    """Run a program to its end or the deadline, in a process group of its own, without a shell.

    Raises UsageError when it cannot be started.
    """
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**child_environment(), **resolve_all(env)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(
                f"`{command[0]}` cannot be started in {folder}: {error.strerror}"
            ) from error
        forget = on_start(lambda: _end(process))
        cut = False
        try:
            while process.poll() is None:
                if deadline.over:
                    cut = True
                    _end(process)
                    break
                clock.sleep(min(0.02, max(deadline.left(), 0.001)))
        finally:
            forget()
            _end(process)
        return Ended(process.returncode, _kept(output), cut)


def _kept(output: IO[bytes]) -> bytes:
    """The end of an output, secrets hidden before it is cut: half of one is no known value."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - KEPT_BYTES - MARGIN_BYTES))
    content = KNOWN.content(output.read())
    if size <= KEPT_BYTES:
        return content
    note = f"[cut: the last {KEPT_BYTES:,} of {size:,} bytes]\n"
    return note.encode() + content[-KEPT_BYTES:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


UNDOS: dict[str, type[UndoAction]] = {UndoCommand.kind: UndoCommand}
