"""Objects that a run creates, and their removal: a fault (relieve), or a resource of its own (remove)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drillkit.clients.kube.resources import Resource
from drillkit.clients.undo import Applicable
from drillkit.model.effects import Phase


@dataclass(frozen=True)
class DeleteFault(Applicable):
    """Deletes a fault's object (a NetworkChaos, say) and waits until its controller has really let go."""

    kind: ClassVar[str] = "kube.delete-fault"
    phase: ClassVar[Phase] = "relieve"

    of: Resource
    name: str
    run: str
    """Id of the run that creates it."""
    namespace: str = ""
    expires: str = ""
    """When the other side ends it by itself (ISO 8601), or ''."""

    @property
    def resource(self) -> str:
        return self.of.said(self.name, self.namespace)


@dataclass(frozen=True)
class DeleteObject(Applicable):
    """Deletes an object that the run made for itself (a namespace, a Job, an engine) and waits until it is gone."""

    kind: ClassVar[str] = "kube.delete-object"
    phase: ClassVar[Phase] = "remove"

    of: Resource
    name: str
    run: str
    """Id of the run that creates it."""
    namespace: str = ""
    expires: str = ""
    """Until when it is meant to live (ISO 8601), or ''."""

    @property
    def resource(self) -> str:
        return self.of.said(self.name, self.namespace)
