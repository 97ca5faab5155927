"""Runner's side: starts workers, hears what they say, and ends them together with everything
they started.

Each worker leads nothing: a tiny guard (`sh`) leads the process group and kills it as soon as the
runner's end of its pipe is closed, by us or by the runner's death. So commands that an experiment
started do not outlive the run either.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, assert_never

from drillkit.clients.access import TargetAccess, names_unknown
from drillkit.clients.chaostoolkit.environment import without_proxy_for_loopback
from drillkit.clients.chaostoolkit.literals import needed_variables
from drillkit.clients.chaostoolkit.protocol import Job, encode_job, needs_account, plain_data
from drillkit.clock import Clock, Deadline
from drillkit.environment import plain_environment
from drillkit.journal.wire import JournalSink, serve
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Counted
from drillkit.model.errors import JournalLost
from drillkit.model.evidence import Activity
from drillkit.model.records import (
    ActivityEnded,
    ActivityStarted,
    Entry,
    ExperimentEnded,
    PlannedEffect,
    Progress,
    ProgressAbout,
)
from drillkit.prestart import Prestarted
from drillkit.secrets import KNOWN, child_environment

CUT_GRACE_S = 1.0
"""Between SIGTERM, at which an activity's own clean-up may run, and SIGKILL."""
DRAIN_S = 2.0
"""How long a worker that has said all may take to end, and its pipe to be read to the end."""
POLL_S = 0.2
"""A worker's last word or death is heard at once; so often limits are looked at."""
_GUARD = ("/bin/sh", "-c", "read line; kill -KILL 0")


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """What became of a job."""

    outcome: Literal["done", "cut", "died"]
    status: str = ""
    """When done: Chaos Toolkit's (completed, deviated, failed, aborted, interrupted), or `invalid`,
    `stopped`, `broken`."""
    why: str = ""
    activities: tuple[Activity, ...] = ()
    """All that were written down, those that were cut last."""


@dataclass(slots=True)
class _Open:
    activity: ActivityStarted
    began: float


class _Ledger:
    """Passes a worker's lines on, and keeps what its runner must know."""

    def __init__(self, sink: JournalSink, limit_each_s: float | None, clock: Clock) -> None:
        self._clock = clock
        self._sink, self._limit_each_s = sink, limit_each_s
        self.heard = threading.Event()
        """Set when the worker is done, or its pipe is closed."""
        self.ended: ExperimentEnded | None = None
        self.activities: list[Activity] = []
        self._open: dict[int, _Open] = {}

    def append(
        self, entry: Entry, *, durable: bool = True, step: str | None = None, by: str = ""
    ) -> int:
        n = self._sink.append(entry, durable=durable, step=step, by=by)
        if isinstance(entry, Activity):
            self.activities.append(entry)
        elif isinstance(entry, Progress):
            self._note(entry.about)
        return n

    def plan_entry(
        self, entry: PlannedEffect, counts: Counted, *, by: str = "", step: str | None = None
    ) -> int:
        return self._sink.plan_entry(entry, counts, by=by, step=step)

    def _note(self, about: ProgressAbout | None) -> None:
        match about:
            case ActivityStarted():
                self._open[about.id] = _Open(about, self._clock.mono())
            case ActivityEnded():
                self._open.pop(about.id, None)
            case ExperimentEnded():
                self.ended = about
                self.heard.set()
            case None:
                return
            case other:
                assert_never(other)

    def overdue(self) -> bool:
        """Whether an activity has taken longer than each may."""
        limit = self._limit_each_s
        return limit is not None and any(
            self._clock.mono() - o.began > limit for o in list(self._open.values())
        )

    def cut_open(self, why: str, step: str, by: str) -> None:
        """Write down the activities that did not come to their end."""
        for was in self._open.values():
            begun = was.activity
            activity = Activity(
                name=begun.name,
                place=begun.place,
                kind=begun.kind,
                outcome="cut",
                hit=None,
                tolerated=None,
                took_s=round(self._clock.mono() - was.began, 6),
                error=why,
                undo_guaranteed=begun.undo_guaranteed,
            )
            self.activities.append(activity)
            with contextlib.suppress(JournalLost):
                self._sink.append(activity, step=step, by=by)
        self._open.clear()


