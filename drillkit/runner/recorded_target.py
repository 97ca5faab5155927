"""The target of an earlier run, as its record 1 has it."""

from __future__ import annotations

from drillkit.clients import Clients
from drillkit.clients.identity import recorded
from drillkit.clock import Clock, Fence
from drillkit.model.errors import UsageError
from drillkit.model.records import History, RunOpened
from drillkit.model.target import Target

UNKNOWN_TARGET = "its record 1 cannot be read, so nobody knows its target"


def opening(history: History) -> RunOpened | None:
    """Record 1; None where the run never opened."""
    return next((r.entry for r in history if isinstance(r.entry, RunOpened)), None)


def target_of(history: History) -> Target | None:
    """The target that record 1 holds; None where the run never opened, or nobody can read it."""
    opened = opening(history)
    return opened.target if opened is not None else None


def connected(history: History, clock: Clock, hold: tuple[int, ...] = ()) -> Clients:
    """Connections to the target of a run. They refuse (WrongTarget) to speak to any other cluster
    or account than the ones of record 1. `hold`: descriptors that programs started for it inherit.
    Raises UsageError when nobody knows the target.
    """
    opened, target = opening(history), target_of(history)
    if opened is None or target is None:
        raise UsageError(UNKNOWN_TARGET)
    return Clients(target, clock, Fence(), recorded(opened.identities, target), hold=hold)
