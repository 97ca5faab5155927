"""Cleans up after runs that could not do it themselves: killed, powered off, or told to leave
the rest.

A crashed drill is never resumed: its open undos are applied and it is judged again. Whatever is
wrong with one run (its note, its folder, its journal), it is told as what came of that run, so that
the next one gets its turn.
"""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from drillkit.cleanup import Cleaned, Haste, OpenUndo, clean, open_undos
from drillkit.clients import Clients
from drillkit.clients.access import remove_stale
from drillkit.clients.bucket import Bucket
from drillkit.clock import Clock, Fence, SystemClock
from drillkit.journal.file import Journal, Salvaged, salvage
from drillkit.journal.mirror import Mirror
from drillkit.journal.runs import (
    JOURNAL,
    LOCK,
    OpenRun,
    RunLock,
    holder,
    is_running,
    open_runs,
    unregister,
)
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, DrillError, Refused, UsageError
from drillkit.model.records import (
    History,
    PhaseEnded,
    PhaseStarted,
    Progress,
    RunRecovered,
    UndoEnded,
)
from drillkit.model.target import Target
from drillkit.runner.bucket_run import bucket_of_run, take_over
from drillkit.runner.by_hand import lines_by_hand
from drillkit.runner.keep import spared
from drillkit.runner.recorded_target import UNKNOWN_TARGET, connected, opening, target_of
from drillkit.runner.run_start import boot_id, operator
from drillkit.runner.settle import settled
from drillkit.secrets import learn

