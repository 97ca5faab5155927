"""Cordon, and its undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from drillkit.clients.kube.client import KubeClient
from drillkit.clients.kube.field_patch import FieldChange, RestoreFields, change_fields, put_back
from drillkit.clients.kube.resources import NODES, Object
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.journal.book import Planned
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Phase, Undone
from drillkit.model.errors import Conflict

if TYPE_CHECKING:
    from drillkit.clients import Clients

SWITCH = "/spec/unschedulable"


@dataclass(frozen=True)
class Uncordon(UndoAction):
    """Makes a node schedulable again that this run cordoned, and no other."""

    kind: ClassVar[str] = "kube.uncordon"
    phase: ClassVar[Phase] = "relieve"

    node: str
    run: str
    """Id of the run that cordons it."""
    uid: str
    """UID of the node when it was read."""
    expires: str = ""
    """Until when it should be cordoned (ISO 8601), for whoever reads the annotation."""
    prior: str = ""
    """What `spec.unschedulable` was, as JSON; '' for no such field, which is what API servers send
    for `false`.
    """

    @property
    def resource(self) -> str:
        return NODES.said(self.node)

    @property
    def fields(self) -> RestoreFields:
        """The same as a change of a field."""
        change = FieldChange(SWITCH, "true", self.prior)
        return RestoreFields(NODES, self.node, self.run, self.uid, (change,), expires=self.expires)

    @property
    def by_hand(self) -> tuple[str, ...]:
        return (f"kubectl uncordon {self.node}",)

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver."""
        return put_back(clients.kube, self.fields, context)


def uncordon_of(node: Object, *, run: str, expires: str = "") -> Uncordon:
    """The undo of cordoning a node as it was read. Raises Conflict when it is cordoned already: not
    ours to undo.
    """
    meta, spec = node["metadata"], node.get("spec") or {}
    if spec.get("unschedulable"):
        raise Conflict(
            f"{NODES.said(meta['name'])} is cordoned already, and not by this run; leave it or "
            "uncordon it"
        )
    prior = "false" if "unschedulable" in spec else ""
    return Uncordon(meta["name"], run, meta["uid"], expires, prior)


def cordon(kube: KubeClient, plan: Planned[Uncordon]) -> Object:
    """See `Kube.cordon`."""
    return change_fields(kube, plan, plan.undo.fields, f"kubectl uncordon {plan.undo.node}")
