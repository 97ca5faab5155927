"""Expired leftovers of any machine's runs, made or changed: listed, and undone as their own run
would have.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from drillkit.cleanup import Application, holds
from drillkit.cleanup.progress import DEAD
from drillkit.clients import Clients
from drillkit.clients.undo import Leftover, Lookup, Sweepable, UndoContext
from drillkit.clock import Clock, Deadline, Hurried
from drillkit.entry_points import BrokenPlugin
from drillkit.journal.runs import is_running, open_runs
from drillkit.journal.undo_registry import from_another_package, undo_class, undo_kinds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Undo, Undone
from drillkit.model.errors import Denied, DrillError, TargetError, WrongTarget
from drillkit.secrets import excerpt

INTERRUPTED = "interrupted: it may be on its way out; another sweep finds it if it is not"
NOT_BEGUN = "interrupted before its turn"


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of one leftover."""

    leftover: Leftover
    undone: Undone | None
    why: str = ""
    """Why it is still there."""


def expired(clients: Clients, clock: Clock) -> tuple[list[Leftover], list[str]]:
    """(everything at the target whose time is over in the order in which it must go, where nobody
    could look and why).

    What a run of this machine is at work with is not among it. Raises CallError, TargetError.
    """
    found, unread = _found(clients)
    at_work = _at_work()
    now = _now(clients, clock)
    over = [each for each in found if each.expires.timestamp() <= now and each.run not in at_work]
    over.sort(
        key=lambda each: (each.undo.phase != "relieve", each.undo.rank, each.expires, each.resource)
    )
    return over, unread


def _found(clients: Clients) -> tuple[list[Leftover], list[str]]:
    """What every undo that can be swept finds, whoever wrote it; what could not be looked at."""
    found: list[Leftover] = []
    unread: list[str] = []
    for kind in undo_kinds():
        try:
            undo = undo_class(kind)
        except BrokenPlugin as error:
            unread.append(f"what `{kind}` undoes: {error}")
            continue
        if not issubclass(undo, Sweepable):
            continue
        looks: list[Lookup] = []
        with _told(kind, undo, unread):
            looks += undo.lookups(clients)
        for look in looks:
            with _told(kind, undo, unread):
                found += map(_leftover, look())
    return found, list(dict.fromkeys(unread))


@contextlib.contextmanager
def _told(kind: str, undo: type[Undo], unread: list[str]) -> Iterator[None]:
    """What keeps one undo from looking hides nothing that the others see. Raises what says that
    the target is another one, or is not there at all: that is the same for all.

    What another package cannot reach is its own affair: the target is asked by ours as well.
    """
    try:
        yield
    except Denied as error:
        unread.append(str(error))
    except Exception as error:
        of_the_target = isinstance(error, (*DEAD, TargetError)) and not from_another_package(undo)
        if of_the_target or isinstance(error, WrongTarget):
            raise
        said = str(error) if isinstance(error, DrillError) else f"{type(error).__name__}: {error}"
        unread.append(f"what `{kind}` undoes: {said}")


def _leftover(found: object) -> Leftover:
    if not (isinstance(found, Leftover) and isinstance(found.expires, datetime)):
        said = excerpt(repr(found), 200)
        raise TypeError(f"expected a Leftover that says when it expires, found {said}")
    return found


def _now(clients: Clients, clock: Clock) -> float:
    """The earliest of what the clocks tell: ours may be ahead of theirs whose run is at work."""
    told = [clock.now()]
    if clients.target.kubernetes is not None:
        told.append(clients.kube.now())
    if clients.target.aws is not None:
        told.append(clients.aws.now())
    return min(told)


def _at_work() -> set[str]:
    """Ids of the runs of this machine whose processes live."""
    return {run.id for run in open_runs() if is_running(run.folder)}


def sweep(
    leftovers: Iterable[Leftover],
    clients: Clients,
    clock: Clock,
    limit_s: float,
    tell: Callable[[Swept], None],
    stop: threading.Event | None = None,
) -> list[Swept]:
    """Remove them one after the other, within `limit_s` seconds; one that cannot be removed holds
    up nobody. Once `stop` is set nothing is waited for, and none is begun.
    """
    stop = stop or threading.Event()
    hurried = Hurried(clock, stop, INTERRUPTED)
    deadline = Deadline.after(limit_s, clock)
    done: list[Swept] = []
    for each in leftovers:
        if stop.is_set():
            swept = Swept(each, None, NOT_BEGUN)
        else:
            swept = _held_back(each, done) or _swept(each, clients, hurried, deadline)
        done.append(swept)
        tell(swept)
    return done


def _held_back(each: Leftover, done: Iterable[Swept]) -> Swept | None:
    """What something of the same run that is still there may yet create in stays as well."""
    for other in done:
        same_run = other.leftover.run == each.run
        if other.undone is None and same_run and holds(other.leftover.undo, each.undo):
            return Swept(each, None, f"{other.leftover.resource} may still create in it")
    return None


def _swept(each: Leftover, clients: Clients, clock: Clock, deadline: Deadline) -> Swept:
    context = UndoContext(clock, deadline, clock.mono(), confirmed=True, identity={"uid": each.uid})
    try:
        return Swept(each, Application(each.undo, clients, context).insist())
    except DrillError as error:
        return Swept(each, None, str(error))
