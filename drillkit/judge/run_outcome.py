"""How a run ended, apart from what it measured: refused, aborted, crashed, dirty, unreadable."""

from __future__ import annotations

from typing import Literal

from drillkit.judge.advice import RUNNERS_GUARDS
from drillkit.judge.fault_exposure import felt_by_nobody
from drillkit.judge.gate_verdicts import Gated
from drillkit.judge.run_history import RunRead
from drillkit.judge.sample_stats import Samples
from drillkit.model.subjects import GateOf, GuardOf, UndoOf, WholeRun
from drillkit.model.verdict import Holds, Judged, UndoState

_PROVING_ABORTS = ("guard", "bound")
"""Who aborts because the service suffers; everybody else's abort only leaves things unproven."""


def touched(run: RunRead) -> bool:
    """Whether any step did or may have done anything."""
    return run.may_have_touched or any(step.touched for step in run.steps.values())


def refusal(run: RunRead, guards: list[Gated], gates: list[Gated]) -> str:
    """Why nothing was touched: the start guard, the gate before or the experiment's own steady
    state that did not hold; '' if it was otherwise.
    """
    if touched(run) or run.aborts:
        return ""
    for judged in (gated.judged for gated in (*guards, *gates)):
        if judged.holds is Holds.MET:
            continue
        match judged.about:
            case GuardOf(place="start", guard=guard):
                # The runner's own say what they looked at; a declared one is named.
                own = guard in RUNNERS_GUARDS or judged.observed.startswith(guard)
                return judged.observed if own else f"{guard}: {judged.observed}"
            case GateOf(place="before", sli=sli, step=""):
                return f"{sli} before: expected {judged.expected}, observed {judged.observed}"
    for step in run.steps.values():
        if step.refused:
            return f"step `{step.name}`: {step.why}"
    return ""


def aborted(run: RunRead) -> Judged | None:
    """The abort and what it means: violated when a declared bound or guard stopped the run,
    else unknown.
    """
    if not run.aborts:
        return None
    seen = run.aborts[0]
    by, why = seen.what.by, seen.what.why
    holds = Holds.UNKNOWN
    if by in _PROVING_ABORTS:
        said = [guard.what.holds for guard in run.guards if guard.what.place == "abort"]
        # A guard that stopped because nobody could see any more has proven nothing.
        blind = bool(said) and Holds.VIOLATED not in said
        holds = Holds.UNKNOWN if blind else Holds.VIOLATED
    return Judged(
        about=WholeRun("abort"),
        holds=holds,
        expected="the drill runs to its end",
        observed=f"aborted by {by}: {why}",
        records=(seen.n,),
    )


def shortcomings(
    run: RunRead,
    samples: Samples,
    undos: tuple[UndoState, ...],
    proofs: int,
    of_steps: int,
    refused: str,
) -> list[Judged]:
    """What makes any verdict at least unknown. `proofs`: how much was declared and decided at all;
    `of_steps`: how much of that the steps themselves gave, such as checks of restored data.
    """
    found = []
    if run.crashed:
        seen = "recovered afterwards" if run.recovered else "not recovered yet"
        found.append(_unknown("end", "the run ends by itself", f"the run was cut off, {seen}"))
    if run.drill is None:
        found.append(
            _unknown("opening", "record 1 with the drill", "no drill that this version can read")
        )
    if run.unreadable:
        first = "; ".join(why for _, why in run.unreadable[:3])
        more = f" and {len(run.unreadable) - 3} more" if len(run.unreadable) > 3 else ""
        found.append(
            Judged(
                about=WholeRun("journal"),
                holds=Holds.UNKNOWN,
                expected="records that this version understands",
                observed=f"not understood: {first}{more}",
                records=tuple(n for n, _ in run.unreadable[:20]),
            )
        )
    found += _not_proven_gone(undos)
    found += [
        Judged(
            about=WholeRun("journal"),
            holds=Holds.UNKNOWN,
            expected="a journal that tells everything",
            observed=f"{seen.what.by} looked after what it cannot tell: {seen.what.why}",
            records=(seen.n,),
        )
        for seen in run.settled
    ]
    if not proofs and not refused:
        why = (
            "nothing declared that could be proven: no bound, objective, check or gate after "
            "was decided"
        )
        found.append(_unknown("declared", "a bound, objective or check", why))
    elif touched(run) and not of_steps and (why := _nothing_tested(run, samples)):
        found.append(_unknown("steps", "a step that does something", why))
    return found


def _not_proven_gone(undos: tuple[UndoState, ...]) -> list[Judged]:
    """Effects whose undo is open; after them those that somebody says to have undone."""
    found = [
        _undo(undo, f"its undo is open{': ' + undo.detail if undo.detail else ''}")
        for undo in undos
        if undo.outcome == "open"
    ]
    found += [
        _undo(undo, f"undone by hand, on the word of {undo.detail}", by_hand=True)
        for undo in undos
        if undo.outcome == "by-hand"
    ]
    return found


def _undo(undo: UndoState, observed: str, *, by_hand: bool = False) -> Judged:
    return Judged(
        about=UndoOf(undo.resource, by_hand=by_hand),
        holds=Holds.UNKNOWN,
        expected="undone",
        observed=observed,
        records=(undo.record,),
    )


def _nothing_tested(run: RunRead, samples: Samples) -> str:
    """Why what holds would have held without any step, or ''."""
    acted = [step for step in run.steps.values() if step.acted]
    if not acted:
        return "no step did anything that could have been felt, so nothing was tested"
    return felt_by_nobody(run, samples, acted)


def _unknown(
    part: Literal["end", "opening", "declared", "steps"], expected: str, observed: str
) -> Judged:
    return Judged(about=WholeRun(part), holds=Holds.UNKNOWN, expected=expected, observed=observed)