State: TypeAlias = Literal[
    "clean", "still running", "dirty", "refused", "unreadable", "away", "not begun"
]
UNKNOWN_CLUSTER = (
    "record 1 does not say which cluster this run was on (an older drillkit wrote it): whether the "
    "kubeconfig still leads there could not be compared"
)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of one open run."""

    run: OpenRun
    state: State
    """`refused`: the connections lead elsewhere; `unreadable`: nobody can say what it left; `away`:
    its folder is not there; `not begun`: somebody was in a hurry.
    """
    detail: str
    left: tuple[str, ...] = ()
    """Resources whose undo is still open."""
    by_hand: tuple[str, ...] = ()
    """What somebody types to finish without drillkit."""

    @property
    def open(self) -> bool:
        """Whether something is, or may be, left to undo."""
        return self.state not in ("clean", "still running")


def leftovers(target: str, runs: Iterable[OpenRun] | None = None) -> list[OpenRun]:
    """Open runs of a target whose processes are all gone, as far as their folders are there."""
    return [
        run
        for run in (open_runs() if runs is None else runs)
        if run.target == target and run.folder.is_dir() and not is_running(run.folder)
    ]


def in_doubt(target: str) -> list[str]:
    """What cannot be said of open runs that may have been on a target: their folder is away, or
    their note cannot be read.
    """
    found = []
    for run in open_runs():
        if run.unreadable:
            found.append(run.unreadable)
        elif run.target == target and not run.folder.is_dir():
            found.append(f"run {run.id}: {_away(run)}")
    return found


def nothing_left(run: OpenRun) -> bool:
    """Whether a run is not known to have left anything that is still there, so that closing it
    touches nothing outside its journal.
    """
    try:
        history = salvage(run.journal).history
    except OSError:
        return not run.journal.exists()
    opens = open_undos(history)
    return not opens or (
        bool(launched_and_gone(history)) and all(undo.lives == "target" for undo in opens)
    )


def unregistered(folder: Path) -> OpenRun:
    """A run by its folder, whether or not this machine has ever noted it. Raises OSError."""
    opened = opening(salvage(folder / JOURNAL).history)
    if opened is None:
        return OpenRun(folder.resolve().name, folder, "", "")
    owner = opened.drill.owner if opened.drill else ""
    return OpenRun(opened.run or folder.resolve().name, folder, opened.target_name, owner)


def has_opened(run: OpenRun) -> bool:
    """Whether there is a first record to judge by."""
    try:
        return opening(salvage(run.journal).history) is not None
    except OSError:
        return False


def recover(
    run: OpenRun,
    limit_s: float,
    say: Callable[[str], None],
    clock: Clock | None = None,
    haste: Haste | None = None,
) -> Recovered:
    """Apply the open undos of one run, as its journal has them, and close it. Raises nothing for
    what is wrong with the run.
    """
    clock, haste = clock or SystemClock(), haste or Haste()
    if run.unreadable:
        return Recovered(run, "unreadable", run.unreadable)
    try:
        store = bucket_of_run(run)
    except (OSError, UsageError) as error:
        return Recovered(run, "unreadable", str(error))
    if not run.folder.is_dir():
        return Recovered(run, "away", _away(run))
    if store is None and not run.journal.is_file():
        return _without_journal(run)
    try:
        remove_stale()
        lock = RunLock.take_after(run.folder, clock)
    except OSError as error:
        return Recovered(run, "unreadable", _cannot_write(run, error))
    busy = run.folder if lock is None else _running_elsewhere(run)
    if busy is not None:
        who = f"process {holder(busy)} holds its lock; see `drillkit abort`"
        if lock is not None:
            lock.release()
        return Recovered(run, "still running", who)
    assert lock is not None
    try:
        if store is not None:
            return _in_bucket(run, store, limit_s, say, clock, haste, (lock.fd,))
        return _clean(run, salvage(run.journal), limit_s, say, clock, haste, (lock.fd,))
    except OSError as error:
        return Recovered(run, "unreadable", _cannot_write(run, error))
    except DrillError as error:
        return Recovered(run, "unreadable", str(error))
    except Exception as bug:
        # One run must not keep the others from being recovered. It is told as what it is.
        say(traceback.format_exc(limit=-5))
        return Recovered(run, "unreadable", f"a bug of drillkit's own: {type(bug).__name__}: {bug}")
    finally:
        lock.release()


def _in_bucket(
    run: OpenRun,
    store: Bucket,
    limit_s: float,
    say: Callable[[str], None],
    clock: Clock,
    haste: Haste,
    hold: tuple[int, ...],
) -> Recovered:
    """Recover a run whose journal is in a bucket. What is known to be open here is undone even
    where the bucket cannot be reached; the run stays open until it has been told.
    """
    try:
        ours = take_over(run, store, clock)
    except Refused as why:
        return Recovered(run, "still running", str(why))
    except CallError as error:
        if not run.journal.is_file():
            return Recovered(run, "away", f"its journal cannot be read: {error}")
        say(f"{store.place} cannot be reached: {error}; what its copy here knows of is undone")
        done = _clean(run, salvage(run.journal), limit_s, say, clock, haste, hold, close=False)
        return _owed(done, str(error))
    if not run.journal.is_file():
        done = _without_journal(run)
        ours.end("", open_=done.open)
        return done
    done = Recovered(run, "dirty", "it was not done")
    try:
        ours.mirror.start()
        found = salvage(run.journal)
        done = _clean(run, found, limit_s, say, clock, haste, hold, ours.mirror, close=False)
    finally:
        unsent = ours.end(ours.mirror.finish(), open_=done.open)
    if unsent:
        return _owed(done, unsent)
    if done.state == "clean":
        unregister(run.id)
    return done


def _owed(done: Recovered, why: str) -> Recovered:
    """The bucket does not know what was done: as long as that is so, the run is open."""
    if done.state != "clean":
        return done
    detail = f"{done.detail}, but its bucket could not be told: {why}. Try again: drillkit recover"
    return replace(done, state="dirty", detail=detail)


def _away(run: OpenRun) -> str:
    return (
        f"its folder {run.folder} is not there (moved, not mounted, deleted?), so nobody knows "
        "what it left behind. Put it back, or name where it is now: drillkit recover FOLDER. If it "
        "is gone for good and you have looked yourself: "
        f"drillkit settle {run.id} journal --why TEXT"
    )


def _cannot_write(run: OpenRun, error: OSError) -> str:
    return (
        f"{error.filename or run.folder}: {error.strerror}; nothing was undone, since it could not "
        "be written down. Make the folder writable, or copy it and recover the copy: drillkit "
        "recover COPY"
    )


def _without_journal(run: OpenRun) -> Recovered:
    """A run makes its lock, then its journal, then everything else."""
    more = sorted(path.name for path in run.folder.iterdir() if path.name != LOCK)
    if more:
        return Recovered(
            run,
            "unreadable",
            f"{run.journal} is not there, but {', '.join(more[:3])} is: the journal was moved or "
            "deleted, so nobody knows what the run left behind. Put it back; if it is gone for "
            f"good and you have looked yourself: drillkit settle {run.id} journal --why TEXT",
        )
    unregister(run.id)
    return Recovered(run, "clean", "it ended before its journal began, so it touched nothing")


def _running_elsewhere(run: OpenRun) -> Path | None:
    """The folder that a run is at work in, where this one is a copy of it."""
    for each in open_runs():
        if each.id == run.id and each.folder.is_dir() and not each.folder.samefile(run.folder):
            return each.folder if is_running(each.folder) else None
    return None


def _clean(
    run: OpenRun,
    salvaged: Salvaged,
    limit_s: float,
    say: Callable[[str], None],
    clock: Clock,
    haste: Haste,
    hold: tuple[int, ...],
    mirror: Mirror | None = None,
    *,
    close: bool = True,
) -> Recovered:
    """`close`: when nothing is left the run is open no more; else that is the caller's to say."""
    history, opens = salvaged.history, open_undos(salvaged.history)
    if not (opens or salvaged.damage or opening(history)):
        # Its journal is left as it is: there is nothing to add, and maybe no whole line to add to.
        if close:
            unregister(run.id)
        return Recovered(run, "clean", "it ended before it opened, so it touched nothing")
    learn([record.data for record in history if record.kind in ("run.opened", "undo.planned")])
    journal = Journal(run.journal, clock=clock, mirror=mirror)
    try:
        begun = journal.append(RunRecovered(operator(), boot_id()))
        if mirror is not None:
            _tell_bucket(mirror, begun, say)
        journal.append(PhaseStarted("cleanup"))
        cleaned = _undo(run, history, opens, journal, limit_s, say, clock, haste, hold)
        journal.append(PhaseEnded("cleanup"))
    finally:
        journal.close()
    by_hand = lines_by_hand(cleaned.open, history)
    if salvaged.damage and not settled(history):
        return replace(_damaged(run, salvaged, cleaned), by_hand=by_hand)
    if cleaned.open:
        return replace(_dirty(run, cleaned), by_hand=by_hand)
    if close:
        unregister(run.id)
    return Recovered(
        run, "clean", f"{len(opens)} open undos applied" if opens else "nothing was open"
    )


