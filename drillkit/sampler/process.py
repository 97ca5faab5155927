"""The sampler's process as the runner sees it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import drillkit
from drillkit.clients.probe import aim_at, resolved_headers
from drillkit.environment import plain_environment
from drillkit.journal.wire import FD_VARIABLE, STEP_VARIABLE
from drillkit.model.drill import Probe
from drillkit.model.errors import DrillError, UsageError
from drillkit.secrets import KNOWN, Vault, excerpt
from drillkit.secrets.excerpt import MARGIN

_STARTS_WITHIN_S = 20.0
_LAST_WORDS_BYTES = 4096


class Sampler:
    """A running sampler. Make it with `start`."""

    def __init__(
        self, process: subprocess.Popen[bytes], longest_s: float, stderr: IO[bytes]
    ) -> None:
        self._process = process
        self._stderr = stderr
        self._words = ""
        self._longest_s = longest_s
        self.started = 0.0
        """When its first second began, on the monotonic axis."""

    @classmethod
    def start(
        cls,
        probes: Mapping[str, Probe],
        book_fd: int,
        *,
        keep_fds: Sequence[int] = (),
        env: Mapping[str, str] | None = None,
        vault: Callable[[], Vault] | None = None,
    ) -> Sampler:
        """Start sampling; returns when the schedule is fixed, a few milliseconds before the
        first probe.

        `book_fd`: the child's end of a socketpair whose other end is served to the journal
        (`journal.wire.serve`); close it here afterwards. `keep_fds`: inherited as they are, such as
        the run's lock. `env`: where `env:` references of headers are read; default: this
        process's own. `vault`: opens the account whose Secrets Manager headers refer to.

        Call it from the main thread: on Linux the kernel kills the child when the thread that
        started it ends. Raises UsageError for a probe that cannot be, or a secret or certificate
        that cannot be read; DrillError when the process does not start.
        """
        declared = [aim_at(name, probe) for name, probe in probes.items()]
        aims = [
            dataclasses.replace(aim, headers=resolved_headers(aim, env, vault)) for aim in declared
        ]
        if not aims:
            raise UsageError("a sampler expects at least one probe, found none")
        stderr = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "drillkit.sampler", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=(book_fd, *keep_fds),
            env=_environment(plain_environment(), book_fd),
            start_new_session=True,  # a terminal's Ctrl-C is the runner's to handle
        )
        sampler = cls(process, max(aim.timeout_s for aim in aims), stderr)
        try:
            with contextlib.suppress(BrokenPipeError):  # it died: its last words say why
                sampler._tell(
                    {
                        "aims": [dataclasses.asdict(aim) for aim in aims],
                        "known": KNOWN.values,
                    }
                )
            sampler._hear_first_word()
        except BaseException:
            sampler.kill()
            raise
        return sampler

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still samples. When it does not and nobody stopped it, the run is blind."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """What it wrote to its standard error, for a report of why it died."""
        if self._stderr.closed:
            return self._words
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - _LAST_WORDS_BYTES - MARGIN))
        return excerpt(self._stderr.read(), _LAST_WORDS_BYTES, end=True).strip()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Send nothing more, wait until probes in flight have ended and their samples are written.

        `timeout_s`: when to kill it instead; default: its longest probe's timeout and two seconds.
        True if it ended by itself and in order.
        """
        limit_s = self._longest_s + 2.0 if timeout_s is None else timeout_s
        try:
            self._tell({"stop": True})
            ended = self._process.wait(limit_s) == 0
        except (OSError, subprocess.TimeoutExpired):  # it is gone, or it hangs
            ended = False
        self.kill()
        return ended

    def kill(self) -> None:
        """End it at once, and wait for that. Harmless when it has ended."""
        self._process.kill()
        self._process.wait()
        if not self._stderr.closed:
            self._words = self.last_words()
            self._stderr.close()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # a command that it did not live to read
                pipe.close()

    def _tell(self, message: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _hear_first_word(self) -> None:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _STARTS_WITHIN_S)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            why = self.last_words() or (
                "it ended" if ready else f"it said nothing for {_STARTS_WITHIN_S:g} s"
            )
            raise DrillError(f"expected the sampler to start, but {why}")
        word = json.loads(line)
        if "error" in word:
            raise UsageError(word["error"])
        self.started = float(word["start"])


def _environment(base: Mapping[str, str], book_fd: int) -> dict[str, str]:
    # `-P` keeps the current folder off the path (somebody's `socket.py`); this package must be
    # found all the same.
    package = str(Path(drillkit.__file__).parents[1])
    path = os.pathsep.join(p for p in (package, base.get("PYTHONPATH", "")) if p)
    return {**base, FD_VARIABLE: str(book_fd), STEP_VARIABLE: "", "PYTHONPATH": path}
