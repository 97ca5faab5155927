"""What a step had to achieve: recovery, RTO with its parts, RPO, time to detect.

Declared and not measurable is unknown, never met.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from drillkit.judge.bounds import ROUNDING_S
from drillkit.judge.detection import detection_time, time_said
from drillkit.judge.recovery_point import recovery_point
from drillkit.judge.recovery_times import recovery_time, restore_time
from drillkit.judge.run_history import RunRead, StepRun
from drillkit.judge.sample_stats import Samples
from drillkit.judge.step_marks import MeasuredTime, StepMarks
from drillkit.lazy_dataclass import dataclass
from drillkit.model.drill import Objectives
from drillkit.model.subjects import ObjectiveName, ObjectiveOf
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Judged


@dataclass(frozen=True, slots=True)
class StepTimes:
    """A step's times in seconds, and what its objectives say of them."""

    judged: tuple[Judged, ...]
    recovery_s: float | None
    detect_s: float | None
    acknowledge_s: float | None
    mitigate_s: float | None
    rto_s: float | None
    rpo_s: float | None
    split_s: Mapping[str, float]


def measure(run: RunRead, step: StepRun, samples: Samples) -> StepTimes:
    """All that can be measured of a step, judged where an objective is declared."""
    marks = StepMarks(step)
    wanted = step.declared.objectives if step.declared else Objectives()
    within = wanted.detect.within if wanted.detect else None
    if wanted.detect is None or wanted.detect.alert is None:
        detected = time_said(run, marks, "detected")
    else:
        detected = detection_time(run, wanted.detect, marks, step)
    recovery = recovery_time(run, step, samples, marks)
    rto = restore_time(run, step, marks)
    rpo_s, rpo = recovery_point(run, step, marks, wanted.rpo)
    # Times that only people know: when somebody answered, when users were better off.
    acknowledged = time_said(run, marks, "acknowledged")
    mitigated = time_said(run, marks, "mitigated")
    judged = [
        _judge(step, "recovery", recovery, wanted.recovery, marks),
        _judge(step, "rto", rto, wanted.rto, marks),
        rpo,
        _judge(step, "detect", detected, within, marks),
        _judge(step, "acknowledge", acknowledged, wanted.acknowledge, marks),
        _judge(step, "mitigate", mitigated, wanted.mitigate, marks),
    ]
    return StepTimes(
        judged=tuple(each for each in judged if each is not None),
        recovery_s=recovery.value_s,
        detect_s=detected.value_s,
        acknowledge_s=acknowledged.value_s,
        mitigate_s=mitigated.value_s,
        rto_s=rto.value_s,
        rpo_s=rpo_s,
        split_s=marks.split(),
    )


_WORDS: Mapping[ObjectiveName, tuple[str, str]] = {
    "recovery": ("recovered in", "not recovered after"),
    "rto": ("RTO", "not restored after"),
    "detect": ("detected in", "not detected after"),
    "acknowledge": ("acknowledged in", "not acknowledged after"),
    "mitigate": ("mitigated in", "not mitigated after"),
}


def _judge(
    step: StepRun,
    name: ObjectiveName,
    time: MeasuredTime,
    limit: timedelta | None,
    marks: StepMarks,
) -> Judged | None:
    if limit is None:
        return None
    limit_s, (done, not_done) = limit.total_seconds() + ROUNDING_S, _WORDS[name]
    if time.value_s is not None:
        holds = Holds.MET if time.value_s <= limit_s else Holds.VIOLATED
        observed = f"{done} {format_duration(time.value_s)}"
    elif time.beyond_s is not None:
        holds = Holds.VIOLATED if time.beyond_s > limit_s else Holds.UNKNOWN
        observed = f"{not_done} {format_duration(time.beyond_s)}"
    else:
        holds, observed = Holds.UNKNOWN, f"not measured: {time.why}"
    still = time.why if time.beyond_s is not None else ""
    notes = [time.note, still, "simulated disruption" if marks.simulated else ""]
    return Judged(
        about=ObjectiveOf(step.name, name),
        holds=holds,
        expected=f"at most {format_duration(limit)}",
        observed=observed,
        note="; ".join(note for note in notes if note),
        records=time.records,
    )
