"""`rds.freshness`: are the backups of an instance or cluster there, and recent enough?
Reads only.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import Rds
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.model.evidence import Check, Measure
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.base import Act, Kind
from drillkit.steps.outlook import Outlook
from drillkit.steps.proof import not_of_the_future
from drillkit.steps.rds import snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessArguments:
    source: str
    """Identifier of the instance or Aurora cluster."""
    max_age: timedelta = timedelta(minutes=10)
    """The latest restorable time may be so old: the recovery point objective."""
    retention: timedelta = timedelta(days=1)
    """Backups are kept at least so long."""
    snapshot_age: timedelta = timedelta(hours=26)
    """The newest automated snapshot may be so old; they are taken daily."""


class RdsFreshness(Kind[FreshnessArguments]):
    """Look at the backups of an RDS instance or Aurora cluster: retention, latest restorable time,
    newest snapshot.

    Nothing is restored, so it proves that backups are taken, not that they can be used. Fit for a
    daily schedule.
    """

    name = "rds.freshness"
    disturbs = "none"
    rehearses = Rehearsal(system="database", named_by=("source",))
    Arguments = FreshnessArguments
    needs = frozenset({"aws"})

    def prospect(self, arguments: FreshnessArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        outlook.permissions += [
            "rds:DescribeDBInstances",
            "rds:DescribeDBClusters",
            "rds:DescribeDBSnapshots",
        ]
        outlook.permissions += ["rds:DescribeDBClusterSnapshots", "sts:GetCallerIdentity"]
        with outlook.looking():
            rds = act.clients.rds
            found, cluster = find(rds, arguments.source)
            outlook.targets.append(
                f"rds {'cluster' if cluster else 'instance'}/{rds.region}/{arguments.source} "
                "(read only)"
            )
            outlook.notes.append(
                f"backup window {found.get('PreferredBackupWindow', 'unknown')} UTC, "
                f"retention {found.get('BackupRetentionPeriod')} days"
            )
        return outlook.prospect()

    def run(self, arguments: FreshnessArguments, act: Act) -> None:
        rds = act.clients.rds
        found, cluster = find(rds, arguments.source)
        days = int(found.get("BackupRetentionPeriod") or 0)
        misses = [
            _check(
                act,
                "backup retention (days)",
                arguments.retention / timedelta(days=1),
                ">=",
                float(days),
            ),
            _age(
                act,
                "latest restorable time (age, s)",
                arguments.max_age,
                found.get("LatestRestorableTime"),
            ),
        ]
        taken = [
            snapshots.database_time(s)
            for s in rds.snapshots(arguments.source, "automated", cluster=cluster)
        ]
        newest = max((at for at in taken if at is not None), default=None)
        misses.append(
            _age(act, "newest automated snapshot (age, s)", arguments.snapshot_age, newest)
        )
        if missed := [miss for miss in misses if miss]:
            raise StepFailed("; ".join(missed))


def find(rds: Rds, source: str) -> tuple[Described, bool]:
    """(description, whether it is a cluster) of a source. Raises StepFailed when it is
    not there.
    """
    instance = rds.instance(source)
    if instance is not None and not instance.get("DBClusterIdentifier"):
        return instance, False
    cluster = rds.cluster(str(instance["DBClusterIdentifier"]) if instance is not None else source)
    if cluster is None:
        raise StepFailed(f"there is no rds instance or cluster {source} in {rds.region}")
    return cluster, True


def _age(act: Act, name: str, most: timedelta, at: datetime | None) -> str:
    if at is None:
        return _check(act, name, most.total_seconds(), "<=", None)
    age_s = act.clients.aws.now() - at.timestamp()
    not_of_the_future(name, age_s)
    age_s = max(0.0, age_s)
    act.observe(Measure(name, round(age_s, 1), "s"))
    return _check(act, name, most.total_seconds(), "<=", round(age_s, 1))


def _check(act: Act, name: str, expected: float, op: str, found: float | None) -> str:
    """Write a check down; what is wrong, or ''. No backup at all is a finding, not a thing nobody
    could read.
    """
    shown: float | str = "none" if found is None else found
    if found is None:
        act.observe(Check(name, "step", "none", "!=", shown))
        return f"{name}: there is none"
    kept = ">=" if op == ">=" else "<="
    act.observe(Check(name, "step", expected, kept, found))  # type: ignore[arg-type]
    passed = found >= expected if op == ">=" else found <= expected
    return "" if passed else f"{name}: expected {op} {expected:g}, found {found:g}"


KIND = RdsFreshness()
