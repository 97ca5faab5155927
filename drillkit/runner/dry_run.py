"""A look ahead: what `drillkit plan` and `--dry-run` show. Whatever keeps a run from starting is
found by the code that a run uses.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from drillkit.clients import Clients
from drillkit.clock import Clock, Deadline, Fence, SystemClock, utc
from drillkit.journal.book import E, Planned
from drillkit.journal.file import Journal
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Step
from drillkit.model.errors import Denied, DrillError, Refused, WrongTarget
from drillkit.model.records import Entry
from drillkit.model.requests import Answer
from drillkit.model.target import Target
from drillkit.model.verdict import Holds
from drillkit.plan import Plan, survey
from drillkit.plan.clocks import clock_apart
from drillkit.runner.abort import Stopper
from drillkit.runner.no_metrics import metrics_of
from drillkit.runner.recover import leftovers, nothing_left
from drillkit.runner.run_start import learn_secrets
from drillkit.runner.start_guards import Decision, decisions
from drillkit.steps.base import Act

if TYPE_CHECKING:
    from drillkit.runner.request import Request

LOOK_S = 60.0
"""Looking takes no longer than this."""
SCRAPED_S = 10.0
"""A metrics server that has just begun to scrape has something by then."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do and whether it would begin now."""

    plan: Plan
    decisions: tuple[Decision, ...]
    """What its window and the guards of its start say now."""
    problems: tuple[str, ...]
    """Everything that keeps it from starting."""


class NoBook:
    """Takes no plans: whoever only looks has nothing to undo."""

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        """Nothing is kept."""
        return 0

    def plan(self, effect: E) -> Planned[E]:
        """Always raises Refused."""
        raise Refused(f"this only looks; {effect.resource} is left alone")


def dry_run(request: Request) -> DryRun:
    """What a run of the request would do to its target, and what keeps it from starting. Touches
    nothing: the fence of its clients is closed. Raises UsageError where there is no temporary
    folder.
    """
    learn_secrets(request.drill, request.find_experiment)
    clock = SystemClock()
    decided, problems = _start(request, clock)
    plan = _plan(request, clock)
    lock = _no_lock(request.target, clock)
    plan = replace(plan, notes=(*plan.notes, *clock_notes(request.target, clock)))
    return DryRun(plan, decided, (*problems, *plan.problems, *lock))


def unfinished_runs(target: str) -> Iterator[str]:
    """Why earlier runs keep a new one from starting on a target."""
    for run in leftovers(target):
        if not nothing_left(run):
            yield (
                f"an earlier run left target `{target}` unfinished: {run.id} in {run.folder}. "
                f"Clean it up first: drillkit recover {run.id} (or add --recover)"
            )


def _start(request: Request, clock: Clock) -> tuple[tuple[Decision, ...], list[str]]:
    """What window, guards and metrics say now. What they read is written to a journal that nobody
    keeps.
    """
    with tempfile.TemporaryDirectory(prefix="drillkit-plan-") as folder:
        journal = Journal(Path(folder) / "journal.jsonl", clock=clock)
        try:
            stopper = Stopper(journal, journal.fence)
            metrics = metrics_of(
                request.drill, request.slos, request.target, journal, clock, stopper
            )
            metrics.open()
            now = utc(clock.now())
            decided = tuple(decisions(request.drill, now, request.freezes, metrics.start_guard))
            unreadable = list(metrics.unreadable(SCRAPED_S))
        finally:
            journal.close()
    said = [f"{d.guard}: {d.why}" for d in decided if d.holds is not Holds.MET]
    return decided, [*unfinished_runs(request.target.name), *said, *unreadable]


def plan_of(request: Request) -> Plan:
    """What a run of the request would do to its target, whether or not it may start now. Touches
    nothing.
    """
    learn_secrets(request.drill, request.find_experiment)
    return _plan(request, SystemClock())


def looking(target: Target, clock: Clock | None = None) -> Clients:
    """Clients that change nothing."""
    clock = clock or SystemClock()
    fence = Fence()
    fence.close("this only looks")
    return Clients(target, clock, fence)


def _no_lock(target: Target, clock: Clock) -> tuple[str, ...]:
    """Why a run could not take its lock now."""
    if target.kubernetes is None:
        return ()
    try:
        looking(target, clock).kube.rehearse_lease(target.kubernetes.namespace)
    except (Denied, WrongTarget):
        return ()  # told already: as a permission that is missing, as another cluster
    except DrillError as why:
        return (str(why),)
    return ()


def clock_notes(target: Target, clock: Clock) -> Iterator[str]:
    """Clocks that are too far apart for what is measured between them."""
    if target.kubernetes is None:
        return
    try:
        offset_s = looking(target, clock).kube.clock_offset_s()
    except DrillError:
        return  # told already: a cluster that does not answer keeps the run from starting
    if said := clock_apart("the cluster's", offset_s):
        yield f"{said}: an RPO is uncertain by as much"


def _plan(request: Request, clock: Clock) -> Plan:
    clients = looking(request.target, clock)

    def act_of(step: Step) -> Act:
        return Act(
            name=step.name,
            run=request.names,
            target=request.target,
            book=NoBook(),
            clients=clients,
            clock=clock,
            fence=Fence(),
            deadline=Deadline.after(LOOK_S, clock),
            folder=Path(),
            find_experiment=request.find_experiment,
            objectives=step.objectives,
            checks=step.checks,
            people=_nobody_is_asked if request.attended else None,
            allow_unsafe=request.allow_unsafe,
        )

    attended = request.attended
    return survey(request.drill, request.target, clients, act_of, request.bind, attended=attended)


def _nobody_is_asked(
    about: Literal["manual", "undo"], step: str, text: str, deadline: Deadline
) -> Answer:
    """Stands for the people of a game day. Always raises Refused: this only looks."""
    raise Refused(f"this only looks; nobody is asked to do {step} by hand")
