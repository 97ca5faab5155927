"""Choosing, taking, copying and awaiting snapshots, of instances and of clusters. No
kind itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeAlias

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.aws.polling import poll
from drillkit.clients.rds import DeleteSnapshot, Rds
from drillkit.clients.rds.states import check_alive
from drillkit.model.errors import StepFailed
from drillkit.steps.base import Act
from drillkit.steps.rds.restore import expires, refusals_fail, resource_name

From: TypeAlias = Literal["automated", "manual", "fresh"]


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


def newest(rds: Rds, source: str, kind: str, *, cluster: bool = False) -> dict[str, Any]:
    """The newest usable snapshot of a source, which may be gone. Raises StepFailed when there
    is none.
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
    return max(found, key=lambda s: str(database_time(s)))


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
    return poll(look, clock=act.clock, deadline=act.deadline, fence=act.fence, what=what)


def chosen(
    act: Act,
    rds: Rds,
    source: str,
    snapshot: str,
    from_: From,
    *,
    cluster: bool = False,
    take: bool = True,
) -> Described | None:
    """The snapshot that a step's arguments mean; with `take`, a fresh one is taken, else None
    stands for it.
    """
    choices: dict[str, Callable[[], Described]] = {
        "automated": lambda: newest(rds, source, "automated", cluster=cluster),
        "manual": lambda: newest(rds, source, "manual", cluster=cluster),
    }
    if snapshot:
        return named(rds, snapshot, cluster=cluster)
    if from_ == "fresh":
        return fresh(act, rds, source, cluster=cluster) if take else None
    return choices[from_]()
