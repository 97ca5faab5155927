"""Restores to a moment of a continuous backup, of instances and of clusters. No kind itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal, TypeVar

from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import RecoveryPoint
from drillkit.model.prospect import Prospect
from drillkit.steps.base import Act
from drillkit.steps.disruption import begin
from drillkit.steps.draws import seed_of
from drillkit.steps.outlook import Outlook
from drillkit.steps.rds.arguments import RestoreArguments
from drillkit.steps.rds.kind import DatabaseRestore
from drillkit.steps.rds.original import Loss, Original
from drillkit.steps.rds.surroundings import foresee_surroundings
from drillkit.steps.rds.windows import RestorableWindow, To, backup_evidence, chosen, foretell


@dataclass(frozen=True, slots=True, kw_only=True)
class PointInTimeArguments(RestoreArguments):
    to: To = "latest"
    """`latest` restorable time; `before`: one second before `disrupted`; a time; or `random`: a
    second of the restorable window, drawn so that anybody can draw it again. An old one has no
    recovery point objective.
    """


P = TypeVar("P", bound=PointInTimeArguments)


class PointInTimeRestore(DatabaseRestore[P]):
    """The frame: a moment is chosen in the window of what can be restored. What is restored, and
    how, a kind says itself.
    """

    unit: ClassVar[Literal["instance", "cluster"]]
    actions: ClassVar[tuple[str, ...]]
    """What AWS must allow."""

    def quotas(self, arguments: P) -> Mapping[str, int]:
        """How many of each quota it takes."""
        raise NotImplementedError

    def copy(self, arguments: P) -> str:
        """What it makes, for people."""
        raise NotImplementedError

    def window(self, rds: Rds, source: str) -> tuple[RestorableWindow, Original]:
        """Between which times the source can be restored, alive or deleted. Raises StepFailed when
        it cannot.
        """
        raise NotImplementedError

    def restore(self, arguments: P, act: Act, loss: Loss, point: datetime | None) -> None:
        """Restore to the point, None for the latest, and read it. Raises what `run` raises."""
        raise NotImplementedError

    def prospect(self, arguments: P, act: Act) -> Prospect:
        outlook = Outlook(act)
        rds = act.clients.rds
        foresee_surroundings(outlook, rds, arguments, self.quotas(arguments))
        outlook.permissions += self.actions
        with outlook.looking():
            window, _ = self.window(rds, arguments.source)
            source = f"rds {self.unit}/{rds.region}/{arguments.source}"
            foretell(outlook, arguments.to, arguments.disrupted, window, source)
        if arguments.to == "random":
            outlook.notes.append("the moment is drawn when the run has begun")
        outlook.makes(self.copy(arguments), rds.region)
        return outlook.prospect()

    def run(self, arguments: P, act: Act) -> None:
        disrupted = begin(act, arguments.disrupted)
        rds = act.clients.rds
        window, original = self.window(rds, arguments.source)
        point = chosen(arguments.to, disrupted, window, seed_of(act))
        promised = RecoveryPoint(point or window.latest, "latest-restorable", disrupted)
        of = original.described
        act.observe(backup_evidence(act, rds, arguments.source, of, arguments.to, window, point))
        self.restore(arguments, act, Loss(original, disrupted, promised), point)
