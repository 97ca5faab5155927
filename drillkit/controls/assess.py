"""What runs of a period show of each control. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from drillkit.archive.summary import RunSummary, StepSummary
from drillkit.controls.framework import NEEDS, Control, Framework, Need
from drillkit.lazy_dataclass import dataclass
from drillkit.model.units import how_many
from drillkit.model.verdict import Holds

Shown: TypeAlias = Literal["supported", "partly", "not"]
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Period:
    """`[begin, end)` in seconds since the epoch."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Met:
    """One need of one control."""

    need: Need
    shown: Shown
    why: str
    runs: tuple[str, ...] = ()
    """Runs that show it."""


@dataclass(frozen=True, slots=True)
class Assessed:
    """One control."""

    control: Control
    shown: Shown
    needs: tuple[Met, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """Every run that supports it."""
        return tuple(dict.fromkeys(run for need in self.needs for run in need.runs))


@dataclass(frozen=True, slots=True)
class Excluded:
    """A run that does not count, and why."""

    run: RunSummary
    why: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """A framework over a period."""

    framework: Framework
    period: Period
    controls: tuple[Assessed, ...]
    counted: tuple[RunSummary, ...]
    excluded: tuple[Excluded, ...]


def assess(
    framework: Framework,
    runs: Sequence[RunSummary],
    period: Period,
    unproven: Callable[[RunSummary], str],
    accepted: Callable[[RunSummary], bool] = lambda run: False,
) -> Matrix:
    """What the runs of a period show of each control.

    Args:
        unproven: why a run's files are not proven to be what they were, or ''.
        accepted: whether the last signed review of a run accepts it.
    """
    counted: list[RunSummary] = []
    excluded: list[Excluded] = []
    for run in runs:
        if not period.begin <= run.started < period.end:
            continue
        why = _why_not(run) or unproven(run)
        if why:
            excluded.append(Excluded(run, why))
        else:
            counted.append(run)
    reviewed = _reviewed(counted, accepted)
    controls = tuple(_assess(control, counted, period, reviewed) for control in framework.controls)
    return Matrix(framework, period, controls, tuple(counted), tuple(excluded))


def shown_by(framework: Framework, run: RunSummary) -> tuple[tuple[Control, tuple[Need, ...]], ...]:
    """What one run by itself shows of each control, controls without any left out; nothing where
    the run does not count. What needs several runs (cadence, following up) or lies beside the
    journal (a review) is not told, nor is a control of which nothing was rehearsed, however many
    were told.
    """
    if _why_not(run):
        return ()
    found = []
    for control in framework.controls:
        needs = (need for need in control.needs if need in _LOOKS and need != "followed-up")
        shown = tuple(need for need in needs if _LOOKS[need]((run,)).shown != "not")
        if set(shown) - {"told"}:
            found.append((control, shown))
    return tuple(found)


def _why_not(run: RunSummary) -> str:
    if run.emulated:
        return "its target was emulated"
    if run.exit_code == 4:
        return "it was refused: nothing was rehearsed"
    if run.exit_code == 5:
        return "something of it was left behind"
    return ""


def _assess(
    control: Control, runs: Sequence[RunSummary], period: Period, reviewed: Met
) -> Assessed:
    needs = tuple(
        reviewed if need == "reviewed" else _need(need, control, runs, period)
        for need in control.needs
    )
    shown = {each.shown for each in needs}
    whole: Shown = needs[0].shown if len(shown) == 1 else "partly"
    return Assessed(control, whole, needs)


def _need(need: Need, control: Control, runs: Sequence[RunSummary], period: Period) -> Met:
    if need == "cadence":
        return _cadence(control, runs, period)
    return _LOOKS[need](runs)


def _restore(runs: Sequence[RunSummary]) -> Met:
    return _those("restore", runs, lambda step: bool(step.system) and step.holds is Holds.MET)


def _objectives(runs: Sequence[RunSummary]) -> Met:
    def held(step: StepSummary) -> bool:
        bounds = [number for number in step.measured.values() if number.bound_s is not None]
        return bool(bounds) and step.holds is Holds.MET

    return _those("objectives", runs, held)


def _disruption(runs: Sequence[RunSummary]) -> Met:
    return _those(
        "disruption",
        runs,
        lambda step: step.way == "disruption" and step.holds is not Holds.UNKNOWN,
    )


def _switchover(runs: Sequence[RunSummary]) -> Met:
    return _those(
        "switchover",
        runs,
        lambda step: step.way == "switchover" and step.holds is Holds.MET,
    )


def _segregated(runs: Sequence[RunSummary]) -> Met:
    apart = _those(
        "segregated",
        runs,
        lambda step: bool(step.system) and step.apart == "region" and step.holds is Holds.MET,
    )
    if apart.runs:
        why = "restored in another region, in the same account: apart in place, not in control"
        return Met("segregated", "partly", why, apart.runs)
    beside = _those(
        "segregated",
        runs,
        lambda step: bool(step.system) and bool(step.apart) and step.holds is Holds.MET,
    )
    if beside.runs:
        why = "restored beside the original, in the same cluster or account, behind a seal"
        return Met("segregated", "partly", why, beside.runs)
    return apart


def _told(runs: Sequence[RunSummary]) -> Met:
    """Was somebody told, and did every message arrive?"""
    reached = [run for run in runs if run.told]
    names = tuple(run.run for run in reached)
    if not reached:
        return Met("told", "not", f"no run shows {NEEDS['told']}")
    if lost := sum(run.untold for run in runs):
        sent = how_many(sum(run.told for run in reached), "message was", "messages were")
        return Met("told", "partly", f"{sent} accepted, {how_many(lost, 'was', 'were')} not", names)
    silent = len(runs) - len(reached)
    if silent:
        return Met("told", "partly", f"{len(names)} of {len(runs)} runs told anybody", names)
    return Met("told", "supported", f"{how_many(len(names), 'run')} told people", names)


def _reviewed(runs: Sequence[RunSummary], accepted: Callable[[RunSummary], bool]) -> Met:
    names = tuple(run.run for run in runs if accepted(run))
    if not names:
        return Met("reviewed", "not", f"no run shows {NEEDS['reviewed']}")
    if len(names) < len(runs):
        why = f"{len(names)} of {how_many(len(runs), 'run')} accepted by a reviewer"
        return Met("reviewed", "partly", why, names)
    return Met("reviewed", "supported", f"{how_many(len(names), 'run')} accepted", names)


def _followed_up(runs: Sequence[RunSummary]) -> Met:
    """Of each weakness: is there a later run of the same drill and target without it?"""
    open_: list[str] = []
    closed: list[str] = []
    for run in runs:
        if run.exit_code != 1:
            continue
        later = [
            other
            for other in runs
            if (other.drill, other.target) == (run.drill, run.target)
            and other.started > run.started
        ]
        good = [other for other in later if not set(run.findings) & set(other.findings)]
        (closed if good else open_).append(good[0].run if good else run.run)
    if not any(run.exit_code in (0, 1) for run in runs):
        return Met("followed-up", "not", "nothing was rehearsed to a verdict")
    if not open_ and not closed:
        return Met("followed-up", "supported", "no weakness was found", ())
    if not open_:
        which = how_many(len(closed), "run with weaknesses has", "runs with weaknesses have")
        why = f"{which} a later one without them"
        return Met("followed-up", "supported", why, tuple(dict.fromkeys(closed)))
    why = f"still open since {', '.join(open_[:5])}"
    return Met("followed-up", "partly" if closed else "not", why, tuple(dict.fromkeys(closed)))


def _those(need: Need, runs: Sequence[RunSummary], fits: Callable[[StepSummary], bool]) -> Met:
    found = tuple(run.run for run in runs if any(fits(step) for step in run.steps))
    if found:
        return Met(need, "supported", how_many(len(found), "run shows it", "runs show it"), found)
    return Met(need, "not", f"no run shows {NEEDS[need]}")


def _cadence(control: Control, runs: Sequence[RunSummary], period: Period) -> Met:
    """Gaps between rehearsals of which something is known; from the begin and to the end, too."""
    every_days = control.every_days or 0
    known = [run for run in runs if run.exit_code in (0, 1)]
    if not known:
        return Met("cadence", "not", "nothing was rehearsed in the period")
    times = [period.begin, *(run.started for run in known), period.end]
    gaps = [(later - earlier, earlier) for earlier, later in itertools.pairwise(times)]
    longest_s, since = max(gaps)
    names = tuple(run.run for run in known)
    days = how_many(round(longest_s / DAY_S), "day")
    text = f"{days} from {datetime.fromtimestamp(since, UTC):%Y-%m-%d}"
    if longest_s <= every_days * DAY_S:
        return Met("cadence", "supported", f"the longest gap is {text}", names)
    return Met(
        "cadence",
        "partly",
        f"a gap of {text}; promised: every {how_many(every_days, 'day')}",
        names,
    )


_LOOKS: Mapping[Need, Callable[[Sequence[RunSummary]], Met]] = {
    "restore": _restore,
    "objectives": _objectives,
    "disruption": _disruption,
    "switchover": _switchover,
    "segregated": _segregated,
    "told": _told,
    "followed-up": _followed_up,
}
