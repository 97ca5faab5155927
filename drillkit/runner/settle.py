"""A person has undone something by hand: written down as their word, so that the run can be closed.

The verdict of such a run is never `met`: nobody but them has seen it.
"""

from __future__ import annotations

import json

from drillkit.cleanup import OpenUndo, open_undos
from drillkit.clock import Clock
from drillkit.journal.file import salvage
from drillkit.journal.files import make_folder, write_file
from drillkit.journal.runs import OpenRun, RunLock, holder, home, unregister
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.records import History, RunRecovered, RunSettled, UndoEnded
from drillkit.runner.bucket_run import rewriting
from drillkit.runner.run_start import boot_id

JOURNAL_ITSELF = "journal"
"""Named instead of a resource: what a journal cannot tell any more was looked after by hand."""
FOLDER = "settled"
"""In DRILLKIT_HOME: one file for each run whose own journal could not take the word."""


@dataclass(frozen=True, slots=True)
class SettledByHand:
    """What came of somebody's word."""

    what: str
    left: tuple[str, ...]
    """Resources of the run whose undo is still open."""
    closed: bool
    """The run is open no more."""


def settle(run: OpenRun, name: str, by: str, why: str, clock: Clock) -> SettledByHand:
    """Take `by`'s word that a resource of a run was undone.

    `name` is a resource as the report shows it, its last part, or `journal`. Raises UsageError
    naming what is open, OSError.
    """
    if not why.strip():
        raise UsageError("say what was done, for whoever reads the report: --why TEXT")
    if not run.journal.is_file():
        return _without_journal(run, name, by, why, clock)
    lock = RunLock.take_after(run.folder, clock)
    if lock is None:
        raise UsageError(
            f"run {run.id} is at work (process {holder(run.folder)}); it cleans up itself. To stop "
            f"it: drillkit abort {run.id}"
        )
    try:
        return _settle(run, name, by, why, clock)
    finally:
        lock.release()


def _settle(run: OpenRun, name: str, by: str, why: str, clock: Clock) -> SettledByHand:
    with rewriting(run, clock) as writing:
        found = salvage(run.journal)
        opens = open_undos(found.history)
        chosen = None if name == JOURNAL_ITSELF else _chosen(opens, name)
        writing.journal.append(RunRecovered(by, boot_id()))
        if chosen is None:
            writing.journal.append(RunSettled(by, why))
        else:
            word = UndoEnded(chosen.record, "by-hand", f"{by}: {why}", attempts=0)
            writing.journal.append(word, step=chosen.step)
        left = tuple(undo.resource for undo in opens if undo is not chosen)
        closed = not left and (chosen is None or not found.damage or settled(found.history))
        writing.open = not closed
    return SettledByHand(chosen.resource if chosen else JOURNAL_ITSELF, left, closed)


def settled(history: History) -> bool:
    """Whether a person has vouched for what the journal cannot tell."""
    return any(isinstance(record.entry, RunSettled) for record in history)


def _chosen(opens: tuple[OpenUndo, ...], name: str) -> OpenUndo:
    found = [undo for undo in opens if undo.resource == name]
    found = found or [undo for undo in opens if undo.resource.endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    there = ", ".join(dict.fromkeys(undo.resource for undo in found or opens))
    raise UsageError(
        f"{name}: {'name one' if found else 'no undo of that is open'}; open: {there or 'nothing'}"
    )


def _without_journal(run: OpenRun, name: str, by: str, why: str, clock: Clock) -> SettledByHand:
    if name != JOURNAL_ITSELF:
        raise UsageError(
            f"the journal of run {run.id} is not there ({run.journal}), so nobody knows what it "
            f"left. If you have looked after all of it: drillkit settle {run.id} journal --why TEXT"
        )
    place = home() / FOLDER
    make_folder(place)
    word = {
        "run": run.id,
        "folder": str(run.folder),
        "target": run.target,
        "by": by,
        "why": why,
        "at": clock.now(),
    }
    write_file(place / f"{run.id}.json", f"{json.dumps(word, indent=2)}\n".encode())
    unregister(run.id)
    return SettledByHand(JOURNAL_ITSELF, (), True)
