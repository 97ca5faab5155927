"""What the API asks of the kubelet: logs, commands in containers, the use of CPU and memory."""

from __future__ import annotations

import asyncio
import os
import re
import time
from asyncio import StreamReader
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

from drillkit.sandbox.cluster.faults.rules import stress_usage
from drillkit.sandbox.cluster.kubelet.process import ProcessKubelet
from drillkit.sandbox.cluster.processes import kill_group
from drillkit.sandbox.cluster.view import View
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.wire import Exec, ExecIo

LOG_READ_LIMIT = 8_000_000
STDOUT, STDERR = 1, 2
_INIT = re.compile(r"(\bkill\b(?:\s+[-\w]+)*?\s+)1(?![\w-])")
_HOSTILE = re.compile(
    r"\b(pkill|killall|killall5|reboot|shutdown|halt|poweroff|telinit)\b|\binit\s+\d\b"
    r"|\bkill\b(\s+[-\w]+)+\s+-1(?!\w)"  # -1 is every process of this machine
)


@dataclass
class Hooks:
    """Installed on the store; answers from the running processes."""

    kubelet: ProcessKubelet
    view: View
    _usage: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Process to (CPU seconds, when read)."""

    def log(self, pod: Object, container: str, previous: bool, tail_lines: int | None) -> str:
        """A container's output. Raises ApiError 400 if there was no previous run."""
        runner = self.kubelet.of(pod).runner(container)
        path = runner.log_file(previous=previous)
        if previous and (runner.container.restarts == 0 or not path.exists()):
            told = (
                f'previous terminated container "{container}" in pod "{pod["metadata"]["name"]}" '
                "not found"
            )
            raise ApiError(400, "BadRequest", told)
        return tail(path, tail_lines)

    async def execute(self, command: Exec, io: ExecIo) -> int:
        """Run a command on this machine with the container's environment; its exit code. Cancelling
        kills it.
        """
        runner = self.kubelet.of(command.pod).runner(command.container)
        if runner.process is None or runner.process.returncode is not None:
            raise ApiError(400, "BadRequest", f"container {command.container} is not running")
        argv = runner.placed(guarded(list(command.command), runner.process.pid))
        process = await self.kubelet.processes.run(
            argv, env=runner.env, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        feeding = asyncio.create_task(_feed(io, process.stdin)) if command.stdin else None
        if feeding is None:
            process.stdin.close()
        try:
            errors = STDOUT if command.tty else STDERR
            await asyncio.gather(
                _drain(process.stdout, io, STDOUT), _drain(process.stderr, io, errors)
            )
            code = await process.wait()
            return code if code >= 0 else 128 - code
        finally:
            if feeding is not None:
                feeding.cancel()
            kill_group(process, SIGKILL)

    def metrics(self, pod: Object) -> dict[str, tuple[float, int]]:
        """Container to (cores, bytes), measured from its process; emulated stress is added to
        the first.
        """
        runner = self.kubelet.pods.get(pod["metadata"]["uid"])
        found: dict[str, tuple[float, int]] = {}
        for each in runner.main if runner is not None else []:
            used = (
                self._measure(each.process.pid)
                if each.process is not None and each.process.returncode is None
                else None
            )
            if used is not None:
                found[each.container.name] = used
        if found:
            first = next(iter(found))
            cores, size = stress_usage(
                self.view, f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            )
            found[first] = (found[first][0] + cores, found[first][1] + size)
        return found

    def _measure(self, pid: int) -> tuple[float, int] | None:
        """(cores since the last reading, resident bytes); None where /proc does not tell."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        now, cpu_s = (
            time.monotonic(),
            (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        )
        before_s, at = self._usage.get(pid, (0.0, now - 60.0))
        if now - at >= 1.0:
            self._usage[pid] = (cpu_s, now)
        cores = max(0.0, cpu_s - before_s) / max(now - at, 1.0)
        return cores, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def guarded(argv: list[str], pid: int) -> list[str]:
    """The command as it may run on this machine: process 1 means the container's own, as it would
    inside it.

    Raises ApiError 403 for commands that would reach beyond the container here.
    """
    text = " ".join(argv)
    if _HOSTILE.search(text):
        raise ApiError(
            403, "Forbidden", f"the sandbox runs commands on the host and refuses this one: {text}"
        )
    if argv[0].rpartition("/")[2] == "kill" and argv[-1] == "1":
        return [*argv[:-1], str(pid)]
    return [_INIT.sub(lambda found: f"{found[1]}{pid}", word) for word in argv]


def tail(path: Path, lines: int | None) -> str:
    """The last lines of a file, bounded in size; empty if there is none yet."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_READ_LIMIT))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    if lines is None:
        return text
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""


async def _drain(source: StreamReader, io: ExecIo, channel: int) -> None:
    while data := await source.read(32768):
        await io.write(channel, data)


async def _feed(io: ExecIo, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await io.read():
            sink.write(data)
            await sink.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # the command does not read its input any more
    finally:
        sink.close()
