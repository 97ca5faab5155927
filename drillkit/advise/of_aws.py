"""Rules about databases of RDS and caches of ElastiCache."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from drillkit.advise.loose_json import moment, rows, sub, text, whole
from drillkit.advise.rule import Found, Table
from drillkit.clients.aws.ownership import RUN, as_mapping
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, TargetError
from drillkit.model.units import format_duration

if TYPE_CHECKING:
    from drillkit.clients import Clients

SHORT_DAYS = 7
"""What is deleted on a Friday is missed within a week."""
ENDS_SOON = timedelta(days=60)
OLDEST_POINT = timedelta(minutes=30)
"""RDS ships its log every five minutes: an older restorable time means that it does not."""


@dataclass(slots=True)
class Account:
    """What was read of an account's region."""

    now: datetime
    instances: list[Mapping[str, Any]] = field(default_factory=list)
    clusters: list[Mapping[str, Any]] = field(default_factory=list)
    caches: list[Mapping[str, Any]] = field(default_factory=list)
    proven: Mapping[str, str] = field(default_factory=dict)
    """Date of the last restore that was proven, by the name of a database."""
    rpos: Mapping[str, timedelta] = field(default_factory=dict)
    """The strictest RPO that a drill of the project promises, by the name of a database."""
    unread: dict[str, str] = field(default_factory=dict)

    def knows(self, need: str) -> bool:
        """Whether that was read."""
        return need not in self.unread


def read_account(clients: Clients, account: Account) -> None:
    """Look at databases and caches; copies that drills have made are left out."""
    looks: tuple[tuple[str, Callable[[], list[dict[str, Any]]], str], ...] = (
        ("instances", lambda: clients.rds.all_instances(), "TagList"),
        ("clusters", lambda: clients.rds.all_clusters(), "TagList"),
        ("caches", lambda: clients.elasticache.all_groups(), ""),
    )
    for name, look, tags in looks:
        try:
            found = look()
        except (CallError, TargetError) as error:
            account.unread[name] = str(error)
            continue
        setattr(account, name, [each for each in found if RUN not in _tags(each, tags)])


def _tags(described: Mapping[str, Any], key: str) -> Mapping[str, str]:
    return as_mapping(rows(described, key)) if key else {}


INSTANCES: Table[Mapping[str, Any], Account] = Table("rds")
CLUSTERS: Table[Mapping[str, Any], Account] = Table("aurora")
CACHES: Table[Mapping[str, Any], Account] = Table("elasticache")


def _member(instance: Mapping[str, Any]) -> bool:
    """Its cluster has backups, protection and standbys for it."""
    return bool(instance.get("DBClusterIdentifier"))


def _replica(instance: Mapping[str, Any]) -> bool:
    return bool(instance.get("ReadReplicaSourceDBInstanceIdentifier"))


def _modify(instance: Mapping[str, Any], *options: str) -> str:
    name = text(instance.get("DBInstanceIdentifier"))
    words = ("aws", "rds", "modify-db-instance", "--db-instance-identifier", name, *options)
    return shlex.join(words) + " --apply-immediately"


@INSTANCES.rule(
    "rds-single-az",
    "high",
    why="When its host or zone fails, the database is down until another has been made from "
    "backups.",
)
def rds_single_az(instance: Mapping[str, Any], facts: Account) -> Found | None:
    """A database without a standby in another zone."""
    if _member(instance) or _replica(instance) or instance.get("MultiAZ") is not False:
        return None
    name = text(instance.get("DBInstanceIdentifier"))
    mend = _modify(instance, "--multi-az")
    return Found(
        "it has no standby (Multi-AZ is off)", mend, f"database-failover --set source={name}"
    )


@INSTANCES.rule(
    "rds-retention",
    "medium",
    why="What is noticed later than backups are kept cannot be brought back.",
)
def rds_retention(instance: Mapping[str, Any], facts: Account) -> Found | None:
    """Backups that are off, or kept for less than a week."""
    if _member(instance) or _replica(instance):
        return None
    return _retention(
        instance, text(instance.get("DBInstanceIdentifier")), "instance", "database-restore"
    )


