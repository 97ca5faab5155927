"""Runner's side: starts workers, hears what they say, and ends them together with everything they started.

Each worker leads nothing: a tiny guard (`sh`) leads the process group and kills it as soon as the runner's end of its
pipe is closed, by us or by the runner's death. So commands that an experiment started do not outlive the run either.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import drillkit
from drillkit.clients.chaostoolkit.environment import environment
from drillkit.clients.chaostoolkit.protocol import (
    ACTIVITY_KEY,
    ENDED_KEY,
    PARENT_VARIABLE,
    WARM_VARIABLE,
    Job,
    encode_job,
)
from drillkit.clock import Deadline
from drillkit.journal.wire import FD_VARIABLE, Desk, serve
from drillkit.model.codec import decode_evidence, encode_evidence
from drillkit.model.drill import Target
from drillkit.model.errors import JournalLost
from drillkit.model.evidence import Activity

CUT_GRACE_S = 1.0
"""Between SIGTERM, at which an activity's own clean-up may run, and SIGKILL."""
DRAIN_S = 2.0
"""How long a worker that has said all may take to end, and its pipe to be read to the end."""
POLL_S = 0.2
"""A worker's last word or death is heard at once; so often limits are looked at."""
_GUARD = ("/bin/sh", "-c", "read line; kill -KILL 0")
_START = "import sys; sys.path.append(sys.argv.pop()); from drillkit.clients.chaostoolkit.worker import main; main()"


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a job."""

    outcome: Literal["done", "cut", "died"]
    status: str = ""
    """When done: Chaos Toolkit's (completed, deviated, failed, aborted, interrupted), or `invalid`, `stopped`,
    `broken`."""
    why: str = ""
    activities: tuple[Activity, ...] = ()
    """All that were written down, those that were cut last."""
    unproven: tuple[str, ...] = ()
    """Names of activities of ours that failed because they could not prove anything (StepUnknown)."""


@dataclass(slots=True)
class _Open:
    data: Mapping[str, Any]
    began: float


class _Ledger:
    """Passes a worker's lines on, and keeps what its runner must know."""

    def __init__(self, desk: Desk, limit_each_s: float | None) -> None:
        self._desk, self._limit_each_s = desk, limit_each_s
        self.heard = threading.Event()
        """Set when the worker is done, or its pipe is closed."""
        self.ended: Mapping[str, Any] | None = None
        self.activities: list[Activity] = []
        self.unproven: list[str] = []
        self._open: dict[int, _Open] = {}

    def append(self, kind: str, data: Mapping[str, Any], *, durable: bool = True, step: str | None = None,
               by: str = "") -> int:  # fmt: skip
        n = self._desk.append(kind, data, durable=durable, step=step, by=by)
        if kind == "evidence" and data.get("type") == Activity.__name__:
            evidence = decode_evidence(data)
            assert isinstance(evidence, Activity)
            self.activities.append(evidence)
        elif kind == "progress":
            self._note(data)
        return n

    def plan_data(self, kind: str, data: Mapping[str, Any], *, by: str = "", step: str | None = None) -> int:
        return self._desk.plan_data(kind, data, by=by, step=step)

    def _note(self, data: Mapping[str, Any]) -> None:
        if data.get(ACTIVITY_KEY) == "started":
            self._open[data["id"]] = _Open(data, time.monotonic())
        elif data.get(ACTIVITY_KEY) == "ended":
            was = self._open.pop(data["id"], None)
            if data.get("failure") == "StepUnknown" and was is not None:
                self.unproven.append(str(was.data["name"]))
        if ENDED_KEY in data:
            self.ended = data[ENDED_KEY]
            self.heard.set()

    def overdue(self) -> bool:
        """Whether an activity has taken longer than each may."""
        limit = self._limit_each_s
        return limit is not None and any(time.monotonic() - o.began > limit for o in list(self._open.values()))

    def cut_open(self, why: str, step: str, by: str) -> None:
        """Write down the activities that did not come to their end."""
        for was in self._open.values():
            data = was.data
            activity = Activity(
                name=data["name"], place=data["place"], kind=data["kind"], outcome="cut", hit=None, tolerated=None,
                took_s=round(time.monotonic() - was.began, 6), error=why, undo_guaranteed=data["undo_guaranteed"],
            )  # fmt: skip
            self.activities.append(activity)
            with contextlib.suppress(JournalLost):
                self._desk.append("evidence", encode_evidence(activity), step=step, by=by)
        self._open.clear()


