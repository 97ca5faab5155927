"""`manual`: something that people do by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from drillkit.clients.people import NotPutBack, PutBack
from drillkit.clock import DeadlineOver, utc
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Refused, StepFailed
from drillkit.model.evidence import Activity, Note
from drillkit.model.prospect import Prospect
from drillkit.steps.base import Act, Kind
from drillkit.steps.disruption import DISRUPTED, begin, times_people
from drillkit.steps.proof import CHECKS, measures_return, prospect_of_checks, prove

SECTIONS = ("symptoms", "diagnosis", "resolution", "verification", "rollback", "contacts")
"""What a runbook has, as headings of its Markdown."""
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualArguments:
    do: str = ""
    """What to do, as Markdown."""
    runbook: str = ""
    """A Markdown file beside the drill, with the headings Symptoms, Diagnosis, Resolution,
    Verification, Rollback and Contacts.
    """
    runbook_text: str = ""
    """What stands in it: filled in when the drill is resolved, so that the report has what people
    were given.
    """
    undo: str = ""
    """How people take it back, as Markdown. They are asked for it at clean-up, and whoever does
    it says so.
    """
    disrupts: bool = False
    """What people do is itself the disaster, such as pulling a cable; its times run from then on.
    Without `undo` a protected target refuses it.
    """
    disrupted: datetime | None = None
    """When the disaster was that people recover from, such as `${steps.NAME.outputs.disrupted}` of
    an earlier step.
    """


class Manual(Kind[ManualArguments]):
    """Ask people to do something, and wait until somebody says that it is done.

    Only where people are: `drillkit gameday`; an unattended run is refused when it is planned. Who
    did it and when is in the journal. A person's word proves nothing: without `checks` that pass
    the report says whose word it is. `checks` run when it is done; the last that passes ends its
    RTO.
    """

    name = "manual"
    disturbs = "users"
    Arguments = ManualArguments
    needs = frozenset()
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = CHECKS
    asks_instances = True
    outputs = DISRUPTED
    embeds: ClassVar[Mapping[str, str]] = {"runbook": "runbook_text"}

    def prospect(self, arguments: ManualArguments, act: Act) -> Prospect:
        problems = list(self.offline(arguments).problems)
        if act.people is None:
            problems.append("a manual step needs people: start it with `drillkit gameday`")
        if arguments.disrupts and not arguments.undo and act.target.protected:
            problems.append(
                f"target `{act.target.name}` is protected: what people disrupt needs `undo:`"
            )
        undo = "people take it back by hand" if arguments.undo else "no undo is declared"
        first = instructions(arguments).strip().partition("\n")[0].strip("# .")
        checks = prospect_of_checks(act)
        notes = [] if act.checks else ["nothing checks it: there will be a person's word for it"]
        return replace(
            checks,
            effects=(f"people do by hand: {first}; {undo}",),
            problems=(*problems, *checks.problems),
            notes=(*checks.notes, *notes, *_lacking(arguments)),
        )

    def offline(self, arguments: ManualArguments) -> Prospect:
        if instructions(arguments).strip():
            return Prospect(notes=_lacking(arguments))
        return Prospect(problems=("expected instructions: `do` or `runbook`",))

    def run(self, arguments: ManualArguments, act: Act) -> None:
        if act.people is None:
            raise Refused("nobody is there to do it: start the drill with `drillkit gameday`")
        began = act.clock.mono()
        if arguments.undo:
            act.book.plan(PutBack(act.name, arguments.undo))
        elif arguments.disrupts:
            act.book.plan(NotPutBack(act.name))
        try:
            answer = act.people("manual", act.name, instructions(arguments), act.deadline)
        except DeadlineOver:
            self._seen(act, began, "cut", "nobody said that it is done", arguments)
            raise
        act.observe(Note(answer.by, _said(answer.done, answer.why), "manual-step"))
        if not answer.done:
            why = f"{answer.by}: {answer.why or 'not done'}"
            self._seen(act, began, "failed", why, arguments)
            raise StepFailed(why)
        disrupted = _disrupted(arguments, act)
        self._seen(act, began, "succeeded", "", arguments)
        prove(act, "what people did by hand", disrupted)

    def _seen(
        self, act: Act, began: float, outcome: str, error: str, arguments: ManualArguments
    ) -> None:
        found = Activity(
            "by hand",
            "method",
            "action",
            outcome,  # type: ignore[arg-type]  # three of its literals
            None,
            None,
            act.clock.mono() - began,
            error,
            undo_guaranteed=not (arguments.undo or arguments.disrupts),
        )
        act.observe(found)


def instructions(arguments: ManualArguments) -> str:
    """What people are given to read."""
    return "\n\n".join(part for part in (arguments.do, arguments.runbook_text) if part)


def _lacking(arguments: ManualArguments) -> tuple[str, ...]:
    if not arguments.runbook_text:
        return ()
    there = {found.lower() for found in _HEADING.findall(arguments.runbook_text)}
    lacking = [section for section in SECTIONS if section not in there]
    return (f"runbook {arguments.runbook} lacks: {', '.join(lacking)}",) if lacking else ()


def _said(done: bool, why: str) -> str:
    said = "done" if done else "not done"
    return f"{said}: {why}" if why else said


def _disrupted(arguments: ManualArguments, act: Act) -> datetime:
    """When the disaster was; marked where something is measured from it."""
    if arguments.disrupts:
        act.mark("disrupted")
    elif arguments.disrupted is not None or measures_return(act):
        return begin(act, arguments.disrupted)
    elif times_people(act.objectives):
        act.mark("disrupted", simulated=True)
    now = utc(act.clock.now())
    act.outputs["disrupted"] = now.isoformat()
    return now


KIND = Manual()
