"""Cleans up after runs that could not do it themselves: killed, powered off, or told to leave
the rest.

A crashed drill is never resumed: its open undos are applied and it is judged again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from drillkit.cleanup import Cleaned, OpenUndo, clean, open_undos
from drillkit.clients import Clients
from drillkit.clients.identity import recorded
from drillkit.clock import Clock, Fence, SystemClock
from drillkit.journal.file import Journal, read
from drillkit.journal.runs import OpenRun, RunLock, holder, open_runs, unregister
from drillkit.model.codec import from_data
from drillkit.model.drill import Target
from drillkit.model.errors import DrillError
from drillkit.model.records import History, PhaseEnded, PhaseStarted, RunRecovered, UndoEnded
from drillkit.runner.keep import spared
from drillkit.runner.run_start import boot_id, operator


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of one open run."""

    run: OpenRun
    state: str
    """`clean`, `still running`, `dirty`, `refused` (the connections lead elsewhere) or
    `unreadable`.
    """
    detail: str
    left: tuple[str, ...] = ()
    """Resources whose undo is still open."""


def leftovers(target: str, runs: Iterable[OpenRun] | None = None) -> list[OpenRun]:
    """Open runs of a target whose processes are all gone."""
    found = []
    for run in open_runs() if runs is None else runs:
        if (
            run.target == target
            and run.folder.is_dir()
            and (lock := RunLock.take(run.folder)) is not None
        ):
            lock.release()
            found.append(run)
    return found


def nothing_left(run: OpenRun) -> bool:
    """Whether the target of a run ended with it, so that closing it touches nothing outside
    its journal.
    """
    try:
        history = read(run.journal)
        here = [undo for undo in open_undos(history) if undo.lives == "here"]
        return bool(launched_and_gone(history)) and not here
    except (OSError, DrillError):
        return False


def recover(
    run: OpenRun, limit_s: float, say: Callable[[str], None], clock: Clock | None = None
) -> Recovered:
    """Apply the open undos of one run, as its journal has them, and close it."""
    clock = clock or SystemClock()
    if not run.journal.is_file():
        unregister(run.id)
        return Recovered(run, "clean", "it ended before its journal began, so it touched nothing")
    lock = RunLock.take(run.folder)
    if lock is None:
        return Recovered(
            run,
            "still running",
            f"process {holder(run.folder)} holds its lock; see `drillkit abort`",
        )
    try:
        return _clean(run, read(run.journal), limit_s, say, clock)
    except (OSError, DrillError) as error:
        return Recovered(run, "unreadable", f"{error}")
    finally:
        lock.release()


def _clean(
    run: OpenRun, history: History, limit_s: float, say: Callable[[str], None], clock: Clock
) -> Recovered:
    journal = Journal(run.journal, clock=clock)
    try:
        journal.append(RunRecovered(operator(), boot_id()))
        journal.append(PhaseStarted("cleanup"))
        opens = open_undos(history)
        clients = connected(history, clock)
        gone = launched_and_gone(history) if opens else ""
        if gone:
            clients = Clients(without_place(clients.target), clock, Fence())
            _ended_with_it(opens, gone, journal)
        kept = spared(run.folder, [u for u in opens if not gone or u.lives == "here"])
        try:
            cleaned = clean(kept.left, clients, journal, clock, limit_s, on_progress=say)
            kept.hand_over(clients, journal)
        finally:
            clients.close()
        journal.append(PhaseEnded("cleanup"))
    finally:
        journal.close()
    if cleaned.open:
        return _dirty(run, cleaned)
    unregister(run.id)
    return Recovered(
        run, "clean", f"{len(opens)} open undos applied" if opens else "nothing was open"
    )


def _ended_with_it(opens: Iterable[OpenUndo], gone: str, journal: Journal) -> None:
    """What was at a target that has ended is no more."""
    for undo in opens:
        if undo.lives == "target":
            journal.append(UndoEnded(undo.record, "already-undone", gone, attempts=0))


def _dirty(run: OpenRun, cleaned: Cleaned) -> Recovered:
    left = tuple(undo.resource for undo in cleaned.open)
    refused = [failed.why for failed in cleaned.failed if failed.refused]
    if len(refused) == len(cleaned.open):
        return Recovered(run, "refused", refused[0], left)
    detail = "run `drillkit recover` again, or see the report for each"
    return Recovered(run, "dirty", "; ".join([*dict.fromkeys(refused), detail]), left)


def connected(history: History, clock: Clock) -> Clients:
    """Connections to the target of a run. They refuse (WrongTarget) to speak to any other cluster
    or account than the ones of record 1.
    """
    target = target_of(history)
    return Clients(
        target, clock, Fence(), recorded(history[0].data.get("identities") or {}, target)
    )


def without_place(target: Target) -> Target:
    """The target with nothing in it that could be reached."""
    return replace(target, kubernetes=None, aws=None, prometheus=None)


def target_of(history: History) -> Target:
    """The target that record 1 holds."""
    found: Target = from_data(Target, history[0].data["target"])
    return found


def launched_and_gone(history: History) -> str:
    """Why there is nothing left to undo, when the run's target was started for it and ended with
    it; else ''.
    """
    pid = history[0].data["identities"].get("launched_pid") if history else None
    if pid is None:
        return ""
    kubernetes = target_of(history).kubernetes
    if kubernetes and kubernetes.kubeconfig and Path(kubernetes.kubeconfig).exists():
        try:
            os.kill(int(pid), 0)
            return ""
        except OSError:
            pass
    return "the target was started for this run and ended with it"
