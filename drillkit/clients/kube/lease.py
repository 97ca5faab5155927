"""The run's lock in the target cluster: a Lease, which also carries the stop flag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drillkit.clients.kube.resources import LEASES
from drillkit.clients.undo import Applicable
from drillkit.model.effects import Phase


@dataclass(frozen=True)
class ReleaseLease(Applicable):
    """Gives the lock back: deletes the Lease if this run still holds it."""

    kind: ClassVar[str] = "kube.release-lease"
    phase: ClassVar[Phase] = "remove"
    rank: ClassVar[int] = 1000
    """Last of all: the lock protects the clean-up too."""

    name: str
    namespace: str
    run: str

    @property
    def resource(self) -> str:
        return LEASES.said(self.name, self.namespace)
