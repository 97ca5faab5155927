"""How much was lost: from the newest record in restored data to the disruption."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from drillkit.judge.bounds import ROUNDING_S
from drillkit.judge.clocks import OFFSET_S, Clocks
from drillkit.judge.run_history import RunRead, StepRun
from drillkit.judge.step_marks import StepMarks
from drillkit.model.evidence import Backup, RecoveryPoint
from drillkit.model.subjects import ObjectiveOf
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Judged

FUTURE_SLACK_S = 5.0
"""A record may be so much younger than the mark of its restore."""


def recovery_point(
    run: RunRead, step: StepRun, marks: StepMarks, limit: timedelta | None
) -> tuple[float | None, Judged | None]:
    """From the newest record found in the restored data to the disruption.

    A heartbeat (canary) is exact. The newest row is only a lower bound of the recovery point:
    nothing may have been written after it, so a miss proves nothing. What a provider promises
    bounds the loss from below, so it can prove a miss and nothing else.

    In a disaster the newest backup is restored, so one that was drawn tells nothing of its age.
    """
    if any(isinstance(seen.what, Backup) and seen.what.how == "random" for seen in step.evidence):
        return None, _not_measured(step, limit, "the backup was drawn at random")
    best = _best_point(step)
    if best is None:
        return None, _not_measured(step, limit, "no record was found in the restored data")
    point, n = best
    disrupted = _when(point.disrupted) if point.disrupted else marks.date_of_disruption()
    if disrupted is None:
        return None, _not_measured(step, limit, "nothing says when the disruption was")
    clocks = Clocks() if point.same_clock else Clocks.of_far_sides(run)
    loss_s = disrupted - _when(point.at) + clocks.nominal_s
    measured = max(0.0, loss_s) if point.measured else None
    if limit is None:
        return measured, None
    within = clocks.decide(loss_s, limit.total_seconds() + ROUNDING_S)
    holds, by = _by_basis(point, within)
    doubt = clocks.doubt if within is Holds.UNKNOWN else ""
    if impossible := _from_the_future(point, marks, clocks):
        holds, doubt, measured = Holds.UNKNOWN, impossible, None
    notes = [by, clocks.note, "simulated disruption" if marks.simulated else ""]
    if loss_s < -OFFSET_S:
        notes.append(f"the restored data reach {format_duration(-loss_s)} past the disruption")
    return measured, Judged(
        about=ObjectiveOf(step.name, "rpo"),
        holds=holds,
        expected=f"at most {format_duration(limit)}",
        observed=f"RPO {format_duration(max(0.0, loss_s))}",
        note="; ".join(part for part in notes if part),
        doubt=doubt,
        records=(n,),
    )


def _not_measured(step: StepRun, limit: timedelta | None, why: str) -> Judged | None:
    if limit is None:
        return None
    return Judged(
        about=ObjectiveOf(step.name, "rpo"),
        holds=Holds.UNKNOWN,
        expected=f"at most {format_duration(limit)}",
        observed=f"not measured: {why}",
    )


def _best_point(step: StepRun) -> tuple[RecoveryPoint, int] | None:
    """The first heartbeat, else the first newest row, else what was promised last; and the number
    of its record.
    """
    points = [(seen.what, seen.n) for seen in step.evidence if isinstance(seen.what, RecoveryPoint)]
    for basis in ("canary", "newest-row"):
        for point, n in points:
            if point.basis == basis:
                return point, n
    return points[-1] if points else None


def _by_basis(point: RecoveryPoint, within: Holds) -> tuple[Holds, str]:
    """What a point of its kind proves, where its loss alone would say `within`; and a note."""
    if point.basis == "canary":
        return within, "by the heartbeat"
    if point.basis == "newest-row":
        holds = Holds.MET if within is Holds.MET else Holds.UNKNOWN
        return holds, "by the newest row, a lower bound of the recovery point"
    holds = Holds.VIOLATED if within is Holds.VIOLATED else Holds.UNKNOWN
    return holds, f"promised ({point.basis}), not read from the restored data"


def _from_the_future(point: RecoveryPoint, marks: StepMarks, clocks: Clocks) -> str:
    """Why a recovery point cannot be: nothing restored is younger than the begin of its restoring.
    '' where it can.
    """
    began = marks.date_of("started")
    if began is None or point.same_clock:
        return ""
    ahead_s = _when(point.at) - (began + clocks.most_s + FUTURE_SLACK_S)
    if ahead_s <= 0:
        return ""
    return (
        f"the newest record is {format_duration(round(ahead_s, 1))} younger than its restore: the "
        "clock that wrote it is apart from ours, and nobody measured by how much"
    )


def _when(date: datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
