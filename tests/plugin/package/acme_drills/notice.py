"""The step `acme.notice`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from acme_drills.board import Board, TakeDown
from drillkit.plugin import FROM_HERE, Act, Check, Copied, Copy, Kind, Prospect, Refused, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeArguments:
    board: str
    """URL of the status board."""
    name: str = "drill"
    """Name of the notice."""
    text: str = "A drill is running."
    """What users read."""
    size: str = ""
    """What is paid for it by the hour; '' for a small one, which is free."""
    stays: timedelta = timedelta(0)
    """How long it stands before the checks are run."""


class Notice(Kind[NoticeArguments]):
    """Put a notice up on the status board, so that users know of the drill. It is taken down when
    the drill ends.
    """

    name = "acme.notice"
    disturbs = "none"
    Arguments = NoticeArguments
    needs = frozenset()
    checks = FROM_HERE
    outputs = {"notice": "the notice's name"}

    def prospect(self, arguments: NoticeArguments, act: Act) -> Prospect:
        there = Board(act.clients, arguments.board).find(arguments.name)
        name = f"board/{arguments.name}"
        return Prospect(
            targets=(name,),
            effects=(f"puts up {name}; taken down when the drill ends",),
            copies=(Copied(name, arguments.size),) if arguments.size else (),
            problems=(f"{name} is there already",) if there else (),
        )

    def run(self, arguments: NoticeArguments, act: Act) -> None:
        board = Board(act.clients, arguments.board)
        undo = TakeDown(arguments.board, arguments.name, act.run.id, size=arguments.size)
        plan = act.book.plan(undo)
        board.put(plan, arguments.text)
        act.outputs["notice"] = arguments.name
        if act.clock.sleep(arguments.stays.total_seconds(), act.fence.closed):
            raise Refused(f"stopped while the notice stood: {act.fence.why}")
        found = (board.find(arguments.name) or {}).get("text")
        act.observe(Check(plan.undo.resource, "step", arguments.text, "==", found))
        verify(act, Copy(plan.undo.resource, datetime.now(UTC)), "step")


KIND = Notice()
