"""Reading what was restored: connected to, read once, checked."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from drillkit.checks import Copy, verify, warm
from drillkit.checks.warm import answers
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.polling import poll
from drillkit.clients.rds import plans
from drillkit.clock import DeadlineOver
from drillkit.model.errors import CallError, Denied, UsageError
from drillkit.model.evidence import Note
from drillkit.steps.base import Act
from drillkit.steps.rds.original import Loss

ANSWER_S = 60.0
"""A copy that is available takes connections within this time, or cannot be reached from here."""


def read(act: Act, loss: Loss, described: Described, said: str, within: timedelta) -> None:
    """Connect to what was restored, read it once, run its checks; then its outputs. Raises
    StepFailed, StepUnknown.

    `described`: the copy; `said`: its name for people; `within`: how long reading all of it once
    may take.
    """
    original = loss.original
    made_with = str(
        original.described.get("DBName") or original.described.get("DatabaseName") or ""
    )
    database = plans.database_of(described, made_with)
    copy = Copy(
        name=said,
        disrupted=loss.disrupted,
        database=database,
        original=plans.database_of(original.described) if original.alive else None,
        login=act.target.databases.get(original.name, ""),
    )
    if database is not None:
        act.outputs |= {
            "host": database.host,
            "port": database.port,
            "endpoint": f"{database.host}:{database.port}",
        }
    if _answers(act, copy):
        act.mark("ready")
        warm(act, copy, within.total_seconds())
    else:
        act.mark("ready")
    verify(act, copy)


def _answers(act: Act, copy: Copy) -> bool:
    """Whether the copy takes connections from here; if not, why is noted."""
    why = "the target names no credentials for it"
    if copy.database is not None and copy.login:

        def look(_: float) -> bool | None:
            nonlocal why
            try:
                return answers(act, copy)
            except (Denied, UsageError) as error:
                why = str(error)
                return False
            except CallError as error:
                why = str(error)
                return None

        with contextlib.suppress(DeadlineOver):
            deadline = act.deadline.sooner(ANSWER_S)
            if poll(
                act,
                look,
                deadline=deadline,
                what="an answer",
                cap_s=2.0,
            ):
                return True
    act.observe(Note("drillkit", f"{copy.name} was not read from here: {why}", "observation"))
    return False
