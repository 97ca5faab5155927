"""Which backup: a named one, or the newest good one of a schedule; and whether it can be used
at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from drillkit.clients.aws.vault import Retention, Stored, stored
from drillkit.clients.velero import Velero
from drillkit.clients.velero.state import Location, State
from drillkit.lazy_dataclass import dataclass
from drillkit.model.draw import position
from drillkit.model.errors import Absent, DrillError, Refused, StepFailed
from drillkit.model.evidence import Backup
from drillkit.model.permissions import AwsAction
from drillkit.model.target import Target
from drillkit.steps.base import Act
from drillkit.steps.draws import Choose


@dataclass(frozen=True, slots=True)
class Chosen:
    """A backup, what was passed over on the way to it, and which of how many it is."""

    backup: State
    how: Literal["latest", "random", "named", "fresh"]
    passed_over: tuple[State, ...] = ()
    """Newer backups of the schedule that are not good."""
    among: tuple[str, ...] = ()
    """All of the schedule that could have been chosen, the oldest first."""
    seed: str = ""


def choose(
    velero: Velero,
    backup: str | None,
    schedule: str | None,
    how: Choose = "latest",
    seed: str = "",
    run: str = "",
) -> Chosen:
    """The backup to restore. Raises StepFailed where there is none that can be: nothing could be
    recovered from it.

    Args:
        seed: what a random one is drawn with.
        run: whose run it is; a backup that it took itself is a fresh one.
    """
    try:
        if backup is not None:
            return _named(velero, backup, run)
        assert schedule is not None
        velero.schedule(schedule)
    except Absent as error:
        raise StepFailed(str(error)) from error
    found = velero.newest(schedule)
    if found.good is None:
        tried = (
            ", ".join(f"{s.name} {s.phase}" for s in found.passed_over[-3:]) or "it has made none"
        )
        raise StepFailed(f"expected a Completed backup of schedule {schedule}, found none: {tried}")
    among = tuple(state.name for state in found.all_good)
    if how == "random":
        drawn = found.all_good[position(seed, among)]
        return Chosen(drawn, "random", found.passed_over, among, seed)
    return Chosen(found.good, "latest", found.passed_over, among)


def _named(velero: Velero, backup: str, run: str) -> Chosen:
    found = _good(velero.backup(backup))
    if run and found.run == run:
        return Chosen(found, "fresh")
    if not found.schedule:
        return Chosen(found, "named")
    others = velero.labelled(found.schedule).all_good
    return Chosen(found, "named", among=tuple(state.name for state in others))


def identity(
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


def _good(state: State) -> State:
    if not state.good:
        raise StepFailed(
            f"expected backup {state.name} to be Completed, found {state}; a restore from it would "
            "not bring everything"
        )
    return state


def within_reach(velero: Velero, chosen: Chosen) -> Location:
    """The storage location of the backup. Raises StepFailed where it is not available: nothing can
    be restored now.
    """
    try:
        location = velero.location(chosen.backup.location)
    except Absent as error:
        raise StepFailed(str(error)) from error
    if not location.available:
        raise StepFailed(
            f"storage location {location.name} of backup {chosen.backup.name} is {location.why}"
        )
    return location


def idle(velero: Velero) -> None:
    """Raises Refused while another Restore is at work or waits: Velero has one worker, and somebody
    may need it now.
    """
    if busy := velero.busy():
        raise Refused(
            f"a restore is not finished: {', '.join(busy[:5])}. Velero restores one at a time, so "
            "this drill would wait for it, or hold up a real emergency; run it again later"
        )
