"""One run, from its first record to its verdict.

    open -> guards -> before -> steps -> after -> clean up -> close -> judge -> report

Whatever happens on the way, clean-up follows; whatever happens there, a verdict does.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drillkit.clients import Clients
from drillkit.clock import Clock, Deadline, Gate, SystemClock
from drillkit.journal.file import Journal, read
from drillkit.judge import judge
from drillkit.model.drill import Drill, Step, Target
from drillkit.model.errors import CallError, DrillError, JournalLost, Refused, TargetError
from drillkit.model.evidence import Scalar
from drillkit.model.records import Record
from drillkit.model.verdict import Verdict
from drillkit.plan import survey
from drillkit.runner.opening import Place, open_place, opening_record
from drillkit.runner.steady import Steady
from drillkit.runner.stepping import Stepping
from drillkit.runner.stopping import Stopper, StopWatch, signals_stop
from drillkit.runner.watching import Watching
from drillkit.steps.base import Experiment, RunNames

Outputs = Mapping[str, Mapping[str, Scalar]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to run."""

    drill: Drill
    source: bytes
    """The drill's file as it was read, for its digest."""
    target: Target
    names: RunNames
    reports: Path
    bind: Callable[[Step, Outputs | None], object | None]
    """Arguments of a step's kind; with None for the outputs: None when they depend on these."""
    find_experiment: Callable[[str], Experiment]
    trigger: str = "operator"
    digests: Mapping[str, str]
    launched_pid: int | None = None
    watch: Callable[[Record], None] | None = None
    """Called with each record, in order, from a thread of the runner."""
    wait_for_lock_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a run."""

    folder: Path
    verdict: Verdict
    left: tuple[str, ...]
    """Resources whose undo is still open."""
    journal_lost: str = ""


def execute(request: Request, clock: Clock | None = None) -> Finished:
    """Run a drill. Raises UsageError when its folder cannot be written (nothing was touched); else it ends in a
    verdict. Main thread only: it listens to signals."""
    run = _Run(request, clock or SystemClock())
    with signals_stop(run.stopper):
        try:
            run.go()
        finally:
            left = run.clean_up()
            run.close(left)
    return Finished(run.place.folder, judge(read(run.place.journal)), left, run.journal.lost)


class _Run:
    def __init__(self, request: Request, clock: Clock) -> None:
        self.request, self.clock = request, clock
        drill = request.drill
        self.place: Place = open_place(request.reports, request.names, request.target.name, drill.owner)
        self.gate = Gate()
        self.journal = Journal(self.place.journal, clock=clock, gate=self.gate)
        self.stopper = Stopper(self.journal, self.gate)
        # In a thread: whoever notices that the disk is full holds the journal's lock.
        self.journal.on_lost = lambda why: threading.Thread(
            target=self.stopper.abort, args=("journal", why), daemon=True
        ).start()
        self.clients = Clients(request.target, clock, self.gate)
        self.steady = Steady(drill, self.journal, clock, self.gate)
        self.watching = Watching(self.journal, drill, self.steady, self.stopper, clock, request.watch)
        self.deadline = Deadline.after(drill.limit.total_seconds(), clock)

    def go(self) -> None:
        """Everything before clean-up. What goes wrong is in the journal afterwards."""
        try:
            self._open()
            with self._stop_watch():
                self._phases()
        except Refused as why:
            if self.stopper.aborted is None:
                self._refuse("start", str(why))
        except JournalLost as why:
            self.stopper.abort("journal", str(why))
        except (CallError, TargetError) as why:
            self._refuse("target", str(why))
        except Exception as bug:
            # Whatever this is, the world must be cleaned and nobody may call the run met.
            self.stopper.abort("bug", f"{type(bug).__name__}: {bug}")
            with contextlib.suppress(JournalLost):
                self.journal.append("progress", {"text": traceback.format_exc()}, durable=False)

    def _open(self) -> None:
        request = self.request
        record = opening_record(
            request.drill, request.source, request.target, request.names, request.trigger, request.digests,
            self._identities(),
        )  # fmt: skip
        self.journal.append("run.opened", record)
        self.watching.start()

    def _identities(self) -> dict[str, Any]:
        """Who the target really is; what could not be asked says why."""
        found: dict[str, Any] = {"launched_pid": self.request.launched_pid} if self.request.launched_pid else {}
        if self.request.target.kubernetes is not None:
            try:
                found["cluster_uid"] = self.clients.kube.cluster_uid()
                found["clock_offset_s"] = {"cluster": self.clients.kube.clock_offset_s()}
            except (CallError, DrillError) as error:
                found["cluster_error"] = str(error)
        return found

    def _phases(self) -> None:
        drill = self.request.drill
        with self._phase("guards"):
            self._check_target()
            self._lock_target()
            self._check_plan()
            self.steady.start(self.place.lock.fd)
            self._check_guards()
        with self._phase("before"):
            if why := self.steady.hold("before", drill.hypothesis.before, default_within=drill.settle):
                raise Refused(why)
        with self._phase("steps"):
            self._stepping().run(drill.steps, self.deadline)
        if self.gate.closed.is_set():
            return
        with self._phase("after"):
            self.steady.hold("after", drill.hypothesis.after, default_within=drill.settle)

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.journal.append("phase.started", {"phase": name}, durable=False)
        try:
            yield
        finally:
            with contextlib.suppress(JournalLost):
                self.journal.append("phase.ended", {"phase": name}, durable=False)

    @contextlib.contextmanager
    def _stop_watch(self) -> Iterator[None]:
        flag = (lambda: self.clients.kube.stop_flag()) if self.request.target.kubernetes else None
        watch = StopWatch(self.stopper, self.place.folder, self.deadline, self.clock, flag)
        watch.start()
        try:
            yield
        finally:
            watch.stop()

    def _refuse(self, guard: str, why: str) -> None:
        with contextlib.suppress(JournalLost):
            self.journal.append(
                "guard.decided", {"place": "start", "guard": guard, "holds": "violated", "why": why}
            )  # fmt: skip
        self.gate.close(why)

    def _check_target(self) -> None:
        kubernetes = self.request.target.kubernetes
        if kubernetes is None:
            return
        found = self.clients.kube.cluster_uid()
        if kubernetes.cluster_uid and kubernetes.cluster_uid != found:
            raise TargetError(
                f"target `{self.request.target.name}` is pinned to cluster {kubernetes.cluster_uid}, but this "
                f"kubeconfig leads to {found}; choose the right context, or correct `cluster_uid` in targets.yaml"
            )

    def _lock_target(self) -> None:
        if self.request.target.kubernetes is not None:
            self.clients.kube.lock(self.journal, self.request.names, self.request.drill.owner, self.deadline)

    def _check_plan(self) -> None:
        plan = survey(
            self.request.drill, self.request.target, self.clients,
            lambda step: self._act(step, self.deadline, self.gate), lambda step: self.request.bind(step, None),
        )  # fmt: skip
        if plan.problems:
            raise Refused("; ".join(plan.problems))

    def _check_guards(self) -> None:
        raise NotImplementedError

    def _stepping(self) -> Stepping:
        return Stepping(
            self.journal, self.clock, self.gate, self._act,
            steady_before=lambda step: self.steady.hold(
                "between", self.request.drill.hypothesis.before, default_within=self.request.drill.settle
            ),
            relieve=self._relieve,
            bind=lambda step, outputs: self.request.bind(step, outputs),
            overdue=lambda name: self.stopper.abort("deadline", f"step `{name}` did not end at its limit"),
        )  # fmt: skip
