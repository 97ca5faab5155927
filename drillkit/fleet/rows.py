"""A fleet as it is told: one row for each target, and their sums. *Not run* stays apart from what
ran and was not proven.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

from drillkit.fleet.controller import FleetState
from drillkit.fleet.outcome import TargetOutcome
from drillkit.fleet.waves import RESULTS, Result, exit_code
from drillkit.lazy_dataclass import dataclass

Standing: TypeAlias = Literal[Result, "running", "waiting"]
ORDER: tuple[Standing, ...] = (*RESULTS, "running", "waiting")


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One target."""

    target: str
    wave: int
    """From 1."""
    standing: Standing
    why: str
    run: str = ""
    outcome: TargetOutcome | None = None


@dataclass(frozen=True, slots=True)
class FleetTable:
    """All targets, in the order in which they begin."""

    fleet: str
    drill: str
    place: str
    operator: str
    begun: float
    halted: str
    """Why nothing more begins, or ''."""
    rows: tuple[FleetRow, ...]

    @property
    def sums(self) -> dict[Standing, int]:
        """How many targets there are of each."""
        counts = Counter(row.standing for row in self.rows)
        return {each: counts[each] for each in ORDER if counts[each]}

    @property
    def exit_code(self) -> int:
        """As a run's: see `waves.exit_code`; 3 at least while something runs or waits."""
        results: list[Result] = []
        for row in self.rows:
            if row.outcome is not None:
                results.append(row.outcome.result)
            else:
                results.append("not run" if row.standing == "not run" else "unknown")
        return exit_code(results)

    @property
    def headline(self) -> str:
        """`12 targets: 10 met, 1 violated, 1 not run`."""
        count = len(self.rows)
        said = ", ".join(f"{number} {each}" for each, number in self.sums.items())
        return f"{count} target{'s' if count != 1 else ''}: {said}"


def table_of(state: FleetState) -> FleetTable:
    """What is known of a fleet, as rows."""
    plan, decision = state.plan, state.decide()
    rows = []
    for member in plan.members:
        name = member.target
        outcome, written = state.outcomes.get(name), state.submitted.get(name)
        standing: Standing
        if outcome is not None:
            standing, why = outcome.result, outcome.why
        elif written is not None:
            standing, why = "running", "its Job was submitted and has come to nothing yet"
        elif decision.halted:
            standing, why = "not run", f"not begun: {decision.halted}"
        else:
            standing, why = "waiting", "its turn has not come"
        known = outcome or written
        run = known.run if known is not None else ""
        rows.append(FleetRow(name, member.wave + 1, standing, why, run, outcome))
    return FleetTable(
        plan.id,
        plan.folder,
        plan.place,
        plan.operator,
        plan.begun,
        decision.halted,
        tuple(rows),
    )
