"""What all kinds that restore a database beside its original have in common. No kind itself."""

from __future__ import annotations

from typing import TypeVar

from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.aws import ENDPOINT
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Kind
from drillkit.steps.rds.arguments import RestoreArguments

R = TypeVar("R", bound=RestoreArguments)


class DatabaseRestore(Kind[R]):
    """Restores a database beside its original, reads it, and removes it."""

    disturbs = "none"
    rehearses = Rehearsal(way="restore", system="database", named_by=("source",), apart="beside")
    needs = frozenset({"aws"})
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = DATABASE_CHECKS | FROM_HERE
    outputs = ENDPOINT
