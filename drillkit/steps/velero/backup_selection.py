"""Which backup: a named one, or the newest good one of a schedule; and whether it can be used
at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from drillkit.clients.velero import Velero
from drillkit.clients.velero.state import Location, State
from drillkit.model.errors import Absent, Refused, StepFailed


@dataclass(frozen=True, slots=True)
class Chosen:
    """A backup, and what was passed over on the way to it."""

    backup: State
    passed_over: tuple[State, ...] = ()
    """Newer backups of the schedule that are not good."""


def choose(velero: Velero, backup: str | None, schedule: str | None) -> Chosen:
    """The backup to restore. Raises StepFailed where there is none that can be: nothing could be
    recovered from it.
    """
    try:
        if backup is not None:
            return Chosen(_good(velero.backup(backup)))
        assert schedule is not None
        velero.schedule(schedule)
    except Absent as error:
        raise StepFailed(str(error)) from error
    found = velero.newest(schedule)
    if found.good is None:
        tried = (
            ", ".join(f"{s.name} {s.phase}" for s in found.passed_over[-3:]) or "it has made none"
        )
        raise StepFailed(f"expected a Completed backup of schedule {schedule}, found none: {tried}")
    return Chosen(found.good, found.passed_over)


def _good(state: State) -> State:
    if not state.good:
        raise StepFailed(
            f"expected backup {state.name} to be Completed, found {state}; a restore from it would "
            "not bring everything"
        )
    return state


def within_reach(velero: Velero, chosen: Chosen) -> Location:
    """The storage location of the backup. Raises StepFailed where it is not available: nothing can
    be restored now.
    """
    try:
        location = velero.location(chosen.backup.location)
    except Absent as error:
        raise StepFailed(str(error)) from error
    if not location.available:
        raise StepFailed(
            f"storage location {location.name} of backup {chosen.backup.name} is {location.why}"
        )
    return location


def idle(velero: Velero) -> None:
    """Raises Refused while another Restore is at work or waits: Velero has one worker, and somebody
    may need it now.
    """
    if busy := velero.busy():
        raise Refused(
            f"a restore is not finished: {', '.join(busy[:5])}. Velero restores one at a time, so "
            "this drill would wait for it, or hold up a real emergency; run it again later"
        )
