"""What is restored from, described by itself or by the backup that outlived it."""

from __future__ import annotations

from datetime import datetime

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.model.evidence import RecoveryPoint


@dataclass(frozen=True, slots=True)
class Original:
    """What is restored from."""

    name: str
    described: Described
    alive: bool
    uid: str = ""

    @property
    def engine(self) -> str:
        return str(self.described.get("Engine", ""))


@dataclass(frozen=True, slots=True)
class Loss:
    """What a restore makes up for."""

    original: Original
    disrupted: datetime
    """When it was lost."""
    promised: RecoveryPoint
    """Up to when the backup reaches, as its provider says."""


def original_instance(rds: Rds, source: str, otherwise: Described) -> Original:
    """The instance, or what a backup or snapshot tells of it when it is gone."""
    described = rds.instance(source)
    found = otherwise if described is None else described
    return Original(source, found, described is not None, str(found.get("DbiResourceId", "")))


def original_cluster(rds: Rds, source: str, otherwise: Described | None) -> Original:
    """The cluster, or what a backup or snapshot tells of it when it is gone. Raises StepFailed
    for neither.
    """
    described = rds.cluster(source)
    found = otherwise if described is None else described
    if found is None:
        raise not_there(f"rds cluster {source}", rds.region)
    return Original(source, found, described is not None, str(found.get("DbClusterResourceId", "")))


def storage_of(described: Described) -> int:
    """GiB of an instance, backup or snapshot; 0 where nothing tells."""
    return int(described.get("AllocatedStorage") or 0)


def not_there(source: str, region: str) -> StepFailed:
    """There is neither the source nor a backup of it."""
    return StepFailed(f"there is no {source} in {region}, and no automated backup of it is kept")
