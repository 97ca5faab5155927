"""The attempts of one change in an AWS account; and the adoption of what one of them has made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.errors import Exists
from drillkit.clients.effect import Attempts
from drillkit.journal.book import Planned
from drillkit.model.effects import Effect
from drillkit.model.errors import NotOurs

if TYPE_CHECKING:
    from drillkit.clients.aws.service_client import ServiceClient


class AwsAttempts(Attempts):
    """Requests to one of AWS' services, each of which lasts 18 s at most. The last one's id
    is proof.
    """

    most: ClassVar[int] = 4
    limit_s: ClassVar[float] = 40.0

    def __init__(self, service: ServiceClient, plan: Planned[Effect]) -> None:
        super().__init__(plan, service.clock)
        self._service = service
        self._request = ""

    def _send(self, operation: str, asked: str, **params: Any) -> dict[str, Any]:
        """`Door._send`, remembered."""
        answer = self.remembered(lambda: self._service._send(operation, asked, **params))
        self._request = str((answer.get("ResponseMetadata") or {}).get("RequestId") or "")
        return answer

    def proof(self) -> Mapping[str, str]:
        return {"request": self._request} if self._request else {}


def adopted(
    create: Callable[[], Described],
    find: Callable[[], Described | None],
    ours: Callable[[Described], bool],
    said: str,
) -> Described:
    """What `create` gives; where the name is taken by this very run, what is there. Raises
    NotOurs, Exists.
    """
    try:
        return create()
    except Exists:
        there = find()
        if there is None:
            raise
        if not ours(there):
            raise NotOurs(
                f"expected to make {said}, found one that this run did not make; it is left alone. "
                "Choose another name for the step, or delete it if nobody needs it"
            ) from None
        return there