class Worker:
    """One process, for one job."""

    def __init__(self, target: Target, hold: Sequence[int] = (), warm: Sequence[str] = ()) -> None:
        """Starts it: it imports Chaos Toolkit and `warm` while nobody waits for it.

        Start it from a thread that lives as long as it shall: Linux kills it when that thread ends. `hold`: descriptors
        that it inherits, such as the run's lock. Raises OSError.
        """
        self._cut = ""
        self._over = threading.Lock()
        self._closed = False
        null = subprocess.DEVNULL
        with contextlib.ExitStack() as undo:
            self._guard = subprocess.Popen(
                _GUARD, stdin=subprocess.PIPE, stdout=null, stderr=null, pass_fds=tuple(hold), process_group=0
            )
            undo.callback(_reap, self._guard)
            self._sock, theirs = socket.socketpair()
            undo.callback(self._sock.close)
            env = environment(target) | {
                FD_VARIABLE: str(theirs.fileno()), PARENT_VARIABLE: str(os.getpid()), WARM_VARIABLE: ",".join(warm),
            }  # fmt: skip
            root = str(Path(drillkit.__file__).parents[1])
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _START, root], env=env, stdin=subprocess.PIPE, stdout=null,
                    stderr=subprocess.PIPE, pass_fds=(theirs.fileno(), *hold), process_group=self._guard.pid,
                )  # fmt: skip
            undo.pop_all()

    @property
    def pid(self) -> int:
        """Process id of the worker itself."""
        return self._process.pid

    def run(self, job: Job, desk: Desk, by: str, deadline: Deadline, each_s: float | None = None) -> Ended:
        """Do the job and say what became of it. Never raises for what the experiment does.

        It is cut at the deadline, or when one activity takes longer than `each_s` seconds.
        """
        ledger = _Ledger(desk, each_s)
        hearing = threading.Thread(target=self._hear, args=(ledger, by), name=f"journal of {by}", daemon=True)
        hearing.start()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(encode_job(job))
        while not ledger.heard.wait(min(deadline.left(), POLL_S)) and self._process.poll() is None:
            if deadline.over or ledger.overdue():
                self._terminate(ledger, "its limit" if deadline.over else f"its share of {each_s or 0:.0f} s")
                break
        self._await_end(ledger)
        hearing.join(DRAIN_S)
        self._sock.close()
        return self._ended(ledger, job, by)

    def _hear(self, ledger: _Ledger, by: str) -> None:
        try:
            serve(ledger, self._sock, by)
        finally:
            ledger.heard.set()

    def _terminate(self, ledger: _Ledger, why: str) -> None:
        self._cut = why
        self._process.send_signal(signal.SIGTERM)
        ledger.heard.wait(CUT_GRACE_S)
        self.kill()

    def _await_end(self, ledger: _Ledger) -> None:
        try:
            self._process.wait(DRAIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def _ended(self, ledger: _Ledger, job: Job, by: str) -> Ended:
        outcome: Literal["done", "cut", "died"]
        status = ""
        if self._cut:
            outcome, why = "cut", f"cut at {self._cut}"
        elif ledger.ended is None:
            outcome, why = "died", self._why_died()
        else:
            outcome, status, why = "done", str(ledger.ended["status"]), str(ledger.ended["why"])
        ledger.cut_open(why or "the experiment ended without it", job.step, by)
        return Ended(outcome, status, why, tuple(ledger.activities), tuple(ledger.unproven))

    def _why_died(self) -> str:
        assert self._process.stderr is not None
        code = self._process.returncode
        os.set_blocking(self._process.stderr.fileno(), False)
        said = (self._process.stderr.read(16_384) or b"").decode(errors="replace").strip().splitlines()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"the experiment's worker {how} before it was done{': ' + said[-1] if said else ''}"

    def kill(self) -> None:
        """End it and all it started, at once. May be called from any thread, and again."""
        with self._over:
            if not self._closed:  # afterwards the number may be another's
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._guard.pid, signal.SIGKILL)

    def close(self) -> None:
        """End what is left of it: commands that the experiment started and left running."""
        self.kill()
        with self._over:
            self._closed = True
            _reap(self._process)
            _reap(self._guard)
            self._sock.close()


def _reap(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


class Workers:
    """The workers of one run."""

    def __init__(self, target: Target, hold: tuple[int, ...] = ()) -> None:
        """`hold`: descriptors that every worker inherits."""
        self._target, self._hold = target, hold
        self._idle: list[Worker] = []
        self._used: list[Worker] = []
        self._lock = threading.Lock()

    def prepare(self, warm: Sequence[str] = ()) -> None:
        """Start a worker ahead of its job, importing the modules `warm`; where one waits already, it must do.

        Main thread only: a worker ends with the thread that started it. Raises OSError.
        """
        with self._lock:
            if not self._idle:
                self._idle.append(Worker(self._target, self._hold, warm))

    def run(
        self,
        job: Job,
        desk: Desk,
        *,
        by: str,
        deadline: Deadline,
        each_s: float | None = None,
        cut: Callable[[Callable[[], None]], Callable[[], None]] = lambda stop: lambda: None,
    ) -> Ended:
        """Do a job in a prepared worker, or a new one.

        `by` is the writer of its records. It ends at the deadline, when one activity takes longer than `each_s`
        seconds, or when what was registered with `cut` is called. Raises OSError when no process can be started.
        """
        with self._lock:
            worker = self._idle.pop(0) if self._idle else None
        worker = worker or Worker(self._target, self._hold)
        with self._lock:
            self._used.append(worker)
        unregister = cut(worker.kill)
        try:
            return worker.run(job, desk, by, deadline, each_s)
        finally:
            unregister()

    def close(self) -> None:
        """End them all, and everything they left running."""
        with self._lock:
            workers, self._idle, self._used = [*self._idle, *self._used], [], []
        for worker in workers:
            worker.close()
