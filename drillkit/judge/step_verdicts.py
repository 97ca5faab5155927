"""One verdict per step: its outcome, its evidence, its objectives and its own bounds.

A step that failed is violated (the restore did not come, the workload did not heal), unless the
reason is that the experiment was not carried out (an action failed or hit nothing, a condition was
missing): then nothing was learnt.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

from drillkit.judge.evidence import (
    PROVING_PURPOSES,
    is_restore,
    judge_evidence,
    passes,
    read_restored_data,
)
from drillkit.judge.fault_exposure import unseen
from drillkit.judge.objectives import StepTimes, measure
from drillkit.judge.run_history import RunRead, StepRun
from drillkit.judge.sample_stats import Samples
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import Activity, Check, Note
from drillkit.model.subjects import ActivityOf, ObjectiveOf, StepEnd, StepLack, step_of
from drillkit.model.verdict import Holds, Judged, StepVerdict, never_begun

Outcome = Literal["ok", "failed", "unknown", "skipped", "cut"]


@dataclass(frozen=True, slots=True)
class StepJudged:
    """A step's verdict and what it rests on."""

    verdict: StepVerdict
    proofs: tuple[Judged, ...] = ()
    not_proven: tuple[str, ...] = ()
    on_word_of: str = ""
    """Who says that it was done by hand, where no check has shown it."""


def judge_steps(run: RunRead, samples: Samples, bounds: list[Judged]) -> list[StepJudged]:
    """Every declared step, those that were never reached too. `bounds`: all bounds; a step's own
    are put into it.
    """
    return [_judge(run, samples, step, bounds) for step in run.steps.values()]


def _judge(run: RunRead, samples: Samples, step: StepRun, bounds: list[Judged]) -> StepJudged:
    if not step.touched:
        why = step.why or "the run ended before it"
        said = f"skipped: {why}" if step.refused else never_begun(why)
        verdict = StepVerdict(
            name=step.name,
            uses=step.uses,
            holds=Holds.UNKNOWN,
            outcome="skipped",
            why=why,
            started=step.started,
            ended=step.ended,
            group=step.group,
            judged=(_ended(step, said, Holds.UNKNOWN),),
        )
        return StepJudged(verdict, not_proven=(f"step {step.name} was {said}",))
    proofs, conditions = judge_evidence(step.name, step.evidence)
    times = measure(run, step, samples)
    proofs += times.judged
    own = [bound for bound in bounds if step_of(bound.about) == step.name]
    outcome = _outcome(step)
    if not _carried_out(step):
        # What holds although nothing was done would have held anyway.
        conditions += [proof for proof in proofs if isinstance(proof.about, ActivityOf)]
        proofs = [proof for proof in proofs if not isinstance(proof.about, ActivityOf)]
    everything = [*proofs, *conditions, *own, *_lacking(step), *_unseen(run, samples, step)]
    why = _why(step, outcome)
    if outcome != "ok":
        everything.append(_outcome_judged(step, outcome, why, _of_outcome(outcome, conditions)))
    verdict = _verdict(step, outcome, why, everything, times)
    return StepJudged(verdict, tuple(proofs), _not_proven(step, times), _on_word_of(step))


def _carried_out(step: StepRun) -> bool:
    """Whether a step with activities did anything with them."""
    return step.acted or not any(isinstance(seen.what, Activity) for seen in step.evidence)


def _outcome(step: StepRun) -> Outcome:
    return cast(Outcome, step.outcome) if step.outcome in get_args(Outcome) else "unknown"


def _outcome_judged(step: StepRun, outcome: Outcome, why: str, holds: Holds) -> Judged:
    return _ended(step, f"{outcome}: {why}" if why else outcome, holds)


def _ended(step: StepRun, observed: str, holds: Holds) -> Judged:
    return Judged(
        about=StepEnd(step.name),
        holds=holds,
        expected="ok",
        observed=observed,
        records=step.records,
    )


def _of_outcome(outcome: Outcome, conditions: list[Judged]) -> Holds:
    """What a step that did not end well says by itself."""
    explained = any(judged.holds is not Holds.MET for judged in conditions)
    return Holds.VIOLATED if outcome == "failed" and not explained else Holds.UNKNOWN


