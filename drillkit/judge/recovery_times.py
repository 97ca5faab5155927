"""How long it took until all was whole again: recovery, and RTO."""

from __future__ import annotations

import math
from dataclasses import replace

from drillkit.judge.evidence import passes
from drillkit.judge.outages import coincide
from drillkit.judge.run_history import RunRead, StepRun
from drillkit.judge.sample_stats import BLIND, CONTROL_SLACK_S, Samples, brackets_of
from drillkit.judge.step_marks import MeasuredTime, StepMarks
from drillkit.model.evidence import Check
from drillkit.model.units import format_duration


def last_seen(run: RunRead, step: StepRun) -> float:
    """The last moment at which the step was watched."""
    return run.end if step.ended is None else step.ended


def recovery_time(run: RunRead, step: StepRun, samples: Samples, marks: StepMarks) -> MeasuredTime:
    """From `disrupted` (of a fault that was asked to last, from `released`) to the later of
    `recovered` and the users being served again; of several, the slowest.
    """
    disrupted = marks.first("disrupted")
    if disrupted is None:
        return MeasuredTime(None, "nothing says when the disruption was")
    end, records = last_seen(run, step), marks.records("disrupted", "released", "recovered")
    if doubt := _recovery_doubt(samples, disrupted, end):
        return MeasuredTime(None, doubt, records=records)
    spans = marks.spans()
    ends = [later for later, _ in spans[1:]] + [end]
    times = [
        _span(run, step, samples, span, until, records)
        for span, until in zip(spans, ends, strict=True)
    ]
    still = [time for time in times if time.value_s is None]
    if not still:
        return max(times, key=lambda time: time.value_s or 0.0)
    known = [at for time in times for at in (time.value_s, time.beyond_s) if at is not None]
    return replace(still[-1], beyond_s=max(known, default=None))


def _recovery_doubt(samples: Samples, start: float, end: float) -> str:
    """Why probes cannot tell when users were served again, or ''."""
    doubt = ""
    for seen in samples.slis.values():
        if seen.control:
            continue
        if samples.blind(seen.sli):
            doubt = f"{seen.sli}: {BLIND}"
        if coincide(brackets_of(seen, start, end), samples.control, CONTROL_SLACK_S):
            doubt = f"the control probe failed together with {seen.sli}"
    return doubt


def _span(
    run: RunRead,
    step: StepRun,
    samples: Samples,
    span: tuple[float, float | None],
    end: float,
    records: tuple[int, ...],
) -> MeasuredTime:
    """One recovery, watched until `end`."""
    (disrupted, recovered), served = span, span[0]
    for seen in samples.slis.values():
        if not seen.control:
            served = max([served, *(b.over_by for b in brackets_of(seen, disrupted, end))])
    if recovered is None:
        # Only a step that watched and gave up knows that it was not whole; others may never
        # have looked, as one that lacked what the rest needs (a budget held evictions back).
        looked = step.outcome == "failed" and not _lacked(step)
        watched = max(0.0, end - disrupted) if looked else None
        return MeasuredTime(None, "it was not seen whole again", beyond_s=watched, records=records)
    if math.isinf(served):
        return MeasuredTime(
            None,
            "users were not served again",
            beyond_s=max(0.0, run.end - disrupted),
            records=records,
        )
    note = f"workload whole in {format_duration(recovered - disrupted)}"
    note += (
        f", users served in {format_duration(served - disrupted)}"
        if samples.slis
        else ", users not observed"
    )
    return MeasuredTime(max(recovered, served) - disrupted, note=note, records=records)


def _lacked(step: StepRun) -> bool:
    """Whether something was missing that all after it needed."""
    last = {
        seen.what.name: seen.what
        for seen in step.evidence
        if isinstance(seen.what, Check) and seen.what.purpose == "prerequisite"
    }
    return any(passes(check) is not True for check in last.values())


def restore_time(run: RunRead, step: StepRun, marks: StepMarks) -> MeasuredTime:
    """RTO: from the disruption to the last passing check."""
    disrupted, verified = marks.first("disrupted"), marks.last("verified")
    if disrupted is None:
        return MeasuredTime(None, "nothing says when the disruption was")
    records = marks.records("disrupted", "verified")
    if verified is None:
        waited = max(0.0, last_seen(run, step) - disrupted) if step.outcome != "ok" else None
        return MeasuredTime(None, "no last passing check", beyond_s=waited, records=records)
    parts = ", ".join(f"{part} {format_duration(value)}" for part, value in marks.split().items())
    return MeasuredTime(verified - disrupted, note=parts, records=records)
