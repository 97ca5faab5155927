"""What every fault stands on: its session, its waits, and the way to tell what it touched."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from drillkit.clients.chaostoolkit.faults import Preview, mark
from drillkit.clients.chaostoolkit.session import WorkerSession, current_session
from drillkit.clients.kube.resources import Object
from drillkit.clients.polling import poll
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.faults.pod_selection import reached
from drillkit.journal.book import Planned, observe
from drillkit.model.errors import CallError, DrillError, Refused
from drillkit.model.evidence import Check, Evidence, Mark
from drillkit.model.records import Progress, UndoEnded
from drillkit.model.units import Share, format_duration, parse_duration

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

POLL_S = 0.2
"""How often a cluster is asked whether something has come: fine enough to time a recovery by."""


def here() -> WorkerSession:
    """The session of this process: the worker's, or under plain `chaos run` one with a
    local journal.
    """
    session = current_session()
    if session is None:
        from drillkit.faults.standalone import open_local

        session = open_local()
    return session


def fault(*, preview: Preview) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a function an action of Chaos Toolkit with our guarantees.

    From its first line on it is known what it touched, also when it fails. `preview` says what it
    would do: it is called with the Clients to look through and with the action's arguments by name,
    defaults filled in; it reads only.
    """

    def decorate(activity: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(activity)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            session = here()
            notes = session.notes()
            notes.counted = True
            try:
                return activity(*args, **kwargs)
            except DrillError as error:
                notes.failure = error
                raise

        mark(run, preview)
        return run

    return decorate


def touched(session: WorkerSession, target: str) -> None:
    """Note a target that was touched just now."""
    session.notes().touched.append(target)


def tell(session: WorkerSession, evidence: Evidence) -> None:
    """Write down what was seen."""
    observe(session.book, evidence)


def say(session: WorkerSession, text: str) -> None:
    """Tell who is watching."""
    session.book.append(Progress(text), durable=False)


def disrupted(session: WorkerSession, at: float | None = None) -> float:
    """Mark this moment (or `at`, monotonic) as the one from which on users may suffer."""
    at = session.clock.mono() if at is None else at
    tell(session, Mark("disrupted", at))
    return at


def released(session: WorkerSession, at: float | None = None) -> float:
    """Mark this moment (or `at`, monotonic, if that was before) as the end of what the fault was
    asked to last: no recovery could come before, so its time is measured from here.
    """
    now = session.clock.mono()
    at = now if at is None else min(at, now)
    tell(session, Mark("released", at))
    return at


def recovered(session: WorkerSession) -> float:
    """Mark this moment as the one from which on the workload is whole again."""
    at = session.clock.mono()
    tell(session, Mark("recovered", at))
    return at


def in_effect(session: WorkerSession, name: str, found: bool | None, why: str) -> None:
    """Write down whether the fault is there while it should be."""
    tell(session, Check(name, "in-effect", True, "==", found, why))


def achieved(session: WorkerSession, name: str, found: int, expected: int, why: str = "") -> None:
    """Write down how much of what should come has come."""
    tell(session, Check(name, "step", expected, ">=", found, why))


def needed(session: WorkerSession, name: str, found: int, expected: int, why: str) -> None:
    """Write down how much has come of what the rest must have to prove anything."""
    tell(session, Check(name, "prerequisite", expected, ">=", found, why))


def reach(session: WorkerSession, pods: Sequence[Object]) -> None:
    """Write down how many of the pods that are about to be hit requests of users may come to.
    Raises CallError.
    """
    found = reached(session.clients.kube, pods)
    why = "" if found else "no Service leads to the pods that were hit: no request can have met it"
    tell(session, Check("pods that requests come to", "felt", 1, ">=", found, why))


def whole(session: WorkerSession, name: str, found: bool, why: str = "") -> None:
    """Write down whether something is as it should be."""
    tell(session, Check(name, "step", True, "==", found, why))


def seconds(text: str, name: str) -> float:
    """A duration argument in seconds. Raises Refused for anything without a unit."""
    try:
        found = parse_duration(str(text)).total_seconds()
    except ValueError as error:
        raise Refused(f"{name}: {error}") from error
    return found


def some_time(text: str, name: str) -> float:
    """`seconds`, more than none. Raises Refused: what lasts no time, or delays by none, is felt
    by nobody and proves nothing.
    """
    found = seconds(text, name)
    if found <= 0:
        raise _nothing(name, "a duration above zero", text)
    return found


def some_share(text: str, name: str) -> float:
    """A percentage above zero, as a share of one. Raises Refused."""
    try:
        found = Share.parse(str(text)).of_one
    except ValueError as error:
        raise Refused(f"{name}: {error}") from error
    if found <= 0:
        raise _nothing(name, "a percentage above zero", text)
    return found


def some_number(value: object, name: str) -> int:
    """A whole number above zero. Raises Refused."""
    text = str(value)
    if not text.isdecimal() or int(text) <= 0:
        raise _nothing(name, "a whole number above zero", text)
    return int(text)


def _nothing(name: str, expected: str, found: str) -> Refused:
    return Refused(
        f"{name}: expected {expected}, found {found!r}; a fault without strength is felt by nobody "
        "and proves nothing"
    )


def some_size(text: str, name: str) -> str:
    """An amount of memory as Chaos Mesh takes it, such as `256MB` or `50%`, of a megabyte at least:
    no process notices less. Raises Refused.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s?(?:([kKMGT])?i?B?|(%))?", text)
    least = {"k": 1000.0, "K": 1000.0, "M": 1.0, "G": 0.001, "T": 1e-6}
    if found is None or float(found[1]) <= 0:
        raise _nothing(name, "a size above zero such as 256MB or 50%", text)
    if not found[3] and float(found[1]) < least.get(found[2], 1e6):
        raise _nothing(name, "a size of at least 1MB, such as 256MB or 50%", text)
    return text


def wait(
    session: WorkerSession,
    until: Callable[[], T | None],
    *,
    limit_s: float,
    what: Callable[[], str],
    every_s: float = POLL_S,
) -> T:
    """Ask `until` again and again until it gives something.

    `what` tells for the message what was expected and what is there. Raises DeadlineOver, Refused
    when the fence closes.
    """
    return poll(
        session,
        lambda _: until(),
        what=lambda: f"{what()} (waited {format_duration(limit_s)})",
        deadline=session.deadline.sooner(limit_s),
        first_s=every_s,
        cap_s=every_s,
    )


def hold(
    session: WorkerSession,
    until: float,
    look: Callable[[], tuple[bool, str]],
    name: str,
    every_s: float = 1.0,
) -> str:
    """Keep a fault up until the monotonic time `until`, looking once a second whether it is
    in effect.

    Each change is written down, and one reading at least. '' when it was there all the time, else
    when and why not.
    """
    clock = session.clock
    before: bool | None = None
    looked, healed = False, ""
    began = clock.mono()
    while True:
        session.fence.check()
        found, why = _looked(look)
        if found is not before or not looked:
            in_effect(session, name, found, why)
            before, looked = found, True
        if not found and not healed:
            healed = f"after {format_duration(clock.mono() - began)}: {why}"
        left = min(until, session.deadline.at) - clock.mono()
        if left <= 0:
            return healed
        clock.sleep(min(every_s, left), session.fence.closed)


def _looked(look: Callable[[], tuple[bool, str]]) -> tuple[bool | None, str]:
    try:
        return look()
    except CallError as error:  # nobody knows, which is what the reading says
        return None, str(error)


def end_now(session: WorkerSession, planned: Planned[UndoAction], limit_s: float) -> str:
    """Undo a fault because its time is over, and write that down. What passes is tried again for
    `limit_s` seconds or until the run is stopped; where it fails, the undo stays open for clean-up.

    What was seen at the end. Raises CallError, DeadlineOver, BrokenUndo.
    """
    from drillkit.cleanup import Application
    from drillkit.clock import Deadline

    began = session.clock.mono()
    known = planned.identity
    deadline = Deadline.after(limit_s, session.clock)
    context = UndoContext(
        session.clock, deadline, began, confirmed=known is not None, identity=known or {}
    )
    stopped = session.fence.closed
    application = Application(
        planned.undo,
        session.clients,
        context,
        hopeless=lambda why: stopped.is_set(),
        pause=lambda seconds: session.clock.sleep(seconds, stopped),
    )
    undone = application.insist()
    took_s = round(session.clock.mono() - began, 3)
    ended = UndoEnded(planned.n, undone.outcome, undone.detail, application.attempts, took_s)
    session.book.append(ended)
    return undone.detail


def expires(session: WorkerSession, after_s: float) -> str:
    """The date so many seconds from now, for the annotation that says until when something is meant
    to last.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(session.clock.now() + after_s))
