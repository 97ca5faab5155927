"""From a history to a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from drillkit.judge.bounds import judge_bounds
from drillkit.judge.evidence import judge_evidence
from drillkit.judge.findings import findings
from drillkit.judge.gate_verdicts import Gated, judge_gates, judge_guards
from drillkit.judge.headline import headline, not_proven
from drillkit.judge.run_history import RunRead, read_run
from drillkit.judge.run_outcome import aborted, refusal, shortcomings, touched
from drillkit.judge.sample_stats import observe_samples, summaries
from drillkit.judge.step_verdicts import StepJudged, judge_steps
from drillkit.judge.undo_proof import undo_states
from drillkit.model.records import History
from drillkit.model.subjects import GuardOf
from drillkit.model.verdict import ExitCode, Holds, Judged, Verdict


def judge(history: History) -> Verdict:
    """The verdict on a run: pure, and the same for the same history on any machine at any time.

    `met < unknown < violated`; the worst of everything that decides wins. Exit codes: 0 met, 1
    violated, 3 unknown, 4 refused with nothing touched, 5 undos are open (outranks the rest). Never
    raises for what is in a history: what cannot be read makes the verdict unknown.
    """
    run = read_run(history)
    samples = observe_samples(history, run)
    undos = undo_states(run)
    bounds = judge_bounds(run, samples)
    steps = judge_steps(run, samples, bounds)
    gates, guards = judge_gates(run, samples), judge_guards(run)
    run_proofs, run_conditions = judge_evidence("", run.evidence)
    refused = refusal(run, guards, gates)
    proofs = _proofs(run_proofs, bounds, steps, gates)
    of_steps = len(run_proofs) + sum(len(step.proofs) for step in steps)
    abort = aborted(run)
    lacking = shortcomings(run, samples, undos, proofs, of_steps, refused)
    others = [*([abort] if abort else []), *lacking, *run_proofs, *run_conditions]
    weighed = _weighed(run, gates, guards)
    decisive = [*others, *bounds, *weighed, *(j for s in steps for j in s.verdict.judged)]
    holds = Holds.worst([*(j.holds for j in decisive), *(s.verdict.holds for s in steps)])
    if refused or not touched(run):
        holds = Holds.worst([holds, Holds.UNKNOWN])
    slis = summaries(samples, run)
    bounded = bool(bounds)
    unique = list({(j.about, j.observed): j for j in decisive}.values())
    exit_code = _exit_code(holds, refused, dirty=any(undo.outcome == "open" for undo in undos))
    return Verdict(
        run=run.opened.run,
        drill=run.opened.drill_name,
        target=run.opened.target_name,
        holds=holds,
        exit_code=exit_code,
        headline=headline(holds, refused, unique, steps, slis, undos, bounded or not touched(run)),
        owner=run.drill.owner if run.drill else "",
        operator=run.opened.operator,
        began=_date(history[0].at) if history else None,
        ended=_date(history[0].at + run.end - history[0].mono) if history else None,
        refused=refused,
        aborted=abort.observed.removeprefix("aborted by ") if abort else "",
        crashed=run.crashed,
        gates=tuple(g.judged for g in (*guards, *gates)),
        bounds=tuple(bounds),
        steps=tuple(s.verdict for s in steps),
        slis=slis,
        undos=undos,
        findings=findings(run, samples, unique, refused),
        not_proven=not_proven(run, steps, bounded, slis),
    )


def _date(at: float) -> datetime | None:
    """A moment as a date; None for one that no calendar has (a damaged journal)."""
    try:
        return datetime.fromtimestamp(round(at, 3), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _weighed(run: RunRead, gates: list[Gated], guards: list[Gated]) -> list[Judged]:
    """Gates and guards with the weight they have in the verdict; an abort guard speaks through
    the abort.
    """
    found = []
    for gated in (*gates, *guards):
        judged = gated.judged
        if isinstance(judged.about, GuardOf) and judged.about.place == "abort":
            continue
        found.append(
            judged if judged.holds is gated.weight else replace(judged, holds=gated.weight)
        )
    return found


def _proofs(
    run_proofs: list[Judged], bounds: list[Judged], steps: list[StepJudged], gates: list[Gated]
) -> int:
    """How many things were declared and decided that can prove anything at all."""
    declared = [*run_proofs, *bounds, *(proof for step in steps for proof in step.proofs)]
    return len(declared) + sum(gate.proves for gate in gates)


def _exit_code(holds: Holds, refused: str, *, dirty: bool) -> ExitCode:
    if dirty:
        return 5
    if refused:
        return 4
    return {Holds.MET: 0, Holds.UNKNOWN: 3, Holds.VIOLATED: 1}[holds]  # type: ignore[return-value]
