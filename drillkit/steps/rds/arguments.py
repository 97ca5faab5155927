"""Arguments that several kinds of RDS and Aurora take."""

from __future__ import annotations

from datetime import datetime, timedelta

from drillkit.clients.rds import plans
from drillkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreArguments:
    source: str
    """Identifier of the original; it may be deleted already."""
    instance_class: str = ""
    """Class of the copy. Default: the original's."""
    multi_az: bool | None = None
    """Whether the copy gets a standby. Default: as the original."""
    parameter_group: str = ""
    """Parameter group to copy. Default: the original's; needed where that is gone."""
    disrupted: datetime | None = None
    """When the disaster was. Default: the moment the step begins, and the disruption counts
    as simulated.
    """
    warm: timedelta = timedelta(minutes=10)
    """How long reading all restored data once may take, after which it is left; `0` does
    not read.
    """

    @property
    def wishes(self) -> plans.Wishes:
        """What the copy has otherwise than its original."""
        return plans.Wishes(self.instance_class, self.multi_az)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailoverArguments:
    source: str
    """Identifier of the instance or cluster."""
