"""The attempts of one change in a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from drillkit.clients.effect import Attempts
from drillkit.clients.kube.wire import Response
from drillkit.clients.removal import Patience
from drillkit.journal.book import Planned
from drillkit.model.effects import Effect

if TYPE_CHECKING:
    from drillkit.clients.kube.client import KubeClient

PATIENCE = Patience(settle_s=15.0)
"""An unanswered request has landed by then or never will: the API server drops it earlier
(`LANDING_S`). Most things are gone when their deletion is answered: the second look comes at once.
"""


class KubeAttempts(Attempts):
    """Requests to a Kubernetes API."""

    most: ClassVar[int] = 3
    limit_s: ClassVar[float] = 20.0

    def __init__(self, kube: KubeClient, plan: Planned[Effect]) -> None:
        super().__init__(plan, kube.clock)
        self._kube = kube

    def _send(
        self,
        method: str,
        path: str,
        asked: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Response:
        """`KubeClient._send`, remembered."""
        return self.remembered(
            lambda: self._kube._send(
                method, path, asked, query=query, body=body, content_type=content_type
            )
        )
