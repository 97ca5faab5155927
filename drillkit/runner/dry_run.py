"""A plan alone: what `drillkit plan` and `--dry-run` show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from drillkit.clients import Clients
from drillkit.clock import Deadline, Fence, SystemClock
from drillkit.journal.book import E, Planned
from drillkit.model.drill import Drill, Step, Target
from drillkit.model.errors import Refused
from drillkit.model.records import Entry
from drillkit.plan import Plan, survey
from drillkit.runner.run_start import learn_secrets
from drillkit.steps.base import Act, Experiment, RunNames

LOOK_S = 60.0
"""Looking takes no longer than this."""


class NoBook:
    """Takes no plans: whoever only looks has nothing to undo."""

    def append(self, entry: Entry, *, durable: bool = True, step: str | None = None) -> int:
        """Nothing is kept."""
        return 0

    def plan(self, effect: E) -> Planned[E]:
        """Always raises Refused."""
        raise Refused(f"this only looks; {effect.resource} is left alone")


def plan_only(
    drill: Drill,
    target: Target,
    names: RunNames,
    bind: Callable[[Step, None], object | None],
    find_experiment: Callable[[str], Experiment],
) -> Plan:
    """What the drill would do to the target. Touches nothing: the fence of its clients
    is closed.
    """
    learn_secrets(drill, find_experiment)
    clock, fence = SystemClock(), Fence()
    fence.close("this only looks")
    clients = Clients(target, clock, fence)

    def act_of(step: Step) -> Act:
        return Act(
            name=step.name,
            run=names,
            target=target,
            book=NoBook(),
            clients=clients,
            clock=clock,
            fence=Fence(),
            deadline=Deadline.after(LOOK_S, clock),
            folder=Path(),
            find_experiment=find_experiment,
            objectives=step.objectives,
            checks=step.checks,
        )

    return survey(drill, target, clients, act_of, lambda step: bind(step, None))
