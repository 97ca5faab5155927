"""Removing what a run made in AWS: found again by its tags, deleted, and waited for until it
is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from drillkit.clients.aws.errors import WrongState
from drillkit.clients.aws.ownership import EXPIRES, OF, RUN, carries_marks
from drillkit.clients.aws.service_client import ServiceClient
from drillkit.clients.removal import Patience, Removal, Whose, remove
from drillkit.clients.undo import UndoAction, UndoContext
from drillkit.lazy_dataclass import dataclass
from drillkit.model.effects import Phase, Undone
from drillkit.model.errors import Absent, NotOurs

if TYPE_CHECKING:
    from drillkit.clients import Clients

PATIENCE = Patience(
    settle_s=30.0,
    lags=True,
    pauses_s=tuple(min(0.3 * 1.4**n, 10.0) for n in range(12)),
)
"""What was asked for and not seen appears within this time or never: a call lasts 18 s at most, and
descriptions and tags lag behind AWS' own answers by seconds.
"""


@dataclass(frozen=True, slots=True)
class FoundResource:
    """A resource as it stands there."""

    tags: Mapping[str, str]
    status: str = ""
    uid: str = ""
    """What AWS knows it by for ever, or ''."""
    protected: bool = False
    arn: str = ""

    def is_of(self, undo: DeleteResource, uid: str) -> bool:
        """Whether it is what the undo is about: both tags, and the same id where both are known."""
        return carries_marks(self.tags, undo.run, undo.name) and not (
            uid and self.uid and uid != self.uid
        )


@dataclass(frozen=True)
class DeleteResource(UndoAction):
    """Deletes a resource that the run made. Of each kind it is told how it is found and deleted."""

    phase: ClassVar[Phase] = "remove"

    name: str
    run: str
    """Id of the run that makes it."""
    region: str
    expires: str = ""
    """Until when it is meant to live (ISO 8601)."""

    def service(self, clients: Clients) -> ServiceClient:
        """The service in the region."""
        raise NotImplementedError

    def find(self, clients: Clients) -> FoundResource | None:
        """The resource as it stands there. Raises CallError."""
        raise NotImplementedError

    def delete(self, clients: Clients, found: FoundResource) -> None:
        """Ask once for its deletion. Raises CallError: WrongState (it is still being made, or
        something uses it) is asked again.
        """
        raise NotImplementedError

    def apply(self, clients: Clients, context: UndoContext) -> Undone:
        """Raises CallError, DeadlineOver saying what blocks."""
        return _remove(
            self, lambda: self.find(clients), lambda found: self.delete(clients, found), context
        )

    def hand_over(self, clients: Clients, uid: str) -> str:
        """Take the run's tags off. Raises Absent, NotOurs, CallError."""
        found = self.find(clients)
        if found is None or not found.arn:
            raise Absent(f"{self.resource} is not there (any more)")
        if not found.is_of(self, uid):
            raise NotOurs(
                f"{self.resource} does not carry this run's tags: it is nobody's to hand over"
            )
        self.service(clients)._change(
            "RemoveTagsFromResource",
            f"take the run's tags off {self.resource}",
            ResourceName=found.arn,
            TagKeys=[RUN, OF, EXPIRES],
        )
        return "its tags are off"


def _remove(
    undo: DeleteResource,
    find: Callable[[], FoundResource | None],
    delete: Callable[[FoundResource], None],
    context: UndoContext,
) -> Undone:
    uid = context.identity.get("uid", "")

    def whose(found: FoundResource) -> Whose:
        if found.is_of(undo, uid):
            return "ours"
        return "another" if uid and found.uid and found.uid != uid else "unmarked"

    def ask(found: FoundResource) -> str:
        try:
            if found.status != "deleting":
                delete(found)
        except WrongState as why:
            return str(why)
        except Absent:  # gone meanwhile: the next look says so
            pass
        return "it is being deleted"

    return remove(Removal(undo.resource, find, whose, ask, PATIENCE, "tags"), context)
