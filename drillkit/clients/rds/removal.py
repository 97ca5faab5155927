"""What the removals of all that a run makes in RDS have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from drillkit.clients.aws.leftovers import regions
from drillkit.clients.aws.removal import DeleteResource
from drillkit.clients.aws.service_client import ServiceClient
from drillkit.clients.rds.reader import RdsReader
from drillkit.clients.undo import Leftover, Lookup

if TYPE_CHECKING:
    from drillkit.clients import Clients


class DeleteInRds(DeleteResource):
    """Deletes something in RDS that the run made."""

    def service(self, clients: Clients) -> ServiceClient:
        return clients.rds.at(self.region).service

    @classmethod
    def left(cls, rds: RdsReader) -> Iterator[Leftover]:
        """What of its kind bears a run's tags in a region."""
        raise NotImplementedError

    @classmethod
    def lookups(cls, clients: Clients) -> Iterable[Lookup]:
        """Region by region, what bears a run's tags."""
        return [partial(cls.left, clients.rds.at(region)) for region in regions(clients)]
