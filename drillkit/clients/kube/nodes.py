"""Cordon, and its undo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drillkit.clients.kube.resources import NODES
from drillkit.clients.undo import Applicable
from drillkit.model.effects import Phase


@dataclass(frozen=True)
class Uncordon(Applicable):
    """Makes a node schedulable again that this run cordoned, and no other."""

    kind: ClassVar[str] = "kube.uncordon"
    phase: ClassVar[Phase] = "relieve"

    node: str
    run: str
    """Id of the run that cordons it."""
    uid: str
    """UID of the node when it was read."""
    expires: str = ""

    @property
    def resource(self) -> str:
        return NODES.said(self.node)
