"""The process that runs one experiment, or the rollbacks of one: `python -m drillkit.clients.chaostoolkit.worker`.

Chaos Toolkit wants the main thread and keeps module globals, so each experiment has a process of its own. The job comes
on standard input, lines go to the runner's journal over an inherited pipe, everything printed goes to a log file.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drillkit.clients.chaostoolkit.protocol import (
    ENDED_KEY,
    PARENT_VARIABLE,
    WARM_VARIABLE,
    Job,
    Place,
    decode_job,
    rollbacks_of,
)
from drillkit.clients.chaostoolkit.redaction import Redactor, secret_values
from drillkit.journal.wire import FD_VARIABLE, STEP_VARIABLE, Remote, die_with_parent, remote_from_environment
from drillkit.model.errors import JournalLost

WHY_KEPT = 1_500


def main() -> None:
    """Wait for a job, do it, end. Standard input that ends without a job: nobody needs this process any more."""
    die_with_parent(int(os.environ.pop(PARENT_VARIABLE)))
    book = remote_from_environment()
    assert book is not None, f"expected {FD_VARIABLE} in the environment: only drillkit starts this module"
    for name in (FD_VARIABLE, STEP_VARIABLE):  # what an activity starts is no child of the runner
        os.environ.pop(name, None)
    _warm_up(os.environ.pop(WARM_VARIABLE, ""))
    line = sys.stdin.buffer.readline()
    if not line:
        return
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    _work(decode_job(line), book)
    # Taking a hundred modules apart would take longer than many an experiment's activity.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _warm_up(modules: str) -> None:
    importlib.import_module("drillkit.clients.chaostoolkit.experiments")
    importlib.import_module("drillkit.clients.chaostoolkit.logs")
    for module in filter(None, modules.split(",")):
        # One that is missing is told when the experiment is validated.
        with contextlib.suppress(ImportError):
            importlib.import_module(module)


def _work(job: Job, book: Remote) -> None:
    from drillkit.clients.chaostoolkit.logs import Pump, configure_logging

    book.step = job.step  # a worker that was warmed up did not know it yet
    pump = Pump()
    configure_logging()
    redactor = Redactor(secret_values(job.experiment))
    pump.into(job.log, redactor)
    for folder in (str(Path(job.origin).resolve().parent) if job.origin else "", os.getcwd()):
        if folder and folder not in sys.path:
            sys.path.append(folder)  # behind everything installed: modules beside an experiment shadow nothing
    status, why = _run(job, book, redactor)
    pump.drain()
    ended: Mapping[str, Any] = {"status": status, "why": redactor.text(why)[:WHY_KEPT]}
    with contextlib.suppress(JournalLost):
        book.append("progress", {"text": f"experiment {job.name} ended: {status}", ENDED_KEY: ended})


def _run(job: Job, book: Remote, redactor: Redactor) -> tuple[str, str]:
    from drillkit.clients import Clients
    from drillkit.clients.chaostoolkit.events import HARSH, Streaming
    from drillkit.clients.chaostoolkit.experiments import run_experiment, run_rollbacks
    from drillkit.clients.chaostoolkit.session import Session, open_session
    from drillkit.clients.chaostoolkit.undo import rollbacks_undo
    from drillkit.clock import Deadline, Gate, SystemClock
    from drillkit.model.codec import from_data
    from drillkit.model.drill import Target

    clock, gate = SystemClock(), Gate()
    target = from_data(Target, job.target)
    deadline = Deadline.after(job.limit_s, clock)
    session = Session(book, Clients(target, clock, gate), target, clock, gate, deadline, job.run, job.step)
    open_session(session)
    has_rollbacks = bool(rollbacks_of(job.experiment))

    def before_first(configuration: Mapping[str, Any]) -> None:
        if job.work == "experiment" and has_rollbacks:
            book.plan(rollbacks_undo(job, configuration))

    place: Place = "rollback" if job.work == "rollbacks" else "before"
    streaming = Streaming(session, redactor, place, has_rollbacks, before_first)

    def terminate(number: int, frame: object) -> None:
        # Not Chaos Toolkit's own handler: its exception is taken for the failure of one activity, the next one runs.
        streaming.stopping = True
        gate.close("the step is cut")
        raise SystemExit(HARSH)

    if job.work == "rollbacks":
        return run_rollbacks(job, streaming)
    return run_experiment(job, streaming, lambda: signal.signal(signal.SIGTERM, terminate))


if __name__ == "__main__":
    main()
