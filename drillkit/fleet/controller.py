"""Takes a fleet through its waves. It remembers nothing: whoever goes on with a fleet, on whatever
machine, reads from the bucket and from the Jobs what this one knew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field

from drillkit.archive.summary import summarize
from drillkit.clients import Clients
from drillkit.clients.identity import Identity, submitted_to
from drillkit.clients.retry import PASSING
from drillkit.clock import Clock, Deadline, DeadlineOver, Fence, Skipped
from drillkit.fleet import jobs
from drillkit.fleet.outcome import TargetOutcome, of_process, of_run
from drillkit.fleet.plan import FleetPlan
from drillkit.fleet.store import FleetAbort, FleetStore, SubmittedJob
from drillkit.fleet.waves import FleetDecision, decide
from drillkit.journal.copy import LocalCopy, RunKey
from drillkit.journal.file import JournalDamaged, read
from drillkit.journal.runs import JOURNAL
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, DrillError, TargetError, WrongTarget
from drillkit.model.target import Target

FIRST_LOOK_S, LONGEST_LOOK_S, SLOWER = 1.0, 10.0, 1.3
"""How long after one look the next one comes: the longer nothing has happened, the later."""
BROKEN_S = 120.0
"""A pod that waits for what will not come by itself is given so long."""
START_S = 900.0
"""A Job whose run has not begun after so long is taken back: it would hold up the fleet."""
LATE_S = 300.0
"""So long after its last moment a Job is waited for whose cluster does not answer, and a run whose
Job is gone.
"""
STILL_S = 5.0
"""How often it is looked whether the writer of a run that was stopped is gone."""


@dataclass(frozen=True, slots=True)
class FleetState:
    """All that is known of a fleet."""

    plan: FleetPlan
    submitted: Mapping[str, SubmittedJob]
    outcomes: Mapping[str, TargetOutcome]
    abort: FleetAbort | None = None

    @property
    def running(self) -> list[str]:
        """Targets whose Jobs were submitted and have come to nothing yet."""
        return [name for name in self.submitted if name not in self.outcomes]

    def decide(self) -> FleetDecision:
        """What is to be done now."""
        results = {name: each.result for name, each in self.outcomes.items()}
        running = self.running
        if self.abort is not None:
            why = f"{self.abort.who} aborted it: {self.abort.why}"
            return FleetDecision(halted=why, over=not running)
        return decide(self.plan.members, results, running, self.plan.at_once)


@dataclass
class FleetWorker:
    """The Jobs of one fleet, and what they come to. Its methods may be called by several threads,
    each for another target.
    """

    plan: FleetPlan
    store: FleetStore
    copy: LocalCopy
    """Of the bucket of its runs."""
    clock: Clock
    tell: Callable[[str], None] = lambda text: None
    _clusters: dict[tuple[str, str], Clients] = field(default_factory=dict)
    """By name of a target, and the UID of the cluster that a Job of it is in."""
    _opening: threading.Lock = field(default_factory=threading.Lock)
    _noted: set[str] = field(default_factory=set)
    """Targets whose runs have begun."""
    _again: set[str] = field(default_factory=set)
    """Targets whose Jobs were not there, and were submitted once more."""

    def state(self) -> FleetState:
        """Raises CallError."""
        return FleetState(
            self.plan, self.store.submitted(), self.store.outcomes(), self.store.abort()
        )

    def clients(self, written: SubmittedJob) -> Clients:
        """Connections to the cluster that a Job is in, wherever its kubeconfig leads by now."""
        return self._clients(written.target, written.cluster)

    def _clients(self, target: str, cluster: str = "") -> Clients:
        """`cluster`: UID of the cluster; '' while there is no Job: as the target pins it."""
        there = self.plan.cluster_of(target)
        with self._opening:
            if (there.name, cluster) not in self._clusters:
                expected = submitted_to(cluster, there)
                self._clusters[there.name, cluster] = self._connected(there, expected)
            return self._clusters[there.name, cluster]

    def _connected(self, target: Target, expected: Identity) -> Clients:
        return Clients(target, self.clock, Fence(), expected)

    def keep_only(self, targets: Iterable[str]) -> None:
        """Let go of connections that no target of these needs."""
        needed = {self.plan.cluster_of(each).name for each in targets}
        with self._opening:
            for key in [key for key in self._clusters if key[0] not in needed]:
                self._clusters.pop(key).close()

    def begin(self, target: str, run: str) -> tuple[SubmittedJob | None, TargetOutcome | None]:
        """Submit a target's Job: what was written down of it, and what came of it if that is known
        already. `run`: the id that its run will have.
        """
        try:
            clients = self._clients(target)
            cluster = clients.verify_cluster()
            jobs.must_have_account(clients.kube, self.plan, target)
        except DrillError as why:
            return None, self._not_run(target, str(why))
        job = jobs.submission(self.plan, target, run, self.clock.now(), cluster)
        written = self.store.submit(job)
        # Whoever aborts writes that down first and reads the submitted Jobs then; asked in the
        # other order here, one of the two sees the other.
        if self.store.abort() is not None:
            return written, None
        return written, self._submit(written)

    def _submit(self, written: SubmittedJob) -> TargetOutcome | None:
        try:
            jobs.submit(self.clients(written).kube, self.plan, written)
        except (*PASSING, WrongTarget) as why:
            self.tell(f"{written.target}: its Job may not be there: {why}")
        except DrillError as why:
            return self.give_up(written, str(why))
        return None

    def settled(self, written: SubmittedJob) -> TargetOutcome | None:
        """What came of a target; None: nothing yet. Raises CallError when the bucket is away."""
        target, why = written.target, ""
        try:
            state, why = jobs.state_of(self.clients(written).kube, written)
        except (CallError, TargetError) as error:
            return self._unheard(written, str(error))
        if state == "runs" and target in self._noted:
            return None
        at_work = self.store.is_noted(self._key(written))
        if at_work is not None:
            self._noted.add(target)
        if state == "runs":
            return self._slow(written) if at_work is None else None
        if at_work:
            return None  # or was a minute ago: it may still clean up
        if at_work is not None:
            return self._of_run(written)
        if state == "absent":
            return self._absent(written)
        return self._never_began(written, why)

    def _unheard(self, written: SubmittedJob, why: str) -> TargetOutcome | None:
        """Its cluster does not answer: the bucket may know all the same."""
        if self.store.is_noted(self._key(written)) is False:
            return self._of_run(written)
        last = written.at + self.plan.longest_s + LATE_S
        if self.clock.now() < last:
            return None
        return self._not_run(written.target, f"nothing was heard of it: {why}")

    def _absent(self, written: SubmittedJob) -> TargetOutcome | None:
        """Whoever submitted it died before, or the cluster did not take it."""
        if self.store.abort() is not None:
            return self.give_up(written, "it was aborted before its run began")
        if written.target in self._again:
            return self.give_up(written, "its Job was submitted twice and is not there")
        self._again.add(written.target)
        return self._submit(written)

    def _slow(self, written: SubmittedJob) -> TargetOutcome | None:
        """Its Job is there, and its run has not begun."""
        age_s = self.clock.now() - written.at
        if age_s < BROKEN_S:
            return None
        try:
            words = jobs.last_words(self.clients(written).kube, written)
        except CallError:
            return None
        if not words.broken and age_s < START_S:
            return None
        return self.give_up(written, f"it did not begin: {words.text or 'nothing says why'}")

    def give_up(self, written: SubmittedJob, why: str) -> TargetOutcome | None:
        """Take a Job back whose run has not begun; None: it has, meanwhile."""
        try:
            jobs.take_back(self.clients(written), self.plan, written, self.clock)
        except (DrillError, DeadlineOver) as error:
            why = f"{why}; its Job could not be taken back: {error}"
        if self.store.is_noted(self._key(written)) is not None:
            return None
        return self._not_run(written.target, why)

    def _never_began(self, written: SubmittedJob, why: str) -> TargetOutcome:
        try:
            words = jobs.last_words(self.clients(written).kube, written)
        except CallError as error:
            words = jobs.LastWords(None, f"{why} ({error})")
        said = words.text or why
        return self.store.settle(of_process(written.target, words.code, said, self.clock.now()))

    def _of_run(self, written: SubmittedJob) -> TargetOutcome:
        return self.store.settle(self.read_run(written))

    def read_run(self, written: SubmittedJob) -> TargetOutcome:
        """What its run's journal says now. Raises CallError, OSError."""
        key, now = self._key(written), self.clock.now()
        self.copy.fetch_files(key)
        journal = self.copy.root / key.folder / JOURNAL
        try:
            summary = summarize(read(journal))
        except (JournalDamaged, FileNotFoundError) as error:
            return TargetOutcome(
                target=written.target,
                result="unknown",
                why=f"its journal cannot be read: {error}",
                at=now,
                run=written.run,
            )
        if summary is None:
            return TargetOutcome(
                target=written.target,
                result="not run",
                why="its run ended before it was open",
                at=now,
                run=written.run,
            )
        return of_run(summary, now)

    def stop(self, written: SubmittedJob) -> tuple[TargetOutcome | None, str]:
        """Stop its drill and wait until everything is relieved: what came of it, or None and what
        did not answer. Raises CallError when the bucket is away.
        """
        try:
            jobs.take_back(self.clients(written), self.plan, written, self.clock)
        except (DrillError, DeadlineOver) as error:
            return None, str(error)
        # Its process is gone with its pod; one that was killed is believed to be after a while.
        deadline = Deadline.after(LATE_S, self.clock)
        while self.store.is_noted(self._key(written)):
            if deadline.over:
                return None, "its Job is gone, and somebody still writes its run"
            try:
                self.clock.sleep(STILL_S)
            except Skipped as why:
                return None, str(why)
        if self.store.is_noted(self._key(written)) is None:
            return self._not_run(written.target, "it was aborted before its run began"), ""
        return self._of_run(written), ""

    def _not_run(self, target: str, why: str) -> TargetOutcome:
        return self.store.settle(of_process(target, None, why, self.clock.now()))

    def _key(self, written: SubmittedJob) -> RunKey:
        return RunKey(self.plan.folder, written.run)

    def close(self) -> None:
        """Let go of all connections."""
        self.keep_only(())