def _retention(described: Mapping[str, Any], name: str, kind: str, drill: str) -> Found | None:
    days = whole(described.get("BackupRetentionPeriod"), SHORT_DAYS)
    if days >= SHORT_DAYS:
        return None
    words = ("aws", "rds", f"modify-db-{kind}", f"--db-{kind}-identifier", name)
    mend = f"{shlex.join(words)} --backup-retention-period {SHORT_DAYS} --apply-immediately"
    if days == 0:
        what = "automated backups are off: no point in time can be restored"
        return Found(what, mend, f"{drill} --set source={name}", "critical")
    return Found(f"backups are kept for {days} days", mend, f"{drill} --set source={name}")


@INSTANCES.rule(
    "rds-behind-rpo",
    "critical",
    why="If it were lost now, more would be lost than was promised.",
)
def rds_behind_rpo(instance: Mapping[str, Any], facts: Account) -> Found | None:
    """The latest restorable time is older than the RPO that a drill promises."""
    latest = moment(instance.get("LatestRestorableTime"))
    name = text(instance.get("DBInstanceIdentifier"))
    if latest is None or instance.get("DBInstanceStatus") != "available":
        return None
    limit = facts.rpos.get(name.lower(), OLDEST_POINT)
    age = facts.now - latest
    if age <= limit:
        return None
    what = (
        f"it can be restored to {latest:%Y-%m-%d %H:%M:%S} UTC at best, {format_duration(age)} ago "
        f"(at most {format_duration(limit)})"
    )
    words = ("aws", "rds", "describe-events", "--source-type", "db-instance")
    mend = f"{shlex.join((*words, '--source-identifier', name))} --duration 1440"
    return Found(what, mend, f"database-restore --set source={name}")


@INSTANCES.rule(
    "rds-unprotected",
    "high",
    why="One command, or one `terraform destroy`, removes it with its automated backups.",
)
def rds_unprotected(instance: Mapping[str, Any], facts: Account) -> Found | None:
    """A database without deletion protection."""
    if _member(instance) or instance.get("DeletionProtection") is not False:
        return None
    name = text(instance.get("DBInstanceIdentifier"))
    mend = _modify(instance, "--deletion-protection")
    return Found("it may be deleted at any time", mend, f"database-restore --set source={name}")


@INSTANCES.rule(
    "restore-never-proven",
    "high",
    why="A backup that nobody has restored is a hope.",
    needs=("proven",),
)
def rds_never_proven(instance: Mapping[str, Any], facts: Account) -> Found | None:
    """No drill has ever proven a restore of this database."""
    if _member(instance) or _replica(instance):
        return None
    return _never_proven(text(instance.get("DBInstanceIdentifier")), facts, "database-restore")


def _never_proven(name: str, facts: Account, drill: str) -> Found | None:
    if name.lower() in facts.proven:
        return None
    return Found(
        "no drill of these reports has proven a restore of it",
        "run the drill that proves it, and keep its report among those of the project",
        f"{drill} --set source={shlex.quote(name)}",
    )


@INSTANCES.rule(
    "rds-certificate",
    "high",
    why="When it ends, clients that check the server's certificate cannot connect.",
)
def rds_certificate(instance: Mapping[str, Any], facts: Account) -> Found | None:
    """A database whose certificate ends soon."""
    end = moment(sub(instance, "CertificateDetails").get("ValidTill"))
    if end is None or end - facts.now > ENDS_SOON:
        return None
    mend = _modify(instance, "--ca-certificate-identifier", "rds-ca-rsa2048-g1")
    return Found(f"its certificate ends {end:%Y-%m-%d}", mend)


# Aurora


