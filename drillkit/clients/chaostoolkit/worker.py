"""The process that runs one experiment, or the rollbacks of one.

Chaos Toolkit wants the main thread and keeps module globals, so each experiment has a process of
its own. The job comes on standard input, together with a pipe to the runner's journal; everything
printed goes to a log file.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import platform
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drillkit.clients.chaostoolkit.literals import secret_values
from drillkit.clients.chaostoolkit.protocol import Job, Place, decode_job, rollbacks_of
from drillkit.journal.wire import RemoteJournal, die_with_parent
from drillkit.model.codec import from_data, to_data
from drillkit.model.errors import JournalLost
from drillkit.model.records import ExperimentEnded, Progress
from drillkit.model.target import KubernetesTarget, Target
from drillkit.secrets import KNOWN
from drillkit.versions import versions

WHY_KEPT = 1_500
DESCRIPTORS = 16
"""More are never handed over."""


def main(parent: int) -> None:
    """Wait for a job of process `parent`, do it, end. Input that ends without a job: nobody needs
    this process.
    """
    die_with_parent(parent)
    _import_chaostoolkit()
    runner = _Runner()
    runner.tell_versions()
    if not (line := runner.line()):
        return
    ready = json.loads(line)
    _work_in(ready["environment"])
    _warm_up(ready["modules"])
    if not (line := runner.line()):
        return
    # From here on the guard of this group ends us, and all that we start, when the runner is gone.
    word = json.loads(line)
    os.setpgid(0, word["group"])
    _work_in(word["environment"])
    line = runner.line()
    job = decode_job(line)
    book = RemoteJournal(socket.socket(fileno=runner.descriptors[0]), job.step)
    book.know(word["known"])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    gc.freeze()
    gc.enable()
    _work(job, book)
    # Taking a hundred modules apart would take longer than many an experiment's activity.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    book.close()
    os._exit(0)


class _Runner:
    """What the runner says, line by line, with the descriptors that it hands over."""

    def __init__(self) -> None:
        self._sock = socket.socket(fileno=os.dup(0))
        self._rest = b""
        self.descriptors: list[int] = []
        """The journal's pipe, then what is to be held until this process ends."""

    def tell_versions(self) -> None:
        """Looking them up needs what is imported here already, and in the runner is not."""
        with contextlib.suppress(OSError):  # nobody may be there who wants to know
            self._sock.sendall(json.dumps(versions()).encode() + b"\n")

    def line(self) -> bytes:
        """The next line; nothing when there is none."""
        while b"\n" not in self._rest:
            chunk, descriptors, _, _ = socket.recv_fds(self._sock, 1 << 16, DESCRIPTORS)
            for descriptor in descriptors:
                os.set_inheritable(
                    descriptor, False
                )  # what this process starts has no business with them
            self.descriptors += descriptors
            if not chunk:
                return b""
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def _work_in(environment: Mapping[str, str]) -> None:
    """Have this environment and nothing of our parent's."""
    os.environ.clear()
    os.environ.update(environment)


OF_EVERY_JOB = (
    "drillkit.clients.chaostoolkit.experiments",
    "drillkit.clients.chaostoolkit.http_provider",
    "drillkit.clients.chaostoolkit.logs",
    "drillkit.clients.chaostoolkit.undo",
)


def _import_chaostoolkit() -> None:
    for module in OF_EVERY_JOB:
        importlib.import_module(module)


def _warm_up(modules: Sequence[str]) -> None:
    for module in modules:
        # One that is missing is told when the experiment is validated.
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    # Chaos Toolkit asks what machine this is, for which Python starts a program, once.
    platform.platform()
    # What is compiled and looked up for the first job is kept.
    secret_values({"secrets": {"": {"token": ""}}})
    from_data(Target, to_data(Target(name="", kubernetes=KubernetesTarget())))


def _work(job: Job, book: RemoteJournal) -> None:
    from drillkit.clients.chaostoolkit.logs import Pump, configure_logging

    pump = Pump()
    configure_logging()
    KNOWN.learn(secret_values(job.experiment))
    pump.into(job.log)
    for folder in (str(Path(job.origin).resolve().parent) if job.origin else "", os.getcwd()):
        if folder and folder not in sys.path:
            sys.path.append(
                folder
            )  # behind everything installed: modules beside an experiment shadow nothing
    status, why = _run(job, book)
    pump.drain()
    ended = ExperimentEnded(status, KNOWN.text(why)[:WHY_KEPT])
    with contextlib.suppress(JournalLost):
        book.append(Progress(f"experiment {job.name} ended: {status}", ended))


def _run(job: Job, book: RemoteJournal) -> tuple[str, str]:
    from drillkit.clients import Clients
    from drillkit.clients.chaostoolkit.events import HARSH, Streaming
    from drillkit.clients.chaostoolkit.experiments import (
        run_experiment,
        run_hypothesis,
        run_rollbacks,
    )
    from drillkit.clients.chaostoolkit.http_provider import cap_answers
    from drillkit.clients.chaostoolkit.session import WorkerSession, open_session
    from drillkit.clients.chaostoolkit.undo import rollbacks_undo
    from drillkit.clients.identity import Identity
    from drillkit.clock import Deadline, Fence, SystemClock

    clock, fence = SystemClock(), Fence()
    target = from_data(Target, job.target)
    deadline = Deadline.after(job.limit_s, clock)
    expected = from_data(Identity, job.expected) if job.expected else None
    clients = Clients(target, clock, fence, expected)
    session = WorkerSession(book, clients, target, clock, fence, deadline, job.run, job.step)
    open_session(session)
    cap_answers()
    has_rollbacks = bool(rollbacks_of(job.experiment))

    def before_first(configuration: Mapping[str, Any]) -> None:
        if job.work == "experiment" and has_rollbacks:
            book.plan(rollbacks_undo(job, configuration))

    places: Mapping[str, Place] = {"rollbacks": "rollback", "hypothesis": "after"}
    place: Place = places.get(job.work, "before")
    streaming = Streaming(session, place, has_rollbacks, before_first)

    def terminate(number: int, frame: object) -> None:
        # Not Chaos Toolkit's own handler: its exception is taken for the failure of one activity,
        # the next one runs.
        streaming.stop()
        fence.close("the step is cut")
        raise SystemExit(HARSH)

    if job.work == "rollbacks":
        return run_rollbacks(job, streaming)
    if job.work == "hypothesis":
        return run_hypothesis(job, streaming)
    return run_experiment(job, streaming, lambda: signal.signal(signal.SIGTERM, terminate))