def _lacking(step: StepRun) -> list[Judged]:
    """Declared checks that did not run, and a restore whose data nobody read."""
    found = []
    declared = len(step.declared.checks) if step.declared else 0
    ran = {
        s.what.name
        for s in step.evidence
        if isinstance(s.what, Check) and s.what.purpose in PROVING_PURPOSES
    }
    if len(ran) < declared:
        missing = Judged(
            about=StepLack(step.name, "checks"),
            holds=Holds.UNKNOWN,
            expected=f"{declared} declared checks run",
            observed=f"{len(ran)} ran; a skipped check proves nothing",
        )
        found.append(missing)
    if is_restore(step) and not read_restored_data(step):
        unread = Judged(
            about=StepLack(step.name, "restored-data"),
            holds=Holds.UNKNOWN,
            expected="a passing check that read restored data",
            observed=_who_read(step),
        )
        found.append(unread)
    return found


def _unseen(run: RunRead, samples: Samples, step: StepRun) -> list[Judged]:
    """What it put in and nobody is known to have met. Of a step that did not end well more is
    amiss, and told already.
    """
    if step.outcome != "ok":
        return []
    return [
        Judged(
            about=StepLack(step.name, "felt"),
            holds=Holds.UNKNOWN,
            expected="requests that meet what was injected",
            observed=why,
        )
        for why in unseen(run, samples, step)
    ]


def _who_read(step: StepRun) -> str:
    """That nobody read restored data, and what passed instead."""
    others = [
        seen.what
        for seen in step.evidence
        if isinstance(seen.what, Check) and seen.what.purpose == "step" and passes(seen.what)
    ]
    said = [f"{check.name}: {check.why}" for check in others[:2] if check.why]
    return "; ".join(["nobody read the restored data", *said])


def _not_proven(step: StepRun, times: StepTimes) -> tuple[str, ...]:
    activities = [s.what for s in step.evidence if isinstance(s.what, Activity)]
    loose = sorted({a.name for a in activities if not a.undo_guaranteed})
    found = [
        f"that what {name} of step {step.name} did is undone: undo not guaranteed" for name in loose
    ]
    if who := _on_word_of(step):
        found.append(f"that step {step.name} was done: there is only the word of {who}, no check")
    declared = [
        judged.about.objective.upper() if judged.about.objective != "recovery" else "recovery time"
        for judged in times.judged
        if isinstance(judged.about, ObjectiveOf) and "simulated disruption" in judged.note
    ]
    if declared:
        found.append(
            f"{' and '.join(declared)} of step {step.name} in a real disaster: the disruption was "
            "simulated, so nothing was really lost"
        )
    return tuple(found)


def _on_word_of(step: StepRun) -> str:
    """Who says that something was done by hand which no check has shown, or ''."""
    words = [
        seen.what
        for seen in step.evidence
        if isinstance(seen.what, Note) and seen.what.about == "manual-step"
    ]
    passed = any(
        isinstance(seen.what, Check)
        and seen.what.purpose in PROVING_PURPOSES
        and passes(seen.what) is True
        for seen in step.evidence
    )
    return "" if passed else " and ".join(dict.fromkeys(note.by for note in words))


def _why(step: StepRun, outcome: Outcome) -> str:
    if not step.outcome:
        return "it did not end: the run was cut off"
    return (
        step.why
        if outcome == step.outcome
        else f"an outcome that this version does not know: {step.outcome}"
    )


def _verdict(
    step: StepRun, outcome: Outcome, why: str, everything: list[Judged], times: StepTimes
) -> StepVerdict:
    hit = [
        t
        for s in step.evidence
        if isinstance(s.what, Activity) and s.what.kind == "action"
        for t in s.what.targets
    ]
    holds = Holds.worst(judged.holds for judged in everything) if everything else Holds.MET
    return StepVerdict(
        name=step.name,
        uses=step.uses,
        holds=holds,
        outcome=outcome,
        why=why,
        started=step.started,
        ended=step.ended,
        judged=tuple(everything),
        group=step.group,
        hit=tuple(dict.fromkeys(hit)),
        recovery_s=times.recovery_s,
        detect_s=times.detect_s,
        acknowledge_s=times.acknowledge_s,
        mitigate_s=times.mitigate_s,
        rto_s=times.rto_s,
        rpo_s=times.rpo_s,
        split_s=times.split_s,
    )