@CLUSTERS.rule(
    "aurora-one-member",
    "high",
    why="When its only instance fails, the database is down until another has been made.",
)
def aurora_one_member(cluster: Mapping[str, Any], facts: Account) -> Found | None:
    """An Aurora cluster without a reader to fail over to."""
    if len(rows(cluster, "DBClusterMembers")) != 1:
        return None
    name = text(cluster.get("DBClusterIdentifier"))
    words = ("aws", "rds", "create-db-instance", "--db-cluster-identifier", name)
    more = ("--db-instance-identifier", f"{name}-reader", "--engine", text(cluster.get("Engine")))
    mend = shlex.join((*words, *more)) + " --db-instance-class CLASS"
    return Found("it has one instance, no reader", mend, f"aurora-recovery --set source={name}")


@CLUSTERS.rule(
    "rds-retention",
    "medium",
    why="What is noticed later than backups are kept cannot be brought back.",
)
def aurora_retention(cluster: Mapping[str, Any], facts: Account) -> Found | None:
    """Backups that are kept for less than a week."""
    name = text(cluster.get("DBClusterIdentifier"))
    return _retention(cluster, name, "cluster", "aurora-recovery")


@CLUSTERS.rule(
    "rds-unprotected",
    "high",
    why="One command, or one `terraform destroy`, removes it with its automated backups.",
)
def aurora_unprotected(cluster: Mapping[str, Any], facts: Account) -> Found | None:
    """An Aurora cluster without deletion protection."""
    if cluster.get("DeletionProtection") is not False:
        return None
    name = text(cluster.get("DBClusterIdentifier"))
    words = ("aws", "rds", "modify-db-cluster", "--db-cluster-identifier", name)
    mend = shlex.join((*words, "--deletion-protection"))
    return Found("it may be deleted at any time", mend, f"aurora-recovery --set source={name}")


@CLUSTERS.rule(
    "restore-never-proven",
    "high",
    why="A backup that nobody has restored is a hope.",
    needs=("proven",),
)
def aurora_never_proven(cluster: Mapping[str, Any], facts: Account) -> Found | None:
    """No drill has ever proven a restore of this Aurora cluster."""
    return _never_proven(text(cluster.get("DBClusterIdentifier")), facts, "aurora-recovery")


# ElastiCache


@CACHES.rule(
    "cache-no-replica",
    "high",
    why="When its node fails, the cache is empty and unreachable, and the database takes the load.",
)
def cache_no_replica(group: Mapping[str, Any], facts: Account) -> Iterator[Found]:
    """A replication group with a shard of one node, or without automatic failover."""
    name = text(group.get("ReplicationGroupId"))
    words = ("aws", "elasticache", "modify-replication-group", "--replication-group-id", name)
    on = f"{shlex.join(words)} --automatic-failover-enabled --multi-az-enabled --apply-immediately"
    drill = f"cache-recovery --set source={name}"
    shards = rows(group, "NodeGroups")
    if shards and min(len(rows(shard, "NodeGroupMembers")) for shard in shards) < 2:
        add = ("aws", "elasticache", "increase-replica-count", "--replication-group-id", name)
        mend = f"{shlex.join(add)} --new-replica-count 1 --apply-immediately\n{on}"
        yield Found("it has no replica", mend, drill)
    elif group.get("AutomaticFailover") in ("disabled", "disabling"):
        yield Found("automatic failover is off", on, drill)


@CACHES.rule(
    "cache-no-backup",
    "medium",
    why="What only lives in the cache (sessions, carts, queues) cannot be brought back.",
)
def cache_no_backup(group: Mapping[str, Any], facts: Account) -> Found | None:
    """A replication group without automatic snapshots."""
    if whole(group.get("SnapshotRetentionLimit"), 0) > 0:
        return None
    name = text(group.get("ReplicationGroupId"))
    words = ("aws", "elasticache", "modify-replication-group", "--replication-group-id", name)
    mend = shlex.join((*words, "--snapshot-retention-limit", "7")) + " --apply-immediately"
    return Found("it makes no snapshots", mend, f"cache-recovery --set source={name}")
