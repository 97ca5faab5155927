"""`velero.freshness`: whether backups are made at all, and how old the last good one is.
Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import Object
from drillkit.clients.velero import Velero
from drillkit.clients.velero.resources import BACKUPS, LOCATIONS, NAMESPACE, SCHEDULES
from drillkit.clients.velero.state import Newest, phase_of
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Absent, StepFailed
from drillkit.model.evidence import Check, Note
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.model.units import format_duration
from drillkit.steps.base import Act, Kind
from drillkit.steps.proof import not_of_the_future

SEEN_LIMIT = timedelta(minutes=10)
"""The server looks at a storage location every minute; one that it has not seen for so long has
no server.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VeleroFreshnessArguments:
    max_age: timedelta
    """The last good backup of each schedule may be so old: its interval, and the time that a
    backup takes.
    """
    schedules: tuple[str, ...] = ()
    """Names of schedules. Default: all; none at all is a failure."""
    velero: str = NAMESPACE
    """Namespace that Velero lives in."""


class VeleroFreshness(Kind[VeleroFreshnessArguments]):
    """Look at schedules, storage locations and the last good backup of each schedule.

    Touches nothing: fit for a daily cron. A schedule that is paused or invalid, a location that is
    away, a backup that is older than `max_age` or a newer one that only partly succeeded: each is a
    check of its own.
    """

    name = "velero.freshness"
    disturbs = "none"
    rehearses = Rehearsal(system="cluster", named_by=("schedules",))
    Arguments = VeleroFreshnessArguments
    needs = frozenset({"kubernetes", "velero"})

    def prospect(self, arguments: VeleroFreshnessArguments, act: Act) -> Prospect:
        velero = Velero(act.clients.kube, arguments.velero)
        velero.require()
        schedules = arguments.schedules or tuple(s["metadata"]["name"] for s in velero.schedules())
        return Prospect(
            tuple(f"schedule/{arguments.velero}/{name}" for name in schedules),
            ("reads only",),
            (
                *needs("list", BACKUPS, arguments.velero),
                *needs("get" if arguments.schedules else "list", SCHEDULES, arguments.velero),
                *needs("list", LOCATIONS, arguments.velero),
            ),
        )

    def run(self, arguments: VeleroFreshnessArguments, act: Act) -> None:
        velero = Velero(act.clients.kube, arguments.velero)
        velero.require()
        now = act.clients.kube.now()
        _locations(act, velero, now)
        schedules = _schedules(velero, arguments.schedules)
        for schedule in schedules:
            _schedule(act, velero, schedule, arguments.max_age, now)


def _schedules(velero: Velero, names: Iterable[str]) -> list[Object]:
    try:
        found = [velero.schedule(name) for name in names] or velero.schedules()
    except Absent as error:
        raise StepFailed(str(error)) from error
    if not found:
        raise StepFailed(
            f"expected a Schedule in namespace {velero.namespace}, found none: nothing is backed up"
        )
    return found


def _locations(act: Act, velero: Velero, now: float) -> None:
    for location in velero.locations():
        phase = "Available" if location.available else "Unavailable"
        act.observe(
            Check(
                f"storage location {location.name}", "step", "Available", "==", phase, location.why
            )
        )
        if location.validated is not None:
            seen_s = round(now - location.validated.timestamp(), 1)
            name, limit_s = (
                f"storage location {location.name} was looked at",
                SEEN_LIMIT.total_seconds(),
            )
            why = f"{format_duration(max(0.0, seen_s))} ago; Velero's server does so every minute"
            act.observe(Check(name, "step", limit_s, "<=", seen_s, why))


def _schedule(act: Act, velero: Velero, schedule: Object, max_age: timedelta, now: float) -> None:
    name = schedule["metadata"]["name"]
    state = phase_of(schedule) or "New"
    why = "; ".join(map(str, (schedule.get("status") or {}).get("validationErrors") or ()))
    if (schedule.get("spec") or {}).get("paused"):
        state, why = "paused", "spec.paused is true"
    act.observe(Check(f"schedule {name}", "step", "Enabled", "==", state, why))
    _backups(act, name, velero.newest(name), max_age, now)


def _backups(act: Act, schedule: str, found: Newest, max_age: timedelta, now: float) -> None:
    last = found.passed_over[-1] if found.passed_over else found.good
    if last is not None:
        act.observe(
            Check(
                f"last backup of {schedule}",
                "step",
                "Completed",
                "==",
                last.phase,
                f"{last.name}: {last}",
            )
        )
    if found.good is None:
        act.observe(
            Check(f"good backups of {schedule}", "step", 1, ">=", 0, "it has no Completed backup")
        )
        return
    assert found.good.started is not None
    age_s = round(now - found.good.started.timestamp(), 1)
    not_of_the_future(found.good.name, age_s)
    why = f"{found.good.name} is {format_duration(max(0.0, age_s))} old"
    name = f"age of the last good backup of {schedule}"
    act.observe(Check(name, "step", max_age.total_seconds(), "<=", age_s, why))
    if found.running:
        text = f"backups of {schedule} at work: {', '.join(s.name for s in found.running)}"
        act.observe(Note("drillkit", text, "observation"))


KIND = VeleroFreshness()