def _tell_bucket(mirror: Mirror, begun: int, say: Callable[[str], None]) -> None:
    """From here on no other process can add a line. Raises OtherWriter when one did; a bucket that
    is away keeps nothing from being undone.
    """
    try:
        mirror.ship(begun)
    except CallError as error:
        say(f"the bucket does not take the journal: {error}; what is open is undone all the same")


def _undo(
    run: OpenRun,
    history: History,
    opens: tuple[OpenUndo, ...],
    journal: Journal,
    limit_s: float,
    say: Callable[[str], None],
    clock: Clock,
    haste: Haste,
    hold: tuple[int, ...],
) -> Cleaned:
    """Apply what can be applied from here. `hold`: descriptors of the run's lock, which programs
    that undo something inherit.
    """
    gone = launched_and_gone(history) if opens else ""
    if gone:
        _ended_with_it(opens, gone, journal)
        opens = tuple(undo for undo in opens if undo.lives == "here")
    target = target_of(history)
    if gone or target is None:
        nowhere = without_place(target or Target(name=run.target))
        clients = Clients(nowhere, clock, Fence(), hold=hold)
    else:
        clients = connected(history, clock, hold)
        if opens and target.kubernetes is not None and not clients.expected.cluster_uid:
            say(UNKNOWN_CLUSTER)
    if elsewhere := _programs_of_another_machine(history, opens):
        say(elsewhere)
        journal.append(Progress(elsewhere))
    reached = opens if target is not None else tuple(u for u in opens if u.lives == "here")
    kept = spared(run.folder, reached)
    try:
        cleaned = clean(
            kept.left,
            clients,
            journal,
            clock,
            limit_s,
            on_progress=say,
            haste=haste,
        )
        kept.hand_over(clients, journal)
    finally:
        clients.close()
    unreached = tuple(undo for undo in opens if undo not in reached)
    for undo in unreached:
        say(f"{undo.resource}: still open: {UNKNOWN_TARGET}; undo it by hand: {dict(undo.args)}")
    return replace(cleaned, skipped=cleaned.skipped + unreached)


