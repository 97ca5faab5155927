"""What failovers of databases and caches have in common. No kind itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drillkit.checks import Copy, verify
from drillkit.checks.warm import answers
from drillkit.clients.polling import poll
from drillkit.clients.sql import Database
from drillkit.clock import utc
from drillkit.model.errors import CallError, StepFailed
from drillkit.model.evidence import Activity, Check
from drillkit.steps.base import Act

T = TypeVar("T")
LOOK_CAP_S = 2.0
"""A failover is over in a minute: looks come often."""


def fail_over(
    act: Act, name: str, what: str, force: Callable[[], object], moved: Callable[[float], T | None]
) -> T:
    """Force a failover and wait until it has happened; what `moved` then gives.

    `name` of the action for the report, `what` for people (`rds instance/eu-central-1/db`). Raises
    StepFailed when AWS refuses, DeadlineOver when nothing moves.
    """
    began = act.clock.mono()
    act.mark("disrupted", at=began)
    try:
        force()
    except CallError as why:
        act.observe(
            Activity(
                name, "method", "action", "failed", None, None, act.clock.mono() - began, str(why)
            )
        )
        raise StepFailed(f"{what} was not failed over: {why}") from why
    found = poll(
        act,
        moved,
        what=f"{what} to have failed over",
        cap_s=LOOK_CAP_S,
    )
    took_s = act.clock.mono() - began
    act.observe(Activity(name, "method", "action", "succeeded", 1, None, took_s, targets=(what,)))
    return found


def settled(act: Act, what: str, database: Database | None, login: str) -> None:
    """Wait until the database answers again where it can be asked, mark `recovered`, and run the
    step's checks.
    """
    copy = Copy(name=what, disrupted=utc(act.clock.now()), database=database, login=login)
    if database is not None and login:

        def look(_: float) -> bool | None:
            try:
                return answers(act, copy)
            except CallError:
                return None  # connections are cut and refused while it moves

        poll(
            act,
            look,
            what=f"{what} to answer",
            cap_s=LOOK_CAP_S,
        )
    act.mark("recovered")
    verify(act, copy, "step")


def is_in_effect(act: Act, name: str, expected: str, found: str) -> None:
    """Write down where it is now, against where it should have gone."""
    act.observe(Check(name, "in-effect", expected, "==", found))
