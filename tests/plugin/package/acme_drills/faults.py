"""Faults of the status board, for Chaos Toolkit's experiments."""

from __future__ import annotations

from typing import Any

from acme_drills.board import FROZEN, Board, Thaw
from drillkit.plugin import (
    Clients,
    Prospect,
    Refused,
    StepUnknown,
    disrupted,
    end_now,
    fault,
    here,
    hold,
    recovered,
    seconds,
    touched,
)


def _preview_freeze(clients: Clients, *, board: str, duration: str) -> Prospect:
    if Board(clients, board).find(FROZEN) is not None:
        raise Refused("the board is frozen already")
    return Prospect(
        targets=(f"board/{FROZEN}",), effects=(f"freezes the board for {duration}, then thaws it",)
    )


@fault(preview=_preview_freeze)
def freeze(board: str, duration: str = "3s") -> dict[str, Any]:
    """Freeze the board for `duration`, and see that it was frozen all that time.

    Raises StepUnknown when somebody thawed it meanwhile, StepFailed when it was frozen already.
    """
    session, lasts_s = here(), seconds(duration, "duration")
    client = Board(session.clients, board)
    plan = session.book.plan(Thaw(board, FROZEN, session.run))
    client.put(plan, "frozen by a drill")
    touched(session, plan.undo.resource)
    began = disrupted(session)

    def frozen() -> tuple[bool, str]:
        return client.find(FROZEN) is not None, "somebody thawed it"

    healed = hold(session, began + lasts_s, frozen, plan.undo.resource)
    detail = end_now(session, plan, 30.0)
    recovered(session)
    if healed:
        raise StepUnknown(f"the board was not frozen all the time, {healed}")
    return {"undone": detail}