def _programs_of_another_machine(history: History, opens: Iterable[OpenUndo]) -> str:
    """What to know of programs that undo here what others did on the run's own machine; '' where
    that is this one.
    """
    opened, here = opening(history), socket.gethostname()
    there = str(opened.vantage.get("host") or "") if opened is not None else ""
    programs = [undo.resource for undo in opens if undo.runs_programs]
    if not programs or there in ("", here):
        return ""
    return (
        f"the run was on machine {there}, this is {here}: {', '.join(dict.fromkeys(programs))} is "
        "undone by programs that run here; what was changed on that machine itself is still there"
    )


def _ended_with_it(opens: Iterable[OpenUndo], gone: str, journal: Journal) -> None:
    """What was at a target that has ended is no more."""
    for undo in opens:
        if undo.lives == "target":
            journal.append(UndoEnded(undo.record, "already-undone", gone, attempts=0))


def _damaged(run: OpenRun, salvaged: Salvaged, cleaned: Cleaned) -> Recovered:
    more = f" and {len(salvaged.damage) - 3} more" if len(salvaged.damage) > 3 else ""
    return Recovered(
        run,
        "dirty",
        f"its journal is damaged ({'; '.join(salvaged.damage[:3])}{more}): "
        f"{len(cleaned.ended)} undos that can be read were applied, others may be lost. Look at "
        f"the target; when nothing is left: drillkit settle {run.id} journal --why TEXT",
        tuple(undo.resource for undo in cleaned.open),
    )


def _dirty(run: OpenRun, cleaned: Cleaned) -> Recovered:
    left = tuple(undo.resource for undo in cleaned.open)
    refused = [failed.why for failed in cleaned.failed if failed.refused]
    if len(refused) == len(cleaned.open):
        return Recovered(run, "refused", refused[0], left)
    detail = (
        "run `drillkit recover` again, or see the report for each; what you have undone by hand: "
        f"drillkit settle {run.id} RESOURCE --why TEXT"
    )
    return Recovered(run, "dirty", "; ".join([*dict.fromkeys(refused), detail]), left)


def without_place(target: Target) -> Target:
    """The target without what ended with it: an Alertmanager and a Grafana are elsewhere."""
    return replace(target, kubernetes=None, aws=None)


def launched_and_gone(history: History) -> str:
    """Why there is nothing left to undo at the target, when it was started for the run and ended
    with it; else ''.
    """
    opened = opening(history)
    if opened is None or opened.identities.launched_pid is None:
        return ""
    kubernetes = opened.target.kubernetes if opened.target else None
    if kubernetes and kubernetes.kubeconfig and Path(kubernetes.kubeconfig).exists():
        try:
            os.kill(opened.identities.launched_pid, 0)
            return ""
        except OSError:
            pass
    return "the target was started for this run and ended with it"