class Worker:
    """One process, for one job."""

    def __init__(
        self, access: TargetAccess, hold: Sequence[int] = (), process: Prestarted | None = None
    ) -> None:
        """Takes a process that was started before, or starts one.

        Start it from a thread that lives as long as it shall: Linux kills it when that thread ends.
        `hold`: descriptors that it is handed with its job, such as the run's lock. Raises OSError.
        """
        self._access, self._hold = access, tuple(hold)
        self._cut = ""
        self._over = threading.Lock()
        self._closed = self._warm = False
        self._guard: subprocess.Popen[bytes] | None = None
        self._started = process or Prestarted()
        self._process: subprocess.Popen[bytes] = self._started.process

    def warm(self, modules: Sequence[str] = ()) -> None:
        """Tell it where it will work, and what it may import while nobody waits for it."""
        # Imports read the environment already: the kubeconfig's name must stand before them.
        env = without_proxy_for_loopback(self._access.outline(child_environment()))
        self._warm = True
        self._say(json.dumps({"environment": env, "modules": list(modules)}).encode() + b"\n")

    def _say(self, lines: bytes, descriptors: Sequence[int] = ()) -> None:
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # it is dead, which is noticed elsewhere
            sent = socket.send_fds(self._started.input, [lines], descriptors) if descriptors else 0
            self._started.input.sendall(lines[sent:])

    def _hand_over(self, job: Job) -> socket.socket:
        """Give it the job with everything it needs for it. Our end of its journal.

        Raises WrongTarget, CallError, TargetError where that cannot be had.
        """
        signs = bool((job.target.get("prometheus") or {}).get("sigv4_region"))
        account = signs or needs_account(job.experiment)
        needed = needed_variables(job.experiment)
        env = without_proxy_for_loopback(
            self._access.environment(
                {**child_environment(), **needed},
                more={name: value for name, value in needed.items() if names_unknown(name)},
                account=account,
            )
        )
        if (cluster := self._access.kubernetes()) is not None:
            job = replace(job, target={**job.target, "kubernetes": plain_data(cluster)})
        ours, theirs = socket.socketpair()
        with theirs:
            null = subprocess.DEVNULL
            with self._over:
                self._guard = subprocess.Popen(
                    _GUARD,
                    stdin=subprocess.PIPE,
                    stdout=null,
                    stderr=null,
                    pass_fds=self._hold,
                    env=plain_environment(),
                    process_group=0,
                )
            if not self._warm:
                self.warm()
            word = {"group": self._guard.pid, "known": KNOWN.values, "environment": env}
            self._say(
                json.dumps(word).encode() + b"\n" + encode_job(job),
                (theirs.fileno(), *self._hold),
            )
        return ours

    @property
    def pid(self) -> int:
        """Process id of the worker itself."""
        return self._process.pid

    def run(
        self, job: Job, sink: JournalSink, by: str, deadline: Deadline, each_s: float | None = None
    ) -> WorkerExit:
        """Do the job and say what became of it. Never raises for what the experiment does.

        It is cut at the deadline, or when one activity takes longer than `each_s` seconds. Raises
        WrongTarget, CallError, TargetError before anything was begun: the target is not to be
        reached.
        """
        ledger = _Ledger(sink, each_s, deadline.clock)
        sock = self._hand_over(job)
        hearing = threading.Thread(
            target=_hear, args=(ledger, sock, by), name=f"journal of {by}", daemon=True
        )
        hearing.start()
        while not ledger.heard.wait(min(deadline.left(), POLL_S)) and self._process.poll() is None:
            if deadline.over or ledger.overdue():
                self._terminate(
                    ledger, "its limit" if deadline.over else f"its share of {each_s or 0:.0f} s"
                )
                break
        # The last thing that a worker does is to close its end of the pipe.
        hearing.join(DRAIN_S)
        if ledger.ended is None or hearing.is_alive():
            self._await_end()
            hearing.join(DRAIN_S)
        return self._ended(ledger, job, by)

    def _terminate(self, ledger: _Ledger, why: str) -> None:
        self._cut = why
        self._process.send_signal(signal.SIGTERM)
        ledger.heard.wait(CUT_GRACE_S)
        self.kill()

    def _await_end(self) -> None:
        try:
            self._process.wait(DRAIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def _ended(self, ledger: _Ledger, job: Job, by: str) -> WorkerExit:
        outcome: Literal["done", "cut", "died"]
        status = ""
        if self._cut:
            outcome, why = "cut", f"cut at {self._cut}"
        elif ledger.ended is None:
            outcome, why = "died", self._why_died()
        else:
            outcome, status, why = "done", ledger.ended.status, ledger.ended.why
        ledger.cut_open(why or "the experiment ended without it", job.step, by)
        return WorkerExit(outcome, status, why, tuple(ledger.activities))

    def _why_died(self) -> str:
        assert self._process.stderr is not None
        code = self._process.returncode
        os.set_blocking(self._process.stderr.fileno(), False)
        said = (
            (self._process.stderr.read(16_384) or b"").decode(errors="replace").strip().splitlines()
        )
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"the experiment's worker {how} before it was done{': ' + said[-1] if said else ''}"

    def kill(self) -> None:
        """End it and all it started, at once. May be called from any thread, and again."""
        with self._over:
            if self._closed:  # the number may be another's now
                return
            if self._guard is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._guard.pid, signal.SIGKILL)
            self._process.kill()  # it joins its group only when it takes its job

    def close(self) -> None:
        """End what is left of it: commands that the experiment started and left running."""
        self.kill()
        with self._over:
            self._closed = True
            self._started.close()
            if self._guard is not None:
                self._guard.wait()
                assert self._guard.stdin is not None
                self._guard.stdin.close()


