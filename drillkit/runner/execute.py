"""One run, from its first record to its verdict.

    open -> guards -> before -> steps -> after -> clean up -> close -> judge

Whatever happens on the way, clean-up follows; whatever happens there, a verdict does.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NoReturn

from drillkit.cleanup import clean
from drillkit.clients import Clients
from drillkit.clock import Clock, Deadline, Fence, SystemClock, utc
from drillkit.journal.file import read
from drillkit.journal.request_socket import RequestSocket
from drillkit.journal.runs import unregister
from drillkit.judge import judge
from drillkit.model.drill import Announce, Gameday, Group, Step
from drillkit.model.errors import (
    CallError,
    DrillError,
    JournalLost,
    Refused,
    TargetError,
)
from drillkit.model.prospect import Prospect
from drillkit.model.records import (
    GuardDecided,
    PhaseEnded,
    PhaseStarted,
    Progress,
    RunClosed,
)
from drillkit.model.verdict import Holds, Verdict
from drillkit.plan import longest_of, prospect_of, survey
from drillkit.runner.abort import Stopper, StopWatch, signals_stop
from drillkit.runner.guards import AbortGuards, GuardSaysNo, check_start
from drillkit.runner.idle_work import IdleWork
from drillkit.runner.keep import spared
from drillkit.runner.messages import RunMessages
from drillkit.runner.no_metrics import metrics_of
from drillkit.runner.open_undos import OpenUndos
from drillkit.runner.record_dispatch import RecordDispatch
from drillkit.runner.request import Finished, Request
from drillkit.runner.run_journal import open_journal
from drillkit.runner.run_start import (
    Place,
    each_step,
    learn_secrets,
    open_place,
    opening_record,
    operator,
)
from drillkit.runner.session import Ruling, Session
from drillkit.runner.sli_sources import ProbedSource
from drillkit.runner.start_guards import frozen
from drillkit.runner.steady_state import ProbeSource, SteadyState
from drillkit.runner.step_runner import StepRunner
from drillkit.runner.target_identity import identify, owning_up
from drillkit.runner.target_lock import TargetLock
from drillkit.runner.weaknesses import WeaknessLook
from drillkit.steps.base import Act, kind_named
from drillkit.versions import versions


def execute(request: Request, clock: Clock | None = None) -> Finished:
    """Run a drill to its verdict. Main thread only: it listens to signals.

    Raises UsageError when the run's folder cannot be written; nothing was touched then.
    """
    run = _Run(request, clock or SystemClock())
    with signals_stop(run.stopper):
        try:
            run.go()
        finally:
            left = run.clean_up()
            run.debrief()
            verdict = run.close(left)
    return Finished(run.place.folder, verdict, left, run.journal.lost, run.unsent)


class _Run:
    def __init__(self, request: Request, clock: Clock) -> None:
        self.request, self.clock = request, clock
        drill = request.drill
        learn_secrets(drill, request.find_experiment)
        self.place: Place = open_place(
            request.reports, request.names, request.target.name, drill.owner
        )
        self.fence = Fence()
        self.journal, self.in_bucket = open_journal(
            request, self.place, clock, self.fence, self._journal_lost
        )
        self.unsent = ""
        self.stopper = Stopper(self.journal, self.fence)
        self.clients = Clients(
            request.target,
            clock,
            self.fence,
            hold=(self.place.lock.fd,),
            prestarted=request.prestarted,
        )
        # Undos pass no fence of the run: they must work when it is closed.
        self.undoing = self.clients.behind(Fence())
        self.lock = (
            TargetLock(self.clients, clock, self.stopper) if request.target.kubernetes else None
        )
        self.ledger = OpenUndos()
        self.journal.subscribe(self.ledger.put)
        self.probes = ProbeSource(drill, self.journal, clock, lambda: self.clients.aws)
        self.probed = ProbedSource(drill, request.slos, clock)
        self.metrics = metrics_of(
            drill, request.slos, request.target, self.journal, clock, self.stopper
        )
        self.steady = SteadyState(
            self.journal, clock, self.fence, (self.probes, self.probed, self.metrics)
        )
        self.guards = AbortGuards(drill, self.journal, self.stopper, clock)
        self.telling = RunMessages(
            request.receivers,
            self.journal,
            clock,
            request.names,
            drill,
            request.target,
            request.report_url,
        )
        watched = (request.watch,) if request.watch else ()
        readers = (self.guards.read, self.telling.read, *watched)
        samples = (self.probes.feed, self.probed.feed, self.guards.feed)
        self.watching = RecordDispatch(readers, samples, self._tick)
        self.journal.subscribe(self.watching.put)
        self.session = Session(
            self.journal, self.stopper, self.fence, clock, drill, attended=request.attended
        )
        self._limit = Deadline.after(drill.limit.total_seconds(), clock)
        together = drill.gameday or Gameday()
        self._session_limit = Deadline.after(together.limit.total_seconds(), clock)
        self.watch = StopWatch(self.stopper, self.place.folder, lambda: self.deadline, clock)
        self.door: RequestSocket | None = None
        self._began = False
        """Whether it came to the steps: else there is nothing to talk about."""

    @property
    def deadline(self) -> Deadline:
        """The end of the drill's limit, which stands still while people decide."""
        end = self._limit.at + self.session.held_s
        if self.request.attended:
            end = min(end, self._session_limit.at)
        return Deadline(end, self.clock)

    def _journal_lost(self, why: str) -> None:
        # In a thread of its own: whoever notices that the disk is full holds the journal's lock.
        threading.Thread(target=lambda: self.stopper.abort("journal", why), daemon=True).start()

    def _tick(self) -> None:
        """Nothing was written for a moment: is somebody still looking?"""
        self.guards.tick()
        if died := self.probes.died():
            self.stopper.abort("blind", died)

    def go(self) -> None:
        """Everything before clean-up. What goes wrong is in the journal afterwards, not in the
        caller's hands.
        """
        self.watching.start()
        self.watch.start()
        if self.in_bucket is not None:
            self.in_bucket.mirror.start()
        self._open_door()
        try:
            self._warm_up()
            self._open()
            self.fence.check()
            self._phases()
        except GuardSaysNo as why:
            self.fence.close(str(why))  # the journal has it already
        except Refused as why:
            if self.stopper.aborted is None:
                self._refuse("start", str(why))
        except JournalLost as why:
            self.stopper.abort("journal", str(why))
        except (CallError, TargetError) as why:
            self._refuse("target", str(why))
        except DrillError as why:
            self._refuse("drill", str(why))
        except Exception as bug:
            # Whatever this is, the world must be cleaned and nobody may call the run met.
            self.stopper.abort("bug", f"{type(bug).__name__}: {bug}")
            with contextlib.suppress(JournalLost):
                self.journal.append(Progress(traceback.format_exc()), durable=False)

    def _open_door(self) -> None:
        """Let people in. A place that has no sockets keeps nobody from running a drill."""
        try:
            self.door = RequestSocket(self.place.folder, self.session.take)
        except OSError as error:
            said = f"other terminals cannot take part: {error.strerror or error}"
            with contextlib.suppress(JournalLost):
                self.journal.append(Progress(said), durable=False)
        self.request.people(self.session)

    def _open(self) -> None:
        request = self.request
        opened = opening_record(
            request.drill,
            request.source,
            request.target,
            request.names,
            request.trigger,
            request.digests,
        )
        identities, offsets = identify(request, self.clients)
        opened = replace(opened, target=owning_up(opened.target, identities, self.clients))
        terms = self.metrics.open()
        if (offset_s := self.metrics.clock_offset_s()) is not None:
            offsets["prometheus"] = round(offset_s, 3)
        self.guards.know(terms)
        self.journal.append(
            replace(
                opened,
                versions=self._versions(),
                identities=identities,
                clock_offsets=offsets,
                slos=terms,
            )
        )
        self.session.begin(request.participants)
        try:
            request.enter(self.place.folder)
        except (OSError, CallError) as error:
            raise Refused(
                f"the start cannot be entered into the chain of runs: {error}; nothing was touched"
            ) from error

    def _versions(self) -> Mapping[str, str]:
        waiting = self.request.prestarted
        return (waiting.versions() if waiting is not None else None) or versions()

    def _phases(self) -> None:
        drill = self.request.drill
        with self._phase("guards"):
            self._check_target()
            self.fence.check()
            self._check_plan()
            check_start(
                drill,
                self.journal,
                self.clock,
                self.request.freezes,
                self.metrics.start_guard,
            )
            self.request.admit(self.plan, self.clients)
            self._take_lock()
            # Nobody may begin here any more: what is read now is what the first step will find.
            fragile = WeaknessLook(self.plan, self.clients, self.clock)
            fragile.start()
            self.fence.ask(fragile.wait)
            self.probes.start(self.place.lock.fd)
            self.metrics.start()
        with self._phase("before"):
            if why := self.steady.hold(
                "before", drill.hypothesis.before, default_within=drill.settle
            ):
                raise GuardSaysNo(why)
            self.metrics.check()
        self._announce()
        self.guards.begin()
        self.metrics.begin()
        self._began = True
        # Whoever waits for a step can as well import what the end needs.
        idle = IdleWork(
            lambda: self._tell_weaknesses(fragile),
            lambda: self.request.ahead(self.place.folder),
        )
        with self._phase("steps"):
            idle.start()
            try:
                self._stepping().run(drill.steps, lambda: self.deadline)
            finally:
                idle.end()
        self.metrics.ended()
        self.fence.check()
        with self._phase("after"):
            if self.steady.hold("after", drill.hypothesis.after, default_within=drill.settle):
                for step, _ in each_step(drill):
                    self._look(step)

    def _tell_weaknesses(self, look: WeaknessLook) -> None:
        if (weaknesses := look.found()) is not None:
            with contextlib.suppress(JournalLost):
                self.journal.append(weaknesses, durable=False)

    def _announce(self) -> None:
        """Nothing was disturbed yet, and nothing keeps the steps from beginning."""
        request = self.request
        if request.drill.announce == Announce():
            return
        from drillkit.runner.announcements import Announcer

        longest_s = longest_of(request.drill, attended=request.attended).total_seconds()
        announcer = Announcer(
            request.drill, request.target, request.names, self.journal, self.clients, self.clock
        )
        try:
            announcer.announce(longest_s)
        except Refused as why:
            if self.fence.closed.is_set():
                raise
            self._say_no("announce", str(why))

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.journal.append(PhaseStarted(name), durable=False)
        try:
            yield
        finally:
            with contextlib.suppress(JournalLost):
                self.journal.append(PhaseEnded(name), durable=False)

    def _say_no(self, guard: str, why: str) -> NoReturn:
        """Raises GuardSaysNo."""
        self._refuse(guard, why)
        raise GuardSaysNo(why)

    def _refuse(self, guard: str, why: str) -> None:
        with contextlib.suppress(JournalLost):
            self.journal.append(GuardDecided("start", guard, Holds.VIOLATED, why))
        self.fence.close(why)

    def _warm_up(self) -> None:
        """Let steps get ready while the guards are looked at."""
        for step, _ in each_step(self.request.drill):
            # What is wrong with it is told when it is planned.
            with contextlib.suppress(DrillError, OSError):
                if (arguments := self.request.bind(step, None)) is not None:
                    kind_named(step.uses).warm(arguments, self._act(step, self.deadline))

    def _take_lock(self) -> None:
        if self.lock is None:
            return
        names, wait_s = self.request.names, self.request.wait_for_lock_s
        try:
            self.lock.take(self.journal, names.id, operator(), wait_s, self.fence, self._held)
        except Refused as why:
            if self.fence.closed.is_set():
                raise
            self._say_no("lock", str(why))

    def _held(self, why: str) -> None:
        """It does not go on for now."""
        self.journal.append(Progress(f"waiting: {why}"), durable=False)
        self.telling.tell("held", f"It waits: {why}")

    def _check_target(self) -> None:
        """Nothing is begun on a cluster that cannot say which one it is."""
        if self.request.target.kubernetes is not None:
            self.clients.verify_cluster()

    def _check_plan(self) -> None:
        plan = survey(
            self.request.drill,
            self.request.target,
            self.clients,
            self._act_unless_stopped,
            self.request.bind,
            attended=self.request.attended,
        )
        self.fence.check()
        if plan.problems:
            self._say_no("plan", "; ".join(plan.problems))
        self.plan = plan

    def _look(self, step: Step) -> None:
        from drillkit.runner.diagnosis import look

        with contextlib.suppress(
            DrillError, OSError
        ):  # looking is a kindness: what it cannot do is no failure
            look(self.plan, self._act(step, self.deadline), self.undoing, self.clock)

    def _stepping(self) -> StepRunner:
        drill = self.request.drill
        return StepRunner(
            self.journal,
            self.clock,
            self.fence,
            self._act,
            steady_before=lambda step: self.steady.hold(
                "between", drill.hypothesis.before, default_within=drill.settle
            ),
            frozen=lambda: frozen(drill, self.request.freezes, utc(self.clock.now())),
            relieve=self._relieve,
            bind=self.request.bind,
            overdue=lambda name: self.stopper.abort(
                "deadline", f"step `{name}` did not end at its limit"
            ),
            look=self._look,
            hold=self._hold,
        )

    def _hold(self, entry: Step | Group | None, after: str, why: str) -> Ruling:
        """Let people decide what comes next, where they are to."""
        if not self.session.wants(entry):
            return Ruling()
        names = {step.name for step in entry.members} if entry is not None else set()
        known = [each.prospect for each in self.plan.steps if each.step.name in names]
        return self.session.hold(entry, after, why, self._prospect, sum(known, Prospect()))

    def _prospect(self, entry: Step | Group) -> Prospect:
        """What comes next, resolved as it is now. Raises DrillError."""
        drill, act, bind = self.request.drill, self._act_unless_stopped, self.request.bind
        found = (prospect_of(drill, step, act, bind) for step in entry.members)
        return sum(found, Prospect())

    def _act(self, step: Step, deadline: Deadline) -> Act:
        return Act(
            name=step.name,
            run=self.request.names,
            target=self.request.target,
            book=self.journal,
            clients=self.clients,
            clock=self.clock,
            fence=self.fence,
            deadline=deadline,
            folder=self.place.folder,
            find_experiment=self.request.find_experiment,
            objectives=step.objectives,
            checks=step.checks,
            cut=self.stopper.cut,
            people=self.session.ask if self.request.attended else None,
            lock_fd=self.place.lock.fd,
            allow_unsafe=self.request.allow_unsafe,
        )

    def _act_unless_stopped(self, step: Step) -> Act:
        """Raises Refused when the run was aborted: the steps that are left need no look."""
        self.fence.check()
        return self._act(step, self.deadline)

    def _relieve(self, step: str) -> None:
        """A fault is relieved when its step ends, not when the drill does."""
        opens = tuple(undo for undo in self.ledger.open(step) if undo.phase == "relieve")
        if opens:
            limit_s = self.request.drill.cleanup_limit.total_seconds()
            clean(opens, self.undoing, self.journal, self.clock, limit_s, phases=("relieve",))

    def debrief(self) -> None:
        """Let people say what there is to say, when all is cleaned up."""
        if self.request.attended and not self.journal.lost and self._began:
            self.session.debrief(self._session_limit)

    def clean_up(self) -> tuple[str, ...]:
        """Undo what is open. Never raises: what could not be undone is the answer."""
        self.stopper.cleaning()
        self.watch.stop()
        self.metrics.ended()
        self.fence.close("the run is over")
        with contextlib.suppress(JournalLost):
            self.journal.append(PhaseStarted("cleanup"), durable=False)
        if self.lock is not None:
            self.lock.stop()
        kept = spared(self.place.folder, self.ledger.open())
        cleaned = clean(
            kept.left,
            self.undoing,
            self.journal,
            self.clock,
            self.request.drill.cleanup_limit.total_seconds(),
            haste=self.stopper.haste,
            people=self.session.ask if self.request.attended else None,
        )
        kept.hand_over(self.undoing, self.journal)
        with contextlib.suppress(JournalLost):
            self.journal.append(PhaseEnded("cleanup"), durable=False)
            self.metrics.stop()
            if died := self.probes.stop():
                self.journal.append(Progress(died))
        return tuple(undo.resource for undo in cleaned.open)

    def close(self, left: tuple[str, ...]) -> Verdict:
        """The journal's last line; the run is open no more when nothing is left. Then it is judged,
        and people are told: a message that fails is noted behind that line, and changes nothing.
        """
        if self.door is not None:
            self.door.close()
        self.clients.close()
        self.undoing.close()
        with contextlib.suppress(JournalLost):
            self.journal.append(RunClosed(left))
        self.watching.stop()
        try:
            verdict = judge(read(self.place.journal))
            self.telling.ended(verdict, left)
        finally:
            self.journal.close()
            if self.in_bucket is not None:
                self.unsent = self.in_bucket.end(self.journal.unsent, open_=bool(left))
            if not (left or self.journal.lost or self.unsent):
                unregister(self.request.names.id)
            self.place.lock.release()
        return verdict
