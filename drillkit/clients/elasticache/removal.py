"""What the removals of all that a run makes in ElastiCache have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from drillkit.clients.aws.leftovers import regions
from drillkit.clients.aws.removal import DeleteResource
from drillkit.clients.aws.service_client import ServiceClient
from drillkit.clients.elasticache.reader import ElastiCacheReader
from drillkit.clients.undo import Leftover, Lookup

if TYPE_CHECKING:
    from drillkit.clients import Clients


class DeleteInElastiCache(DeleteResource):
    """Deletes something in ElastiCache that the run made."""

    def service(self, clients: Clients) -> ServiceClient:
        return clients.elasticache.at(self.region).service

    @classmethod
    def left(cls, cache: ElastiCacheReader) -> Iterator[Leftover]:
        """What of its kind bears a run's tags in a region."""
        raise NotImplementedError

    @classmethod
    def lookups(cls, clients: Clients) -> Iterable[Lookup]:
        """Region by region, what bears a run's tags."""
        return [partial(cls.left, clients.elasticache.at(region)) for region in regions(clients)]
