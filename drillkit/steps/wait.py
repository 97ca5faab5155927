"""`wait`: nothing, for a while."""

from __future__ import annotations

from datetime import timedelta

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Refused
from drillkit.model.evidence import Note
from drillkit.model.prospect import Prospect
from drillkit.model.units import format_duration
from drillkit.steps.base import Act, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitArguments:
    for_: timedelta
    """How long."""
    change: str = ""
    """A change that people made just before, such as a rollout: what it does to users is what the
    drill looks at. The report names it, and that nobody has looked whether it was made. Without one
    a wait tests nothing.
    """
    by: str = ""
    """Who says that the change was made. Default: the drill."""


class Wait(Kind[WaitArguments]):
    """Wait, so that a fault before or beside it lasts, or a system settles. Touches nothing, and
    proves nothing unless people have made the `change` that is watched.
    """

    name = "wait"
    disturbs = "none"
    Arguments = WaitArguments
    needs = frozenset()

    def prospect(self, arguments: WaitArguments, act: Act) -> Prospect:
        return Prospect(effects=(f"waits {format_duration(arguments.for_)}",))

    def run(self, arguments: WaitArguments, act: Act) -> None:
        if arguments.change:
            act.mark("disrupted")
            said = f"a change that people made: {arguments.change}"
            act.observe(Note(arguments.by or "the drill", said, "manual-step"))
        if act.clock.sleep(
            min(arguments.for_.total_seconds(), act.deadline.left()), act.fence.closed
        ):
            raise Refused(f"stopped while waiting: {act.fence.why}")


KIND = Wait()
