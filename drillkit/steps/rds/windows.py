"""Between which times something can be restored, and which of them is meant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.draw import moment
from drillkit.model.errors import StepFailed
from drillkit.model.evidence import Backup
from drillkit.steps.aws import place_of
from drillkit.steps.base import Act
from drillkit.steps.draws import seed_of
from drillkit.steps.outlook import Outlook
from drillkit.steps.rds.snapshots import GIB

To: TypeAlias = Literal["latest", "before", "random"] | datetime
BEFORE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class RestorableWindow:
    """The first and the last time that can be restored."""

    earliest: datetime | None
    latest: datetime


def chosen(
    to: To, disrupted: datetime | None, window: RestorableWindow, seed: str = ""
) -> datetime | None:
    """The time to restore to, None for the latest. `seed`: what a random one is drawn with; '' is
    not drawn yet. Raises StepFailed outside of what can be restored.
    """
    if to == "latest" or (to == "before" and disrupted is None) or (to == "random" and not seed):
        return None
    if isinstance(to, datetime):
        point = to
    elif to == "random":
        point = _drawn(seed, window)
    else:
        assert disrupted is not None
        point = min(disrupted - BEFORE, window.latest)
    if point > window.latest or (window.earliest is not None and point < window.earliest):
        since = f"{window.earliest:%Y-%m-%d %H:%M:%S}" if window.earliest else "the first backup"
        raise StepFailed(
            f"{point.isoformat()} cannot be restored: expected a time from {since} to "
            f"{window.latest:%Y-%m-%d %H:%M:%S} UTC"
        )
    return point


def _drawn(seed: str, window: RestorableWindow) -> datetime:
    if window.earliest is None:
        raise StepFailed(
            "nothing tells since when it can be restored, so no moment can be drawn; say `to: "
            "latest`, or a time"
        )
    return moment(seed, window.earliest, window.latest)


def foretell(
    outlook: Outlook, to: To, disrupted: datetime | None, window: RestorableWindow, source: str
) -> None:
    """What a plan says of the moment. `source`: whose backups, for people.

    Raises StepFailed outside of what can be restored.
    """
    point = chosen(to, disrupted, window)
    outlook.targets.append(f"{source} (its backups; it is not touched)")
    if point is None:
        outlook.reaches("the newest restorable moment", window.latest, disrupted)
    else:
        outlook.reaches("the chosen moment", point, disrupted)


def backup_evidence(
    act: Act,
    rds: Rds,
    source: str,
    of: Described,
    to: To,
    window: RestorableWindow,
    point: datetime | None,
) -> Backup:
    """What is known of a continuous backup that is restored. `of`: what it is a backup of, as that
    is described, or the backup itself where that is gone.
    """
    cluster = "DBClusterIdentifier" in of and "DBInstanceIdentifier" not in of
    arn = str(of.get("DBClusterArn") or of.get("DBInstanceArn") or "")
    size = int(of.get("AllocatedStorage") or 0)
    encrypted = of.get("StorageEncrypted", of.get("Encrypted"))
    days = of.get("BackupRetentionPeriod")
    kept = f", which is {days} days" if days is not None else ""
    name = str(of.get("DbiResourceId") or of.get("DbClusterResourceId") or source)
    unit = "cluster" if cluster else "instance"
    return Backup(
        name=name,
        of=f"rds {unit}/{source}, continuous",
        how=_how(to),
        between=(window.earliest, window.latest) if window.earliest else None,
        moment=point,
        seed=seed_of(act) if to == "random" else "",
        created=point or window.latest,
        bytes=size * GIB or None,
        counted="storage of the original" if size else "",
        place=place_of(arn),
        region=rds.region,
        encrypted=encrypted,
        kms_key=str(of.get("KmsKeyId") or ""),
        immutable=False,
        lock=f"none: whoever shortens its retention{kept}, deletes it",
    )


def _how(to: To) -> Literal["latest", "random", "moment"]:
    if isinstance(to, datetime):
        return "moment"
    return "random" if to == "random" else "latest"
