"""Choosing, taking, copying and awaiting snapshots, of instances and of clusters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

from drillkit.clients.aws import vault
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.polling import poll
from drillkit.clients.rds import DeleteSnapshot, Rds
from drillkit.clients.rds.states import check_alive
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.model.evidence import Backup
from drillkit.steps.aws import place_of, refusals_fail, resource_name
from drillkit.steps.base import Act
from drillkit.steps.disruption import begin
from drillkit.steps.draws import Choose, ChosenSnapshot, picked, seed_of
from drillkit.steps.expiry import expires
from drillkit.steps.outlook import Outlook

From: TypeAlias = Literal["automated", "manual", "awsbackup", "fresh"]
GIB = 1024**3


def database_time(snapshot: Described) -> datetime | None:
    """Up to when a snapshot reaches: its creation time changes when it is copied, so that is
    no answer.
    """
    return (
        snapshot.get("SnapshotDatabaseTime")
        or snapshot.get("OriginalSnapshotCreateTime")
        or snapshot.get("ClusterSnapshotTime")
        or (
            snapshot.get("SnapshotCreateTime")
            if "DBClusterSnapshotIdentifier" in snapshot
            else None
        )
    )


def name_of(snapshot: Described) -> str:
    """A snapshot's identifier."""
    return str(snapshot.get("DBSnapshotIdentifier") or snapshot.get("DBClusterSnapshotIdentifier"))


def arn_of(snapshot: Described) -> str:
    """A snapshot's ARN."""
    return str(snapshot.get("DBSnapshotArn") or snapshot.get("DBClusterSnapshotArn"))


def usable(rds: Rds, source: str, kind: str, *, cluster: bool = False) -> list[dict[str, Any]]:
    """The usable snapshots of a source, which may be gone, the oldest first. Raises StepFailed when
    there is none.
    """
    found = [
        s
        for s in rds.snapshots(source, kind, cluster=cluster)
        if s.get("Status") == "available" and database_time(s) is not None
    ]
    if not found:
        raise StepFailed(
            f"there is no {kind} snapshot of {source} in {rds.region} that could be restored"
        )
    return sorted(found, key=lambda s: (str(database_time(s)), name_of(s)))


def named(rds: Rds, name: str, *, cluster: bool = False) -> Described:
    """A snapshot by its name. Raises StepFailed when it is not there or not usable."""
    found = rds.snapshot(name, cluster=cluster)
    if found is None or found.get("Status") != "available":
        state = found.get("Status") if found else "absent"
        raise StepFailed(
            f"expected the snapshot {name} to be available in {rds.region}, it is {state}"
        )
    return found


def fresh(act: Act, rds: Rds, source: str, *, cluster: bool = False) -> Described:
    """A snapshot that this step takes."""
    name = resource_name(act, "snap")
    plan = act.book.plan(DeleteSnapshot(name, act.run.id, rds.region, expires(act), cluster))
    act.say(f"taking a snapshot of {source}")
    with refusals_fail():
        rds.create_snapshot(plan, source=source)
    return awaited(act, rds, name, cluster=cluster)


def copied(
    act: Act, rds: Rds, snapshot: Described, home: Rds, kms_key: str, *, cluster: bool = False
) -> Described:
    """A copy of another region's snapshot in this one. Raises StepFailed for an encrypted one
    without a key.
    """
    encrypted = snapshot.get("StorageEncrypted" if cluster else "Encrypted")
    if encrypted and not kms_key:
        raise StepFailed(
            f"{name_of(snapshot)} is encrypted: a copy in {rds.region} needs a key of that region; "
            "add `dr_kms_key` to the target's `aws:`"
        )
    name = resource_name(act, "copy")
    plan = act.book.plan(DeleteSnapshot(name, act.run.id, rds.region, expires(act), cluster))
    act.say(f"copying {name_of(snapshot)} to {rds.region}")
    with refusals_fail():
        rds.copy_snapshot(
            plan,
            source_arn=arn_of(snapshot),
            source_region=home.region,
            kms_key=kms_key if encrypted else "",
        )
    return awaited(act, rds, name, cluster=cluster)


def awaited(act: Act, rds: Rds, name: str, *, cluster: bool = False) -> Described:
    """The snapshot once it is available. Raises StepFailed when it will never be."""

    def look(_: float) -> Described | None:
        found = rds.snapshot(name, cluster=cluster)
        if found is None:
            return None  # descriptions lag behind
        status = str(found.get("Status", ""))
        check_alive(status, f"rds snapshot/{rds.region}/{name}")
        return found if status == "available" else None

    what = f"rds snapshot/{name} to be available"
    return poll(act, look, what=what)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which snapshot a step's arguments ask for."""

    source: str
    snapshot: str
    """By its name; '' for one of `from_`."""
    from_: From
    choose: Choose
    cluster: bool = False

    @property
    def fresh(self) -> bool:
        """Whether the step takes it."""
        return self.from_ == "fresh" and not self.snapshot


