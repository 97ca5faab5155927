"""`elasticache.snapshot-restore`: a replication group from a snapshot, beside the original."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from drillkit import secrets
from drillkit.checks import Copy, verify
from drillkit.clients import redis
from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.elasticache import DeleteCacheSnapshot, DeleteReplicationGroup, ElastiCache
from drillkit.clients.polling import poll
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import DrillError, Refused, StepFailed, StepUnknown
from drillkit.model.evidence import Backup, Check, RecoveryPoint
from drillkit.model.prospect import Copied, Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.aws import ENDPOINT, aws_of, place_of, refusals_fail, resource_name
from drillkit.steps.base import FROM_HERE, Act, Kind
from drillkit.steps.disruption import begin
from drillkit.steps.draws import Choose, ChosenSnapshot, picked, seed_of
from drillkit.steps.expiry import expires
from drillkit.steps.outlook import Outlook

NAME_LIMIT = 40
READ_S = 10.0
CARRIED = ("CacheNodeType", "EngineVersion", "CacheParameterGroupName", "NetworkType")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRestoreArguments:
    source: str
    """Identifier of the replication group; it may be deleted already."""
    from_: Literal["automated", "manual", "fresh"] = "automated"
    """Snapshots of which kind: `automated`, `manual`, or a `fresh` one that the step takes before
    the disruption.
    """
    choose: Choose = "latest"
    """Which of them: the `latest`, or one drawn at `random`, a sample as auditors ask for. The draw
    can be repeated; an old backup has no recovery point objective.
    """
    keys: int = 1
    """So many keys at least must be in the copy."""
    disrupted: datetime | None = None
    """When the disaster was. Default: the moment the step begins, and the disruption counts
    as simulated.
    """


class ElastiCacheSnapshotRestore(Kind[CacheRestoreArguments]):
    """Restore an ElastiCache replication group from a snapshot, count its keys, and remove it.

    One node per shard, without replicas; in the target's `cache_subnet_group` and
    `security_groups`.
    """

    name = "elasticache.snapshot-restore"
    disturbs = "none"
    rehearses = Rehearsal(way="restore", system="cache", named_by=("source",), apart="beside")
    Arguments = CacheRestoreArguments
    needs = frozenset({"aws"})
    objectives = frozenset({"rto", "rpo", "detect"})
    checks = FROM_HERE
    reads_itself = True
    outputs = ENDPOINT

    def prospect(self, arguments: CacheRestoreArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        outlook.permissions += [
            f"elasticache:{action}"
            for action in (
                "DescribeReplicationGroups",
                "DescribeCacheClusters",
                "DescribeSnapshots",
                "CreateReplicationGroup",
                "DeleteReplicationGroup",
                "ListTagsForResource",
                "AddTagsToResource",
            )
        ]
        if arguments.keys < 1:
            outlook.problems.append(f"expected at least one of `keys`, found {arguments.keys}")
        with outlook.looking():
            network(act)
        with outlook.looking():
            cache = act.clients.elasticache
            if arguments.from_ == "fresh":
                outlook.permissions += ["elasticache:CreateSnapshot", "elasticache:DeleteSnapshot"]
                if cache.group(arguments.source) is None:
                    outlook.problems.append(
                        f"there is no replication group {arguments.source} in {cache.region}"
                    )
                outlook.makes(f"a snapshot of {arguments.source}", cache.region)
            else:
                found = usable(cache, arguments)
                drawn = arguments.choose == "random"
                outlook.restores(
                    f"elasticache replication-group/{cache.region}/{arguments.source}",
                    [f"elasticache snapshot/{cache.region}/{s['SnapshotName']}" for s in found],
                    drawn=drawn,
                )
                newest = "the data of the newest" if drawn else "its data"
                outlook.reaches(newest, taken_at(found[-1]), arguments.disrupted)
            outlook.makes(f"a copy of {arguments.source}", cache.region)
            outlook.copies.append(_copied(cache, arguments.source))
        return outlook.prospect()

    def run(self, arguments: CacheRestoreArguments, act: Act) -> None:
        cache = act.clients.elasticache
        there = network(act)
        taken = fresh(act, cache, arguments.source) if arguments.from_ == "fresh" else None
        disrupted = begin(act, arguments.disrupted)
        chosen = ChosenSnapshot(taken, "fresh") if taken else _chosen(act, cache, arguments)
        found = chosen.snapshot
        act.observe(RecoveryPoint(taken_at(found), "snapshot", disrupted))
        act.observe(backup_evidence(cache, arguments.source, chosen))
        name = resource_name(act, limit=NAME_LIMIT)
        act.mark("decided")
        wanted = settings(cache, arguments.source, found, there)
        plan = act.book.plan(
            DeleteReplicationGroup(
                name,
                act.run.id,
                cache.region,
                expires(act),
                instance_class=str(wanted.get("CacheNodeType") or ""),
                nodes=int(wanted.get("NumNodeGroups") or 1),
            )
        )
        with refusals_fail():
            cache.restore_from_snapshot(plan, snapshot=str(found["SnapshotName"]), settings=wanted)
        act.mark("queued")
        act.say(f"restoring {arguments.source} as {name}")
        copy = _await(act, cache, name)
        act.mark("restored")
        endpoint = _endpoint(copy)
        act.outputs |= {"host": endpoint.host, "port": endpoint.port, "endpoint": endpoint.said}
        _count(act, arguments, endpoint)
        verify(act, Copy(name=plan.undo.resource, disrupted=disrupted))


def _copied(cache: ElastiCache, source: str) -> Copied:
    """What a copy of the original is like as it is now: one node for each shard."""
    group = cache.group(source) or {}
    shards = len(group.get("NodeGroups") or ()) or 1
    return Copied(f"a copy of {source}", str(group.get("CacheNodeType") or ""), 0, shards)


def network(act: Act) -> Mapping[str, Any]:
    """The drill network for caches. Raises Refused when the target names none."""
    aws = aws_of(act)
    if not aws.cache_subnet_group or not aws.security_groups:
        raise Refused(
            "the target names no drill network for caches: add `cache_subnet_group` and "
            "`security_groups` (without egress) to its `aws:`. A copy never joins its "
            "original's network"
        )
    return {
        "CacheSubnetGroupName": aws.cache_subnet_group,
        "SecurityGroupIds": list(aws.security_groups),
    }


def taken_at(snapshot: Described) -> datetime:
    """When the oldest shard of a snapshot was saved. Raises StepFailed when nothing tells."""
    nodes = snapshot.get("NodeSnapshots") or []
    times: list[datetime] = [
        node["SnapshotCreateTime"] for node in nodes if node.get("SnapshotCreateTime")
    ]
    if not times:
        raise StepFailed(f"nothing tells of when the snapshot {snapshot.get('SnapshotName')} is")
    return min(times)


def usable(cache: ElastiCache, arguments: CacheRestoreArguments) -> list[Described]:
    """The usable snapshots, the oldest first. Raises StepFailed when there is none."""
    found = [
        s
        for s in cache.snapshots(arguments.source, arguments.from_)
        if s.get("SnapshotStatus") == "available"
    ]
    if not found:
        raise StepFailed(
            f"there is no {arguments.from_} snapshot of {arguments.source} in {cache.region}"
        )
    return sorted(found, key=lambda s: (taken_at(s), str(s["SnapshotName"])))


def _chosen(act: Act, cache: ElastiCache, arguments: CacheRestoreArguments) -> ChosenSnapshot:
    several = usable(cache, arguments)
    names = [str(each["SnapshotName"]) for each in several]
    return picked(several, names, arguments.choose, seed_of(act))


def backup_evidence(cache: ElastiCache, source: str, chosen: ChosenSnapshot) -> Backup:
    """What is known of a snapshot that is restored."""
    snapshot = chosen.snapshot
    size = sum(_bytes(str(n.get("CacheSize") or "")) for n in snapshot.get("NodeSnapshots") or [])
    key = str(snapshot.get("KmsKeyId") or "")
    kind = str(snapshot.get("SnapshotSource") or "unknown")
    return Backup(
        name=str(snapshot["SnapshotName"]),
        of=f"replication group/{source}, {kind} snapshot",
        how=chosen.how,
        among=chosen.among,
        seed=chosen.seed,
        created=taken_at(snapshot),
        bytes=size or None,
        counted="data of its nodes" if size else "",
        place=place_of(str(snapshot.get("ARN") or "")),
        region=cache.region,
        encrypted=True if key else None,
        kms_key=key,
        immutable=False,
        lock="none: whoever may elasticache:DeleteSnapshot deletes it",
        unread=() if key else ("a snapshot tells of encryption only with a key of one's own",),
    )


def _bytes(size: str) -> int:
    """`21 MB` as ElastiCache writes it; 0 for what is no size."""
    number, _, unit = size.partition(" ")
    factor = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}.get(unit, 0)
    return int(number) * factor if number.isdigit() else 0


def fresh(act: Act, cache: ElastiCache, source: str) -> Described:
    """A snapshot that this step takes."""
    name = resource_name(act, "snap")
    plan = act.book.plan(DeleteCacheSnapshot(name, act.run.id, cache.region, expires(act)))
    with refusals_fail():
        cache.create_snapshot(plan, source=source)

    def look(_: float) -> Described | None:
        found = cache.snapshot(name)
        if found is not None and found.get("SnapshotStatus") == "failed":
            raise StepFailed(f"the snapshot {name} failed; look at the events of {source}")
        return found if found is not None and found.get("SnapshotStatus") == "available" else None

    return poll(act, look, what=f"the snapshot {name}")


def settings(
    cache: ElastiCache, source: str, snapshot: Described, there: Mapping[str, Any]
) -> dict[str, Any]:
    """Parameters of the restore: the original's where it still tells them, else the snapshot's."""
    group = cache.group(source) or {}
    members = group.get("MemberClusters") or []
    member = (cache.member(str(members[0])) or {}) if members else {}
    told: dict[str, Any] = {
        **snapshot,
        **{k: v for k, v in member.items() if v not in (None, "", [])},
    }
    if (named := member.get("CacheParameterGroup")) and named.get("CacheParameterGroupName"):
        told["CacheParameterGroupName"] = named["CacheParameterGroupName"]
    carried = {name: told[name] for name in CARRIED if told.get(name)}
    if version := carried.get("EngineVersion"):  # 7.1.0 is asked for as 7.1
        carried["EngineVersion"] = re.sub(r"^(\d+\.\d+)\.\d+$", r"\1", str(version))
    if port := snapshot.get("Port"):
        carried["Port"] = port
    for name in ("AtRestEncryptionEnabled", "TransitEncryptionEnabled"):
        if group.get(name):
            carried[name] = True
    if group.get("KmsKeyId") or snapshot.get("KmsKeyId"):
        carried["KmsKeyId"] = group.get("KmsKeyId") or snapshot["KmsKeyId"]
    shards = int(snapshot.get("NumNodeGroups") or 1)
    nodes = (
        {"NumNodeGroups": shards, "ReplicasPerNodeGroup": 0}
        if shards > 1
        else {"NumCacheClusters": 1}
    )
    return {
        **carried,
        **there,
        **nodes,
        "ReplicationGroupDescription": f"copy of {source}, made by a drillkit run",
        "AutomaticFailoverEnabled": shards > 1,
        "SnapshotRetentionLimit": 0,
    }


def _await(act: Act, cache: ElastiCache, name: str) -> Described:
    started = False

    def look(_: float) -> Described | None:
        nonlocal started
        found = cache.group(name)
        if found is None:
            return None
        if not started:
            started = True
            act.mark("started")
        status = str(found.get("Status", ""))
        if status.startswith(("create-failed", "deleting")):
            raise StepFailed(f"replication group {name} is {status}; look at its events")
        return found if status == "available" else None

    return poll(
        act,
        look,
        what=f"replication group {name}",
    )


def _endpoint(group: Described) -> redis.Cache:
    shard = (group.get("NodeGroups") or [{}])[0]
    found = group.get("ConfigurationEndpoint") or shard.get("PrimaryEndpoint") or {}
    if not found.get("Address"):
        raise StepFailed(f"{group.get('ReplicationGroupId')} is available and has no endpoint")
    return redis.Cache(
        str(found["Address"]),
        int(found["Port"]),
        bool(group.get("TransitEncryptionEnabled")),
        cluster=bool(group.get("ClusterEnabled")),
    )


def _count(act: Act, arguments: CacheRestoreArguments, endpoint: redis.Cache) -> None:
    """Count the copy's keys: the proof that somebody read it."""
    reference = act.target.databases.get(arguments.source, "")
    name = f"keys in the copy of {arguments.source}"
    try:
        login = None
        if reference:
            login = secrets.login(
                reference, f"databases.{arguments.source}", lambda: act.clients.aws
            )
        count = redis.count_keys(endpoint, login, READ_S)
    except DrillError as why:
        act.observe(Check(name, "restored-data", arguments.keys, ">=", None, str(why)))
        raise StepUnknown(f"nobody read the restored cache: {why}") from why
    # Of none there is nothing that could have been read, whatever is expected.
    act.observe(Check(name, "restored-data" if count else "step", arguments.keys, ">=", count))
    if count < arguments.keys:
        raise StepFailed(f"{name}: expected at least {arguments.keys}, found {count}")
    act.mark("ready")
    act.mark("verified")


KIND = ElastiCacheSnapshotRestore()