def _hear(ledger: _Ledger, sock: socket.socket, by: str) -> None:
    try:
        serve(ledger, sock, by)
    finally:
        ledger.heard.set()


class Workers:
    """The workers of one run."""

    def __init__(
        self, access: TargetAccess, hold: tuple[int, ...] = (), process: Prestarted | None = None
    ) -> None:
        """`access`: their way to the target; `hold`: descriptors that every worker is handed;
        `process`: one that waits already.
        """
        self._access, self._hold, self._process = access, hold, process
        self._idle: list[Worker] = []
        self._used: list[Worker] = []
        self._lock = threading.Lock()

    def prepare(self, warm: Sequence[str] = ()) -> None:
        """Start a worker ahead of its job, importing the modules `warm`; where one waits already,
        it must do.

        Main thread only: a worker ends with the thread that started it. Raises OSError.
        """
        with self._lock:
            if not self._idle:
                process, self._process = self._process, None
                self._idle.append(Worker(self._access, self._hold, process))
                self._idle[-1].warm(warm)

    def run(
        self,
        job: Job,
        sink: JournalSink,
        *,
        by: str,
        deadline: Deadline,
        each_s: float | None = None,
        cut: Callable[[Callable[[], None]], Callable[[], None]] = lambda stop: lambda: None,
    ) -> WorkerExit:
        """Do a job in a prepared worker, or a new one.

        `by` is the writer of its records. It ends at the deadline, when one activity takes longer
        than `each_s` seconds, or when what was registered with `cut` is called. Raises OSError when
        no process can be started; WrongTarget, CallError, TargetError when the target cannot be
        reached.
        """
        with self._lock:
            worker = self._idle.pop(0) if self._idle else None
        worker = worker or Worker(self._access, self._hold)
        with self._lock:
            self._used.append(worker)
        unregister = cut(worker.kill)
        try:
            return worker.run(job, sink, by, deadline, each_s)
        finally:
            unregister()

    def close(self) -> None:
        """End them all, and everything they left running."""
        with self._lock:
            workers, self._idle, self._used = [*self._idle, *self._used], [], []
        for worker in workers:
            worker.close()
