"""`command`: a program of the user's, such as `terraform apply` or `kubectl apply -k`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Literal

from drillkit.clients.access import not_handed_on
from drillkit.clients.command import NoUndoDeclared, Program, UndoCommand, start
from drillkit.clients.programs import does_nothing
from drillkit.clock import utc
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.model.evidence import Activity
from drillkit.model.prospect import Prospect
from drillkit.steps.base import Act, Kind
from drillkit.steps.disruption import DISRUPTED, begin, times_people
from drillkit.steps.proof import CHECKS, measures_return, prospect_of_checks, prove


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandArguments:
    run: tuple[str, ...]
    """The program and its arguments; no shell is involved."""
    undo: tuple[str, ...] = ()
    """What undoes it. Runs at clean-up whether or not `run` succeeded, so it must tolerate that
    nothing happened.
    """
    folder: str = "."
    """Where both run; from here, where `drillkit run` is typed."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment; a value may be a reference (`env:NAME`, `file:PATH`)."""
    disrupted: datetime | None = None
    """When the disaster was that the command recovers from, such as
    `${steps.NAME.outputs.disrupted}` of an earlier step. Default: its own start, and with an RTO
    the disruption counts as simulated.
    """


class Command(Kind[CommandArguments]):
    """Run a program. It must end with 0 before the step's limit; its output is kept with the run.

    It is given the way to the target and no other: a kubeconfig with one context, AWS profile and
    region; nothing of the operator's own. It ends with the run at the latest, even if that is
    killed. Without `undo:` the report says that nothing undoes it, and protected targets refuse it.
    `checks` are run when it has ended: `http` (a URL), `command`, and those of a database
    (`instance:`). The last that passes ends its RTO.
    """

    name = "command"
    disturbs = "users"
    Arguments = CommandArguments
    needs = frozenset()
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = CHECKS
    asks_instances = True
    outputs = DISRUPTED

    def prospect(self, arguments: CommandArguments, act: Act) -> Prospect:
        undo = (
            f"undone by `{' '.join(arguments.undo)}`" if arguments.undo else "no undo is declared"
        )
        problems = [
            why
            for program in _programs(arguments)
            for why in (program.missing(), *program.elsewhere(act.target))
            if why
        ]
        if not arguments.undo and act.target.protected:
            problems.append(
                f"target `{act.target.name}` is protected: a command without `undo:` is refused"
            )
        effects = (f"runs `{' '.join(arguments.run)}`; {undo}",)
        checks = prospect_of_checks(act)
        idle = f"`{arguments.run[0]}` does nothing that could be felt, so it proves nothing"
        idles = does_nothing(arguments.run, arguments.folder)
        notes = ((idle,) if idles else ()) + not_handed_on(arguments.env)
        return replace(
            checks,
            effects=effects,
            programs=tuple(f"`{each[0]}`" for each in (arguments.run, arguments.undo) if each),
            problems=(*problems, *checks.problems),
            notes=(*checks.notes, *notes),
        )

    def offline(self, arguments: CommandArguments) -> Prospect:
        """A folder belongs to the drill, a program to the machine that will run it."""
        programs = [*_programs(arguments)]
        if wrong := tuple(filter(None, (program.unspeakable() for program in programs))):
            return Prospect(problems=wrong[:1])
        missing = [program.missing() for program in programs]
        found = tuple(dict.fromkeys(why for why in missing if why))
        if os.path.isdir(arguments.folder):
            return Prospect(notes=tuple(f"on this machine {why}" for why in found))
        return Prospect(problems=found[:1])

    def run(self, arguments: CommandArguments, act: Act) -> None:
        disrupted = _disrupted(arguments, act)
        self._run(arguments, act)
        prove(act, f"what `{arguments.run[0]}` left", disrupted)

    def _run(self, arguments: CommandArguments, act: Act) -> None:
        began = act.clock.mono()
        program = Program(arguments.run, arguments.folder, arguments.env).here()
        plan: Planned[UndoCommand] | Planned[NoUndoDeclared]
        if arguments.undo:
            undo = UndoCommand(act.name, arguments.undo, program.folder, arguments.env)
            plan = act.book.plan(undo)
        else:
            plan = act.book.plan(NoUndoDeclared(act.name, arguments.run[0]))
        ended = start(plan, program, act.clients, act.deadline, act.cut)
        cut = ended.cut or act.fence.closed.is_set()
        error = "" if ended.code == 0 else f"ended with {ended.code}: {ended.last_line}"
        outcome: Literal["succeeded", "cut", "failed"] = "cut" if cut else "failed"
        if ended.code == 0:
            outcome = "succeeded"
        took_s = act.clock.mono() - began
        act.attach(f"{act.name}.txt", "text/plain", ended.output)
        guaranteed = bool(arguments.undo)
        act.observe(
            Activity(
                arguments.run[0],
                "method",
                "action",
                outcome,
                0 if does_nothing(arguments.run, program.folder) else None,
                None,
                took_s,
                error,
                undo_guaranteed=guaranteed,
            )
        )
        if ended.code != 0:
            raise StepFailed(
                f"`{arguments.run[0]}` {error}"
                + (" (cut at the step's limit)" if ended.cut else "")
            )


def _programs(arguments: CommandArguments) -> list[Program]:
    commands = [arguments.run, *([arguments.undo] if arguments.undo else [])]
    return [Program(command, arguments.folder, arguments.env) for command in commands]


def _disrupted(arguments: CommandArguments, act: Act) -> datetime:
    """When the disaster was; marked where something is measured from it."""
    if arguments.disrupted is not None or measures_return(act):
        return begin(act, arguments.disrupted)
    now = utc(act.clock.now())
    act.outputs["disrupted"] = now.isoformat()
    if times_people(act.objectives):
        act.mark("disrupted")
    return now


KIND = Command()
