"""Programs that a drill runs here, and the programs that undo them."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from typing import IO, TYPE_CHECKING, ClassVar

from drillkit.clients.misdirection import elsewhere, flags_elsewhere
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.clock import Clock, Deadline, DeadlineOver
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Irreversible, Lives, Phase, Undone
from drillkit.model.errors import DrillError, Rejected, UsageError
from drillkit.secrets import KNOWN, child_environment, resolve_all

if TYPE_CHECKING:
    from drillkit.clients import Clients
    from drillkit.model.target import Target

_LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")
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
    backwards: ClassVar[bool] = True

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

    @property
    def by_hand(self) -> tuple[str, ...]:
        variables = f", with {', '.join(self.env)} set as the drill says" if self.env else ""
        return (f"# in folder {self.folder}{variables}:", shlex.join(self.undo))

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        if context.deadline.over:  # to be killed at once is worse than not to begin
            raise DeadlineOver(f"`{self.undo[0]}` was not begun: clean-up's limit is over")
        program = Program(self.undo, self.folder, self.env)
        ended = run(program, clients, context.deadline, context.clock)
        if ended.code != 0:
            raise Rejected(f"`{self.undo[0]}` ended with {ended.code}: {ended.last_line}")
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
class ProgramExit:
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


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and where."""

    command: tuple[str, ...]
    """The program and its arguments; no shell is involved."""
    folder: str = "."
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment; values are references or plain text that is no secret."""

    def here(self) -> Program:
        """The same, wherever it is run from."""
        return replace(self, folder=os.path.abspath(self.folder))

    def missing(self) -> str:
        """Why it cannot be started on this machine, or ''. Looks at files only."""
        if why := self.unspeakable():
            return why
        if not os.path.isdir(self.folder):
            return (
                f"expected the folder {self.folder} to run `{self.command[0]}` in, found none "
                f"(seen from {os.getcwd()})"
            )
        program = self.command[0]
        if os.sep in program:
            place = os.path.join(self.folder, program)
            if not os.path.isfile(place):
                return f"expected the program `{program}` in {self.folder}, found none"
            return "" if os.access(place, os.X_OK) else f"`{place}` may not be executed"
        if shutil.which(program) is None:
            return f"`{program}` is not on the PATH; install it, or correct its name"
        return ""

    def unspeakable(self) -> str:
        """What no system can be told (POSIX: arguments end at a zero byte, names at `=`)."""
        for name in self.env:
            if not name or "=" in name or "\0" in name:
                return f"expected the name of an environment variable, found {name!r}"
        if any("\0" in word for word in (*self.command, *self.env.values())):
            return f"`{self.command[0]}`: an argument or a variable holds a zero byte"
        return ""

    def elsewhere(self, target: Target) -> Iterator[str]:
        """Why it may not run: it names another cluster or account than the target's."""
        yield from elsewhere("env", self.env, target)
        yield from flags_elsewhere(f"`{self.command[0]}`", self.command, target)


def start(
    plan: Planned[UndoCommand] | Planned[NoUndoDeclared],
    program: Program,
    clients: Clients,
    deadline: Deadline,
    on_start: Callable[[Callable[[], None]], Callable[[], None]] = lambda stop: lambda: None,
) -> ProgramExit:
    """Run a command whose undo is on disk. `on_start` is handed what ends it.

    Raises UsageError when it can't start, WrongTarget, TargetError, CallError when it can't be
    given a way to its target; that is in the journal then, so there is nothing to undo.
    """
    began = False

    def started(stop: Callable[[], None]) -> Callable[[], None]:
        nonlocal began
        began = True
        return on_start(stop)

    try:
        return run(program, clients, deadline, clients.clock, started)
    except DrillError as why:
        if not began:
            plan.never_happened(f"`{program.command[0]}` was not started: {why}")
        raise


def run(
    program: Program,
    clients: Clients,
    deadline: Deadline,
    clock: Clock,
    on_start: Callable[[Callable[[], None]], Callable[[], None]] = lambda stop: lambda: None,
) -> ProgramExit:
    """Run a program to its end or the deadline, in a session of its own, without a shell.

    It is given the way to the target of `clients` and no other. It does not outlive this process:
    it, and all that it started in its session, is killed with the thread that called this. Until
    then it holds the run's lock. Raises UsageError when it cannot be
    started, WrongTarget, TargetError, CallError when it cannot be given that way. `on_start` is
    called once it has begun.
    """
    with tempfile.TemporaryFile() as output:
        process, life = _started(program, clients, output)
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
            os.close(life)
        return ProgramExit(process.returncode, _kept(output), cut)


def _kept(output: IO[bytes]) -> bytes:
    """The end of an output, secrets hidden before it is cut: half of one is no known value."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - KEPT_BYTES - MARGIN_BYTES))
    content = KNOWN.content(output.read())
    if size <= KEPT_BYTES:
        return content
    note = f"[cut: the last {KEPT_BYTES:,} of {size:,} bytes]\n"
    return note.encode() + content[-KEPT_BYTES:]


def _started(
    program: Program, clients: Clients, output: IO[bytes]
) -> tuple[subprocess.Popen[bytes], int]:
    """The process, and the end of a pipe with which its life ends. Raises UsageError, and what
    `TargetAccess.environment` does.
    """
    if why := program.missing():
        raise UsageError(f"`{program.command[0]}` cannot be started: {why}")
    if wrong := [*program.elsewhere(clients.target)]:
        raise UsageError(f"`{program.command[0]}` was not started: {'; '.join(wrong)}")
    env = clients.access.environment(child_environment(), more=_given(program, clients))
    theirs, life = os.pipe()
    said, saying = os.pipe()
    try:
        process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", _LAUNCHER),
                *(str(os.getpid()), str(theirs), str(saying)),
                *program.command,
            ],
            cwd=program.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(theirs, saying, *clients.hold),
        )
    except OSError as error:
        os.close(life)
        os.close(said)
        raise UsageError(
            f"`{program.command[0]}` cannot be started in {program.folder}: {error.strerror}"
        ) from error
    finally:
        os.close(theirs)
        os.close(saying)
    with open(said, "rb") as answer:
        number = answer.read()  # it ends when the program has begun
    if number:
        _end(process)
        os.close(life)
        raise UsageError(
            f"`{program.command[0]}` cannot be started in {program.folder}: "
            f"{os.strerror(int(number))}"
        )
    return process, life


def _given(program: Program, clients: Clients) -> dict[str, str]:
    return resolve_all(program.env, "env.", lambda: clients.aws)


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
