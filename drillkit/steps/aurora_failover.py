"""`aurora.failover`: another member of an Aurora cluster becomes its writer."""

from __future__ import annotations

from drillkit.clients.aws.describe_cache import Described
from drillkit.clients.rds import FailOverCluster, Rds, plans
from drillkit.clients.rds.states import is_usable
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import StepFailed
from drillkit.model.permissions import AwsAction
from drillkit.model.prospect import Prospect
from drillkit.model.rehearsal import Rehearsal
from drillkit.steps.base import DATABASE_CHECKS, FROM_HERE, Act, Kind
from drillkit.steps.failover import fail_over, is_in_effect, settled
from drillkit.steps.outlook import Outlook
from drillkit.steps.rds.arguments import FailoverArguments
from drillkit.steps.rds.members import writer_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AuroraFailoverArguments(FailoverArguments):
    to: str = ""
    """The member that is to become the writer. Default: as Aurora chooses."""


class AuroraFailover(Kind[AuroraFailoverArguments]):
    """Fail an Aurora cluster over to another member, and wait until that one writes.

    Connections break, and the cluster endpoint follows within seconds. Nothing undoes it: the new
    writer stays.
    """

    name = "aurora.failover"
    disturbs = "users"
    rehearses = Rehearsal(way="switchover", system="database", named_by=("source",))
    Arguments = AuroraFailoverArguments
    needs = frozenset({"aws", "aurora"})
    objectives = frozenset({"recovery", "detect"})
    checks = DATABASE_CHECKS - {"checksum"} | FROM_HERE

    def prospect(self, arguments: AuroraFailoverArguments, act: Act) -> Prospect:
        outlook = Outlook(act)
        outlook.permissions += [
            "rds:DescribeDBClusters",
            AwsAction("rds:FailoverDBCluster", resource=f"cluster:{arguments.source}"),
            "sts:GetCallerIdentity",
        ]
        with outlook.looking():
            rds = act.clients.rds
            found = with_readers(rds, arguments)
            outlook.targets.append(f"rds cluster/{rds.region}/{arguments.source}")
            outlook.effects.append(
                f"makes {arguments.to or 'another member'} the writer instead of "
                f"{writer_of(found)}; not undone"
            )
        return outlook.prospect()

    def run(self, arguments: AuroraFailoverArguments, act: Act) -> None:
        rds = act.clients.rds
        before = with_readers(rds, arguments)
        old, what = writer_of(before), f"rds cluster/{rds.region}/{arguments.source}"
        uid = str(before["DbClusterResourceId"])
        plan = act.book.plan(FailOverCluster(arguments.source, rds.region, uid, arguments.to))

        def moved(fresh_s: float) -> Described | None:
            found = rds.cluster(arguments.source, fresh_s)
            there = found is not None and is_usable(str(found.get("Status")))
            return found if there and found and writer_of(found) not in ("", old) else None

        after = fail_over(act, "failover", what, lambda: rds.fail_over_cluster(plan), moved)
        if arguments.to:
            is_in_effect(act, "the wanted member writes", arguments.to, writer_of(after))
        settled(act, what, plans.database_of(after), act.target.databases.get(arguments.source, ""))


def with_readers(rds: Rds, arguments: AuroraFailoverArguments) -> Described:
    """A cluster with a member to fail over to, available. Raises StepFailed when it is none."""
    found = rds.cluster(arguments.source)
    if found is None:
        raise StepFailed(f"there is no rds cluster {arguments.source} in {rds.region}")
    members = [str(m["DBInstanceIdentifier"]) for m in found.get("DBClusterMembers") or []]
    readers = [member for member in members if member != writer_of(found)]
    if not readers:
        raise StepFailed(f"{arguments.source} has no reader to fail over to")
    if arguments.to and arguments.to not in readers:
        raise StepFailed(
            f"{arguments.to} is no reader of {arguments.source}; it has {', '.join(readers)}"
        )
    if not is_usable(str(found.get("Status"))):
        raise StepFailed(
            f"expected {arguments.source} to be available, it is {found.get('Status')}"
        )
    return found


KIND = AuroraFailover()