def select(
    act: Act, rds: Rds, wanted: Wanted, disrupted: datetime | None
) -> tuple[ChosenSnapshot, datetime]:
    """The snapshot, and when the disruption was. A fresh one is taken in good time before it, any
    other is chosen after it. Raises StepFailed.
    """
    if wanted.fresh:
        taken = fresh(act, rds, wanted.source, cluster=wanted.cluster)
        return ChosenSnapshot(taken, "fresh"), begin(act, disrupted)
    at = begin(act, disrupted)
    return _chosen(act, rds, wanted), at


def _chosen(act: Act, rds: Rds, wanted: Wanted) -> ChosenSnapshot:
    if wanted.snapshot:
        found = named(rds, wanted.snapshot, cluster=wanted.cluster)
        return ChosenSnapshot(found, "named", _beside(rds, wanted, found))
    several = usable(rds, wanted.source, wanted.from_, cluster=wanted.cluster)
    return picked(several, [name_of(each) for each in several], wanted.choose, seed_of(act))


def _beside(rds: Rds, wanted: Wanted, found: Described) -> tuple[str, ...]:
    """Names of the usable snapshots of the same kind, this one among them."""
    kind = str(found.get("SnapshotType") or "")
    try:
        several = usable(rds, wanted.source, kind, cluster=wanted.cluster)
    except StepFailed:
        return ()  # it is one of another source
    names = tuple(name_of(each) for each in several)
    return names if name_of(found) in names else ()


VAULT = (
    "backup:ListRecoveryPointsByResource",
    "backup:DescribeBackupVault",
    "backup:DescribeRecoveryPoint",
)
"""What tells whether a snapshot of AWS Backup is locked."""


def foretell(
    outlook: Outlook, rds: Rds, wanted: Wanted, disrupted: datetime | None
) -> Described | None:
    """Say which of the snapshots it would be, of a draw all of them, and how old it is; the newest
    of them. Raises StepFailed where there is none.
    """
    if wanted.from_ == "awsbackup" or wanted.snapshot.startswith("awsbackup:"):
        outlook.permissions += VAULT
    if wanted.fresh:
        outlook.makes(f"a snapshot of {wanted.source}", rds.region)
        return None
    if wanted.snapshot:
        found: Sequence[Described] = [named(rds, wanted.snapshot, cluster=wanted.cluster)]
    else:
        found = usable(rds, wanted.source, wanted.from_, cluster=wanted.cluster)
    drawn = wanted.choose == "random" and not wanted.snapshot
    of, what = ("cluster", "cluster-snapshot") if wanted.cluster else ("instance", "snapshot")
    outlook.restores(
        f"rds {of}/{rds.region}/{wanted.source}",
        [f"rds {what}/{rds.region}/{name_of(each)}" for each in found],
        drawn=drawn,
    )
    at = database_time(found[-1])
    if at is not None:
        outlook.reaches("the data of the newest" if drawn else "its data", at, disrupted)
    return found[-1]


def backup_evidence(rds: Rds, wanted: Wanted, chosen: ChosenSnapshot) -> Backup:
    """What is known of a snapshot that is restored."""
    snapshot, source, cluster = chosen.snapshot, wanted.source, wanted.cluster
    arn, kind = arn_of(snapshot), str(snapshot.get("SnapshotType") or "")
    size = int(snapshot.get("AllocatedStorage") or 0)
    kept = _kept(rds, arn, source, kind, cluster=cluster)
    return Backup(
        name=name_of(snapshot),
        of=f"rds {'cluster' if cluster else 'instance'}/{source}, {kind or 'unknown'} snapshot",
        how=chosen.how,
        among=chosen.among,
        seed=chosen.seed,
        created=database_time(snapshot),
        bytes=size * GIB or None,
        counted="storage of the original" if size else "",
        place=place_of(arn),
        region=rds.region,
        encrypted=snapshot.get("StorageEncrypted" if cluster else "Encrypted"),
        kms_key=str(snapshot.get("KmsKeyId") or ""),
        immutable=kept.immutable,
        immutable_until=kept.until,
        lock=kept.lock,
        unread=kept.unread,
    )


def _kept(rds: Rds, arn: str, source: str, kind: str, *, cluster: bool) -> vault.Retention:
    if kind == "awsbackup":
        resource = ":".join([*arn.split(":")[:5], "cluster" if cluster else "db", source])
        return vault.kept(rds.aws, arn, resource, rds.region)
    if kind == "automated":
        return vault.Retention(False, lock="none: whoever shortens the retention deletes it")
    action = f"rds:DeleteDB{'Cluster' if cluster else ''}Snapshot"
    return vault.Retention(False, lock=f"none: whoever may {action} deletes it")
