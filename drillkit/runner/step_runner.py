"""Runs the steps: in order, siblings of a group at the same time, each in a thread of its own.

The main thread only waits, so that signals are heard at once. A step that does not end after it was
cut is left to itself: its mutating calls stand before a closed fence.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

from drillkit.clock import Clock, Deadline, DeadlineOver, Fence
from drillkit.journal.book import Book, step_of_record
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Group, Step
from drillkit.model.errors import DrillError, JournalLost, Refused, StepFailed
from drillkit.model.evidence import Scalar
from drillkit.model.records import Progress, StepEnded, StepRepeated, StepStarted
from drillkit.model.verdict import BY_CHOICE
from drillkit.runner.session import Ruling
from drillkit.steps.base import Act, kind_named

Outcome: TypeAlias = Literal["ok", "failed", "unknown", "skipped", "cut"]
OVERDUE_S = 20.0
"""A step that does not end by itself so long after its limit (a blocked call is cut after 15 s)
ends the run.
"""
CUT_GRACE_S = 5.0
"""How long a cut step may take to end before it is left behind its closed fence."""


@dataclass(frozen=True, slots=True)
class StepResult:
    outcome: Outcome
    why: str = ""


@dataclass(slots=True)
class _Track:
    """How far the steps are."""

    stopped: str = ""
    """Why no more steps are run, or ''."""
    last: Step | Group | None = None
    """What ran last, as the drill has it: what a repeat repeats."""
    tries: int = 1
    before: str = ""
    """What `stopped` was before it."""


class StepRunner:
    """Runs one drill's steps against one journal."""

    def __init__(
        self,
        book: Book,
        clock: Clock,
        fence: Fence,
        act_of: Callable[[Step, Deadline], Act],
        steady_before: Callable[[Step], str],
        frozen: Callable[[], str],
        relieve: Callable[[str], None],
        bind: Callable[[Step, Mapping[str, Mapping[str, Scalar]]], object],
        overdue: Callable[[str], None],
        look: Callable[[Step], None],
        hold: Callable[[Step | Group | None, str, str], Ruling] = lambda entry, after, why: (
            Ruling()
        ),
    ) -> None:
        """`steady_before` gives '' when the hypothesis holds (again) before a disturbing step, else
        why not; `frozen` says why nobody may be disturbed any more; `relieve` applies the open
        *relieve* undos of a step; `bind` makes the kind's arguments, with the outputs of earlier
        steps; `overdue` aborts the run because a step would not end at its limit; `look` keeps what
        is to be seen after a step that did not succeed; `hold` asks people about what comes next
        (None: the end), given what they could repeat and what they should know.
        """
        self._book, self._clock, self._fence = book, clock, fence
        self._act_of, self._steady_before, self._relieve, self._bind = (
            act_of,
            steady_before,
            relieve,
            bind,
        )
        self._frozen = frozen
        self._overdue, self._look, self._hold = overdue, look, hold
        self._first: dict[str, str] = {}
        """What the drill calls the step that another try is one of."""
        self._results: dict[str, StepResult] = {}
        self._finishing = threading.Lock()
        self._outputs: dict[str, Mapping[str, Scalar]] = {}
        self._disturbed = False
        self._shaken = ""
        """Why no disturbing step may run any more, or ''."""

    def run(self, entries: tuple[Step | Group, ...], deadline: Callable[[], Deadline]) -> None:
        """Run them all. Never raises for what a step does: that is in the journal.

        `deadline` gives the drill's own, which stands still while people decide.
        """
        track = _Track()
        for entry in entries:
            ruling = self._ruling(entry, track, deadline)
            skipped = f"{BY_CHOICE}{ruling.why}" if ruling.decision == "skip" else ""
            self._run_entry(entry, deadline(), track, skipped)
        self._ruling(None, track, deadline)

    def _ruling(
        self, entry: Step | Group | None, track: _Track, deadline: Callable[[], Deadline]
    ) -> Ruling:
        """How people want it to go on, once they want no more tries of what has just ended."""
        while not self._fence.closed.is_set():
            after = track.last.name if track.last is not None else ""
            ruling = self._hold(entry, after, track.stopped)
            if ruling.decision != "repeat" or track.last is None:
                return ruling
            track.tries += 1
            self._run_entry(
                self._another(track.last, track.tries), deadline(), track, "", again=True
            )
        return Ruling("abort", self._fence.why)

    def _another(self, entry: Step | Group, n: int) -> Step | Group:
        """Another try of a step or group, under names of its own."""
        taken = {*self._results, *self._first}

        def named(name: str) -> str:
            free = next(
                f"{name[:58]}-{i}" for i in range(n, n + 1000) if f"{name[:58]}-{i}" not in taken
            )
            taken.add(free)
            return free

        def again(step: Step) -> Step:
            found = replace(step, name=named(step.name))
            self._first[found.name] = step.name
            with contextlib.suppress(JournalLost):
                self._book.append(StepRepeated(step.name), step=found.name)
            return found

        if isinstance(entry, Group):
            members = tuple(again(step) for step in entry.parallel)
            return replace(entry, name=f"{entry.name}-{n}", parallel=members)
        return again(entry)

    def _run_entry(
        self,
        entry: Step | Group,
        deadline: Deadline,
        track: _Track,
        skipped: str,
        *,
        again: bool = False,
    ) -> None:
        if self._fence.closed.is_set():
            track.stopped = track.stopped or f"not reached: {self._fence.why}"
        # Another try may mend what stopped the rest, so that does not stop it.
        why = "" if again else track.stopped
        end = deadline.sooner(_seconds(entry))
        results = self._side_by_side(entry.members, entry.group, end, why or skipped)
        bad = [r for r in results if r.outcome not in ("ok", "skipped")]
        if again and not bad:
            track.stopped = track.before
        elif bad and entry.on_failure == "stop" and not track.stopped:
            track.stopped = f"an earlier step did not succeed ({entry.name}): not proven"
        if not again and not (why or skipped):
            track.last, track.tries = entry, 1
            track.before = why

    def _side_by_side(
        self, steps: tuple[Step, ...], group: str, deadline: Deadline, stopped: str
    ) -> list[StepResult]:
        running: list[tuple[Step, Deadline, threading.Thread]] = []
        for step in steps:
            why = stopped or self._why_not(step)
            if why:
                # It never began, and nothing may say that it did.
                self._finish(step, StepResult("skipped", why))
                continue
            self._started(step, group)
            end = deadline.sooner(_seconds(step))
            thread = threading.Thread(
                target=contextvars.copy_context().run,
                args=(self._run, step, end),
                name=f"step {step.name}",
                daemon=True,
            )
            running.append((step, end, thread))
        if any(kind_named(step.uses).disturbs == "users" for step, _, _ in running):
            self._disturbed = True
        for _, _, thread in running:
            thread.start()
        for step, end, thread in running:
            self._await(step, end, thread)
        return [self._results[step.name] for step in steps]

    def _run(self, step: Step, deadline: Deadline) -> None:
        result = self.act(step, deadline)
        self._relieve(step.name)
        if result.outcome == "ok" and not self._fence.closed.is_set():
            result = self._attempt(step, deadline, self._look_again)
        if result.outcome in ("failed", "unknown") and not self._fence.closed.is_set():
            self._look(step)
        self._finish(step, result)

    def _await(self, step: Step, deadline: Deadline, thread: threading.Thread) -> None:
        while thread.is_alive() and not self._fence.closed.is_set():
            thread.join(0.05)
            if deadline.over and self._clock.mono() > deadline.at + OVERDUE_S:
                self._overdue(step.name)
        thread.join(CUT_GRACE_S)
        if thread.is_alive():
            self._finish(
                step,
                StepResult("cut", f"{self._fence.why}; a call that never answered was left behind"),
            )

    def _finish(self, step: Step, result: StepResult) -> None:
        """Write a step's end down, once."""
        with self._finishing:
            if step.name in self._results:
                return
            self._results[step.name] = result
        with contextlib.suppress(JournalLost):
            self._book.append(StepEnded(result.outcome, result.why), step=step.name)

    def _why_not(self, step: Step) -> str:
        if kind_named(step.uses).disturbs == "none":
            return ""
        self._shaken = self._shaken or self._frozen()
        if not self._shaken and self._disturbed:
            self._shaken = self._steady_before(step)
        return self._shaken

    def _started(self, step: Step, group: str) -> None:
        with contextlib.suppress(JournalLost):
            disturbs = kind_named(step.uses).disturbs
            self._book.append(StepStarted(step.uses, disturbs, group), step=step.name)

    def act(self, step: Step, deadline: Deadline) -> StepResult:
        """Run one step, here and now."""
        return self._attempt(step, deadline, self._run_kind)

    def _run_kind(self, step: Step, deadline: Deadline) -> None:
        act = self._act_of(step, deadline)
        kind_named(step.uses).run(self._bind(step, self._outputs), act)
        self._outputs[step.name] = dict(act.outputs)
        # Later steps go on from the last try.
        self._outputs[self._first.get(step.name, step.name)] = dict(act.outputs)

    def _look_again(self, step: Step, deadline: Deadline) -> None:
        act = self._act_of(step, deadline)
        kind_named(step.uses).look_again(self._bind(step, self._outputs), act)

    def _attempt(
        self, step: Step, deadline: Deadline, what: Callable[[Step, Deadline], None]
    ) -> StepResult:
        with step_of_record(step.name):
            try:
                what(step, deadline)
            except Refused as why:
                return StepResult("cut" if self._fence.closed.is_set() else "unknown", str(why))
            except (StepFailed, DeadlineOver) as why:
                return StepResult("failed", str(why))
            except DrillError as why:
                # A call that went wrong, a drill that does not fit, a lost journal: the step has
                # shown nothing.
                return StepResult("unknown", str(why))
            except Exception as bug:
                # A bug of ours or of a plug-in: the drill goes on to its clean-up, and nobody calls
                # it met.
                self._book.append(Progress(traceback.format_exc(limit=8)), durable=False)
                return StepResult("unknown", f"a bug in the step: {type(bug).__name__}: {bug}")
        return StepResult("ok")


def _seconds(entry: Step | Group) -> float | None:
    return entry.limit.total_seconds() if entry.limit else None
