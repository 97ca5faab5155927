"""Which backup: a named one, or a good one of a schedule; and whether it can be used now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from drillkit.clients.velero import Velero
from drillkit.clients.velero.state import Location, State
from drillkit.lazy_dataclass import dataclass
from drillkit.model.draw import position
from drillkit.model.errors import Absent, Refused, StepFailed
from drillkit.model.units import format_duration
from drillkit.steps.draws import Choose


@dataclass(frozen=True, slots=True)
class Chosen:
    """A backup, what was passed over on the way to it, and which of how many it is."""

    backup: State
    how: Literal["latest", "random", "named", "fresh"]
    passed_over: tuple[State, ...] = ()
    """Newer backups of the schedule that are not good."""
    among: tuple[str, ...] = ()
    """All of the schedule that could have been chosen, the oldest first."""
    seed: str = ""

    def said(self, now: float) -> str:
        """It, its age and what was passed over, for people. `now`: seconds since the epoch."""
        at = self.backup.started or self.backup.created
        age = f", {format_duration(now - at.timestamp())} old" if at else ""
        names = ", ".join(state.name for state in self.passed_over)
        passed = f"; newer ones are not good: {names}" if names else ""
        return f"backup {self.backup.name}{age}{passed}"

    def foretold(self, *, drawn: bool) -> Iterator[str]:
        """What would be restored, and what keeps newer ones from it."""
        if drawn:
            yield from (f"backup {each}: it could be drawn" for each in self.among)
        else:
            yield f"backup {self.backup.name}: it would be restored"
        yield from (f"backup {each.name}: {each.phase}, passed over" for each in self.passed_over)


def choose(
    velero: Velero,
    backup: str | None,
    schedule: str | None,
    how: Choose = "latest",
    seed: str = "",
    run: str = "",
) -> Chosen:
    """The backup to restore. Raises StepFailed where there is none that can be: nothing could be
    recovered from it.

    Args:
        seed: what a random one is drawn with.
        run: whose run it is; a backup that it took itself is a fresh one.
    """
    try:
        if backup is not None:
            return _named(velero, backup, run)
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
    among = tuple(state.name for state in found.all_good)
    if how == "random":
        drawn = found.all_good[position(seed, among)]
        return Chosen(drawn, "random", found.passed_over, among, seed)
    return Chosen(found.good, "latest", found.passed_over, among)


def _named(velero: Velero, backup: str, run: str) -> Chosen:
    found = _good(velero.backup(backup))
    if run and found.run == run:
        return Chosen(found, "fresh")
    if not found.schedule:
        return Chosen(found, "named")
    others = velero.labelled(found.schedule).all_good
    return Chosen(found, "named", among=tuple(state.name for state in others))


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
