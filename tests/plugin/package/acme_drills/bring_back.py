"""The step `acme.bring-back`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from acme_drills.board import Board, TakeDown
from drillkit.plugin import FROM_HERE, Act, Copy, Kind, Prospect, Rehearsal, StepFailed, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class BringBackArguments:
    board: str
    """URL of the status board."""
    source: str
    """Name of the notice that was lost."""


class BringBack(Kind[BringBackArguments]):
    """Put what the board keeps of a notice up once more, beside the original. It is taken down when
    the drill ends.
    """

    name = "acme.bring-back"
    disturbs = "none"
    rehearses = Rehearsal(way="restore", system="board", named_by=("source",), apart="region")
    Arguments = BringBackArguments
    needs = frozenset()
    objectives = frozenset({"rto"})
    checks = FROM_HERE

    def prospect(self, arguments: BringBackArguments, act: Act) -> Prospect:
        return Prospect(targets=(f"board/{arguments.source}-again",))

    def run(self, arguments: BringBackArguments, act: Act) -> None:
        board = Board(act.clients, arguments.board)
        kept = board.find(arguments.source)
        if kept is None:
            raise StepFailed(f"the board keeps nothing of {arguments.source}")
        act.mark("disrupted", simulated=True)
        plan = act.book.plan(TakeDown(arguments.board, f"{arguments.source}-again", act.run.id))
        board.put(plan, kept["text"])
        verify(act, Copy(plan.undo.resource, datetime.now(UTC)), "restored-data")


KIND = BringBack()
