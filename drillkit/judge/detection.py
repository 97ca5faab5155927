"""When it was noticed: by an alert, or by people."""

from __future__ import annotations

from typing import Literal

from drillkit.judge.clocks import DRIFT_S, clock_note
from drillkit.judge.run_history import RunRead, StepRun
from drillkit.judge.step_marks import MeasuredTime, StepMarks
from drillkit.model.drill import Detect
from drillkit.model.evidence import ALERTS_SLI, Alert, Reading
from drillkit.model.units import format_duration


def time_said(
    run: RunRead, marks: StepMarks, moment: Literal["detected", "acknowledged", "mitigated"]
) -> MeasuredTime:
    """From the disruption to the first mark of people behind it; while there is none, to the end
    of the steps.
    """
    disrupted = marks.first("disrupted")
    if disrupted is None:
        return MeasuredTime(None, "nothing says when the disruption was")
    behind = [(mark, seen.n) for mark, seen in marks.seen.get(moment, ()) if mark.at >= disrupted]
    if not behind:
        end = min(run.end, run.during[1])
        records = marks.records("disrupted")
        return MeasuredTime(
            None, "nobody said so", beyond_s=max(0.0, end - disrupted), records=records
        )
    mark, n = min(behind, key=lambda pair: pair[0].at)
    return MeasuredTime(
        mark.at - disrupted, note=f"{mark.by} said so" if mark.by else "", records=(n,)
    )


def detection_time(run: RunRead, wanted: Detect, marks: StepMarks, step: StepRun) -> MeasuredTime:
    """From the injection to the alert firing, by the alert's own date."""
    disrupted = marks.date_of_disruption()
    if disrupted is None:
        return MeasuredTime(None, "nothing says when the injection was")
    everything = [*run.evidence, *(seen for each in run.steps.values() for seen in each.evidence)]
    firing = sorted(
        (seen.what.since.timestamp(), seen.n)
        for seen in everything
        if isinstance(seen.what, Alert)
        and seen.what.name == wanted.alert
        and seen.what.state == "firing"
    )
    disrupted += run.opened.clock_offsets.get("prometheus", 0.0)
    since = [(at, n) for at, n in firing if at >= disrupted]
    note = clock_note(run)
    if run.clock_drift_s > DRIFT_S:
        moved = format_duration(round(run.clock_drift_s, 1))
        return MeasuredTime(
            None, f"our date moved by {moved} during the run, so dates tell nothing"
        )
    if since:
        return MeasuredTime(since[0][0] - disrupted, note=note, records=(since[0][1],))
    if firing:
        return MeasuredTime(
            None, f"{wanted.alert} was firing before the injection", records=(firing[-1][1],)
        )
    looked = [
        seen
        for seen in everything
        if isinstance(seen.what, Reading)
        and seen.what.sli == ALERTS_SLI
        and seen.what.total is not None
    ]
    last = max((seen.at for seen in looked), default=None)
    if last is None or last <= disrupted:
        return MeasuredTime(None, f"{wanted.alert} did not fire, or nobody could read alerts")
    return MeasuredTime(
        None,
        f"{wanted.alert} did not fire",
        beyond_s=last - disrupted,
        note=note,
        records=(looked[-1].n,),
    )
