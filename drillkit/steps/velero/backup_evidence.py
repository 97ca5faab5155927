"""What is known of a backup: size, place, encryption, and until when nobody can delete it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from drillkit.clients.aws.vault import Retention, Stored, stored
from drillkit.clients.velero.state import Location
from drillkit.model.errors import DrillError
from drillkit.model.evidence import Backup
from drillkit.model.permissions import AwsAction
from drillkit.model.target import Target
from drillkit.steps.base import Act
from drillkit.steps.velero.backup_selection import Chosen


def backup_evidence(
    act: Act, chosen: Chosen, location: Location, volumes: Iterable[Mapping[str, Any]]
) -> Backup:
    """What is known of a backup that is restored. `volumes`: what it holds of them."""
    backup, key = chosen.backup, location.key_of(chosen.backup.name)
    stored = _stored(act, location, key)
    sizes = [size for each in volumes if (size := _size(each))]
    parts = ["its archive"] if stored.bytes is not None else []
    parts += [f"{len(sizes)} volumes"] if sizes else []
    return Backup(
        name=backup.name,
        of=f"schedule {backup.schedule}" if backup.schedule else "no schedule",
        how=chosen.how,
        among=chosen.among,
        seed=chosen.seed,
        created=backup.started or backup.created,
        bytes=(stored.bytes or 0) + sum(sizes) if parts else None,
        counted=" and ".join(parts),
        place=f"s3://{location.bucket}/{location.prefix}".rstrip("/") if location.bucket else "",
        region=location.region,
        encrypted=stored.encrypted,
        kms_key=stored.key,
        immutable=stored.kept.immutable,
        immutable_until=stored.kept.until,
        lock=stored.kept.lock,
        unread=stored.kept.unread,
    )


def _out_of_sight(target: Target, location: Location) -> str:
    """Why its bucket cannot be asked, or ''."""
    where = f"storage location {location.name}"
    if location.provider.rpartition("/")[2] != "aws" or location.url:
        at = location.url or location.provider or "an unknown provider"
        return f"{where} is at {at}, which is not S3 of the target"
    if target.aws is None:
        return f"{where}: the target has no `aws:`, so nobody looked at its bucket"
    return ""


def bucket_permissions(target: Target, location: Location) -> Iterator[AwsAction]:
    """What looking at a backup in its bucket needs."""
    if _out_of_sight(target, location):
        return
    why = "how large the backup is, how it is encrypted, and until when nobody can delete it"
    archives = f"{location.bucket}/{location.key_of('*')}"
    yield AwsAction("s3:GetObject", why, archives)
    yield AwsAction("s3:GetObjectRetention", why, archives)
    yield AwsAction("s3:GetBucketObjectLockConfiguration", why, location.bucket)


def _stored(act: Act, location: Location, key: str) -> Stored:
    if why := _out_of_sight(act.target, location):
        return Stored(Retention(unread=(why,)))
    try:
        aws = act.clients.aws
    except DrillError as error:
        return Stored(Retention(unread=(str(error),)))
    return stored(aws, location.bucket, key, location.region)


def _size(volume: Mapping[str, Any]) -> int:
    """Bytes of one volume, as its snapshot, its mover or its uploader tells them; 0: nobody does.
    Source: `VolumeInfo` of Velero 1.13 and later.
    """
    for part in ("snapshotDataMovementInfo", "pvbInfo", "csiSnapshotInfo"):
        size = (volume.get(part) or {}).get("size")
        if isinstance(size, int) and size > 0:
            return size
    return 0
