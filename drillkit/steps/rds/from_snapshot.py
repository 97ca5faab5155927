"""Restores from a snapshot, of instances and of clusters. No kind itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.evidence import RecoveryPoint
from drillkit.model.prospect import Prospect
from drillkit.steps.base import Act
from drillkit.steps.draws import Choose
from drillkit.steps.outlook import Outlook
from drillkit.steps.rds import snapshots
from drillkit.steps.rds.arguments import RestoreArguments
from drillkit.steps.rds.kind import DatabaseRestore
from drillkit.steps.rds.original import Loss, Original
from drillkit.steps.rds.surroundings import foresee_surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotArguments(RestoreArguments):
    from_: snapshots.From = "automated"
    """Snapshots of which kind: `automated`, `manual`, those of AWS Backup (`awsbackup`), or a
    `fresh` one that the step takes before the disruption.
    """
    choose: Choose = "latest"
    """Which of them: the `latest`, or one drawn at `random`, a sample as auditors ask for. The draw
    can be repeated; an old backup has no recovery point objective.
    """
    snapshot: str = ""
    """A snapshot by its name instead."""

    @property
    def wanted(self) -> snapshots.Wanted:
        """Which snapshot is asked for."""
        return snapshots.Wanted(self.source, self.snapshot, self.from_, self.choose)


S = TypeVar("S", bound=SnapshotArguments)


class SnapshotRestore(DatabaseRestore[S]):
    """The frame: a snapshot is chosen or taken. What is restored from it, and how, a kind says
    itself.
    """

    actions: ClassVar[tuple[str, ...]]
    """What AWS must allow."""
    takes: ClassVar[tuple[str, ...]]
    """What it must allow besides, where the step takes a fresh snapshot."""

    def quotas(self, arguments: S) -> Mapping[str, int]:
        """How many of each quota it takes."""
        raise NotImplementedError

    def copy(self, arguments: S) -> str:
        """What it makes, for people."""
        raise NotImplementedError

    def original(self, rds: Rds, source: str, snapshot: Described) -> Original:
        """The source, or what the snapshot tells of it when it is gone."""
        raise NotImplementedError

    def restore(self, arguments: S, act: Act, loss: Loss, snapshot: Described) -> None:
        """Restore the snapshot and read it. Raises what `run` raises."""
        raise NotImplementedError

    def prospect(self, arguments: S, act: Act) -> Prospect:
        outlook = Outlook(act)
        rds = act.clients.rds
        fresh = arguments.wanted.fresh
        taken = {"ManualSnapshots": 1} if fresh else {}
        foresee_surroundings(outlook, rds, arguments, {**self.quotas(arguments), **taken})
        outlook.permissions += self.actions
        with outlook.looking():
            snapshots.foretell(outlook, rds, arguments.wanted, arguments.disrupted)
        if fresh:
            outlook.permissions += self.takes
        outlook.makes(self.copy(arguments), rds.region)
        return outlook.prospect()

    def run(self, arguments: S, act: Act) -> None:
        rds = act.clients.rds
        wanted = arguments.wanted
        found, disrupted = snapshots.select(act, rds, wanted, arguments.disrupted)
        original = self.original(rds, arguments.source, found.snapshot)
        at = snapshots.database_time(found.snapshot)
        promised = RecoveryPoint(at or disrupted, "snapshot", disrupted)
        try:
            self.restore(arguments, act, Loss(original, disrupted, promised), found.snapshot)
        finally:  # nobody would ask for it in a disaster, so it is no part of the recovery time
            act.observe(snapshots.backup_evidence(rds, wanted, found))
