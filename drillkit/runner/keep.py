"""Keeping a restored copy: in a real disaster the drill's copy may be the best there is.

A request is a file in the run's folder, so that a run that is still at work finds it, and one that
died as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from drillkit.cleanup import CleanupBook, OpenUndo, answer, open_undos
from drillkit.cleanup.application import bugs_told
from drillkit.clients import Clients
from drillkit.clients.undo import Accompanied, Keepable
from drillkit.clock import Clock
from drillkit.journal.file import read
from drillkit.journal.files import make_folder, write_file
from drillkit.journal.runs import JOURNAL, OpenRun, RunLock
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Absent, DrillError, JournalLost, NotOurs, UsageError
from drillkit.model.json_text import load_json
from drillkit.model.records import History, PhaseStarted, UndoEnded, UndoPlanned
from drillkit.runner.recorded_target import connected

FOLDER = "keep"
"""In a run's folder: one file per thing to keep."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of asking."""

    resource: str
    detail: str
    done: bool
    """False: the run is at work, and leaves it alone when it cleans up."""


def keep(folder: Path, name: str, by: str, clock: Clock) -> Kept:
    """Keep one thing of a run: at once when the run is over, else when it cleans up.

    `name` is a resource as the report shows it, or its last part. Raises UsageError naming what
    there is to keep, Absent, NotOurs, CallError.
    """
    history = read(folder / JOURNAL)
    undo = chosen(open_undos(history), name, history)
    lock = RunLock.take_after(folder, clock)
    if lock is None:
        if _cleaning(history):
            raise UsageError(
                f"run {folder.name} is cleaning up already: what is left then can be "
                "kept afterwards"
            )
        _ask(folder, undo.resource, by)
        return Kept(undo.resource, "the run leaves it alone when it cleans up", False)
    try:
        return _keep_now(folder, name, by, clock)
    finally:
        lock.release()


def chosen(opens: Iterable[OpenUndo], name: str, history: History) -> OpenUndo:
    """The open undo of what is meant. Raises UsageError naming those that there are."""
    everything = [undo for undo in opens if undo.phase == "remove"]
    found = [u for u in everything if u.resource == name]
    if not found:
        found = [u for u in everything if u.resource.endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    there = (
        ", ".join(dict.fromkeys(u.resource for u in (found or everything))) or "nothing any more"
    )
    why = "name one" if found else _why_not_there(name, history)
    raise UsageError(f"{name}: {why}; to keep there is {there}")


def _why_not_there(name: str, history: History) -> str:
    planned = [
        r.n for r in history if isinstance(r.entry, UndoPlanned) and r.entry.resource.endswith(name)
    ]
    if not planned:
        return "it is not among what this run made"
    ends = {r.entry.of: r.entry.outcome for r in history if isinstance(r.entry, UndoEnded)}
    return "it is kept already" if ends.get(planned[-1]) == "kept" else "it was removed"


@dataclass(frozen=True, slots=True)
class Spared:
    """Undos that must not be applied, and who said so."""

    undos: tuple[tuple[OpenUndo, str], ...]
    left: tuple[OpenUndo, ...]
    """The others."""

    def hand_over(self, clients: Clients, book: CleanupBook) -> None:
        """Take their marks off and write it down. After clean-up: users first. Raises nothing."""
        for undo, by in self.undos:
            _hand_over(undo, clients, book, by)


def spared(folder: Path, opens: Iterable[OpenUndo]) -> Spared:
    """Set aside what somebody asked to keep, with what it lives on. Reads the run's folder only."""
    left, kept = tuple(opens), []
    for resource, by in _asked(folder).items():
        wanted = next(
            (undo for undo in left if undo.resource == resource and undo.phase == "remove"), None
        )
        if wanted is not None:
            together = companions(wanted, left)
            kept += [(undo, by) for undo in together]
            left = tuple(undo for undo in left if undo not in together)
    return Spared(tuple(kept), left)


def _keep_now(folder: Path, name: str, by: str, clock: Clock) -> Kept:
    from drillkit.runner.bucket_run import rewriting

    with rewriting(OpenRun(folder.name, folder, "", ""), clock) as writing:
        history = read(folder / JOURNAL)
        opens = open_undos(history)
        undo = chosen(opens, name, history)
        clients = connected(history, clock)
        try:
            kept = companions(undo, opens)
            # What belongs to it goes first: as long as it is not kept, asking again goes on.
            details = [
                _hand_over(each, clients, writing.journal, by, strict=True)
                for each in reversed(kept)
            ]
        finally:
            clients.close()
        writing.open = len(kept) < len(opens)
    more = f" (with {', '.join(each.resource for each in kept[1:])})" if len(kept) > 1 else ""
    return Kept(undo.resource, f"{details[-1]}{more}", True)


def companions(undo: OpenUndo, opens: Iterable[OpenUndo]) -> list[OpenUndo]:
    """It, and what of the same step belongs to it, or to what belongs to it."""
    together, others = [undo], [each for each in opens if each.step == undo.step]
    for one in together:
        kinds = _companions_of(one)
        together += [each for each in others if each not in together and each.kind in kinds]
    return together


def _companions_of(undo: OpenUndo) -> frozenset[str]:
    def ask() -> frozenset[str]:
        action = undo.load()
        return frozenset(action.companions) if isinstance(action, Accompanied) else frozenset()

    return answer(ask, frozenset())  # who hands it over is told


def _hand_over(
    undo: OpenUndo, clients: Clients, book: CleanupBook, by: str, *, strict: bool = False
) -> str:
    """Take its marks off and write it down. `strict`: what is not there or not ours is an error,
    not kept.
    """
    try:
        detail = _unmarked(undo, clients)
    except (Absent, NotOurs, UsageError):
        if strict:
            raise
        detail = "there was nothing of ours to hand over"
    except DrillError as error:
        if strict:
            raise
        # Whoever asked needs it: better a copy with our marks on than none.
        detail = (
            f"its marks could not be taken off ({error}); do it by hand, or a sweep may remove it"
        )
    ended = UndoEnded(undo.record, "kept", f"kept for {by}: {detail}")
    with contextlib.nullcontext() if strict else contextlib.suppress(JournalLost):
        book.append(ended, step=undo.step)
    return detail


def _unmarked(undo: OpenUndo, clients: Clients) -> str:
    """Have its marks taken off; what to know about it. Raises UsageError for what cannot be kept,
    Absent, NotOurs, CallError, BrokenUndo.
    """
    action = undo.load()
    if not isinstance(action, Keepable):
        raise UsageError(
            f"{undo.resource}: only what a run made can be kept; `{undo.kind}` takes back a change "
            "of something else, or cannot hand over what it removes"
        )
    with bugs_told(undo.kind):
        return action.hand_over(clients, undo.identity.get("uid", ""))


def _cleaning(history: History) -> bool:
    return any(r.entry == PhaseStarted("cleanup") for r in history)


def _ask(folder: Path, resource: str, by: str) -> None:
    place = folder / FOLDER
    make_folder(place)
    name = hashlib.sha256(resource.encode()).hexdigest()[:16]
    write_file(place / f"{name}.json", json.dumps({"resource": resource, "by": by}).encode())


def _asked(folder: Path) -> dict[str, str]:
    """Resource to who asked. What cannot be read was not written by us."""
    found: dict[str, str] = {}
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            data = load_json(path.read_text(encoding="utf-8"))
            found[str(data["resource"])] = str(data["by"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
