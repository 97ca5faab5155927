"""What came of an experiment, by its activities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from drillkit.clients.chaostoolkit.protocol import activities_of, is_own
from drillkit.model.errors import Refused, StepFailed, StepUnknown
from drillkit.model.evidence import Activity
from drillkit.steps.base import Act


def note_skipped(document: Mapping[str, Any], seen: tuple[Activity, ...], act: Act) -> None:
    """Write down the activities of the method that were never reached."""
    reached = Counter(a.name for a in seen if a.place == "method")
    for place, activity in activities_of(document):
        name = str(activity.get("name"))
        if place != "method":
            continue
        if reached[name]:
            reached[name] -= 1
            continue
        kind: Literal["action", "probe"] = "action" if activity.get("type") == "action" else "probe"
        act.observe(
            Activity(
                name, "method", kind, "skipped", None, None, 0.0, undo_guaranteed=is_own(activity)
            )
        )


def tell_cut(why: str, activities: tuple[Activity, ...]) -> NoReturn:
    """Raises StepFailed naming what did not end; StepUnknown where nothing had begun, or nothing
    was going on but a pause, which shows no weakness of anything.
    """
    if cut := [a.name for a in activities if a.outcome == "cut"]:
        raise StepFailed(f"{why}: {', '.join(cut)} did not end")
    if not activities:
        raise StepUnknown(f"{why} before anything of it began")
    raise StepUnknown(f"{why} while it paused: what was to come after is not known")


def conclude(name: str, status: str, why: str, activities: tuple[Activity, ...]) -> None:
    """Raises what is wrong, the worst first."""
    if status == "invalid":
        raise StepUnknown(
            f"Chaos Toolkit does not take experiment {name}, nothing was touched: {why}"
        )
    if status == "stopped":
        raise Refused(why)
    of = {
        place: [a for a in activities if a.place == place]
        for place in ("before", "method", "during", "after")
    }
    unproven = [a for a in of["method"] if a.outcome == "unproven"]
    if unproven:
        raise StepUnknown("; ".join(f"{a.name}: {a.error}" for a in unproven))
    missed = [a.name for a in (*of["during"], *of["after"]) if a.tolerated is False]
    if missed:
        raise StepFailed(
            f"the experiment's own steady state was missed: {', '.join(dict.fromkeys(missed))}"
        )
    failed = [a for a in of["method"] if a.kind == "action" and a.outcome != "succeeded"]
    if failed:
        raise StepFailed("; ".join(f"action {a.name} {a.outcome}: {a.error}" for a in failed))
    idle = [
        a.name
        for a in of["method"]
        if a.kind == "action" and a.hit == 0 and a.outcome == "succeeded"
    ]
    if idle:
        raise StepFailed(f"touched nothing, so nothing was tested: {', '.join(idle)}")
    if early := [a for a in of["before"] if a.tolerated is False or a.outcome != "succeeded"]:
        found = "; ".join(f"{a.name} {a.error or 'is outside its tolerance'}" for a in early)
        raise StepUnknown(
            f"the experiment's steady state did not hold before, so its method was not run: {found}"
        )
    unread = [a for a in activities if a.outcome != "succeeded" and a.place != "rollback"]
    if unread:
        raise StepUnknown("; ".join(f"{a.name}: {a.error or a.outcome}" for a in unread))
    if status not in ("completed", "deviated"):
        raise StepUnknown(f"the experiment ended `{status}`{f': {why}' if why else ''}")
