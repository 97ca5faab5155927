"""What an SLO promises: target, window and how its budget is counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from drillkit.model.slo import Calendar, Slices
from drillkit.model.units import format_duration
from drillkit.spec.document import Trail, quoted
from drillkit.spec.openslo.documents import Objective, TimeWindow
from drillkit.spec.openslo.library import Resolution
from drillkit.spec.openslo.windows import SHORTEST, calendar_of, duration


def only_objective(here: Resolution, objectives: Sequence[Objective]) -> Objective | None:
    """The one objective of a document; None: a mistake was noted."""
    path: Trail = ("spec", "objectives")
    if len(objectives) != 1:
        here.wrong(
            path,
            f"expected one objective, found {len(objectives)}; write one SLO document for each",
        )
        return None
    objective = objectives[0]
    for key in ("indicator", "indicatorRef", "compositeWeight"):
        if getattr(objective, key) is not None:
            what = "composite objectives are not supported; write one SLO document for each part"
            here.wrong((*path, 0, key), what)
            return None
    return objective


def share_of_good(here: Resolution, objective: Objective) -> float | None:
    """Which share of what is counted must be good; None: a mistake was noted."""
    path: Trail = ("spec", "objectives", 0)
    if (objective.target is None) == (objective.targetPercent is None):
        here.wrong(path, "expected exactly one of `target: 0.995` and `targetPercent: 99.5`")
        return None
    key = "target" if objective.target is not None else "targetPercent"
    raw = (
        objective.target if objective.target is not None else (objective.targetPercent or 0.0) / 100
    )
    target = round(raw, 12)
    if 0 < target < 1:
        return target
    found = getattr(objective, key)
    if key == "target" and 1 < found < 100:
        what = (
            f"expected a share between 0 and 1, found {found:g}; did you mean "
            f"`targetPercent: {found:g}`?"
        )
    elif target == 1:
        what = (
            "100 % leaves no error budget, so nothing can be judged by it; expected less, such "
            "as 0.9999"
        )
    else:
        what = f"expected between 0 and 1 (or 0 and 100 with `targetPercent`), found {found:g}"
    here.wrong((*path, key), what)
    return None


def time_window(
    here: Resolution, windows: Sequence[TimeWindow]
) -> tuple[timedelta, Calendar | None] | None:
    """How long it is counted, and from when on where that is a date; None: a mistake was noted."""
    path: Trail = ("spec", "timeWindow")
    if len(windows) != 1:
        here.wrong(
            path,
            f"expected a list of one window, such as `- duration: 30d`, found {len(windows)}",
        )
        return None
    window = windows[0]
    try:
        _, _, length = duration(window.duration)
    except ValueError as error:
        here.wrong((*path, 0, "duration"), str(error))
        return None
    if length < SHORTEST:
        hint = "; `1m` is one minute; a month is `1M`" if window.duration.endswith("m") else ""
        what = f"expected a window of 1h or more, found {format_duration(length)}{hint}"
        here.wrong((*path, 0, "duration"), what)
        return None
    if window.calendar is None:
        if window.isRolling is False:
            what = (
                "a window that does not roll needs `calendar: {startTime, timeZone}`; or "
                "set `isRolling: true`"
            )
            here.wrong((*path, 0, "isRolling"), what)
            return None
        return length, None
    if window.isRolling:
        here.wrong(
            (*path, 0, "isRolling"), "a calendar window does not roll; remove one of the two"
        )
        return None
    try:
        return length, calendar_of(
            window.duration, window.calendar.startTime, window.calendar.timeZone
        )
    except ValueError as error:
        here.wrong((*path, 0, "calendar"), str(error))
        return None


def budgeting(here: Resolution, method: str, objective: Objective) -> tuple[Slices | None] | None:
    """The slices that time is cut into, or (None,) where events are counted; None: a mistake was
    noted.
    """
    path: Trail = ("spec", "budgetingMethod")
    of: Trail = ("spec", "objectives", 0)
    if method == "Occurrences":
        for key in ("timeSliceTarget", "timeSliceWindow"):
            if getattr(objective, key) is not None:
                here.wrong(
                    (*of, key),
                    "goes with `budgetingMethod: Timeslices`; remove it or change the method",
                )
        return (None,)
    if method == "RatioTimeslices":
        here.wrong(
            path,
            "RatioTimeslices averages ratios and forgets how many events there were; "
            "use Timeslices",
        )
        return None
    if method != "Timeslices":
        here.wrong(path, f"expected Occurrences or Timeslices, found {quoted(method)}")
        return None
    if objective.timeSliceWindow is None:
        here.wrong(of, "Timeslices needs `timeSliceWindow`, such as 1m")
        return None
    text = objective.timeSliceWindow
    try:
        _, _, length = duration(f"{text}m" if text.isdecimal() else text)
    except ValueError as error:
        here.wrong((*of, "timeSliceWindow"), str(error))
        return None
    if not timedelta(seconds=10) <= length <= timedelta(hours=1):
        here.wrong((*of, "timeSliceWindow"), f"expected 10s to 1h, found {format_duration(length)}")
        return None
    share = objective.timeSliceTarget
    if share is not None and not 0 < share <= 1:
        here.wrong(
            (*of, "timeSliceTarget"), f"expected a share above 0 and at most 1, found {share:g}"
        )
        return None
    return (Slices(length, 1.0 if share is None else share),)