class FleetController:
    """One process that takes a fleet on, until nothing runs and nothing more may begin."""

    def __init__(self, worker: FleetWorker, new_run: Callable[[], str]) -> None:
        self._worker, self._clock, self._new_run = worker, worker.clock, new_run
        self._leave = threading.Event()
        self._wake = threading.Event()
        self._no_more = ""
        self._told = ""

    def begin_no_more(self, why: str) -> None:
        """Let what runs come to its end."""
        self._no_more = self._no_more or why
        self._wake.set()

    def leave(self, why: str) -> None:
        """Return at once: the Jobs end by themselves."""
        self.begin_no_more(why)
        self._leave.set()

    def run(self) -> FleetState:
        """Raises CallError when the bucket is away for long: the Jobs end by themselves."""
        worker, pause_s = self._worker, FIRST_LOOK_S
        state = worker.state()
        while not self._leave.is_set():
            before = len(state.outcomes), len(state.submitted)
            state = self._look(state)
            decision = state.decide()
            self._say(decision.halted)
            if decision.over or (self._no_more and not state.running):
                break
            if not self._no_more:
                state = self._begin(state, decision.start)
            changed = (len(state.outcomes), len(state.submitted)) != before
            pause_s = FIRST_LOOK_S if changed else min(pause_s * SLOWER, LONGEST_LOOK_S)
            worker.keep_only(state.running)
            self._clock.sleep(pause_s, self._wake)
            self._wake.clear()
        return state

    def _look(self, state: FleetState) -> FleetState:
        written = [state.submitted[name] for name in state.running]
        outcomes = dict(state.outcomes)
        with ThreadPoolExecutor(max(1, min(len(written), 16))) as several:
            for found in several.map(self._worker.settled, written):
                if found is not None:
                    outcomes[found.target] = found
                    self._worker.tell(f"{found.target}: {found.result}: {found.why}")
        return FleetState(state.plan, state.submitted, outcomes, self._worker.store.abort())

    def _begin(self, state: FleetState, names: Iterable[str]) -> FleetState:
        submitted, outcomes = dict(state.submitted), dict(state.outcomes)
        waves = {member.target: member.wave for member in state.plan.members}
        for name in names:
            if self._no_more:
                break
            written, outcome = self._worker.begin(name, self._name_of_run(submitted))
            if written is not None:
                submitted[name] = written
                self._worker.tell(f"wave {waves[name] + 1}: {name} begins, run {written.run}")
            if outcome is not None:
                outcomes[name] = outcome
                self._worker.tell(f"{name}: {outcome.result}: {outcome.why}")
        return FleetState(state.plan, submitted, outcomes, state.abort)

    def _name_of_run(self, submitted: Mapping[str, SubmittedJob]) -> str:
        """One that no other target has: several begin in the same second."""
        used = {each.run for each in submitted.values()}
        return next(run for run in iter(self._new_run, "") if run not in used)

    def _say(self, halted: str) -> None:
        if halted and halted != self._told:
            self._worker.tell(f"nothing more begins: {halted}")
            self._told = halted
