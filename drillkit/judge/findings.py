"""What somebody should act on, or what kept something from being proven; each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

from drillkit.judge.advice import RUNNERS_GUARDS, advice
from drillkit.judge.attribution import fault_before
from drillkit.judge.run_history import RunRead
from drillkit.judge.sample_stats import Samples
from drillkit.model.audit import Audit, Remedy, stated
from drillkit.model.evidence import Note
from drillkit.model.subjects import BoundOf, GateOf, GuardOf, StepEnd, UndoOf, WholeRun, step_of
from drillkit.model.verdict import Finding, Holds, Judged


def findings(
    run: RunRead, samples: Samples, judged: Iterable[Judged], refused: str
) -> tuple[Finding, ...]:
    """Everything that is not met, the violated first, then the action items that people noted."""
    missed = [j for j in judged if j.holds is not Holds.MET]
    owner = run.drill.owner if run.drill else ""
    said = audit_of(run)
    found = [
        Finding(
            holds=j.holds,
            about=j.about,
            expected=j.expected,
            observed=_in_full(j),
            records=j.records,
            owner=owner,
            advice=advice(j),
            fault=_fault(run, samples, j),
            due=_due(run, said.remedy, j.holds),
            severity="high" if j.holds is Holds.VIOLATED else "medium",
            ticket=said.tickets.get(str(j.about), ""),
        )
        for j in (_refusals(missed) if refused else _causes(missed))
    ]
    found.sort(key=lambda finding: finding.holds is not Holds.VIOLATED)
    return (*found, *_to_do(run, owner))


def audit_of(run: RunRead) -> Audit:
    """What drill and target say for auditors."""
    drill, target = run.drill, run.opened.target
    return stated(drill.audit if drill else Audit(), target.audit if target else Audit())


def _due(run: RunRead, remedy: Remedy, holds: Holds) -> date | None:
    """By when it must be mended; None: nobody says."""
    within = remedy.violated if holds is Holds.VIOLATED else remedy.unknown
    if within is None:
        return None
    try:
        return (datetime.fromtimestamp(run.ended_at, UTC) + within).date()
    except (ValueError, OverflowError, OSError):
        return None


def _to_do(run: RunRead, owner: str) -> Iterator[Finding]:
    everything = [*run.evidence, *(seen for step in run.steps.values() for seen in step.evidence)]
    for seen in everything:
        if isinstance(seen.what, Note) and seen.what.about == "action-item":
            yield Finding(
                holds=Holds.MET,
                about=WholeRun("action-item"),
                expected="done",
                observed=f"{seen.what.text} ({seen.what.by})",
                records=(seen.n,),
                owner=seen.what.owner or owner,
                due=seen.what.due,
                severity="low",
            )


def _causes(missed: list[Judged]) -> list[Judged]:
    """Without the bad end of a step where something else of that step says why, and is as bad."""
    explained = {
        (StepEnd(step_of(j.about)), j.holds) for j in missed if not isinstance(j.about, StepEnd)
    }
    return [j for j in missed if (j.about, j.holds) not in explained]


def _refusals(missed: list[Judged]) -> list[Judged]:
    """Why a drill was refused, once: steps that did not run and bounds that nobody could decide
    follow from it, and older journals say `start` beside the guard or gate that it repeats.
    """
    reasons = [j for j in missed if isinstance(j.about, GuardOf | GateOf)]
    named = [
        j for j in reasons if not (isinstance(j.about, GuardOf) and j.about.guard in RUNNERS_GUARDS)
    ]
    left = [j for j in missed if isinstance(j.about, UndoOf | WholeRun) and not _follows(j)]
    return [*(named or reasons), *left]


def _follows(judged: Judged) -> bool:
    return judged.about in (WholeRun("declared"), WholeRun("steps"))


def _fault(run: RunRead, samples: Samples, judged: Judged) -> str:
    if judged.holds is not Holds.VIOLATED or not isinstance(judged.about, BoundOf):
        return ""
    return fault_before(run, samples, judged.about)


def _in_full(judged: Judged) -> str:
    beside = "; ".join(part for part in (judged.note, judged.doubt) if part)
    return f"{judged.observed} ({beside})" if beside else judged.observed
